//! Where a tune of the daemon comes from: a model, or a file.

use crate::compose::Provenance;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a tune comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// A model wrote it.
    Composed(Box<Provenance>),
    /// It stood in a file.
    File {
        /// The file, `-` for stdin.
        path: PathBuf,
        /// Which tune of the file, from 1.
        number: usize,
    },
    /// Somebody wrote it on the page, or changed what a model wrote.
    ByHand,
    /// A model wrote it, as an older version tells in an archive: `seed 1, tune 3`.
    Old(String),
}

impl Origin {
    /// Where it comes from, for people: `seed 1, tune 3`, `a.abc, tune 2`.
    pub fn short(&self) -> String {
        match self {
            Self::Composed(provenance) => provenance.short(),
            other => other.to_string(),
        }
    }
}

/// How an archive tells of [`Origin::ByHand`].
const BY_HAND: &str = "by hand";

impl fmt::Display for Origin {
    /// All that is known: what an archive holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Composed(provenance) => provenance.fmt(f),
            Self::File { path, number } => write!(f, "{}, tune {number}", path.display()),
            Self::ByHand => f.write_str(BY_HAND),
            Self::Old(text) => f.write_str(text),
        }
    }
}

impl FromStr for Origin {
    type Err = Infallible;

    /// As it is written; what is neither a line of provenance nor a place in a file was written by an older version.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Ok(provenance) = text.parse() {
            return Ok(Self::Composed(Box::new(provenance)));
        }
        if text == BY_HAND {
            return Ok(Self::ByHand);
        }
        let of_file = text.rsplit_once(", tune ").and_then(|(path, number)| {
            let is_seed = |text: &str| (text.strip_prefix("seed ")).is_some_and(is_number);
            (!is_seed(path)).then_some(())?;
            Some((path.into(), number.parse().ok()?))
        });
        Ok(match of_file {
            Some((path, number)) => Self::File { path, number },
            None => Self::Old(text.to_owned()),
        })
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok()
}
