//! Reads a tune in ABC and writes it as a session plays it, as MIDI: `cargo run --release --example convert`.

use ceilid::output::smf;
use ceilid::performance::perform;
use ceilid::wishes::Settings;
use ceilid::{abc, score};
use std::error::Error;
use std::path::Path;

const TUNE: &str = "X:1\nT:Up the Stairs\nR:jig\nM:6/8\nL:1/8\nK:G\n\
    |:\"G\"GBd gdB|\"C\"cec \"G\"BGB|\"Am\"cBA \"D\"ABc|\"G\"BGG G3:|\n";

fn main() -> Result<(), Box<dyn Error>> {
    run(Path::new("."))
}

/// The example, in this folder.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let parsed = abc::parse(TUNE);
    for found in &parsed.diagnostics {
        eprintln!("{found:?}"); // odd text is no error: it is told, and the tune is read all the same
    }
    let score = score::read_obeying(&parsed.tune).score;
    let arrangement = Settings::default().arrangement();
    let piece = perform(&score, &arrangement, 1);
    let path = folder.join("stairs.mid");
    std::fs::write(&path, smf::to_bytes(&piece))?;
    println!("{}: {:.0} s", path.display(), piece.seconds());
    Ok(())
}
