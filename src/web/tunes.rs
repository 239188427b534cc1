//! Serves a single tune in any format.
//!
//! In: a tune's number and a format. Out: that tune in that format.

use super::Web;
use super::api::{Problem, asked};
use super::dto::{Tune, TuneSummary};
use super::range;
use crate::abc;
use crate::daemon::{TuneId, TuneRecord};
use crate::output::render::{self, RenderError, RenderSettings, Tags, flac};
use crate::output::smf;
use crate::output::synth::SynthFont;
use crate::picture::score::svg::{self, SvgSettings};
use crate::picture::score::{Layout, Lines, engrave};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::io::Cursor;
use std::sync::Arc;
use utoipa::IntoParams;

/// What a tune can be had as.
const EXTENSIONS: &str = "abc, json, mid, flac, svg";

/// How an SVG is to be set.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Picture {
    /// Its width in pixels of CSS, 120 to 8000; 740 where none is given.
    width: Option<u16>,
    /// Height of a staff in millimetres of CSS, 2 to 30; 7 where none is given.
    staff: Option<f32>,
}

impl Picture {
    const WIDTH_PX: u16 = 740;
    const STAFF_MM: f32 = 7.0;

    /// The tune as sheet music.
    fn of(&self, abc: &str) -> Result<String, Problem> {
        let width = self.width.unwrap_or(Self::WIDTH_PX);
        let staff = self.staff.unwrap_or(Self::STAFF_MM);
        if !(120..=8000).contains(&width) || !(2.0..=30.0).contains(&staff) {
            let error = format!(
                "a picture is 120 to 8000 px wide with staves of 2 to 30 mm, not {width} px and {staff} mm"
            );
            return Err(Problem::new(StatusCode::BAD_REQUEST, error));
        }
        let settings = SvgSettings {
            staff_space_px: staff / 4.0 / 25.4 * 96.0,
            ..SvgSettings::default()
        };
        let layout = Layout {
            width: settings.line_width(f32::from(width)),
            lines: Lines::Fitted,
        };
        Ok(svg::picture(
            &engrave(&abc::parse(abc).tune, &layout).drawing,
            &settings,
        ))
    }
}

/// A tune that plays, waits, was played lately or is in the archive: `ID.abc`, `ID.json`, `ID.mid`, `ID.flac` or `ID.svg`.
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

async fn file_of(
    web: &Web,
    file: &str,
    picture: Result<Query<Picture>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let unknown =
        || Problem::not_found("a tune is asked for as ID.abc, ID.json, ID.mid, ID.flac or ID.svg");
    let (id, extension) = file.split_once('.').ok_or_else(unknown)?;
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let tune = found(web, TuneId(id)).await?;
    let sent = |media_type, bytes| range::part(headers, media_type, bytes);
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
        "svg" => {
            let Query(picture) = picture
                .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
            // A tune the daemon wrote is set in less than a millisecond.
            Ok(sent("image/svg+xml", picture.of(&tune.abc)?.into_bytes()))
        }
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
