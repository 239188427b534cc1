//! Writes a planned tune as ABC.
//!
//! In: a [`PlannedTune`]. Out: its canonical ABC from `M:` to the final bar line: `L:1/8`, repeats and endings as signs, one
//! line for four bars. Invents nothing: title, number and provenance are for whoever publishes it.

use super::plan::{BarSlot, Ending, Repeat};
use super::symbol::{Sound, Units};
use super::tune::{Note, PlannedTune};
use crate::music::{Accidental, Letter};
use std::fmt::Write;

/// Units of the `L:` field, an eighth.
const UNIT: Units = 12;
/// Bars a line.
const BARS_A_LINE: u8 = 4;

/// The tune as ABC: `R:`, `M:`, `L:`, `K:` and the music, each line ended with `\n`.
pub fn to_abc(tune: &PlannedTune) -> String {
    let plan = &tune.plan;
    let tonic = plan.tonic();
    let accidental = accidental_sign(tonic.accidental, "b", "#");
    let key = format!("{}{accidental}{}", tonic.letter.as_char(), plan.mode.abc());
    let mut text = format!(
        "R:{}\nM:{}\nL:1/8\nK:{key}\n",
        plan.dance.name(),
        plan.meter.abc()
    );
    let slots = plan.slots();
    let bars = tune.bars();
    let is_tied: Vec<bool> = (0..bars.len())
        .map(|bar| {
            bars.get(bar + 1)
                .and_then(|next| next.first())
                .is_some_and(|note| note.sound == Sound::Tied)
        })
        .collect();
    let mut last_sound = None;
    for (index, (slot, notes)) in slots.iter().zip(&bars).enumerate() {
        let next = slots.get(index + 1);
        let is_first_of_part = index == 0 || slots[index - 1].part != slot.part;
        let repeat = plan.parts[usize::from(slot.part)].repeat;
        // The repeat begins with the part, or after the pickup that is played once.
        let part = &plan.parts[usize::from(slot.part)];
        let begins_repeat = if part.is_pickup_once {
            slot.bar == Some(0) && slot.ending != Ending::Second
        } else {
            is_first_of_part
        };
        if begins_repeat && repeat != Repeat::Once {
            text.push_str("|:");
        }
        let is_first_of_ending =
            slot.ending != Ending::None && (index == 0 || slots[index - 1].ending != slot.ending);
        if is_first_of_ending {
            text.push_str(if slot.ending == Ending::First {
                "1 "
            } else {
                "2 "
            });
        }
        print_bar(
            &mut text,
            tune,
            slot,
            notes,
            is_tied[index],
            &mut last_sound,
        );
        match next {
            // `|:` stands for the bar line.
            Some(_) if slot.bar.is_none() && part.is_pickup_once && repeat != Repeat::Once => {}
            Some(next) if next.part == slot.part && slot.ending == next.ending => text.push('|'),
            // `|1` and `:|2`: the number follows with the bar.
            Some(next) if next.part == slot.part => {
                text.push_str(if next.ending == Ending::First {
                    "|"
                } else {
                    ":|"
                })
            }
            _ => text.push_str(match (repeat, next) {
                (Repeat::Twice, _) => ":|",
                (_, Some(_)) => "||",
                (_, None) => "|]",
            }),
        }
        let ends_line = slot
            .bar
            .is_some_and(|bar| (bar + 1).is_multiple_of(BARS_A_LINE))
            && next.is_some_and(|next| next.bars_left > 0 || next.part != slot.part);
        if next.is_none_or(|next| next.part != slot.part)
            || (ends_line && next.is_some_and(|next| next.ending == slot.ending))
        {
            text.push('\n');
        }
    }
    text
}

fn print_bar(
    text: &mut String,
    tune: &PlannedTune,
    slot: &BarSlot,
    notes: &[Note],
    is_tied: bool,
    last: &mut Option<Sound>,
) {
    let beat = tune.plan.meter.beat();
    let mut written = Written::default();
    let mut at = slot.start;
    let mut triplet: Vec<Note> = Vec::new();
    for (index, note) in notes.iter().enumerate() {
        let is_plain = note.units().is_multiple_of(3);
        let begins_triplet = !is_plain && triplet.is_empty();
        // Beams end where beats do.
        if index > 0 && at.is_multiple_of(beat) && triplet.is_empty() {
            text.push(' ');
        }
        if begins_triplet {
            let run = triplet_run(&notes[index..]);
            let is_even = run.len() == 3 && run.iter().all(|other| other.units() == note.units());
            match is_even {
                true => text.push_str("(3"),
                false => write!(text, "(3:2:{}", run.len()).expect("a String takes all text"),
            }
            triplet = run.to_vec();
        }
        let sound = if note.sound == Sound::Tied {
            last.unwrap_or(Sound::Rest)
        } else {
            note.sound
        };
        let signs = if is_plain {
            signs(note.units(), at, beat)
        } else {
            [note.units() * 3 / 2, 0]
        };
        for (place, units) in signs.into_iter().filter(|units| *units > 0).enumerate() {
            match sound {
                Sound::Degree(degree) => {
                    if place > 0 {
                        text.push('-');
                    }
                    let spelled = degree.spelled(&tune.plan.key(), tune.plan.tonic());
                    written.print(
                        text,
                        tune,
                        spelled.letter,
                        spelled.accidental,
                        spelled.octave,
                    );
                }
                Sound::Rest | Sound::Tied => text.push('z'),
            }
            print_length(text, units);
        }
        *last = Some(sound);
        if index + 1 == notes.len() && is_tied {
            text.push('-');
        }
        if !triplet.is_empty() {
            triplet.remove(0);
        }
        at += note.units();
    }
}

