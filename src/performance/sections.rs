//! Finds a tune's parts in the order they are played.
//!
//! In: a score. Out: where its parts begin, each time they are played, with their letters. What `P:` fields say holds;
//! without them, repeats tell where a part begins.

use crate::music::time::Ticks;
use crate::score::{Bar, Score};

/// Each beginning of a part, in order of time.
pub(super) fn sections(score: &Score) -> Vec<(Ticks, String)> {
    if !score.parts.is_empty() {
        let label = |mark: &crate::score::PartMark| (mark.onset, mark.label.to_string());
        return score.parts.iter().map(label).collect();
    }
    let mut beginnings = beginnings(&score.bars);
    beginnings.sort_unstable();
    beginnings.dedup();
    if beginnings.len() < 2 {
        return Vec::new(); // one part is the tune, which has a title
    }
    let begun = score.bars.iter().filter_map(|bar| {
        let index = beginnings.binary_search(&bar.written).ok()?;
        let letter = u8::try_from(index).ok().filter(|index| *index < 26)?;
        Some((bar.onset, char::from(b'A' + letter).to_string()))
    });
    begun.collect()
}

/// Written bars that a part begins with: the first, those that are jumped back to, and those that follow a repeat.
fn beginnings(bars: &[Bar]) -> Vec<u32> {
    let mut beginnings: Vec<u32> = bars.first().map(|bar| bar.written).into_iter().collect();
    for pair in bars.windows(2) {
        let [before, bar] = pair else { continue };
        let is_jump_back = bar.written <= before.written;
        let is_after_repeat = bar.written == before.written + 1 && before.pass > 0 && bar.pass == 0;
        if is_jump_back || is_after_repeat {
            beginnings.push(bar.written);
        }
    }
    beginnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn letters(body: &str) -> String {
        let score = score::read(&abc::parse(&format!("X:1\nL:1/4\nK:C\n{body}\n")).tune).score;
        sections(&score)
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn repeats_tell_where_parts_begin() {
        assert_eq!(letters("CDEF|GABc:|:cBAG|FEDC:|"), "AABB");
        assert_eq!(letters("|:CDEF|1GABc:|2c4|:cBAG|FEDC:|"), "AABB");
        assert_eq!(letters("CDEF|GABc|"), "");
        assert_eq!(letters("P:X\nCDEF|\nP:Y\nGABc|"), "XY");
    }
}
