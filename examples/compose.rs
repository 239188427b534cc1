//! Writes three jigs in D, each with the line from which it can be made again: `cargo run --release --example compose`.

use ceilid::compose::shipped;
use ceilid::wishes::{Settings, SettingsPatch};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn main() -> Result<(), Box<dyn Error>> {
    run(Path::new("."))
}

/// The example, in this folder.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut asked = SettingsPatch::default();
    asked.set("dance", "jig")?;
    asked.set("key", "D")?;
    let wishes = Settings::default().patched(&asked);
    let composer = shipped::usual_model().composer(shipped::critic(), &wishes)?;
    let stop = AtomicBool::new(false); // raised by another thread, it ends the tune that is being written
    for index in 0..3 {
        let tune = composer.compose(7, index, &stop)?;
        let path = folder.join(format!("jig-{}.abc", index + 1));
        std::fs::write(&path, &tune.abc)?;
        println!("{}: {}", path.display(), tune.provenance);
    }
    Ok(())
}
