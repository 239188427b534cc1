//! Names the dances that tunes are for: ten, each by the word that `R:` fields have for it.
//!
//! Comes in: words. Goes out: a [`Dance`]. Does not do: how a dance is played (see `performance`), or what a model knows of it.

/// What people dance to the tune; decides its speed, its accents and its accompaniment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dance {
    /// 4/4 or 2/2, even eighths.
    Reel,
    /// 6/8, the double jig.
    Jig,
    /// 9/8.
    SlipJig,
    /// 12/8, or a fast 6/8.
    Slide,
    /// 4/4, swung eighths.
    Hornpipe,
    /// 2/4.
    Polka,
    /// 3/4.
    Waltz,
    /// 4/4, 2/4 or 6/8, walked.
    March,
    /// 4/4 with written snaps.
    Strathspey,
    /// Slow, not danced.
    Air,
}

impl Dance {
    /// Every dance.
    pub const ALL: [Self; 10] = [
        Self::Reel,
        Self::Jig,
        Self::SlipJig,
        Self::Slide,
        Self::Hornpipe,
        Self::Polka,
        Self::Waltz,
        Self::March,
        Self::Strathspey,
        Self::Air,
    ];

    /// Its name, in small letters, as `R:` fields write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reel => "reel",
            Self::Jig => "jig",
            Self::SlipJig => "slip jig",
            Self::Slide => "slide",
            Self::Hornpipe => "hornpipe",
            Self::Polka => "polka",
            Self::Waltz => "waltz",
            Self::March => "march",
            Self::Strathspey => "strathspey",
            Self::Air => "air",
        }
    }

    /// From its name in any case, with or without what parts its words: `slip jig`, `Slip-Jig`, `slipjig`.
    pub fn from_name(name: &str) -> Option<Self> {
        let letters = |text: &str| -> String {
            let letters = text.chars().filter(char::is_ascii_alphabetic);
            letters.collect::<String>().to_ascii_lowercase()
        };
        let bare = letters(name);
        Self::ALL
            .into_iter()
            .find(|dance| letters(dance.name()) == bare)
    }

    /// The dance that a text names: `double jig`, `Slow Air`, `reels`, `slipjig`. Names begin words, so a fair is no air. Longer names
    /// win: `slip jig` is no jig.
    pub fn named_in(text: &str) -> Option<Self> {
        let mut text = text.to_lowercase().replace(['-', '_'], " ");
        for kind in ["slip", "double", "single", "hop", "slow"] {
            for name in ["jig", "air", "reel"] {
                text = text.replace(&format!("{kind}{name}"), &format!("{kind} {name}"));
            }
        }
        let begins_word = |at: usize| !text[..at].ends_with(char::is_alphabetic);
        let found = Self::ALL.into_iter().filter(|dance| {
            let mut places = text.match_indices(dance.name());
            places.any(|(at, _)| begins_word(at))
        });
        found.max_by_key(|dance| dance.name().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_in_a_text_decides() {
        assert_eq!(Dance::named_in("Slip Jig"), Some(Dance::SlipJig));
        assert_eq!(Dance::named_in("double jig"), Some(Dance::Jig));
        assert_eq!(Dance::named_in("Slow air"), Some(Dance::Air));
        assert_eq!(Dance::named_in("mazurka"), None);
        assert_eq!(Dance::named_in("slipjig"), Some(Dance::SlipJig));
        assert_eq!(Dance::named_in("doublejigs"), Some(Dance::Jig));
        for no_dance in ["The Fair", "freely", "Fairies"] {
            assert_eq!(Dance::named_in(no_dance), None, "{no_dance}");
        }
    }

    #[test]
    fn a_name_is_read_in_any_case_and_however_its_words_are_parted() {
        for name in ["slip jig", "Slip-Jig", "SLIPJIG", "slip_jig"] {
            assert_eq!(Dance::from_name(name), Some(Dance::SlipJig), "{name}");
        }
        assert_eq!(Dance::from_name("double jig"), None);
    }
}
