//! What new tunes are to be like, as flags of `generate`.
//!
//! In: what a person asks new tunes to be like. Out: a composer that writes such tunes, or why there is none.

use super::shipped::{self, LoadedModel};
use super::{Context, Failure};
use crate::compose::folk::{FolkComposer, FolkRequest};
use crate::compose::{Brief, Choice, Compose, Composer, MinP, Temperature};
use crate::critic::Critic;
use crate::daemon::Settings;
use crate::daemon::config::Config;
use crate::music::{Dance, Key, Meter};
use crate::token::folk::{self, FolkMeter, FolkTune};
use crate::{abc, score};
use anyhow::anyhow;
use std::sync::Arc;

/// What new tunes are to be like.
#[derive(clap::Args, Clone, Debug)]
pub struct Wishes {
    /// Dance: reel, jig, slip jig, slide, hornpipe, polka, waltz, march, strathspey or air [default: any]
    #[arg(long, value_name = "D", value_parser = dance)]
    dance: Option<Dance>,
    /// Key and mode, as ABC writes them: D, Am, Edor, Gmix [default: any]
    #[arg(long, value_name = "K")]
    key: Option<String>,
    /// Metre: 2/4 3/4 4/4 C| 3/8 6/8 9/8 12/8 3/2 6/4 [default: any]
    #[arg(long, value_name = "M")]
    meter: Option<String>,
    /// Parts in order, twice where repeated: AABB, AABBCC, AB … [default: any]
    #[arg(long, value_name = "FORM")]
    form: Option<String>,
    /// An instrument whose notes the tune keeps to (whistle, flute, fiddle …), or lowest and highest note as ABC writes
    /// them, such as D-b [default: B,-b]
    #[arg(long, value_name = "RANGE")]
    range: Option<String>,
    /// ABC text the tune begins like: for the folk model a tune whose first two bars are kept; for the article's
    /// model header lines, bars, or both
    #[arg(long, value_name = "ABC")]
    prime: Option<String>,
    /// How adventurous: .05 to 5; 1 is as the model learnt [default: .9, the article's model .8]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Never choose what is less likely than this share of the likeliest [default: .01, the article's model .05]
    #[arg(long, value_name = "P")]
    min_p: Option<f32>,
    /// Always choose the likeliest character, as the article does (for models of characters)
    #[arg(long, conflicts_with_all = ["temperature", "min_p"])]
    greedy: bool,
}

impl Wishes {
    /// The composer that grants these wishes, asking the model that the context names.
    ///
    /// # Errors
    /// A number out of range or a wish the model cannot be asked (usage), a model that cannot be read.
    pub fn composer(&self, context: &Context) -> Result<Arc<dyn Compose>, Failure> {
        self.composer_of(shipped::model(context)?, shipped::critic())
    }

    /// The composer that grants these wishes, asking this model.
    ///
    /// # Errors
    /// A number out of range or a wish the model cannot be asked (usage).
    pub fn composer_of(
        &self,
        model: LoadedModel,
        critic: Arc<Critic>,
    ) -> Result<Arc<dyn Compose>, Failure> {
        let (temperature, min_p) = (self.temperature()?, self.min_p()?);
        match model {
            LoadedModel::Folk(model) => {
                let mut request = self.folk_request()?;
                request.temperature = temperature.unwrap_or(request.temperature);
                request.min_p = min_p.unwrap_or(request.min_p);
                Ok(Arc::new(
                    FolkComposer::new(model, critic, request).map_err(Failure::usage)?,
                ))
            }
            LoadedModel::Characters(model) => {
                self.only_what_characters_can()?;
                let choice = if self.greedy {
                    Choice::Greedy
                } else {
                    Choice::Sampled(temperature.unwrap_or_default(), min_p.unwrap_or_default())
                };
                let brief = Brief {
                    choice,
                    prime: self.prime.clone(),
                };
                Ok(Arc::new(
                    Composer::new(model, critic, brief).map_err(Failure::input)?,
                ))
            }
        }
    }

    /// Whether all tunes are to be in one key.
    pub fn names_a_key(&self) -> bool {
        self.key.is_some()
    }

    /// The wishes of a configuration that are no settings.
    pub fn of_config(config: &Config) -> Self {
        let texts = config.wishes.clone();
        Self {
            dance: None,
            key: None,
            meter: texts.meter,
            form: texts.form,
            range: texts.range,
            prime: texts.prime,
            temperature: None,
            min_p: texts.min_p,
            greedy: texts.greedy,
        }
    }

    /// These wishes with those of the settings that hold now, where they name any.
    pub fn with_settings(&self, settings: &Settings) -> Self {
        let key = settings.key.wanted().map(|_| settings.key.to_string());
        let temperature = settings.temperature.wanted();
        Self {
            dance: settings.dance.wanted().or(self.dance),
            key: key.or_else(|| self.key.clone()),
            temperature: temperature
                .map(|wanted| wanted.0.value())
                .or(self.temperature),
            ..self.clone()
        }
    }

    fn temperature(&self) -> Result<Option<Temperature>, Failure> {
        let (least, most) = (Temperature::RANGE.start(), Temperature::RANGE.end());
        let checked = |value| {
            Temperature::new(value).ok_or_else(|| {
                Failure::usage(anyhow!(
                    "--temperature {value} is not between {least} and {most}"
                ))
            })
        };
        self.temperature.map(checked).transpose()
    }

