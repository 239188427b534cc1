//! Serves tunes in any format, by their numbers.
//!
//! In: the numbers of tunes and a format. Out: a tune in that format, or several as one book.

use super::Web;
use super::api::{Problem, asked, busy};
use super::dto::{Tune, TuneSummary};
use super::range;
use super::sheet::{self, Picture};
use super::thoughts;
use super::tune_format::TuneFormat;
use crate::daemon::{TuneId, TuneRecord};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// How long a tune waits for those that are rendered before it.
const RENDER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Tunes of one book.
const BOOK_TUNES_MAX: usize = 500;

/// A tune that plays, waits, was played lately or is in the archive: `ID.json`, or `ID.EXTENSION` with one of abc, mid, svg,
/// pdf, sheet (a picture and where the music is on it, as JSON), opus, flac, wav; and `ID.thoughts`, what the network thought of
/// each note, as JSON.
#[utoipa::path(get, path = "/api/tunes/{file}", params(("file" = String, Path, description = "`ID.EXTENSION`"), Picture),
    responses((status = 200, description = "the tune"), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn tune(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
    picture: Result<Query<Picture>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    file_of(&web, &file, picture, &headers).await
}

/// A tune that waits in the queue, by its number there: as `/api/tunes`.
#[utoipa::path(get, path = "/api/queue/{file}", params(("file" = String, Path, description = "`ID.EXTENSION`"), Picture),
    responses((status = 200, description = "the tune"), (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn queued(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
    picture: Result<Query<Picture>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    file_of(&web, &file, picture, &headers).await
}

#[derive(Deserialize, IntoParams)]
pub(super) struct BookQuery {
    /// The tunes' numbers, with commas between them, in their order in the book.
    ids: String,
}

/// Several tunes as a book to print, with contents and an index of first bars.
#[utoipa::path(get, path = "/api/book.pdf", params(BookQuery),
    responses((status = 200, description = "the book"), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn printed_book(
    State(web): State<Arc<Web>>,
    Query(query): Query<BookQuery>,
) -> Result<Response, Problem> {
    book(&web, &query, TuneFormat::Pdf).await
}

/// Several tunes as a tunebook.
#[utoipa::path(get, path = "/api/book.abc", params(BookQuery),
    responses((status = 200, description = "the book"), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn tunebook(
    State(web): State<Arc<Web>>,
    Query(query): Query<BookQuery>,
) -> Result<Response, Problem> {
    book(&web, &query, TuneFormat::Abc).await
}

async fn book(web: &Web, query: &BookQuery, format: TuneFormat) -> Result<Response, Problem> {
    let wrong = |error: String| Problem::new(StatusCode::BAD_REQUEST, error);
    let ids = query.ids.split(',').map(|id| {
        let id = id.trim();
        (id.parse().map(TuneId)).map_err(|_| wrong(format!("`{id}` is no tune's number")))
    });
    let ids: Vec<TuneId> = ids.collect::<Result<_, _>>()?;
    if ids.len() > BOOK_TUNES_MAX {
        let error = format!(
            "{} tunes are too many for one book; {BOOK_TUNES_MAX} are not",
            ids.len()
        );
        return Err(wrong(error));
    }
    let mut tunes = Vec::with_capacity(ids.len());
    for id in ids {
        tunes.push(found(web, id).await?);
    }
    let bytes = busy(move || {
        let texts = tunes.iter().map(|tune| tune.abc.as_str());
        Ok(match format {
            TuneFormat::Pdf => sheet::pdf(texts, "Tunes"),
            // A blank line ends a tune.
            _ => texts
                .map(|abc| format!("{}\n\n", abc.trim_end()))
                .collect::<String>()
                .into_bytes(),
        })
    });
    Ok(([(header::CONTENT_TYPE, format.media_type())], bytes.await?).into_response())
}

async fn file_of(
    web: &Arc<Web>,
    file: &str,
    picture: Result<Query<Picture>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (id, extension) = file.split_once('.').ok_or_else(unknown)?;
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let tune = found(web, TuneId(id)).await?;
    if extension == "json" {
        let (summary, abc) = (TuneSummary::of(&tune), tune.abc.clone());
        return Ok(Json(Tune { summary, abc }).into_response());
    }
    if extension == "thoughts" {
        return Ok(Json(thoughts::thoughts(web, tune).await?).into_response());
    }
    let format = TuneFormat::named(extension).ok_or_else(|| {
        let names = TuneFormat::NAMES;
        Problem::not_found(format!(
            "there is no `{extension}` of a tune; there are json, thoughts, {names}"
        ))
    })?;
    let Query(picture) =
        picture.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    made(web, format, picture, tune, headers).await
}

fn unknown() -> Problem {
    let names = TuneFormat::NAMES;
    Problem::not_found(format!(
        "a tune is asked for as ID.abc, or with another of json, {names}"
    ))
}

/// A tune in a format, when those before it are made.
pub(super) async fn made(
    web: &Web,
    format: TuneFormat,
    picture: Picture,
    tune: Arc<TuneRecord>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let permit = match format.is_sound() {
        true => Some(turn(web).await?),
        false => None,
    };
    let font = web.font.clone();
    let bytes = busy(move || {
        let bytes = format.make(&tune.abc, &tune.rendition, &picture, &font);
        drop(permit);
        bytes
    });
    Ok(range::part(headers, format.media_type(), bytes.await?))
}

/// Waits for a processor.
async fn turn(web: &Web) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    let turn = Arc::clone(&web.renders).acquire_owned();
    match tokio::time::timeout(RENDER_WAIT_MAX, turn).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::busy("other tunes are being rendered")),
    }
}

/// A tune that is at hand, or one of the archive.
pub(super) async fn found(web: &Web, id: TuneId) -> Result<Arc<TuneRecord>, Problem> {
    if let Some(tune) = web.handle.tune(id) {
        return Ok(tune);
    }
    let reader = web.handle.archive().map(|archive| archive.reader().clone());
    let archived = match reader {
        Some(reader) => asked(move || reader.get(id)).await?,
        None => None,
    };
    archived
        .map(|archived| archived.tune)
        .ok_or_else(|| Problem::not_found(format!("there is no tune {id}, or not any more")))
}
