//! A mandolin: pairs of steel strings, a plectrum, a small body.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the mandolin to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "mandolin",
        keys: 0..=127,
        roots: &[50, 55, 60, 65, 70, 75, 80, 86],
        pluck_point: 0.13,
        slope: 0.7,
        softness_hz: 9000.0,
        softness_follows: 0.2,
        fall_s: 0.45,
        fall_follows: 0.5,
        loss: 2.0,
        loss_power: 1.0,
        stiffness: 0.0,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 210.0,
                    octaves: 0.25,
                    gain_db: 3.0,
                },
                BodyMode {
                    hz: 480.0,
                    octaves: 0.3,
                    gain_db: 5.0,
                },
                BodyMode {
                    hz: 1200.0,
                    octaves: 0.5,
                    gain_db: 3.0,
                },
            ],
            corner_hz: 4000.0,
            slope_db: 6.0,
        },
        knock: Knock {
            level: 0.15,
            modes_hz: &[210.0, 470.0, 800.0],
            fall_s: 0.015,
            noise: 3.0,
            noise_hz: 14000.0,
        },
        attack_s: 0.15,
        touches: || Touch::three(8.0, 60.0, 2500.0),
        release_s: 0.2,
        trim_db: 0.0,
        spread: 0.0,
        reverb_send: 0.06,
    }
    .add_to(font)
}
