//! Tells a copy from a new tune, whatever key it stands in.
//!
//! In: scores. Out: their melodies as steps that do not change under transposition or a change of unit
//! length, and which tunes share long runs of them. Tells a copy from a new tune; judges nothing else.

use crate::score::Score;
use std::collections::{HashMap, HashSet};

/// Two settings that share this many melody steps in a row are versions of one tune.
///
/// 16 steps are 17 notes, between two and three bars of a reel: 12 % of Nottingham's tunes share that much with
/// another tune, and on looking they are variants, the same tune in another key, or sets with a tune in common.
pub const SHARED_STEPS_OF_VERSIONS: usize = 16;

/// From one note of a melody to the next: how far up or down, and how much longer or shorter.
///
/// Equal steps mean the same tune in any key and any unit of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Semitones up (positive) or down.
    interval: i16,
    /// Ratio of the two notes' distances to their next notes, in lowest terms.
    ratio: (u32, u32),
}

/// The melody of a score as steps: of its first voice, the highest note at each onset.
pub fn steps(score: &Score) -> Vec<Step> {
    let Some(voice) = score.melody() else {
        return Vec::new();
    };
    let mut line: Vec<(u64, u64, i16)> = Vec::with_capacity(voice.notes.len());
    for note in &voice.notes {
        let (onset, pitch) = (note.onset.get(), i16::from(note.pitch.number()));
        match line.last_mut() {
            Some(last) if last.0 == onset => last.2 = last.2.max(pitch),
            _ => line.push((onset, note.duration.get(), pitch)),
        }
    }
    // From onset to onset: a rest belongs to the note before it, as the ear has it.
    for i in 1..line.len() {
        line[i - 1].1 = line[i].0 - line[i - 1].0;
    }
    line.windows(2).map(|pair| step(pair[0], pair[1])).collect()
}

fn step(from: (u64, u64, i16), to: (u64, u64, i16)) -> Step {
    let divisor = gcd(from.1, to.1).max(1);
    let part = |ticks: u64| u32::try_from(ticks / divisor).unwrap_or(u32::MAX);
    Step {
        interval: to.2 - from.2,
        ratio: (part(to.1), part(from.1)),
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// 64 bits of a run of steps (FNV-1a): equal runs have equal hashes on every machine and version.
pub fn run_hash(run: &[Step]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = run.iter().flat_map(|step| {
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&step.interval.to_le_bytes());
        bytes[2..6].copy_from_slice(&step.ratio.0.to_le_bytes());
        bytes[6..].copy_from_slice(&step.ratio.1.to_le_bytes());
        bytes
    });
    bytes.fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

/// Groups tunes that share a run of `run_length` steps, directly or through others.
///
/// `melodies[i]` are the steps of tune `i`; the result's entry `i` is the index of the first tune of its group.
/// Runs without a leap or a change of length (scales, repeated notes) are shared by chance and do not count.
pub fn clusters(melodies: &[Vec<Step>], run_length: usize) -> Vec<usize> {
    let mut groups = Groups::new(melodies.len());
    let mut first_with: HashMap<u64, usize> = HashMap::new();
    for (tune, melody) in melodies.iter().enumerate() {
        for run in melody.windows(run_length).filter(|run| is_telling(run)) {
            let first = *first_with.entry(run_hash(run)).or_insert(tune);
            groups.join(first, tune);
        }
    }
    (0..melodies.len())
        .map(|tune| groups.first_of(tune))
        .collect()
}

/// Whether a run says something about the tune: at least four different steps.
fn is_telling(run: &[Step]) -> bool {
    run.iter().collect::<HashSet<_>>().len() >= 4
}

/// Sets of tunes that grow together (union-find; the smallest index stands for its group).
struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self {
            parents: (0..count).collect(),
        }
    }

    fn first_of(&mut self, mut tune: usize) -> usize {
        while self.parents[tune] != tune {
            self.parents[tune] = self.parents[self.parents[tune]];
            tune = self.parents[tune];
        }
        tune
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first_of(a), self.first_of(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
