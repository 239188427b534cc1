//! In: a tune's number and a format. Out: that tune in that format.

use super::Web;
use super::api::{Problem, asked};
use super::dto::{Tune, TuneSummary};
use crate::daemon::{TuneId, TuneRecord};
use crate::output::render::{self, RenderError, RenderSettings, Tags, flac};
use crate::output::smf;
use crate::output::synth::SynthFont;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io::Cursor;
use std::sync::Arc;

/// What a tune can be had as.
const EXTENSIONS: &str = "abc, json, mid, flac";

/// A tune that plays, waits, was played lately or is in the archive: `ID.abc`, `ID.json`, `ID.mid` or `ID.flac`.
#[utoipa::path(get, path = "/api/tunes/{file}", params(("file" = String, Path, description = "`ID.EXTENSION`")),
    responses((status = 200, description = "the tune"), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn tune(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
) -> Result<Response, Problem> {
    let unknown =
        || Problem::not_found("a tune is asked for as ID.abc, ID.json, ID.mid or ID.flac");
    let (id, extension) = file.split_once('.').ok_or_else(unknown)?;
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let tune = found(&web, TuneId(id)).await?;
    match extension {
        "abc" => Ok(sent(
            "text/vnd.abc; charset=utf-8",
            tune.abc.clone().into_bytes(),
        )),
        "json" => {
            let (summary, abc) = (TuneSummary::of(&tune), tune.abc.clone());
            Ok(Json(Tune { summary, abc }).into_response())
        }
        "mid" => Ok(sent("audio/midi", smf::to_bytes(&tune.heard()))),
        "flac" => {
            let Ok(_permit) = web.renders.try_acquire() else {
                return Err(Problem::busy("another tune is being rendered"));
            };
            let font = web.font.clone();
            let rendered = tokio::task::spawn_blocking(move || rendered(&tune, &font)).await;
            match rendered {
                Ok(Ok(bytes)) => Ok(sent("audio/flac", bytes)),
                Ok(Err(error)) => Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    error.to_string(),
                )),
                Err(_) => Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the tune cannot be rendered",
                )),
            }
        }
        other => Err(Problem::not_found(format!(
            "there is no `{other}` of a tune; there are {EXTENSIONS}"
        ))),
    }
}

/// A tune that is at hand, or one of the archive.
async fn found(web: &Web, id: TuneId) -> Result<Arc<TuneRecord>, Problem> {
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

fn rendered(tune: &TuneRecord, font: &SynthFont) -> Result<Vec<u8>, RenderError> {
    let performance = tune.heard();
    let mut frames = render::render_blocks(&performance, font, &RenderSettings::default())?;
    let mut file = Cursor::new(Vec::new());
    flac::write(&mut frames, &Tags::of(&performance), &mut file)?;
    Ok(file.into_inner())
}

fn sent(media_type: &'static str, bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, media_type)], bytes).into_response()
}