/// The lengths of the one or two tied notes that are written for `units` from `at` on in the bar: a length that no note sign
/// has (five eighths) is parted at the beat where that gives two signs, else after the longest that does.
fn signs(units: Units, at: Units, beat: Units) -> [Units; 2] {
    let is_sign = |units: Units| matches!((units / 3) >> (units / 3).trailing_zeros(), 1 | 3 | 7);
    let parted = |first: Units| first < units && is_sign(first) && is_sign(units - first);
    if is_sign(units) {
        return [units, 0];
    }
    let to_beat = beat - at % beat;
    let longest = || {
        (1..units / 3)
            .rev()
            .map(|thirds| 3 * thirds)
            .find(|first| parted(*first))
    };
    match parted(to_beat).then_some(to_beat).or_else(longest) {
        Some(first) => [first, units - first],
        None => [units, 0],
    }
}

/// The notes of the triplet that begins here.
fn triplet_run(notes: &[Note]) -> &[Note] {
    let (mut sum, mut shortest) = (0, Units::MAX);
    for (index, note) in notes.iter().enumerate() {
        sum += note.units();
        shortest = shortest.min(note.units());
        if sum.is_multiple_of(3 * shortest) {
            return &notes[..=index];
        }
    }
    notes
}

fn print_length(text: &mut String, units: Units) {
    let divisor = gcd(units, UNIT);
    let (numerator, denominator) = (units / divisor, UNIT / divisor);
    if numerator > 1 {
        write!(text, "{numerator}").expect("a String takes all text");
    }
    match denominator {
        1 => {}
        2 => text.push('/'),
        denominator => write!(text, "/{denominator}").expect("a String takes all text"),
    }
}

fn gcd(a: Units, b: Units) -> Units {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The accidentals written in a bar: of each letter, the last one and its octave.
///
/// Programs disagree on whether a sharp holds for its letter in other octaves (ABC 2.1 §11.3 leaves it to the user), so where
/// it would matter it is written again.
#[derive(Default)]
struct Written {
    marks: [Option<(i16, Accidental)>; 7],
}

impl Written {
    fn print(
        &mut self,
        text: &mut String,
        tune: &PlannedTune,
        letter: Letter,
        accidental: Accidental,
        octave: i16,
    ) {
        let mark = &mut self.marks[usize::from(letter.step()) % 7];
        let needs_sign = match *mark {
            None => tune.plan.key().signature.accidental(letter) != accidental,
            Some(known) => known != (octave, accidental),
        };
        if needs_sign {
            *mark = Some((octave, accidental));
            text.push_str(match accidental_sign(accidental, "_", "^") {
                "" => "=",
                sign => sign,
            });
            if accidental == Accidental::DOUBLE_FLAT {
                text.push('_');
            } else if accidental == Accidental::DOUBLE_SHARP {
                text.push('^');
            }
        }
        match octave {
            1.. => {
                text.push(letter.as_char().to_ascii_lowercase());
                (1..octave).for_each(|_| text.push('\''));
            }
            _ => {
                text.push(letter.as_char());
                (octave..0).for_each(|_| text.push(','));
            }
        }
    }
}

fn accidental_sign(
    accidental: Accidental,
    flat: &'static str,
    sharp: &'static str,
) -> &'static str {
    match accidental.numerator() {
        ..0 => flat,
        0 => "",
        1.. => sharp,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Style, from_score};
    use super::*;
    use crate::{abc, score};

    /// The music of a tune of these bars as it is printed.
    fn printed(meter: &str, body: &str) -> String {
        let text = format!("X:1\nT:t\nR:jig\nM:{meter}\nL:1/8\nK:D\n{body}\n");
        let score = score::read(&abc::parse(&text).tune).score;
        let tune = from_score(&score, Style::Target, "").expect("a tune that the symbols hold");
        let again = to_abc(&tune);
        again.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_length_that_no_sign_has_is_two_tied_notes_and_comes_back() {
        let body = "|:A|DFA d3|^G4-GG|F3 E3|D4-D:|";
        assert_eq!(printed("6/8", body), "|:A|DFA d3|^G3-G2G|F3 E3|D3-D2:|");
        assert_eq!(
            printed("6/8", "|:A|DFA d3|G3 G3|F3 E3|z4-z:|"),
            "|:A|DFA d3|G3 G3|F3 E3|z3z2:|"
        );
    }
}
