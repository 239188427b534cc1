//! Gives every General MIDI program an instrument.
//!
//! In: the instruments. Out: a preset for every General MIDI program, so that any MIDI file sounds. Computes no sound.
//!
//! The band's own instruments stand at their General MIDI numbers; every other program borrows the nearest of them, with
//! its filter or octave moved where that helps.

use super::model;
use super::model::free_reed::FreeReeds;
use super::model::percussion::Percussion;
use super::writer::{Font, Generator, InstrumentIndex, Preset};
use std::ops::RangeInclusive;

/// One instrument of the band: its name, its General MIDI program, and the notes people play on it.
pub type BandInstrument = (&'static str, u8, RangeInclusive<u8>);

/// The band's melodic instruments, which are measured and tested: the others are these in other clothes.
pub const INSTRUMENTS: [BandInstrument; 12] = [
    ("piano", 0, 36..=96),
    ("accordion", 21, 48..=91),
    ("concertina", 23, 48..=91),
    ("nylon guitar", 24, 40..=84),
    ("steel guitar", 25, 40..=84),
    ("bass", 32, 28..=60),
    ("fiddle", 40, 55..=96),
    ("harp", 46, 36..=96),
    ("flute", 73, 60..=93),
    ("whistle", 78, 72..=98),
    ("banjo", 105, 48..=86),
    ("bagpipe", 109, 48..=84),
];

/// The bank in which drum kits live.
const PERCUSSION_BANK: u16 = 128;
/// Where Roland GS keeps the mandolin: a variation of the steel-string guitar.
const MANDOLIN_BANK: u16 = 16;
const STEEL_GUITAR_PROGRAM: u8 = 25;

/// Computes every instrument and gives each program one.
pub(super) fn add_to(font: &mut Font) {
    let band = Band::compute(font);
    for program in 0..=127 {
        let (name, instrument, offsets) = band.player_of(program);
        font.add_preset(Preset {
            name: name.into(),
            bank: 0,
            program,
            instrument,
            offsets,
        });
    }
    let mandolin = Preset {
        name: "mandolin".into(),
        bank: MANDOLIN_BANK,
        program: STEEL_GUITAR_PROGRAM,
        instrument: band.mandolin,
        offsets: vec![],
    };
    font.add_preset(mandolin);
    let drums = Preset {
        name: "bodhran and drums".into(),
        bank: PERCUSSION_BANK,
        program: 0,
        instrument: band.percussion.kit,
        offsets: vec![],
    };
    font.add_preset(drums);
}

/// Who plays.
struct Band {
    piano: InstrumentIndex,
    reeds: FreeReeds,
    nylon_guitar: InstrumentIndex,
    steel_guitar: InstrumentIndex,
    mandolin: InstrumentIndex,
    banjo: InstrumentIndex,
    bass: InstrumentIndex,
    fiddle: InstrumentIndex,
    harp: InstrumentIndex,
    flute: InstrumentIndex,
    whistle: InstrumentIndex,
    pipes: InstrumentIndex,
    percussion: Percussion,
}

impl Band {
    fn compute(font: &mut Font) -> Self {
        Self {
            piano: model::piano::add_to(font),
            reeds: model::free_reed::add_to(font),
            nylon_guitar: model::nylon_guitar::add_to(font),
            steel_guitar: model::steel_guitar::add_to(font),
            mandolin: model::mandolin::add_to(font),
            banjo: model::banjo::add_to(font),
            bass: model::bass::add_to(font),
            fiddle: model::fiddle::add_to(font),
            harp: model::harp::add_to(font),
            flute: model::flute::add_to(font),
            whistle: model::whistle::add_to(font),
            pipes: model::pipes::add_to(font),
            percussion: model::percussion::add_to(font),
        }
    }

    /// The preset's name, its instrument, and what is changed about it (General MIDI 1 sound set, programs from 0).
    fn player_of(&self, program: u8) -> (&'static str, InstrumentIndex, Vec<Generator>) {
        let as_is = Vec::new;
        let darker = || vec![Generator::filter_cutoff_offset_cents(-2400)];
        let slower = || {
            vec![
                Generator::volume_attack_s(0.25),
                Generator::volume_release_s(1.4),
            ]
        };
        match program {
            0 => ("piano", self.piano, as_is()),
            1..=5 | 7 => ("piano", self.piano, as_is()),
            6 => ("harpsichord: guitar", self.steel_guitar, as_is()),
            8..=14 => ("bells: harp", self.harp, as_is()),
            15 => ("dulcimer: mandolin", self.mandolin, as_is()),
            16..=20 => ("organ: concertina", self.reeds.concertina, as_is()),
            21 => ("accordion", self.reeds.accordion, as_is()),
            22 => ("harmonica", self.reeds.concertina, as_is()),
            23 => ("concertina", self.reeds.concertina, as_is()),
            24 => ("nylon guitar", self.nylon_guitar, as_is()),
            25 => ("steel guitar", self.steel_guitar, as_is()),
            26..=31 => ("guitar", self.steel_guitar, as_is()),
            32 => ("bass", self.bass, as_is()),
            33..=39 => ("bass", self.bass, as_is()),
            40 => ("fiddle", self.fiddle, as_is()),
            41..=44 => ("strings: fiddle", self.fiddle, darker()),
            45 => ("pizzicato: guitar", self.nylon_guitar, as_is()),
            46 => ("harp", self.harp, as_is()),
            47 => ("timpani: drum", self.percussion.tuned_drum, as_is()),
            48..=51 => ("strings: fiddle", self.fiddle, slower()),
            52..=54 => ("voices: flute", self.flute, slower()),
            55 => ("hit: fiddle", self.fiddle, as_is()),
            56..=63 => ("brass: accordion", self.reeds.accordion, darker()),
            64..=67 => ("saxophone: pipes", self.pipes, darker()),
            68..=70 => ("double reed: pipes", self.pipes, as_is()),
            71 => ("clarinet: concertina", self.reeds.concertina, darker()),
            72 => ("piccolo", self.whistle, as_is()),
            73 => ("flute", self.flute, as_is()),
            74 => ("recorder", self.whistle, as_is()),
            75..=77 => ("flute", self.flute, as_is()),
            78 => ("whistle", self.whistle, as_is()),
            79 => ("ocarina: whistle", self.whistle, darker()),
            80..=87 => ("lead: concertina", self.reeds.concertina, as_is()),
            88..=95 => ("pad: fiddle", self.fiddle, slower()),
            96..=103 => ("effect: harp", self.harp, as_is()),
            104 | 106 => ("plucked: banjo", self.banjo, as_is()),
            105 => ("banjo", self.banjo, as_is()),
            107 | 108 => ("plucked: harp", self.harp, as_is()),
            109 => ("bagpipe", self.pipes, as_is()),
            110 => ("fiddle", self.fiddle, as_is()),
            111 => ("shanai: pipes", self.pipes, as_is()),
            112..=114 => ("bells: harp", self.harp, as_is()),
            115..=119 => ("drum", self.percussion.tuned_drum, as_is()),
            _ => ("effect: flute", self.flute, slower()),
        }
    }
}
