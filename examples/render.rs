//! Renders a tune to a FLAC file with the SoundFont of the binary: `cargo run --release --example render`.

use ceilid::output::render::{RenderSettings, Tags, flac, render_blocks};
use ceilid::output::synth::SynthFont;
use ceilid::performance::perform;
use ceilid::wishes::{Settings, SettingsPatch};
use ceilid::{abc, score};
use std::error::Error;
use std::fs::File;
use std::path::Path;

const TUNE: &str = "X:1\nT:Two Steps Back\nR:polka\nM:2/4\nL:1/8\nK:D\n\
    |:\"D\"d>e fd|\"G\"gf ed|\"A\"ce Ac|\"D\"d2 d2:|\n";

fn main() -> Result<(), Box<dyn Error>> {
    run(Path::new("."))
}

/// The example, in this folder.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut asked = SettingsPatch::default();
    asked.set("instrument", "melody=concertina,second=fiddle")?;
    asked.set("tempo_scale", "0.9")?;
    let arrangement = Settings::default().patched(&asked).arrangement();
    let score = score::read_obeying(&abc::parse(TUNE).tune).score;
    let piece = perform(&score, &arrangement, 1);
    let font = SynthFont::embedded();
    let mut frames = render_blocks(&piece, &font, &RenderSettings::default())?;
    let path = folder.join("steps.flac");
    flac::write(&mut frames, &Tags::of(&piece), &mut File::create(&path)?)?;
    println!("{}", path.display());
    Ok(())
}
