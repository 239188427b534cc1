//! A double bass plucked with the finger.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the bass to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "bass",
        keys: 0..=127,
        roots: &[28, 33, 38, 43, 49, 56],
        pluck_point: 0.3,
        slope: 1.5,
        softness_hz: 800.0,
        softness_follows: 0.3,
        fall_s: 0.35,
        fall_follows: 0.5,
        loss: 12.0,
        loss_power: 0.8,
        stiffness: 0.0,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 65.0,
                    octaves: 0.4,
                    gain_db: 3.0,
                },
                BodyMode {
                    hz: 110.0,
                    octaves: 0.3,
                    gain_db: 4.0,
                },
                BodyMode {
                    hz: 220.0,
                    octaves: 0.4,
                    gain_db: 2.0,
                },
            ],
            corner_hz: 800.0,
            slope_db: 6.0,
        },
        knock: Knock {
            level: 0.15,
            modes_hz: &[95.0, 160.0, 240.0],
            fall_s: 0.03,
            noise: 0.8,
            noise_hz: 800.0,
        },
        attack_s: 0.2,
        touches: || Touch::three(2.5, 8.0, 150.0),
        release_s: 0.3,
        trim_db: 0.0,
        spread: 0.0,
        reverb_send: 0.03,
    }
    .add_to(font)
}
