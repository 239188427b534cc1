//! A steel-string guitar with a plectrum, as session players hold the rhythm with.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the steel-string guitar to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "steel guitar",
        keys: 0..=127,
        roots: &[36, 41, 46, 51, 56, 61, 66, 71, 76, 82],
        pluck_point: 0.17,
        slope: 0.9,
        softness_hz: 9000.0,
        softness_follows: 0.3,
        fall_s: 0.9,
        fall_follows: 0.4,
        loss: 4.0,
        loss_power: 1.0,
        stiffness: 0.0,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 105.0,
                    octaves: 0.25,
                    gain_db: 3.0,
                },
                BodyMode {
                    hz: 200.0,
                    octaves: 0.2,
                    gain_db: 4.0,
                },
                BodyMode {
                    hz: 420.0,
                    octaves: 0.3,
                    gain_db: 3.0,
                },
                BodyMode {
                    hz: 3500.0,
                    octaves: 0.6,
                    gain_db: 4.0,
                },
            ],
            corner_hz: 4000.0,
            slope_db: 6.0,
        },
        knock: Knock {
            level: 0.15,
            modes_hz: &[110.0, 210.0, 420.0],
            fall_s: 0.02,
            noise: 4.0,
            noise_hz: 14000.0,
        },
        attack_s: 0.25,
        touches: || Touch::three(8.0, 60.0, 1800.0),
        release_s: 0.5,
        trim_db: 0.0,
        spread: 0.0,
        reverb_send: 0.06,
    }
    .add_to(font)
}
