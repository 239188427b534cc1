//! Makes a tune's file in any format.
//!
//! In: a tune's text, how it is played, and a format. Out: the bytes of the file. Not: whose tune it is.

use super::api::Problem;
use super::sheet::{self, Picture};
use crate::daemon::rendition::Rendition;
use crate::output::render::{
    self, LoudnessTarget, RenderError, RenderSettings, Tags, flac, opus, wav,
};
use crate::output::smf;
use crate::output::synth::SynthFont;
use axum::http::StatusCode;
use std::io::Cursor;

/// The longest tune whose sound is made for a page, in seconds; `ceilid convert` makes longer ones.
const SOUND_S_MAX: f64 = 15.0 * 60.0;

/// What a tune can be had as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TuneFormat {
    Abc,
    Mid,
    Svg,
    Pdf,
    /// A picture and the way of the music over it, as JSON.
    Sheet,
    Opus,
    Flac,
    Wav,
}

impl TuneFormat {
    /// All of them, as they are asked for.
    pub(super) const NAMES: &'static str = "abc, mid, svg, pdf, sheet, opus, flac, wav";

    /// The format of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "abc" => Self::Abc,
            "mid" => Self::Mid,
            "svg" => Self::Svg,
            "pdf" => Self::Pdf,
            "sheet" => Self::Sheet,
            "opus" => Self::Opus,
            "flac" => Self::Flac,
            "wav" => Self::Wav,
            _ => return None,
        })
    }

    /// Whether it takes a synth, and a processor for a while.
    pub(super) fn is_sound(self) -> bool {
        matches!(self, Self::Opus | Self::Flac | Self::Wav)
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Abc => "text/vnd.abc; charset=utf-8",
            Self::Mid => "audio/midi",
            Self::Svg => "image/svg+xml",
            Self::Pdf => "application/pdf",
            Self::Sheet => "application/json",
            Self::Opus => "audio/ogg",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }

    /// The file of this tune. What sounds takes a processor for tenths of a second.
    ///
    /// # Errors
    /// The picture is asked for in an impossible size; the tune is too long; the synth or an encoder refuses.
    pub(super) fn make(
        self,
        abc: &str,
        rendition: &Rendition,
        picture: &Picture,
        font: &SynthFont,
    ) -> Result<Vec<u8>, Problem> {
        Ok(match self {
            Self::Abc => abc.as_bytes().to_vec(),
            Self::Mid => smf::to_bytes(&rendition.heard(abc)),
            Self::Svg => picture.svg(abc)?.into_bytes(),
            Self::Pdf => sheet::pdf(std::iter::once(abc), ""),
            Self::Sheet => serde_json::to_vec(&picture.sheet(abc, rendition)?).unwrap_or_default(),
            Self::Opus | Self::Flac | Self::Wav => self.sound(abc, rendition, font)?,
        })
    }

    fn sound(self, abc: &str, rendition: &Rendition, font: &SynthFont) -> Result<Vec<u8>, Problem> {
        let performance = rendition.heard(abc);
        let seconds = performance.seconds();
        if seconds > SOUND_S_MAX {
            let error = format!(
                "it lasts {seconds:.0} seconds; here at most {SOUND_S_MAX} are made, by `ceilid convert` all"
            );
            return Err(Problem::new(StatusCode::BAD_REQUEST, error));
        }
        let settings = RenderSettings {
            sample_rate_hz: match self {
                Self::Opus => opus::SAMPLE_RATE_HZ,
                _ => render::SAMPLE_RATE_HZ,
            },
            loudness: LoudnessTarget::Lufs(render::LOUDNESS_LUFS),
        };
        let tags = Tags::of(&performance);
        let mut file = Cursor::new(Vec::new());
        let mut write = || -> Result<(), RenderError> {
            let mut frames = render::render_blocks(&performance, font, &settings)?;
            match self {
                Self::Opus => opus::write(&mut frames, &tags, opus::BIT_RATE, &mut file),
                Self::Wav => wav::write(&mut frames, wav::Depth::default(), &tags, &mut file),
                _ => flac::write(&mut frames, &tags, &mut file),
            }
        };
        write()
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok(file.into_inner())
    }
}
