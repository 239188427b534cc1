//! Answers Prometheus.
//!
//! In: everything that is counted. Out: the text that Prometheus reads (exposition format 0.0.4).

use super::Web;
use crate::daemon::Status;
use crate::daemon::status::Activity;
use crate::output::Health;
use crate::output::stream::{Station, StreamFormat};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::fmt::{Display, Write};
use std::sync::Arc;

/// Steps of the histogram left out between two that are told: a step a doubling.
const LATENESS_STEP: usize = 4;

/// Counters and gauges for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn metrics(State(web): State<Arc<Web>>) -> Response {
    let text = written(&web.handle.status(), &web.station);
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, text).into_response()
}

/// Metrics on their way into text.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            self.text,
            "# HELP ceilid_{name} {help}\n# TYPE ceilid_{name} {kind}"
        );
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "ceilid_{name}");
        for (index, (label, value)) in labels.iter().enumerate() {
            let value = value
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{value}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.value(name, &[], value);
    }
}

fn written(status: &Status, station: &Station) -> String {
    let mut page = Page::default();
    let counters = &status.counters;
    page.single(
        "uptime_seconds",
        "gauge",
        "Since the start.",
        status.uptime.as_secs_f64(),
    );
    let is_playing = u8::from(status.activity == Activity::Playing);
    page.single("playing", "gauge", "1 while it plays.", is_playing);
    page.family("tunes_total", "counter", "Tunes by what became of them.");
    for (outcome, count) in [
        ("ready", counters.tunes_ready),
        ("refused", counters.tunes_refused),
        ("played", counters.tunes_played),
        ("skipped", counters.tunes_skipped),
    ] {
        page.value("tunes_total", &[("outcome", outcome)], count);
    }
    page.family(
        "drafts_refused_total",
        "counter",
        "Drafts that the critic refused, by reason.",
    );
    for (refusal, count) in status.refusals.iter() {
        page.value("drafts_refused_total", &[("reason", refusal.name())], count);
    }
    page.single(
        "tunes_ahead",
        "gauge",
        "Tunes that wait to be played.",
        status.queue.len(),
    );
    let ahead_s: f64 = status
        .queue
        .iter()
        .map(|tune| tune.length.as_secs_f64())
        .sum();
    page.single(
        "ahead_seconds",
        "gauge",
        "Music that waits to be played.",
        ahead_s,
    );
    page.single(
        "notes_total",
        "counter",
        "Notes sent, once an output.",
        counters.notes_sent,
    );
    page.single(
        "hold_ups_total",
        "counter",
        "Times the music had to be moved.",
        counters.hold_ups,
    );
    page.family("output_well", "gauge", "1 while the output plays.");
    for output in &status.outputs {
        let is_well = u8::from(output.health == Health::Well);
        page.value("output_well", &[("output", &output.name)], is_well);
    }
    page.family(
        "output_faults_total",
        "counter",
        "What went wrong at an output.",
    );
    for output in &status.outputs {
        for (fault, count) in [
            ("xrun", output.counters.xruns),
            ("dropped", output.counters.dropped),
            ("loss", output.counters.losses),
        ] {
            page.value(
                "output_faults_total",
                &[("output", &output.name), ("fault", fault)],
                count,
            );
        }
    }
    lateness(&mut page, status);
    listeners(&mut page, station);
    process(&mut page);
    page.text
}

fn lateness(page: &mut Page, status: &Status) {
    let name = "note_lateness_seconds";
    page.family(name, "histogram", "How late notes were sent.");
    let mut count = 0;
    for (index, (upper, in_bucket)) in status.lateness.buckets().enumerate() {
        count += in_bucket;
        if index % LATENESS_STEP == 0 {
            let upper = format!("{:e}", upper.as_secs_f64());
            page.value("note_lateness_seconds_bucket", &[("le", &upper)], count);
        }
    }
    page.value("note_lateness_seconds_bucket", &[("le", "+Inf")], count);
    page.value(
        "note_lateness_seconds_sum",
        &[],
        status.lateness.sum().as_secs_f64(),
    );
    page.value("note_lateness_seconds_count", &[], count);
}

fn listeners(page: &mut Page, station: &Station) {
    page.family("listeners", "gauge", "Listeners of a stream.");
    for format in StreamFormat::ALL {
        page.value(
            "listeners",
            &[("format", format.extension())],
            station.listener_count(format),
        );
    }
    page.family(
        "listeners_dropped_total",
        "counter",
        "Listeners that were too slow.",
    );
    for format in StreamFormat::ALL {
        let labels = [("format", format.extension())];
        page.value(
            "listeners_dropped_total",
            &labels,
            station.dropped_count(format),
        );
    }
    let counters = station.counters();
    page.single(
        "stream_slices_total",
        "counter",
        "Slices of 200 ms encoded.",
        counters.slices,
    );
    page.single(
        "stream_late_slices_total",
        "counter",
        "Slices ready late or lost.",
        counters.late_slices,
    );
    let lateness_max = counters.lateness_max.as_secs_f64();
    page.single(
        "stream_lateness_max_seconds",
        "gauge",
        "The latest a slice was ready.",
        lateness_max,
    );
}

/// Memory and processor time as Linux tells them; nothing elsewhere.
fn process(page: &mut Page) {
    let read = |name: &str| std::fs::read_to_string(name).unwrap_or_default();
    let status = read("/proc/self/status");
    let resident_kb = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    if let Some(resident_kb) = resident_kb {
        page.single(
            "resident_bytes",
            "gauge",
            "Memory in use.",
            resident_kb * 1024,
        );
    }
    // Fields 14 and 15 after the name in brackets, which may hold anything; ticks are hundredths on every Linux.
    let stat = read("/proc/self/stat");
    let times = stat
        .rsplit_once(')')
        .map(|(_, fields)| fields.split_whitespace().skip(11).take(2));
    let ticks: Option<u64> =
        times.and_then(|times| times.map(|time| time.parse::<u64>().ok()).sum());
    if let Some(ticks) = ticks {
        page.single(
            "cpu_seconds_total",
            "counter",
            "Processor time.",
            ticks as f64 / 100.0,
        );
    }
}
