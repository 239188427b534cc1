//! The plain questions and commands, one function a route: parameters in, JSON out.

use super::Web;
use super::dto::{Named, Now, Played, StatusReport, TuneSummary};
use crate::daemon::archive::{ArchiveError, Search};
use crate::daemon::status::PlayedTune;
use crate::daemon::{Command, Keeping, SkipAt, TuneId};
use crate::output::{Health, stream};
use crate::wishes::{Decides, SettingsPatch, TimeSpan, ValueError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Tunes of the past that are listed unless fewer are asked for.
const HISTORY_MAX: usize = 100;

/// Why a request was not met: what was found, and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    #[serde(skip)]
    #[schema(ignore)]
    status: StatusCode,
    /// What is wrong.
    error: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
        }
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(super) fn wrong_method() -> Self {
        let error = "this address does not take this method; /api/openapi.json lists what does";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, error)
    }

    pub(super) fn busy(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            let soon = header::HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    }
}

/// What came of a command.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// Always true: the daemon has it and obeys as soon as it can.
    accepted: bool,
}

type Reply = Result<Json<Accepted>, Problem>;

impl Accepted {
    pub(super) fn new() -> Self {
        Self { accepted: true }
    }
}

fn order(web: &Web, command: Command) -> Reply {
    if web.handle.command(command) {
        Ok(Json(Accepted::new()))
    } else {
        Err(Problem::busy("the daemon has ended or has too much to do"))
    }
}

/// What it is doing, its outputs, its counters and its settings.
#[utoipa::path(get, path = "/api/status", responses((status = 200, body = StatusReport)))]
pub(super) async fn status(State(web): State<Arc<Web>>) -> Json<StatusReport> {
    Json(StatusReport::of(&web.handle.status(), &web.station))
}

/// The tune that plays, or null.
#[utoipa::path(get, path = "/api/now", responses((status = 200, body = Option<Now>)))]
pub(super) async fn now(State(web): State<Arc<Web>>) -> Json<Option<Now>> {
    Json(web.handle.status().now.as_ref().map(Now::of))
}

/// The tunes that come next, soonest first.
#[utoipa::path(get, path = "/api/queue", responses((status = 200, body = Vec<TuneSummary>)))]
pub(super) async fn queue(State(web): State<Arc<Web>>) -> Json<Vec<TuneSummary>> {
    let status = web.handle.status();
    Json(
        status
            .queue
            .iter()
            .map(|tune| TuneSummary::of(tune))
            .collect(),
    )
}

#[derive(Deserialize, IntoParams)]
pub(super) struct HistoryQuery {
    /// How many at most.
    limit: Option<usize>,
    /// Only tunes with a smaller number than this: the next page of the archive.
    before: Option<u64>,
    /// `true` for those alone that are kept.
    kept: Option<bool>,
}

/// The tunes that were played, latest first: those of the archive where there is one, else the last hundred.
#[utoipa::path(get, path = "/api/history", params(HistoryQuery),
    responses((status = 200, body = Vec<Played>), (status = 500, body = Problem)))]
pub(super) async fn history(
    State(web): State<Arc<Web>>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Vec<Played>>, Problem> {
    let limit = query.limit.unwrap_or(HISTORY_MAX).min(HISTORY_MAX);
    let before = query.before.map(TuneId);
    let kept_only = query.kept.unwrap_or(false);
    if let Some(archive) = web.handle.archive() {
        let reader = archive.reader().clone();
        let search = Search {
            before,
            kept_only,
            played_only: true,
            count: u32::try_from(limit).unwrap_or(u32::MAX),
            ..Search::default()
        };
        let found = asked(move || reader.search(search)).await?;
        return Ok(Json(found.iter().filter_map(Played::of_archive).collect()));
    }
    let status = web.handle.status();
    let is_asked_for = |played: &&PlayedTune| {
        before.is_none_or(|before| played.tune.id < before)
            && (!kept_only || played.keeping == Keeping::Kept)
    };
    let played = status.history.iter().filter(is_asked_for).take(limit);
    Ok(Json(played.map(Played::of).collect()))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct BookQuery {
    /// How many at most.
    limit: Option<usize>,
    /// Only tunes with a smaller number than this: the next page.
    before: Option<u64>,
    /// `true` for those alone that are kept.
    kept: Option<bool>,
    /// What stands in the title.
    text: Option<String>,
    /// The dance, as the tune says it.
    dance: Option<String>,
    /// The key, as ABC writes it.
    key: Option<String>,
    /// Begun from this time on, in seconds since 1970 …
    since: Option<u64>,
    /// … and before this one.
    until: Option<u64>,
}

/// The tunes that were played or are kept, latest first. Without an archive, those of the last hundred.
#[utoipa::path(get, path = "/api/book", params(BookQuery),
    responses((status = 200, body = Vec<Played>), (status = 500, body = Problem)))]