    fn min_p(&self) -> Result<Option<MinP>, Failure> {
        let checked = |value| {
            MinP::new(value).ok_or_else(|| {
                Failure::usage(anyhow!(
                    "--min-p {value} is not a share from 0 to less than 1"
                ))
            })
        };
        self.min_p.map(checked).transpose()
    }

    fn folk_request(&self) -> Result<FolkRequest, Failure> {
        if self.greedy {
            return Err(
                Failure::usage(anyhow!("--greedy is for models of characters"))
                    .hint("add `--model article`"),
            );
        }
        let mut request = FolkRequest {
            dance: self.dance,
            form: self.form.clone(),
            ..FolkRequest::default()
        };
        if let Some(text) = &self.key {
            let key = read_key(text)?;
            request.tonic = key.tonic;
            request.mode = Some(key.mode);
        }
        request.meter = self.meter.as_deref().map(read_meter).transpose()?;
        if let Some(text) = &self.range {
            request.range = read_range(text)?;
        }
        request.prime = self.prime.as_deref().map(read_prime).transpose()?;
        Ok(request)
    }

    /// The article's network knows no wish but its prime.
    fn only_what_characters_can(&self) -> Result<(), Failure> {
        let asked = [
            ("--dance", self.dance.is_some()),
            ("--key", self.key.is_some()),
            ("--meter", self.meter.is_some()),
            ("--form", self.form.is_some()),
            ("--range", self.range.is_some()),
        ];
        match asked.iter().find(|(_, is_asked)| *is_asked) {
            None => Ok(()),
            Some((flag, _)) => Err(Failure::usage(anyhow!(
                "{flag} cannot be asked of a model of characters"
            ))
            .hint("leave `--model` out, or begin the tune with `--prime`")),
        }
    }
}

fn dance(text: &str) -> Result<Dance, String> {
    let names: Vec<&str> = Dance::ALL.iter().map(|dance| dance.name()).collect();
    Dance::from_name(text).ok_or_else(|| format!("`{text}` is none of {}", names.join(", ")))
}

fn read_key(text: &str) -> Result<Key, Failure> {
    let parsed = abc::parse(&format!("X:1\nK:{text}\n"));
    let is_clean = parsed
        .diagnostics
        .iter()
        .all(|found| found.code != abc::Code::BadKey);
    let key = score::read(&parsed.tune)
        .score
        .keys
        .first()
        .map(|mark| mark.key);
    match key {
        Some(key) if is_clean && key.tonic.is_some() && !text.contains('\n') => Ok(key),
        _ => {
            Err(Failure::usage(anyhow!("--key `{text}` is no key")).hint("write D, Am, Edor, Gmix"))
        }
    }
}

fn read_meter(text: &str) -> Result<FolkMeter, Failure> {
    let known: Vec<&str> = FolkMeter::ALL.iter().map(|meter| meter.abc()).collect();
    let meter = match text.split_once('/') {
        _ if text == "C" => Some(Meter::COMMON),
        _ if text == "C|" => Some(Meter::CUT),
        Some((beats, unit)) => beats
            .parse()
            .ok()
            .zip(unit.parse().ok())
            .and_then(|(beats, unit)| Meter::new(beats, unit)),
        None => None,
    };
    meter
        .and_then(FolkMeter::of)
        .ok_or_else(|| Failure::usage(anyhow!("--meter `{text}` is none of {}", known.join(" "))))
}

/// What melody instruments of sessions can play, MIDI note numbers: fingered without keys or shifts, as it is written.
const COMPASSES: [(&str, (i32, i32)); 8] = [
    ("whistle", (62, 83)),
    ("flute", (62, 83)),
    ("pipes", (62, 86)),
    ("fiddle", (55, 83)),
    ("banjo", (55, 83)),
    ("concertina", (55, 84)),
    ("accordion", (55, 88)),
    ("harp", (48, 88)),
];

fn read_range(text: &str) -> Result<(i32, i32), Failure> {
    if let Some((_, compass)) = COMPASSES.iter().find(|(name, _)| *name == text) {
        return Ok(*compass);
    }
    let ends = text.split_once('-');
    let read = ends.and_then(|(low, high)| Some((read_note(low)?, read_note(high)?)));
    read.ok_or_else(|| {
        let names = COMPASSES.map(|(name, _)| name);
        Failure::usage(anyhow!(
            "--range `{text}` is neither two notes nor one of {}",
            names.join(", ")
        ))
        .hint("write the lowest and the highest note as ABC does: D-b, G,-c'")
    })
}

/// The MIDI note number of one note of ABC.
fn read_note(text: &str) -> Option<i32> {
    let is_note =
        text.starts_with(|first: char| first.is_ascii_alphabetic() || "^_=".contains(first));
    let reading = score::read(&abc::parse(&format!("X:1\nL:1/4\nK:C\n{text}|\n")).tune);
    match reading.score.voices.first()?.notes.as_slice() {
        [note] if is_note && reading.diagnostics.is_empty() => Some(i32::from(note.pitch.number())),
        _ => None,
    }
}

fn read_prime(text: &str) -> Result<FolkTune, Failure> {
    let text = if text.starts_with("X:") {
        text.to_owned()
    } else {
        format!("X:1\n{text}")
    };
    let score = score::read(&abc::parse(&text).tune).score;
    folk::from_score(&score, folk::Style::Target, "").map_err(|unfit| {
        Failure::input(anyhow!("the tune of --prime cannot be gone on from: {unfit}"))
            .hint("give `M:` and `K:` lines and parts of whole bars, such as a tune from `ceilid generate`; or use `--model article`")
    })
}
