//! An upright piano: stiff steel strings, felt hammers that are harder the harder they are thrown.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the piano to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "piano",
        keys: 0..=127,
        roots: &[30, 37, 43, 49, 55, 61, 67, 73, 80, 89],
        pluck_point: 0.125,
        slope: 0.55,
        softness_hz: 3000.0,
        softness_follows: -0.6,
        fall_s: 0.9,
        fall_follows: 0.55,
        loss: 1.8,
        loss_power: 1.0,
        stiffness: 0.0004,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 120.0,
                    octaves: 0.5,
                    gain_db: 2.0,
                },
                BodyMode {
                    hz: 400.0,
                    octaves: 0.6,
                    gain_db: 2.0,
                },
            ],
            corner_hz: 3000.0,
            slope_db: 3.0,
        },
        knock: Knock {
            level: 0.2,
            modes_hz: &[85.0, 140.0, 260.0],
            fall_s: 0.03,
            noise: 2.0,
            noise_hz: 5000.0,
        },
        attack_s: 0.22,
        touches: || Touch::three(6.0, 30.0, 1200.0),
        release_s: 0.35,
        trim_db: 0.0,
        spread: 0.4,
        reverb_send: 0.06,
    }
    .add_to(font)
}