pub(super) async fn book(
    State(web): State<Arc<Web>>,
    Query(query): Query<BookQuery>,
) -> Result<Json<Vec<Played>>, Problem> {
    let limit = query.limit.unwrap_or(HISTORY_MAX).min(HISTORY_MAX);
    let search = Search {
        before: query.before.map(TuneId),
        kept_only: query.kept.unwrap_or(false),
        heard_or_kept: true,
        title: query.text,
        dance: query.dance,
        key: query.key,
        since: query.since.map(Duration::from_secs),
        until: query.until.map(Duration::from_secs),
        count: u32::try_from(limit).unwrap_or(u32::MAX),
        ..Search::default()
    };
    let status = web.handle.status();
    let Some(archive) = web.handle.archive() else {
        let remembered = status.history.iter().filter(|played| {
            let (tune, is) = (&played.tune, |wish: &Option<String>, field| {
                wish.as_deref()
                    .is_none_or(|wish| played.tune.field(field) == Some(wish))
            });
            let title = search.title.as_ref().map(|title| title.to_lowercase());
            search.before.is_none_or(|before| tune.id < before)
                && (!search.kept_only || played.keeping == Keeping::Kept)
                && title.is_none_or(|title| tune.title.to_lowercase().contains(&title))
                && is(&search.dance, 'R')
                && is(&search.key, 'K')
                && search.since.is_none_or(|since| played.started >= since)
                && search.until.is_none_or(|until| played.started < until)
        });
        return Ok(Json(remembered.take(limit).map(Played::of).collect()));
    };
    let reader = archive.reader().clone();
    let found = asked(move || reader.search(search)).await?;
    Ok(Json(found.iter().map(Played::of_book).collect()))
}

/// What the archive answers; it reads a disk, so not on the thread that serves everybody.
pub(super) async fn asked<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, Problem> {
    let failed = |error: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let answer = tokio::task::spawn_blocking(question).await;
    answer
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))
}

/// What takes a processor for longer than a moment, beside the thread that serves everybody.
pub(super) async fn busy<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        let error = "the tune cannot be made; the log says why";
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error))
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SkipWhen {
    Now,
    PartEnd,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct SkipQuery {
    /// When: `now` (usual) or `part-end`.
    #[param(inline)]
    at: Option<SkipWhen>,
}

/// On to the next tune.
#[utoipa::path(post, path = "/api/skip", params(SkipQuery),
    responses((status = 200, body = Accepted), (status = 503, body = Problem)))]
pub(super) async fn skip(State(web): State<Arc<Web>>, Query(query): Query<SkipQuery>) -> Reply {
    let at = match query.at {
        None | Some(SkipWhen::Now) => SkipAt::Now,
        Some(SkipWhen::PartEnd) => SkipAt::PartEnd,
    };
    order(&web, Command::Skip(at))
}

/// Silence until it is resumed.
#[utoipa::path(post, path = "/api/pause", responses((status = 200, body = Accepted), (status = 503, body = Problem)))]
pub(super) async fn pause(State(web): State<Arc<Web>>) -> Reply {
    order(&web, Command::Pause)
}

/// Goes on where it paused.
#[utoipa::path(post, path = "/api/resume", responses((status = 200, body = Accepted), (status = 503, body = Problem)))]
pub(super) async fn resume(State(web): State<Arc<Web>>) -> Reply {
    order(&web, Command::Resume)
}

#[derive(Deserialize, IntoParams)]
pub(super) struct KeepQuery {
    /// Which tune; the one that plays where none is named.
    id: Option<u64>,
    /// `false` takes the mark away.
    kept: Option<bool>,
}

