//! A request of HTTP, `METHOD PATH`, lines of a head, an empty line and a body → an answer that is no fault of the server.
#![no_main]

use axum::body::Body;
use axum::http::Request;
use ceilid::compose::shipped;
use ceilid::output::stream::Station;
use ceilid::output::synth::SynthFont;
use ceilid::web::{self, Access, Parts};
use ceilid_fuzz::band::band;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

thread_local! {
    static PAGE: RefCell<Option<(Runtime, axum::Router)>> = const { RefCell::new(None) };
}

fn page() -> (Runtime, axum::Router) {
    let (station, _output) = Station::open(SynthFont::embedded()).expect("threads start");
    let parts = Parts {
        handle: band().clone(),
        station,
        font: SynthFont::embedded(),
        access: Access::to(web::ADDRESS, None).expect("an address of this machine"),
        muse: Box::new(|| Ok((shipped::usual_model(), shipped::critic()))),
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    (runtime.expect("a runtime"), web::router(parts))
}

fn request(text: &str) -> Option<Request<Body>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (first, fields) = head.split_once('\n').unwrap_or((head, ""));
    let (method, path) = first.split_once(' ')?;
    // What would end the band is left out, and what composes: a second each.
    if ["stop", "sleep", "compose"]
        .iter()
        .any(|word| path.contains(word))
    {
        return None;
    }
    let mut request = Request::builder().method(method).uri(path);
    for field in fields.lines() {
        let (name, value) = field.split_once(": ")?;
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).ok()
}

fuzz_target!(|text: &str| {
    let Some(request) = request(text) else {
        return;
    };
    PAGE.with_borrow_mut(|kept| {
        let (runtime, router) = kept.get_or_insert_with(page);
        let answer = runtime
            .block_on(router.clone().oneshot(request))
            .expect("it never fails");
        // The streams are full, or it is swamped: that is said.
        let status = answer.status().as_u16();
        assert!(status < 500 || status == 503, "{status}");
    });
});
