//! `ceilid devices`: what `--to` and `--soundfont` can choose from, as a table or as JSON.

use super::{Context, Failure, files};
use crate::output::synth::PresetSummary;
use crate::output::{self, SoundOptions, Surroundings};
use serde_json::json;

/// Arguments of `ceilid devices`.
#[derive(clap::Args)]
pub(super) struct Args {}

/// Runs `ceilid devices`.
pub(super) fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let surroundings = Surroundings::new(context.soundfont.clone(), SoundOptions::default());
    let presets = surroundings.font().map_err(Failure::input)?.presets();
    let (ports, devices) = (output::midi_port_names(), output::sound_device_names());
    let report = if context.json {
        let presets = presets.iter().map(preset_json).collect::<Vec<_>>();
        let report = json!({ "midi_ports": ports, "sound_devices": devices, "presets": presets });
        format!("{report:#}\n")
    } else {
        let presets: Vec<String> = presets.iter().map(preset_line).collect();
        [
            section("MIDI ports (--to midi:NAME)", &ports),
            section("sound devices (--to synth:NAME)", &devices),
            section("instruments (bank:program name)", &presets),
        ]
        .join("\n")
    };
    files::write_stdout(report.as_bytes())
}

fn section(title: &str, lines: &[String]) -> String {
    let mut text = format!("{title}\n");
    if lines.is_empty() {
        text += "  none\n";
    }
    for line in lines {
        text += &format!("  {line}\n");
    }
    text
}

fn preset_line(preset: &PresetSummary) -> String {
    format!("{:>3}:{:<3} {}", preset.bank, preset.program, preset.name)
}

fn preset_json(preset: &PresetSummary) -> serde_json::Value {
    json!({ "bank": preset.bank, "program": preset.program, "name": preset.name })
}
