//! A tenor banjo: a skin for a body, so loud, bright and soon over.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the banjo to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "banjo",
        keys: 0..=127,
        roots: &[43, 48, 53, 58, 63, 68, 74, 80],
        pluck_point: 0.09,
        slope: 0.4,
        softness_hz: 7000.0,
        softness_follows: 0.2,
        fall_s: 0.28,
        fall_follows: 0.5,
        loss: 1.6,
        loss_power: 1.0,
        stiffness: 0.0,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 200.0,
                    octaves: 0.5,
                    gain_db: -8.0,
                },
                BodyMode {
                    hz: 650.0,
                    octaves: 0.5,
                    gain_db: 6.0,
                },
                BodyMode {
                    hz: 1500.0,
                    octaves: 0.4,
                    gain_db: 3.0,
                },
            ],
            corner_hz: 2500.0,
            slope_db: 6.0,
        },
        knock: Knock {
            level: 0.3,
            modes_hz: &[310.0, 640.0, 900.0],
            fall_s: 0.02,
            noise: 3.0,
            noise_hz: 14000.0,
        },
        attack_s: 0.15,
        touches: || Touch::three(10.0, 60.0, 2500.0),
        release_s: 0.15,
        trim_db: 0.0,
        spread: 0.0,
        reverb_send: 0.05,
    }
    .add_to(font)
}
