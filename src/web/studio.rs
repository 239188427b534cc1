//! Composes for whoever asks, beside what plays; turns ABC text into any format; takes tunes to be played or kept.
//!
//! In: wishes, or ABC text. Out: a new tune, the text in a format, or the number of the tune in the daemon's queue and archive.
//! Keeps nothing between two requests: the text is the tune.

use super::Web;
use super::api::{Problem, busy};
use super::sheet::Picture;
use super::tune_format::TuneFormat;
use super::tunes::{found, made};
use crate::compose::shipped::LoadedModel;
use crate::compose::{ComposeError, Provenance};
use crate::critic::Critic;
use crate::daemon::rendition::Rendition;
use crate::daemon::{Keeping, Origin, ReadyTune, TuneId};
use crate::wishes::{Settings, SettingsPatch};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use utoipa::{IntoParams, ToSchema};

/// The model to ask and the critic who judges; a model that was taught meanwhile is the one that is asked.
pub type Muse = Box<dyn Fn() -> Result<(LoadedModel, Arc<Critic>), String> + Send + Sync>;

/// Seeds drawn for those who give none: six digits, as people can say them.
const SEEDS: u128 = 1_000_000;

/// A new tune.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Composed {
    /// The tune as ABC text.
    abc: String,
    /// Seed and index that make it again, with the same wishes.
    seed: u64,
    index: u64,
    /// How it was made, in a line.
    provenance: String,
    /// Why drafts before it were refused, and how many each.
    refused: BTreeMap<String, u64>,
    /// Which draft it is, from 1.
    draft: u32,
    /// How many of its notes in a row stand in a tune that the model learnt from, where the critic knows.
    longest_known_passage: Option<usize>,
}

