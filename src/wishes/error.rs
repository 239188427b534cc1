//! Says why a wish cannot be had: what was found, what is allowed, and what was probably meant. The same words at every door.

/// Why a text is no value of a wish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// It is no number.
    #[error("`{found}` is not a number")]
    NotANumber {
        /// What was written.
        found: String,
    },
    /// It is no whole number.
    #[error("`{found}` is not a whole number from {least} to {most}")]
    NotWhole {
        /// What was written.
        found: String,
        /// The least that can be asked for.
        least: u64,
        /// The most.
        most: u64,
    },
    /// It is a number, and too small or too large.
    #[error("{found} is not between {least} and {most}")]
    OutOfRange {
        /// What was written.
        found: String,
        /// The least that can be asked for.
        least: String,
        /// The most.
        most: String,
    },
    /// There is none of that name.
    #[error("`{found}` is none of {}{}", allowed.join(", "), did_you_mean(*near))]
    NotOneOf {
        /// What was written.
        found: String,
        /// The names there are.
        allowed: Vec<&'static str>,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// It has neither of the two forms that it may have.
    #[error("`{found}` is neither {other} nor one of {}{}", names.join(", "), did_you_mean(*near))]
    NeitherNor {
        /// What was written.
        found: String,
        /// What else than a name it may be.
        other: &'static str,
        /// The names there are.
        names: Vec<&'static str>,
        /// What was probably meant.
        near: Option<&'static str>,
    },
    /// It is no such thing.
    #[error("`{found}` is no {what}; write {such_as}")]
    NoSuchThing {
        /// What was written.
        found: String,
        /// What is wanted.
        what: &'static str,
        /// How that is written.
        such_as: &'static str,
    },
    /// The lowest and the highest note are too near to each other for a tune.
    #[error("`{found}` is narrower than an octave")]
    Narrow {
        /// What was written.
        found: String,
    },
    /// It is longer than anything that is meant.
    #[error("`{found}` is longer than ten years")]
    TooLong {
        /// What was written.
        found: String,
    },
    /// Nothing was written.
    #[error("nothing is given")]
    Nothing,
    /// A list where one value is wanted.
    #[error("one value is wanted, not a list")]
    List,
}

impl ValueError {
    /// A name that is none of these.
    pub(crate) fn none_of(found: &str, allowed: Vec<&'static str>) -> Self {
        Self::NotOneOf {
            near: nearest(&found.to_lowercase(), allowed.iter().copied()),
            found: found.to_owned(),
            allowed,
        }
    }

    /// Something that is neither `other` nor one of these names.
    pub(crate) fn neither_nor(found: &str, other: &'static str, names: Vec<&'static str>) -> Self {
        Self::NeitherNor {
            near: nearest(&found.to_lowercase(), names.iter().copied()),
            found: found.to_owned(),
            other,
            names,
        }
    }

    pub(crate) fn no_such_thing(found: &str, what: &'static str, such_as: &'static str) -> Self {
        Self::NoSuchThing {
            found: found.to_owned(),
            what,
            such_as,
        }
    }
}

/// Why a setting cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is none of that name.
    #[error("there is no setting `{name}`{}; there are {}", did_you_mean(*near), known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        near: Option<&'static str>,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// It cannot have this value.
    #[error("`{name}`: {reason}")]
    Value {
        /// Which setting.
        name: &'static str,
        /// What was found and what is allowed.
        reason: ValueError,
    },
}

/// The name that was probably meant.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LIKENESS_MIN: f64 = 0.75;
    names
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean `jig`?)`, or nothing where nothing is near.
pub fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}
