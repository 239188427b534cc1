//! For how hard each note of a voice is struck: dynamics, hairpins, accents, and the beat.
//!
//! In: a score and one of its voices. Out: a velocity at a place. A dynamic says how hard the first note of a bar, its other
//! beats and the rest are struck, in abc2midi's numbers; between the ends of a hairpin that rises or falls evenly.

use crate::music::Ticks;
use crate::music::midi::Velocity;
use crate::performance::expression::BarGrid;
use crate::performance::written::{BeatStress, Written};
use crate::score::Decoration;
use crate::score::{MidiDirective, Note, Score};

/// How much louder a crescendo ends that leads to no dynamic, unless `%%MIDI deltaloudness` says otherwise.
const HAIRPIN_STEP_USUAL: i32 = 15;
/// How much harder accented notes are struck.
const ACCENT: i32 = 15;
const MARCATO: i32 = 22;
const SFORZANDO: i32 = 30;
/// Louder than a tune without dynamics begins nothing is needed; with dynamics, a voice begins like this.
const BEGINS_WITH_DYNAMICS: u8 = 90;

/// The loudness of one voice.
pub(super) struct Loudness {
    beats: Written,
    /// Where a dynamic stands: hairpins before it no longer count.
    resets: Vec<Ticks>,
    hairpins: Vec<Hairpin>,
}

/// From where to where loudness changes, and by how much.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hairpin {
    from: Ticks,
    to: Ticks,
    change: i32,
}

