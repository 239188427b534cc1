//! `ceilid status`, `now`, `skip`, `set` and the other commands to a running daemon: a request, and its answer in words.

use super::door::{Door, number, text};
use super::terminal::Terminal;
use super::{Context, Failure, files, remote_display};
use anyhow::anyhow;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::IsTerminal;

/// Arguments of `ceilid status`.
#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Show it again every second, until Ctrl-C or the daemon ends it; on a terminal the tune as it goes, with the keys of `play`
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid now`.
#[derive(clap::Args)]
pub(super) struct NowArgs {
    /// Stay, and print each tune as it begins
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid set`.
#[derive(clap::Args)]
pub(super) struct SetArgs {
    /// Setting to change; without it, all settings are shown
    #[arg(value_name = "NAME", requires = "value")]
    name: Option<String>,
    /// Its value from now on, such as jig, 1.1 or any
    #[arg(value_name = "VALUE")]
    value: Option<String>,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid sleep`.
#[derive(clap::Args)]
pub(super) struct SleepArgs {
    /// When: 30m, 1h30m; `off` takes it back
    #[arg(value_name = "TIME")]
    time: String,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid output`.
#[derive(clap::Args)]
pub(super) struct OutputArgs {
    #[command(subcommand)]
    action: OutputAction,
}

#[derive(clap::Subcommand)]
enum OutputAction {
    /// List the outputs, and how each is
    List {
        #[command(flatten)]
        door: Door,
    },
    /// Play to a further output, as `--to` has it; one that is not there yet is looked for
    Add(OutputChange),
    /// Close an output and forget it
    Remove(OutputChange),
    /// Open an output again that was switched off
    On(OutputChange),
    /// Close an output until it is switched on
    Off(OutputChange),
}

#[derive(clap::Args)]
struct OutputChange {
    /// The output, such as synth or midi:PORT
    #[arg(value_name = "OUTPUT")]
    name: String,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid skip`.
#[derive(clap::Args)]
pub(super) struct SkipArgs {
    /// Let the part that plays end first
    #[arg(long)]
    part_end: bool,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid keep`.
#[derive(clap::Args)]
pub(super) struct KeepArgs {
    /// Number of the tune; without it, the one that plays
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// Take the mark away
    #[arg(long)]
    not: bool,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid stop`.
#[derive(clap::Args)]
pub(super) struct StopArgs {
    /// Let the tune that plays end first
    #[arg(long)]
    after_tune: bool,
    #[command(flatten)]
    door: Door,
}

/// Runs `ceilid status`.
pub(super) fn status(args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    let report = |status: &Value| match context.json {
        true => format!("{status:#}\n"),
        false => describe(status),
    };
    if !args.watch {
        let status = args.door.ask("GET", "/api/status", "")?;
        return files::write_stdout(report(&status).as_bytes());
    }
    let redraws = std::io::stdout().is_terminal() && !context.json;
    if let Some(terminal) = redraws.then(Terminal::open).flatten() {
        return remote_display::watch(&args.door, &terminal);
    }
    let mut last = String::new();
    args.door.watch("/api/status", |status| {
        let report = report(status);
        let above = match redraws {
            // Up to where the last report began, and nothing of it left.
            true if !last.is_empty() => format!("\x1b[{}F\x1b[0J", last.lines().count()),
            false if !last.is_empty() => "\n".to_owned(),
            _ => String::new(),
        };
        files::write_stdout((above + &report).as_bytes())?;
        last = report;
        Ok(())
    })
}

/// Runs `ceilid now`.
pub(super) fn now(args: &NowArgs, context: &Context) -> Result<(), Failure> {
    let line = |now: &Value| match (context.json, now.is_null()) {
        (true, _) => format!("{now}\n"),
        (false, true) => "no tune plays\n".to_owned(),
        (false, false) => tune_line(now) + "\n",
    };
    if !args.follow {
        let now = args.door.ask("GET", "/api/now", "")?;
        return files::write_stdout(line(&now).as_bytes());
    }
    let mut last = Value::Null;
    args.door.watch("/api/now", |now| {
        if now["id"] == last || now.is_null() {
            return Ok(());
        }
        last = now["id"].clone();
        files::write_stdout(line(now).as_bytes())
    })
}

/// Runs `ceilid set`.
pub(super) fn set(args: &SetArgs, context: &Context) -> Result<(), Failure> {
    let show = |settings: &Value, is_shown: &dyn Fn(&str) -> bool| {
        let mut lines = String::new();
        for (name, value) in settings.as_object().into_iter().flatten() {
            if is_shown(name) {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                lines += &format!("{name} = {value}\n");
            }
        }
        lines
    };
    let settings = match (&args.name, &args.value) {
        (Some(name), Some(value)) => {
            // `tempo-scale` as the flag has it is the same setting.
            let name = name.replace('-', "_");
            let value = serde_json::from_str(value)
                .ok()
                .filter(Value::is_number)
                .unwrap_or_else(|| Value::from(value.as_str()));
            let change = serde_json::json!({ name.as_str(): value }).to_string();
            let settings = args.door.ask("PATCH", "/api/settings", &change)?;
            if !context.json {
                context.say(show(&settings, &|shown| shown == name).trim_end());
                return Ok(());
            }
            settings
        }
        _ => args.door.ask("GET", "/api/settings", "")?,
    };
    let report = match context.json {
        true => format!("{settings:#}\n"),
        false => show(&settings, &|_| true),
    };
    files::write_stdout(report.as_bytes())
}

/// Runs `ceilid output`.
pub(super) fn output(args: &OutputArgs, context: &Context) -> Result<(), Failure> {
    let (what, done, change) = match &args.action {
        OutputAction::List { door } => {
            let outputs = door.ask("GET", "/api/outputs", "")?;
            let report = match context.json {
                true => format!("{outputs:#}\n"),
                false => describe_outputs(&outputs),
            };
            return files::write_stdout(report.as_bytes());
        }
        OutputAction::Add(change) => ("add", "plays too", change),
        OutputAction::Remove(change) => ("remove", "plays no more", change),
        OutputAction::On(change) => ("on", "is switched on", change),
        OutputAction::Off(change) => ("off", "is switched off", change),
    };
    let request = serde_json::json!({ what: change.name }).to_string();
    let answer = change.door.ask("POST", "/api/outputs", &request)?;
    if context.json {
        return files::write_stdout(format!("{answer:#}\n").as_bytes());
    }
    context.say(format_args!("`{}` {done}", change.name));
    Ok(())
}

/// Runs `ceilid sleep`.
pub(super) fn sleep(args: &SleepArgs, context: &Context) -> Result<(), Failure> {
    let time = &args.time;
    if time == "off" {
        return args.door.order("sleep", "plays on", context);
    }
    if !time.chars().all(|c| c.is_ascii_alphanumeric() || c == '.') {
        return Err(
            Failure::usage(anyhow!("`{time}` is no time")).hint("write 90s, 30m, 1h30m or off")
        );
    }
    let done = format!("ends after the tune that plays in {time}");
    args.door.order(&format!("sleep?in={time}"), &done, context)
}

/// Runs `ceilid pause`.
pub(super) fn pause(door: &Door, context: &Context) -> Result<(), Failure> {
    door.order("pause", "paused; `ceilid resume` goes on", context)
}

/// Runs `ceilid resume`.
pub(super) fn resume(door: &Door, context: &Context) -> Result<(), Failure> {
    door.order("resume", "goes on", context)
}

/// Runs `ceilid panic`.
pub(super) fn panic(door: &Door, context: &Context) -> Result<(), Failure> {
    door.order("panic", "every note is silenced; the tune goes on", context)
}

/// Runs `ceilid skip`.
pub(super) fn skip(args: &SkipArgs, context: &Context) -> Result<(), Failure> {
    let (order, done) = match args.part_end {
        true => (
            "skip?at=part-end",
            "on to the next tune when this part ends",
        ),
        false => ("skip?at=now", "on to the next tune"),
    };
    args.door.order(order, done, context)
}

/// Runs `ceilid keep`.
pub(super) fn keep(args: &KeepArgs, context: &Context) -> Result<(), Failure> {
    let mut order = format!("keep?kept={}", !args.not);
    let mut tune = "the tune that plays".to_owned();
    if let Some(id) = args.id {
        order += &format!("&id={id}");
        tune = format!("tune {id}");
    }
    let done = if args.not { "not kept" } else { "kept" };
    args.door
        .order(&order, &format!("{tune} is {done}"), context)
}

/// Runs `ceilid stop`.
pub(super) fn stop(args: &StopArgs, context: &Context) -> Result<(), Failure> {
    let done = match args.after_tune {
        true => "ends after the tune that plays",
        false => "ends",
    };
    args.door.order(
        &format!("stop?after_tune={}", args.after_tune),
        done,
        context,
    )
}

/// The tune that plays, and how far it is.
fn tune_line(now: &Value) -> String {
    format!(
        "{} ({}, {}), {:.0} of {:.0} s, tune {}",
        text(&now["title"]),
        text(&now["key"]),
        text(&now["meter"]),
        number(&now["position_s"]),
        number(&now["length_s"]),
        now["id"],
    )
}

/// A status in a few lines.
fn describe(status: &Value) -> String {
    let mut report = text(&status["activity"]);
    let now = &status["now"];
    if !now.is_null() {
        report += ": ";
        report += &tune_line(now);
    }
    let _ = write!(
        report,
        "\n{} tunes wait, {} played, {} left out; up {:.0} s\n",
        status["queue_length"],
        status["counters"]["tunes_played"],
        status["counters"]["tunes_refused"],
        number(&status["uptime_s"]),
    );
    report + &describe_outputs(&status["outputs"])
}

/// A line an output.
fn describe_outputs(outputs: &Value) -> String {
    let mut report = String::new();
    for output in outputs.as_array().into_iter().flatten() {
        let how = match (&output["on"], &output["well"]) {
            (Value::Bool(false), _) => "off",
            (_, Value::Bool(true)) => "plays",
            _ => "lost, looked for",
        };
        let _ = write!(report, "{}: {how}", text(&output["name"]));
        if let Some(gaps) = output["xruns"].as_u64().filter(|gaps| *gaps > 0) {
            let _ = write!(report, ", {gaps} gaps");
        }
        report.push('\n');
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_told_in_a_few_lines() {
        let status = json!({
            "activity": "playing",
            "now": {"id": 3, "title": "The Kesh", "key": "G", "meter": "6/8", "position_s": 5.2, "length_s": 60.0},
            "queue_length": 2, "uptime_s": 61.0,
            "counters": {"tunes_played": 1, "tunes_refused": 0},
            "outputs": [{"name": "synth", "well": true}],
        });
        assert_eq!(
            describe(&status),
            "playing: The Kesh (G, 6/8), 5 of 60 s, tune 3\n\
             2 tunes wait, 1 played, 0 left out; up 61 s\nsynth: plays\n"
        );
    }
}
