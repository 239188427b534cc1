//! Writes chord symbols over a tune's notes.
//!
//! In: a tune's ABC text and a harmoniser. Out: the text with `"G"` and the like before notes, every other byte as it was.

use super::Harmoniser;
use crate::{abc, score};

/// The tune with chord symbols; `None` where it has some already, or nothing to put them over.
pub fn with_symbols(text: &str, harmoniser: &Harmoniser) -> Option<String> {
    let tune = abc::parse(text).tune;
    let score = score::read(&tune).score;
    if !score.chords.is_empty() {
        return None;
    }
    let symbols = harmoniser.symbols(&score);
    let mut written = String::with_capacity(text.len() + 5 * symbols.len());
    let mut done = 0;
    let mut places = score::text_places(&tune).into_iter();
    for (bar, since_bar, symbol) in &symbols {
        // A symbol between notes, in the middle of a tied one, is heard with the next bar's.
        let Some(place) = places
            .by_ref()
            .find(|place| (place.bar, place.since_bar) >= (*bar, *since_bar))
        else {
            break;
        };
        if (place.bar, place.since_bar) != (*bar, *since_bar) {
            continue;
        }
        written.push_str(text.get(done..place.at)?);
        written.push('"');
        written.push_str(symbol);
        written.push('"');
        done = place.at;
    }
    written.push_str(&text[done..]);
    (done > 0).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "X:1\nT:t\nM:6/8\nL:1/8\nK:D\n";

    #[test]
    fn symbols_stand_over_the_notes_and_change_no_note() {
        let text = format!("{HEAD}A|DFA dAF|GBd gdB|\\\nAce ecA|d3- d2:|\n");
        let written = with_symbols(&text, Harmoniser::shipped()).unwrap();
        assert_eq!(
            written,
            format!("{HEAD}A|\"D\"DFA dAF|\"G\"GBd gdB|\\\n\"A7\"Ace ecA|\"D\"d3- d2:|\n")
        );
        let notes = |text: &str| score::read(&abc::parse(text).tune).score.voices;
        assert_eq!(notes(&written), notes(&text));
    }

    #[test]
    fn symbols_that_are_there_stay_and_nothing_gets_none() {
        assert_eq!(
            with_symbols(&format!("{HEAD}\"G\"DFA dAF|\n"), Harmoniser::shipped()),
            None
        );
        assert_eq!(with_symbols(HEAD, Harmoniser::shipped()), None);
    }
}
