//! A lever harp: nylon strings plucked with the finger, a long soundboard, strings that ring on.

use super::body::{Body, BodyMode};
use super::plucked_string::{Knock, PluckedString};
use crate::soundfont::voicing::Touch;
use crate::soundfont::writer::{Font, InstrumentIndex};

/// Adds the harp to the font.
pub(crate) fn add_to(font: &mut Font) -> InstrumentIndex {
    PluckedString {
        name: "harp",
        keys: 0..=127,
        roots: &[33, 40, 46, 52, 57, 62, 67, 72, 77, 82, 88, 95],
        pluck_point: 0.42,
        slope: 1.5,
        softness_hz: 5000.0,
        softness_follows: 0.6,
        fall_s: 0.9,
        fall_follows: 0.5,
        loss: 6.0,
        loss_power: 1.0,
        stiffness: 0.0,
        body: Body {
            modes: &[
                BodyMode {
                    hz: 190.0,
                    octaves: 0.5,
                    gain_db: 4.0,
                },
                BodyMode {
                    hz: 420.0,
                    octaves: 0.5,
                    gain_db: 3.0,
                },
            ],
            corner_hz: 1500.0,
            slope_db: 3.0,
        },
        knock: Knock {
            level: 0.12,
            modes_hz: &[150.0, 230.0, 390.0],
            fall_s: 0.025,
            noise: 1.2,
            noise_hz: 6000.0,
        },
        attack_s: 0.32,
        touches: || Touch::three(2.5, 20.0, 600.0),
        release_s: 1.6,
        trim_db: 0.0,
        spread: 0.3,
        reverb_send: 0.1,
    }
    .add_to(font)
}
