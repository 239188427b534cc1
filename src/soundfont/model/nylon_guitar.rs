//! A classical guitar: nylon strings, finger tips, the air of the box below the wood.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the nylon-string guitar to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "nylon guitar",
        keys: 0..=127,
        roots: &[36, 41, 46, 51, 56, 61, 66, 71, 76, 82],
        pluck_point: 0.23,
        slope: 1.1,
        softness_hz: 5000.0,
        softness_follows: 0.4,
        fall_s: 0.8,
        fall_follows: 0.5,
        loss: 6.0,
        loss_power: 1.0,
        stiffness: 0.0,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 105.0,
                    octaves: 0.25,
                    gain_db: 4.0,
                },
                BodyMode {
                    hz: 200.0,
                    octaves: 0.2,
                    gain_db: 4.0,
                },
                BodyMode {
                    hz: 400.0,
                    octaves: 0.3,
                    gain_db: 2.0,
                },
            ],
            corner_hz: 2500.0,
            slope_db: 4.0,
        },
        knock: Knock {
            level: 0.2,
            modes_hz: &[105.0, 205.0, 390.0],
            fall_s: 0.03,
            noise: 1.5,
            noise_hz: 8000.0,
        },
        attack_s: 0.28,
        touches: || Touch::three(6.0, 40.0, 1200.0),
        release_s: 0.35,
        trim_db: 0.0,
        spread: 0.0,
        reverb_send: 0.06,
    }
    .add_to(font)
}
