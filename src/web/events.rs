//! Sends what happens to pages, as it happens.
//!
//! In: the daemon's notices. Out: the same as server-sent events, to any number of pages.

use super::api::Problem;
use super::dto::{Named, StatusReport, TuneSummary, end_name};
use super::{UNBUFFERED, Web};
use crate::daemon::{Handle, Keeping, NoNotice, Notice};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// Events waiting for a page; one that is slower is told how many it lost.
const EVENTS_MAX: usize = 256;
/// How often the thread looks whether anybody is left to tell.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Without an event for so long, a comment is sent, so that those between us do not hang up.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The events of a daemon, ready to be sent.
pub(super) struct Events {
    events: Sender<Bytes>,
}

impl Events {
    /// Follows the daemon on a thread that ends with it.
    pub(super) fn follow(handle: &Handle) -> Self {
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let subscription = handle.subscribe();
        let weak = events.downgrade();
        let follower = move || {
            loop {
                let notice = subscription.next_within(LOOK_INTERVAL);
                let Some(events) = weak.upgrade() else { return };
                let (name, data) = match notice {
                    Ok(notice) => describe(&notice),
                    Err(NoNotice::Yet) => continue,
                    Err(NoNotice::AnyMore) => ("ended", json!({})),
                };
                // Without a page it goes nowhere.
                let _ = events.send(written(name, &data));
                if name == "ended" {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(follower);
        if let Err(error) = thread {
            tracing::error!(%error, "pages will not see what happens");
        }
        Self { events }
    }
}

/// Everything that happens, as it happens. The first event is the whole status; each has a name and JSON data.
#[utoipa::path(get, path = "/api/events",
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 503, body = Problem)))]
pub(super) async fn events(State(web): State<Arc<Web>>) -> Result<Response, Problem> {
    let Ok(permit) = Arc::clone(&web.followers).try_acquire_owned() else {
        return Err(Problem::busy("too many pages are open; close one"));
    };
    let inbox = web.events.events.subscribe();
    let status = StatusReport::of(&web.handle.status(), &web.station);
    let status = serde_json::to_value(status).unwrap_or_default();
    let body = Follower {
        first: Some(written("status", &status)),
        next: Box::pin(next(inbox)),
        _permit: permit,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        UNBUFFERED,
    ];
    Ok((headers, Body::new(body)).into_response())
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Receiver<Bytes>)>> + Send>>;

/// One page's events.
struct Follower {
    first: Option<Bytes>,
    next: Next,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for Follower {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Poll::Ready(event) = pin!(&mut self.next).poll(context) else {
            return Poll::Pending;
        };
        Poll::Ready(event.map(|(event, inbox)| {
            self.next = Box::pin(next(inbox));
            Ok(Frame::data(event))
        }))
    }
}

async fn next(mut inbox: Receiver<Bytes>) -> Option<(Bytes, Receiver<Bytes>)> {
    match tokio::time::timeout(SIGN_OF_LIFE, inbox.recv()).await {
        Ok(Ok(event)) => Some((event, inbox)),
        Ok(Err(RecvError::Lagged(count))) => {
            Some((written("lost", &json!({ "count": count })), inbox))
        }
        Ok(Err(RecvError::Closed)) => None,
        Err(_) => Some((Bytes::from_static(b":\n\n"), inbox)),
    }
}

fn written(name: &str, data: &Value) -> Bytes {
    // JSON has no line breaks of its own.
    format!("event: {name}\ndata: {data}\n\n").into()
}

fn describe(notice: &Notice) -> (&'static str, Value) {
    match notice {
        Notice::TuneStarted(tune) => ("tune-started", json!(TuneSummary::of(tune))),
        Notice::TuneEnded(tune, end) => (
            "tune-ended",
            json!({ "id": tune.id.0, "title": tune.title, "end": end_name(*end) }),
        ),
        Notice::TuneRefused(reason) => ("tune-refused", json!({ "reason": reason })),
        Notice::WishesLetGo(wishes) => ("wishes-let-go", json!({ "wishes": wishes })),
        Notice::QueueChanged => ("queue-changed", json!({})),
        Notice::Paused => ("paused", json!({})),
        Notice::Resumed => ("resumed", json!({})),
        Notice::TuneKept(id, keeping) => (
            "tune-kept",
            json!({ "id": id.0, "kept": *keeping == Keeping::Kept }),
        ),
        Notice::Panicked => ("panicked", json!({})),
        Notice::SettingsChanged(settings) => ("settings-changed", json!(Named::of(settings))),
        Notice::SleepTimer(span) => (
            "sleep-timer",
            json!({ "in_s": span.map(|span| span.as_secs()) }),
        ),
        Notice::OutputLost(name) => ("output-lost", json!({ "name": name })),
        Notice::OutputBack(name) => ("output-back", json!({ "name": name })),
        Notice::OutputAdded(name) => ("output-added", json!({ "name": name })),
        Notice::OutputRemoved(name) => ("output-removed", json!({ "name": name })),
        Notice::Stopping => ("stopping", json!({})),
    }
}
