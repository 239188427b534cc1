//! Serves the sound as HLS: what iPhones and networks of servers take.
//!
//! In: requests for a list or a segment. Out: the station's MP3 in segments of some seconds, kept in memory while somebody asks
//! for them.
//!
//! Numbers of segments come from the clock, so that a band that was started again goes on with later ones, and whoever
//! listened goes on listening.

use super::Web;
use super::api::Problem;
use super::range;
use crate::output::fan_out::Silence;
use crate::output::segments::{LISTED_MAX, Playlist, SEGMENT_SECONDS, SegmentFormat, Segmenter};
use crate::output::stream::{BURST, Station};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// Segments in memory: those listed, and some that slow listeners still read. 72 kB each.
const KEPT_MAX: usize = LISTED_MAX + 4;
/// Without a request for so long nobody listens.
const LINGER: Duration = Duration::from_secs(30);
/// How long a list may wait for its first segment.
const FIRST_WAIT_MAX: Duration = Duration::from_secs(10);
/// Of every segment.
const FORMAT: SegmentFormat = SegmentFormat::Mp3;

/// What can be had.
pub(super) struct Shelf {
    row: Mutex<Row>,
    news: Notify,
    opened: SystemTime,
}

struct Row {
    playlist: Playlist,
    /// With their numbers.
    segments: VecDeque<(u64, Arc<[u8]>)>,
    asked_at: Option<Instant>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self {
            row: Mutex::new(Row {
                playlist: Playlist::new(FORMAT, 0, 0),
                segments: VecDeque::new(),
                asked_at: None,
            }),
            news: Notify::new(),
            opened: SystemTime::now(),
        }
    }

    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody asks: sound is cut until nobody has for a while.
    fn ask(self: &Arc<Self>, station: &Station) {
        let was_asked = self.row().asked_at.replace(Instant::now()).is_some();
        if !was_asked {
            let (shelf, station) = (Arc::clone(self), station.clone());
            tokio::spawn(async move { shelf.fill(&station).await });
        }
    }

    async fn fill(&self, station: &Station) {
        let mut listener = station.listen(FORMAT.stream(), BURST);
        let mut segmenter = Segmenter::new(FORMAT);
        self.begin();
        loop {
            let heard = std::future::poll_fn(|context| listener.poll_next(context)).await;
            let mut row = self.row();
            match heard {
                Ok(piece) => {
                    if let Some(segment) = segmenter.take(&piece, listener.title()) {
                        let number = row.playlist.next();
                        row.segments.push_back((number, segment.bytes.into()));
                        if row.segments.len() > KEPT_MAX {
                            row.segments.pop_front();
                        }
                        row.playlist.push(&segment.title);
                        self.news.notify_waiters();
                    }
                }
                Err(Silence::TooSlow) => {
                    segmenter.forget();
                    row.playlist.note_break();
                    listener = station.listen(FORMAT.stream(), Duration::ZERO);
                }
                Err(Silence::Over | Silence::NothingYet) => row.asked_at = None,
            }
            let is_wanted = row.asked_at.is_some_and(|at| at.elapsed() < LINGER);
            if !is_wanted {
                row.asked_at = None;
                row.playlist = Playlist::new(FORMAT, row.playlist.next(), 0);
                row.segments.clear();
                return;
            }
        }
    }

    /// The first number is that of the time at which its sound sounded.
    fn begin(&self) {
        let since = |time: SystemTime| {
            let age = time.duration_since(SystemTime::UNIX_EPOCH);
            age.map_or(0, |age| age.as_secs() / SEGMENT_SECONDS)
        };
        let heard_from = (SystemTime::now().checked_sub(BURST))
            .map_or(self.opened, |time| time.max(self.opened));
        let mut row = self.row();
        let first = (since(heard_from) + 1).max(row.playlist.next());
        // As with segments, so with breaks: later runs have higher numbers.
        row.playlist = Playlist::new(FORMAT, first, first);
        row.playlist.note_break();
        row.segments.clear();
    }
}

/// The sound as HLS: a list of segments of three seconds in MP3, the next of which comes as it is over. What iPhones play, and
/// networks of servers carry.
#[utoipa::path(get, path = "/hls/index.m3u8",
    responses((status = 200, content_type = "application/vnd.apple.mpegurl", body = String), (status = 503, body = Problem)))]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    web.hls.ask(&web.station);
    let deadline = tokio::time::Instant::now() + FIRST_WAIT_MAX;
    // Players that cannot keep a cookie are told the token again with each segment.
    let token = query.as_deref().and_then(|query| {
        let is_token = |pair: &&str| pair.starts_with("token=");
        query.split('&').find(is_token)
    });
    let query = token.map_or_else(String::new, |token| format!("?{token}"));
    loop {
        let news = web.hls.news.notified();
        {
            let row = web.hls.row();
            if !row.playlist.is_empty() {
                let kind = [(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")];
                return Ok((kind, row.playlist.text(&query)).into_response());
            }
        }
        if tokio::time::timeout_at(deadline, news).await.is_err() {
            return Err(Problem::busy("there is no sound yet"));
        }
    }
}

/// A segment that the list names.
#[utoipa::path(get, path = "/hls/{file}", params(("file" = String, Path, description = "as `/hls/index.m3u8` names it")),
    responses((status = 200, content_type = "audio/mpeg", body = Vec<u8>), (status = 404, body = Problem)))]
pub(super) async fn segment(
    State(web): State<Arc<Web>>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    web.hls.ask(&web.station);
    let found = {
        let row = web.hls.row();
        let mut segments = row.segments.iter();
        let found = segments.find(|(number, _)| FORMAT.file_name(*number) == file);
        found.map(|(_, bytes)| bytes.to_vec())
    };
    let bytes =
        found.ok_or_else(|| Problem::not_found("there is no such segment, or not any more"))?;
    let mut response = range::part(&headers, FORMAT.stream().media_type(), bytes);
    let forever = header::HeaderValue::from_static("max-age=60");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, forever);
    Ok(response)
}
