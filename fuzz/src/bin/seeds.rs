//! Writes a SoundFont that is whole and small into a folder: damage begins where the reader reads. `seeds FOLDER`.

use ceilid::soundfont::Font;
use ceilid::soundfont::writer::{FontInfo, Generator, Instrument, Preset, Sample, Zone};

fn main() {
    let folder = std::env::args().nth(1).expect("a folder");
    let mut font = Font::new(FontInfo {
        name: "seed",
        author: "",
        copyright: "",
        comment: "",
        software: "",
    });
    let zones = [(0..=60, Some(20)), (61..=127, None)].map(|(keys, loop_start)| Zone {
        keys,
        velocities: 1..=127,
        sample: font.add_sample(Sample {
            name: "wave".into(),
            frames: (0..200).map(|frame: i16| (frame % 20 - 10) * 800).collect(),
            loop_start,
            rate_hz: 44_100,
            root: 69,
        }),
        generators: vec![Generator::volume_release_s(0.2)],
    });
    let instrument = font.add_instrument(Instrument {
        name: "instrument".into(),
        common: vec![Generator::reverb_send(0.1)],
        zones: zones.into(),
    });
    font.add_preset(Preset {
        name: "preset".into(),
        bank: 0,
        program: 0,
        instrument,
        offsets: vec![Generator::pan(0.1)],
    });
    std::fs::write(format!("{folder}/whole.sf2"), font.to_bytes()).expect("a folder to write to");
}