/// Marks a tune as worth keeping.
#[utoipa::path(post, path = "/api/keep", params(KeepQuery),
    responses((status = 200, body = Accepted), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn keep(State(web): State<Arc<Web>>, Query(query): Query<KeepQuery>) -> Reply {
    let keeping = if query.kept.unwrap_or(true) {
        Keeping::Kept
    } else {
        Keeping::NotKept
    };
    if query.id.is_none() && web.handle.status().now.is_none() {
        return Err(Problem::not_found("no tune plays; name one with ?id="));
    }
    order(&web, Command::Keep(query.id.map(TuneId), keeping))
}

/// Silences every note of every channel; the tune goes on.
#[utoipa::path(post, path = "/api/panic", responses((status = 200, body = Accepted), (status = 503, body = Problem)))]
pub(super) async fn panic(State(web): State<Arc<Web>>) -> Reply {
    order(&web, Command::Panic)
}

#[derive(Deserialize, IntoParams)]
pub(super) struct StopQuery {
    /// `true` lets the tune that plays end first.
    after_tune: Option<bool>,
}

/// Ends the daemon.
#[utoipa::path(post, path = "/api/stop", params(StopQuery),
    responses((status = 200, body = Accepted), (status = 503, body = Problem)))]
pub(super) async fn stop(State(web): State<Arc<Web>>, Query(query): Query<StopQuery>) -> Reply {
    order(
        &web,
        if query.after_tune.unwrap_or(false) {
            Command::StopAfterTune
        } else {
            Command::Stop
        },
    )
}

#[derive(Deserialize, IntoParams)]
pub(super) struct SleepQuery {
    /// When, such as `30m`; without it the timer is taken back.
    r#in: Option<String>,
}

/// Ends after the tune that plays when this time is over.
#[utoipa::path(post, path = "/api/sleep", params(SleepQuery),
    responses((status = 200, body = Accepted), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn sleep(State(web): State<Arc<Web>>, Query(query): Query<SleepQuery>) -> Reply {
    let span: Option<TimeSpan> = match query.r#in.as_deref() {
        None => None,
        Some(text) => Some(text.parse().map_err(|error: ValueError| {
            Problem::new(StatusCode::BAD_REQUEST, error.to_string())
        })?),
    };
    order(&web, Command::SleepIn(span.map(|span| span.0)))
}

/// What can be changed while it plays.
#[utoipa::path(get, path = "/api/settings", responses((status = 200, body = Named)))]
pub(super) async fn settings(State(web): State<Arc<Web>>) -> Json<Named> {
    Json(Named::of(&web.handle.settings()))
}

/// Changes some settings: what is not named stays.
#[utoipa::path(patch, path = "/api/settings", request_body = Named,
    responses((status = 200, body = Named), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn change_settings(
    State(web): State<Arc<Web>>,
    patch: Result<Json<SettingsPatch>, JsonRejection>,
) -> Result<Json<Named>, Problem> {
    let Json(patch) = patch.map_err(|rejection| {
        let text = rejection.body_text();
        // What was found, without axum's words about it; a wish is found by its name, and not by its place.
        let cause = text
            .split_once(": ")
            .map_or(text.as_str(), |(_, cause)| cause);
        let end = match rejection {
            JsonRejection::JsonDataError(_) => cause.rfind(" at line "),
            _ => None,
        };
        Problem::new(rejection.status(), &cause[..end.unwrap_or(cause.len())])
    })?;
    let before = web.handle.settings();
    let after = before.patched(&patch);
    if after.differ(&before, |row| row.decides == Decides::Composing) {
        // Drafts are begun for it, so not on the thread that serves everybody, and one at a time.
        let _permit = web.checks.acquire().await;
        let (handle, wishes) = (web.handle.clone(), after.clone());
        let check = tokio::task::spawn_blocking(move || handle.check_wishes(&wishes));
        if let Ok(Err(error)) = check.await {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                error.to_string(),
            ));
        }
    }
    order(&web, Command::Patch(patch)).map(|_| Json(Named::of(&after)))
}

/// Whether it plays on: 200, or 503 when every output is lost.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(super) async fn healthz(State(web): State<Arc<Web>>) -> Result<&'static str, Problem> {
    // The listeners' own output is never lost, so it says nothing where there are others.
    let outputs = web.handle.status().outputs;
    let mut others = outputs
        .iter()
        .filter(|output| output.name != stream::NAME && output.switch.is_on())
        .peekable();
    let is_heard = others.peek().is_none() || others.any(|output| output.health == Health::Well);
    if is_heard {
        Ok("ok\n")
    } else {
        Err(Problem::busy("every output is lost"))
    }
}
