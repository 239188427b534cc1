//! `ceilid doctor`: what this machine has for live music, found by trying it, and what to do where something is missing.
//!
//! In: the machine. Out: a row a thing, as a table or JSON. Not: a change of anything; what is opened is closed again, and
//! no note is sent.

use super::{Context, Failure, files};
use crate::output::{self, OutputError, OutputName, SoundOptions, Surroundings, system};
use crate::web;
use anyhow::anyhow;
use serde_json::json;
use std::net::TcpListener;

/// Arguments of `ceilid doctor`.
#[derive(clap::Args)]
pub(super) struct Args {}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    is_well: bool,
    found: String,
    /// What to do, where it is not well: music is made without it, less well or in fewer places.
    advice: Option<&'static str>,
}

/// Runs `ceilid doctor`.
///
/// # Errors
/// Neither the sound card nor a MIDI port can be had (environment): nothing can be heard live. The report stands first.
pub(super) fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let surroundings = Surroundings::new(context.soundfont.clone(), SoundOptions::default());
    let sound = sound_card(&surroundings);
    let own_port = own_midi_port(&surroundings);
    let can_be_heard = [&sound, &own_port].iter().any(|found| found.is_well);
    let findings = [
        sound_font(&surroundings),
        sound,
        midi_ports(),
        own_port,
        jack(&surroundings),
        realtime(),
        page(),
    ];
    let report = match context.json {
        true => as_json(&findings),
        false => findings.iter().map(line).collect(),
    };
    files::write_stdout(report.as_bytes())?;
    if can_be_heard {
        return Ok(());
    }
    Err(Failure::environment(anyhow!("nothing can be heard live on this machine"))
        .hint("`generate` and `convert` write files all the same, and `serve --to stream` plays to listeners over HTTP"))
}

fn finding<T>(
    what: &'static str,
    tried: Result<T, impl std::fmt::Display>,
    found: impl FnOnce(T) -> String,
    advice: &'static str,
) -> Finding {
    match tried {
        Ok(value) => Finding {
            what,
            is_well: true,
            found: found(value),
            advice: None,
        },
        Err(error) => Finding {
            what,
            is_well: false,
            found: error.to_string(),
            advice: Some(advice),
        },
    }
}

/// Opens an output and closes it again.
fn tried(name: &str, surroundings: &Surroundings) -> Result<(), OutputError> {
    let name: OutputName = name.parse()?;
    name.open(surroundings)?.close();
    Ok(())
}

fn sound_font(surroundings: &Surroundings) -> Finding {
    let presets = |font: output::synth::SynthFont| format!("{} instruments", font.presets().len());
    finding(
        "SoundFont",
        surroundings.font(),
        presets,
        "name a whole SF2 or SF3 file with --soundfont, or none",
    )
}

fn sound_card(surroundings: &Surroundings) -> Finding {
    let devices = |()| match output::sound_device_names() {
        names if names.is_empty() => "the system's own device".to_owned(),
        names => names.join(", "),
    };
    let advice = if cfg!(target_os = "linux") {
        "start PipeWire or PulseAudio, or join the group `audio`; a binary without sound is built anew with --features sound-card"
    } else {
        "choose an output device in the system's sound settings"
    };
    finding(
        "sound card (--to synth)",
        tried("synth", surroundings),
        devices,
        advice,
    )
}

fn midi_ports() -> Finding {
    let ports = match output::midi_port_names() {
        names if names.is_empty() => Err("no port of another program or device"),
        names => Ok(names.join(", ")),
    };
    finding(
        "MIDI ports (--to midi:NAME)",
        ports,
        |names| names,
        "start a synth that has one (fluidsynth, a DAW) or plug an instrument in",
    )
}

fn own_midi_port(surroundings: &Surroundings) -> Finding {
    let advice = if cfg!(target_os = "linux") {
        "`modprobe snd-seq` gives ALSA's sequencer to the kernel; /dev/snd/seq is for the group `audio`"
    } else {
        "this system gives programs no MIDI port of their own; use one that is there"
    };
    let made = |()| format!("`{}` can be made", output::CLIENT_NAME);
    finding(
        "MIDI port of our own (--to virtual)",
        tried("virtual", surroundings),
        made,
        advice,
    )
}

fn jack(surroundings: &Surroundings) -> Finding {
    let answers = |()| "a server answers".to_owned();
    finding(
        "JACK (--to jack)",
        tried("jack", surroundings),
        answers,
        "only where you want notes exact to the frame: start jackd, or PipeWire's JACK",
    )
}

fn realtime() -> Finding {
    let advice = if cfg!(target_os = "linux") {
        "for notes in time on a busy machine: a line `@audio - rtprio 95` in /etc/security/limits.d/, the group `audio`, a new login; for systemd LimitRTPRIO=95"
    } else {
        "notes are late on a busy machine"
    };
    finding(
        "real-time priority",
        system::try_real_time(),
        |()| "granted".to_owned(),
        advice,
    )
}

/// Whether `serve` can have its usual address.
fn page() -> Finding {
    let free = |_| format!("http://{}/ is free", web::ADDRESS);
    let advice = "a daemon runs there already (`ceilid status`), or give `serve` another --listen";
    let bound =
        TcpListener::bind(web::ADDRESS).map_err(|error| format!("{}: {error}", web::ADDRESS));
    finding("page (serve)", bound, free, advice)
}

fn line(finding: &Finding) -> String {
    let advice = finding
        .advice
        .map_or_else(String::new, |advice| format!("     → {advice}\n"));
    format!(
        "{}   {}: {}\n{advice}",
        if finding.is_well { "ok" } else { "no" },
        finding.what,
        finding.found
    )
}

fn as_json(findings: &[Finding]) -> String {
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "what": finding.what, "ok": finding.is_well,
                "found": finding.found, "advice": finding.advice,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(rows))
}