/// Raised when whoever asked has gone.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Composes a tune: any of the settings that decide composing (`dance`, `key`, `meter`, `form`, `range`, `temperature`,
/// `min_p`, `prime`), and `seed` and `index` for a tune that was composed before. The band plays on.
#[utoipa::path(post, path = "/api/compose",
    request_body(content = Object, example = json!({"dance": "jig", "key": "D", "seed": 42})),
    responses((status = 200, body = Composed), (status = 400, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn compose(
    State(web): State<Arc<Web>>,
    body: Result<Json<Map<String, Value>>, JsonRejection>,
) -> Result<Json<Composed>, Problem> {
    let wrong = |error: String| Problem::new(StatusCode::BAD_REQUEST, error);
    let Json(mut asked) = body.map_err(|error| wrong(error.body_text()))?;
    let mut number = |name: &str| match asked.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value
            .as_u64()
            .or_else(|| value.as_str()?.trim().parse().ok())
        {
            Some(number) => Ok(Some(number)),
            None => Err(wrong(format!("`{name}` is a whole number, not {value}"))),
        },
    };
    let (seed, index) = (number("seed")?, number("index")?.unwrap_or(0));
    let patch = SettingsPatch::deserialize(Value::Object(asked))
        .map_err(|error| wrong(error.to_string()))?;
    let wishes = Settings::default().patched(&patch);
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 still gives a seed.
        u64::try_from(now.map_or(0, |now| now.as_micros()) % SEEDS).unwrap_or(0)
    });
    let Ok(permit) = Arc::clone(&web.composers).try_acquire_owned() else {
        return Err(Problem::busy("other tunes are being composed"));
    };
    let stop = Arc::new(AtomicBool::new(false));
    let _gone = Gone(Arc::clone(&stop));
    let asker = Arc::clone(&web);
    let composition = busy(move || {
        let _permit = permit;
        let broken = |error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error);
        let unwritable = |error: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error);
        let (model, critic) = (asker.muse)().map_err(broken)?;
        let composer = model
            .composer(critic, &wishes)
            .map_err(|error| unwritable(with_causes(&error)))?;
        composer
            .compose(seed, index, &stop)
            .map_err(|error| match error {
                ComposeError::AllRefused { .. } => unwritable(error.to_string()),
                other => Problem::busy(other.to_string()),
            })
    })
    .await?;
    let familiarity = composition.verdict.familiarity.as_ref();
    Ok(Json(Composed {
        seed,
        index,
        draft: composition.provenance.draft,
        provenance: composition.provenance.to_string(),
        refused: (composition.refusals.iter())
            .map(|(reason, count)| (reason.to_string(), count))
            .collect(),
        longest_known_passage: familiarity.map(|familiarity| familiarity.longest_passage_notes),
        abc: composition.abc,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ConvertQuery {
    /// The format: abc, mid, svg, pdf, sheet (a picture, where the music is on it and what is odd in the text, as JSON), opus,
    /// flac or wav.
    to: String,
    /// Who plays, as the setting `style`; the usual where none is given.
    style: Option<String>,
    /// How often the tune is played in a row.
    times: Option<String>,
    /// How much faster than usual.
    tempo_scale: Option<String>,
    /// What varies in the playing; 0 where none is given.
    seed: Option<u64>,
}

/// Turns the ABC text of the body, one tune, into another format. Nothing is kept of it.
#[utoipa::path(post, path = "/api/convert", params(ConvertQuery, Picture),
    request_body(content = String, content_type = "text/vnd.abc"),
    responses((status = 200, description = "the tune in that format"), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn convert(
    State(web): State<Arc<Web>>,
    query: Result<Query<ConvertQuery>, QueryRejection>,
    picture: Result<Query<Picture>, QueryRejection>,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Problem> {
    let wrong = |error: String| Problem::new(StatusCode::BAD_REQUEST, error);
    let Query(query) = query.map_err(|error| wrong(error.to_string()))?;
    let Query(picture) = picture.map_err(|error| wrong(error.to_string()))?;
    let format = TuneFormat::named(&query.to).ok_or_else(|| {
        let names = TuneFormat::NAMES;
        wrong(format!(
            "there is no format `{}`; there are {names}",
            query.to
        ))
    })?;
    let mut patch = SettingsPatch::default();
    for (name, value) in [
        ("style", query.style),
        ("times", query.times),
        ("tempo_scale", query.tempo_scale),
    ] {
        if let Some(value) = value {
            patch
                .set(name, &value)
                .map_err(|error| wrong(error.to_string()))?;
        }
    }
    let settings = Arc::new(Settings::default().patched(&patch));
    let rendition = Rendition::new(settings, query.seed.unwrap_or(0));
    let tune = ready(text, rendition).record().clone();
    made(&web, format, picture, tune, &headers).await
}

/// A tune for the daemon.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Gift {
    /// Its ABC text …
    abc: Option<String>,
    /// … or the number of a tune that was composed or played before.
    id: Option<u64>,
    /// Whether it is played after what comes next; true where nothing is said.
    play: Option<bool>,
    /// Whether it is kept.
    keep: Option<bool>,
}

/// The tune's number.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GiftTaken {
    id: u64,
}

/// Gives the daemon a tune to play, to keep, or both: a text, or one that it played before.
#[utoipa::path(post, path = "/api/queue", request_body = Gift,
    responses((status = 200, body = GiftTaken), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn give(
    State(web): State<Arc<Web>>,
    body: Result<Json<Gift>, JsonRejection>,
) -> Result<Json<GiftTaken>, Problem> {
    let wrong = |error: &str| Problem::new(StatusCode::BAD_REQUEST, error);
    let Json(gift) = body.map_err(|error| wrong(&error.body_text()))?;
    let known = match (&gift.abc, gift.id) {
        (None, Some(id)) => Some(found(&web, TuneId(id)).await?),
        (Some(_), None) => None,
        _ => {
            return Err(wrong(
                "give the tune's `abc`, or the `id` of one that was played",
            ));
        }
    };
    let (handle, settings) = (web.handle.clone(), web.handle.settings());
    let id = busy(move || {
        let is_new = known.is_none();
        let tune = match (known, gift.abc) {
            (Some(known), _) => ReadyTune::new(
                known.id,
                known.abc.clone(),
                Rendition::new(Arc::clone(&known.rendition.settings), known.rendition.seed),
                known.origin.clone(),
                known.verdict.clone(),
                None,
            ),
            (None, text) => ready(text.unwrap_or_default(), Rendition::new(settings, 0)),
        };
        if !tune.has_notes() {
            let error = "there is nothing to hear in it: a tune has `X:` and `K:` lines, and notes";
            return Err(Problem::new(StatusCode::BAD_REQUEST, error));
        }
        let keeping = gift.keep.map(|keep| {
            if keep {
                Keeping::Kept
            } else {
                Keeping::NotKept
            }
        });
        let plays = gift.play.unwrap_or(true);
        let full = || Problem::busy("too many tunes wait already, or the daemon ends");
        handle.give(tune, is_new, plays, keeping).ok_or_else(full)
    });
    Ok(Json(GiftTaken { id: id.await?.0 }))
}

/// A text as a tune of the daemon's; it gets its number there.
fn ready(text: String, rendition: Rendition) -> ReadyTune {
    // A tune without a number of its own is a tune all the same.
    let text = if text.lines().any(|line| line.starts_with("X:")) {
        text
    } else {
        format!("X:1\n{text}")
    };
    let told = Provenance::all_in(&text)
        .ok()
        .and_then(|mut told| told.pop());
    let origin = match told {
        Some(provenance) => Origin::Composed(Box::new(provenance)),
        None => Origin::ByHand,
    };
    let verdict = String::from("given");
    ReadyTune::new(TuneId(0), text, rendition, origin, verdict, None)
}

/// An error and its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