/// Something that changes loudness, and where.
enum Event<'a> {
    Sign(&'a Decoration),
    Directive(&'a MidiDirective),
}

impl Loudness {
    /// The loudness of this voice.
    pub(super) fn of(score: &Score, voice: usize) -> Self {
        let has_dynamics = score.voices.iter().enumerate().any(|(index, _)| {
            signs(score, index)
                .iter()
                .any(|(_, sign)| sign.loudness().is_some())
        });
        let mut events: Vec<(Ticks, Event<'_>)> = score
            .midi
            .iter()
            .filter(|mark| mark.voice.is_none_or(|of| of == voice))
            .map(|mark| (mark.onset, Event::Directive(&mark.directive)))
            .collect();
        events.extend(
            signs(score, voice)
                .into_iter()
                .map(|(at, sign)| (at, Event::Sign(sign))),
        );
        events.sort_by_key(|(at, _)| *at);
        let mut loudness = Self {
            beats: Written::default(),
            resets: Vec::new(),
            hairpins: Vec::new(),
        };
        let usual = if has_dynamics {
            beat_of(BEGINS_WITH_DYNAMICS)
        } else {
            BeatStress::USUAL
        };
        loudness.beats.strike(Ticks::ZERO, usual);
        let mut open: Option<(Ticks, i32)> = None;
        let mut step = HAIRPIN_STEP_USUAL;
        let mut level = i32::from(usual.first);
        for (at, event) in events {
            match event {
                Event::Directive(MidiDirective::CrescendoStep(n)) => step = i32::from(*n),
                Event::Directive(directive) => {
                    loudness.beats.hear(at, directive);
                    if let MidiDirective::Beat(first, ..) = directive {
                        level = i32::from(*first);
                    }
                }
                Event::Sign(Decoration::CrescendoStart) => {
                    loudness.close(&mut open, at, None);
                    open = Some((at, step));
                }
                Event::Sign(Decoration::DiminuendoStart) => {
                    loudness.close(&mut open, at, None);
                    open = Some((at, -step));
                }
                Event::Sign(Decoration::CrescendoEnd | Decoration::DiminuendoEnd) => {
                    loudness.close(&mut open, at, None);
                }
                Event::Sign(sign) => {
                    let Some(first) = sign.loudness() else {
                        continue;
                    };
                    let reached = i32::from(first) - level;
                    // A hairpin that ends where a dynamic stands, or just before, leads there.
                    if open.is_some() {
                        loudness.close(&mut open, at, Some(reached));
                    } else if let Some(last) = loudness.hairpins.last_mut()
                        && last.change.signum() == reached.signum()
                        && loudness
                            .resets
                            .last()
                            .is_none_or(|reset| *reset <= last.from)
                        && at <= last.to + (last.to.saturating_sub(last.from))
                    {
                        last.change = reached;
                    }
                    level = i32::from(first);
                    loudness.resets.push(at);
                    loudness.beats.strike(at, beat_of(first));
                }
            }
        }
        loudness.close(&mut open, score.end, None);
        loudness
    }

    fn close(&mut self, open: &mut Option<(Ticks, i32)>, to: Ticks, change: Option<i32>) {
        if let Some((from, usual)) = open.take().filter(|(from, _)| to > *from) {
            // A crescendo to something softer is none: it swells by the usual step, and then it is softer.
            let meant = change.filter(|change| change.signum() == usual.signum());
            self.hairpins.push(Hairpin {
                from,
                to,
                change: meant.unwrap_or(usual),
            });
        }
    }

    /// How hard a note is struck here.
    pub(super) fn at(&self, at: Ticks, score: &Score, grid: &BarGrid<'_>) -> i32 {
        let beat = self
            .beats
            .velocity(at, score, grid)
            .map_or(0, |velocity| i32::from(velocity.value()));
        let since = self
            .resets
            .partition_point(|reset| *reset <= at)
            .checked_sub(1);
        let since = since.map_or(Ticks::ZERO, |index| self.resets[index]);
        let first = self
            .hairpins
            .partition_point(|hairpin| hairpin.from < since);
        let changes = self.hairpins[first..]
            .iter()
            .take_while(|hairpin| hairpin.from <= at);
        let change: i32 = changes
            .map(|hairpin| {
                let length = (hairpin.to - hairpin.from).get().max(1);
                let passed = at.saturating_sub(hairpin.from).get().min(length);
                // Both are below the length of a tune in ticks, the change below 128.
                (i64::from(hairpin.change) * passed as i64 / length as i64) as i32
            })
            .sum();
        beat + change
    }

    /// How hard this note is struck, its own accents counted.
    pub(super) fn of_note(&self, note: &Note, score: &Score, grid: &BarGrid<'_>) -> Velocity {
        let accents = note.marks.iter().flat_map(|marks| &marks.decorations);
        let harder = accents.map(|sign| match sign {
            Decoration::Accent => ACCENT,
            Decoration::Marcato => MARCATO,
            Decoration::Sforzando => SFORZANDO,
            _ => 0,
        });
        Velocity::clamped(self.at(note.onset, score, grid) + harder.max().unwrap_or(0))
    }
}

/// abc2midi's three strengths for a dynamic that is known by its first.
fn beat_of(first: u8) -> BeatStress {
    let (strong, other) = match first {
        127 => (125, 110),
        first => (first - first.min(10), first.saturating_sub(25).max(10)),
    };
    BeatStress {
        first,
        strong,
        other,
        every: 1,
    }
}

/// The signs of a voice that say how loud it is, in order of time: those on its notes and those on none.
fn signs(score: &Score, voice: usize) -> Vec<(Ticks, &Decoration)> {
    let on_notes = score.voices[voice].notes.iter().flat_map(|note| {
        let signs = note.marks.iter().flat_map(|marks| &marks.decorations);
        signs.map(|sign| (note.onset, sign))
    });
    let alone = score
        .directions
        .iter()
        .filter(|direction| direction.voice == voice)
        .map(|direction| (direction.onset, &direction.sign));
    let mut all: Vec<(Ticks, &Decoration)> = on_notes
        .chain(alone)
        .filter(|(_, sign)| sign.is_direction())
        .collect();
    all.sort_by_key(|(at, _)| *at);
    // The notes of a chord share their signs.
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{abc, score};

    fn velocities(music: &str) -> Vec<u8> {
        let text = format!("X:1\nT:t\nM:4/4\nL:1/4\nK:C\n{music}\n");
        let score = score::read(&abc::parse(&text).tune).score;
        let grid = BarGrid::new(&score.bars, score.resolution);
        let loudness = Loudness::of(&score, 0);
        let notes = &score.voices[0].notes;
        notes
            .iter()
            .map(|note| loudness.of_note(note, &score, &grid).value())
            .collect()
    }

    #[test]
    fn without_signs_the_beat_is_abc2midis() {
        assert_eq!(velocities("C D/E/ F G|C4|"), [105, 80, 80, 95, 80, 105]);
    }

    #[test]
    fn dynamics_hold_until_the_next() {
        assert_eq!(
            velocities("!ppp!C D E F|!fff!C D E F|"),
            [30, 20, 20, 20, 127, 125, 125, 125]
        );
        assert_eq!(velocities("C4|!p!z4|D4|"), [90, 60]);
    }

    #[test]
    fn a_hairpin_leads_from_one_dynamic_to_the_next() {
        let rising = velocities("!p!!<(!C4|C4|C4|!<)!!f!C4|");
        assert_eq!(rising, [60, 75, 90, 105]);
        let falling = velocities("!f!C4|!>(!C4|C4|!>)!C4|C4|");
        assert_eq!(falling, [105, 105, 98, 90, 90]);
    }

    #[test]
    fn accents_are_of_one_note() {
        assert_eq!(velocities("!mf!C !>!D E !sfz!F|"), [90, 95, 80, 110]);
    }
}
