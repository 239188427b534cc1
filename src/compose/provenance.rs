//! Writes into a tune what made it.
//!
//! In: what a tune was made with. Out: the line that lets anyone make it again, and the tune's text with it.

use super::sampler::Choice;
use std::fmt;

/// Everything that decides a tune. With the same binary and model file it makes the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// First 12 hexadecimal digits of the model file's SHA-256.
    pub model: String,
    /// The seed of the run.
    pub seed: u64,
    /// Which tune of the seed.
    pub index: u64,
    /// Which draft of the tune, from 1.
    pub draft: u32,
    /// How its characters were chosen.
    pub choice: Choice,
    /// Whether it began with given text.
    pub is_primed: bool,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            seed,
            index,
            draft,
            choice,
            is_primed,
        } = self;
        let version = env!("CARGO_PKG_VERSION");
        write!(
            f,
            "written by ceilid {version}, model {model}, seed {seed}, tune {index}, draft {draft}, "
        )?;
        match choice {
            Choice::Greedy => f.write_str("greedy")?,
            Choice::Sampled(temperature, min_p) => {
                write!(
                    f,
                    "temperature {}, min-p {}",
                    temperature.value(),
                    min_p.value()
                )?;
            }
        }
        if *is_primed {
            f.write_str(", primed")
        } else {
            Ok(())
        }
    }
}

/// The tune as it is published: a number of its own, its provenance, and none of the sources that the model
/// repeats from the books it learnt from (`S:` fields and comments would name people who never played this tune).
pub fn publish(draft: &str, provenance: &Provenance) -> String {
    let mut text = format!("X:{}\n", provenance.index + 1);
    let mut is_headed = false;
    for line in draft.lines().filter(|line| !is_left_out(line)) {
        text += line.trim_end();
        text.push('\n');
        if line.starts_with("T:") && !is_headed {
            text += &format!("N:{provenance}\n");
            is_headed = true;
        }
    }
    text
}

/// `Y:` is a habit of the Nottingham files that the standard does not know.
fn is_left_out(line: &str) -> bool {
    line.trim().is_empty()
        || ["X:", "%", "S:", "N:", "Z:", "B:", "D:", "F:", "Y:"]
            .iter()
            .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_tune_names_its_maker_and_no_one_else() {
        let provenance = Provenance {
            model: "0123456789ab".into(),
            seed: 7,
            index: 2,
            draft: 3,
            choice: Choice::default(),
            is_primed: false,
        };
        let draft =
            "X: 98\nT:The Lark\n% Nottingham Music Database\nS:Trad, via EF\nM:6/8\nK:D\nABc d3:|";
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            publish(draft, &provenance),
            format!(
                "X:3\nT:The Lark\nN:written by ceilid {version}, model 0123456789ab, seed 7, tune 2, draft 3, \
                 temperature 0.8, min-p 0.05\nM:6/8\nK:D\nABc d3:|\n"
            )
        );
    }
}
