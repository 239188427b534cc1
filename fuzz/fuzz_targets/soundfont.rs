//! Bytes → a SoundFont → sound of every kind of message.
#![no_main]

use ceilid::music::midi::{Channel, MidiMessage, Program, Velocity};
use ceilid::music::pitch::Pitch;
use ceilid::output::synth::{Synth, SynthFont};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // What panics in the crate that reads fonts is caught and refused, as always; what panics elsewhere still ends the run.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |bytes: &[u8]| {
        let Ok(font) = SynthFont::from_bytes(bytes) else {
            return;
        };
        let programs = font.presets().into_iter().map(|preset| preset.program);
        let mut synth = Synth::new(&font, 48_000).expect("a usual rate");
        for (index, program) in (0..16).zip(programs) {
            let channel = Channel::new(index).expect("below 16");
            let program = Program::new(program).expect("the font has it");
            synth.send(MidiMessage::ProgramChange { channel, program });
            for number in [0, 36, 60, 61, 96, 127] {
                let pitch = Pitch::new(number).expect("below 128");
                let velocity = Velocity::clamped(i32::from(number));
                synth.send(MidiMessage::NoteOn { channel, pitch, velocity });
            }
            let (mut left, mut right) = ([0.0; 1024], [0.0; 1024]);
            synth.render(&mut left, &mut right);
            assert!(left.iter().chain(&right).all(|frame| frame.is_finite()));
            synth.all_notes_off();
            synth.render(&mut left, &mut right);
        }
    }
);
