//! The dances, and how a score tells which it is for.
//!
//! In: a score. Out: the dance it is for, as its `R:` field says or its metre suggests. Plays nothing.

use crate::score::Score;

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
    pub const ALL: [Dance; 10] = [
        Dance::Reel,
        Dance::Jig,
        Dance::SlipJig,
        Dance::Slide,
        Dance::Hornpipe,
        Dance::Polka,
        Dance::Waltz,
        Dance::March,
        Dance::Strathspey,
        Dance::Air,
    ];

    /// Its name, in small letters, as `R:` fields write it.
    pub const fn name(self) -> &'static str {
        match self {
            Dance::Reel => "reel",
            Dance::Jig => "jig",
            Dance::SlipJig => "slip jig",
            Dance::Slide => "slide",
            Dance::Hornpipe => "hornpipe",
            Dance::Polka => "polka",
            Dance::Waltz => "waltz",
            Dance::March => "march",
            Dance::Strathspey => "strathspey",
            Dance::Air => "air",
        }
    }

    /// The dance of a tune: what `R:` names, else what its first metre is commonly danced as.
    pub fn of(score: &Score) -> Self {
        let named = score.about.rhythm.as_deref().and_then(Self::named_in);
        named.unwrap_or_else(|| {
            score.meters.first().map_or(Dance::Reel, |mark| {
                match (mark.meter.numerator(), mark.meter.denominator()) {
                    (6, 8) => Dance::Jig,
                    (9, 8) => Dance::SlipJig,
                    (12, 8) => Dance::Slide,
                    (2, 4) => Dance::Polka,
                    (3, _) => Dance::Waltz,
                    _ => Dance::Reel,
                }
            })
        })
    }

    /// The dance that a text names: `double jig`, `Slow Air`, `reels`. Longer names win: `slip jig` is no jig.
    fn named_in(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let found = Self::ALL
            .into_iter()
            .filter(|dance| text.contains(dance.name()));
        found.max_by_key(|dance| dance.name().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_in_the_rhythm_field_decides() {
        assert_eq!(Dance::named_in("Slip Jig"), Some(Dance::SlipJig));
        assert_eq!(Dance::named_in("double jig"), Some(Dance::Jig));
        assert_eq!(Dance::named_in("Slow air"), Some(Dance::Air));
        assert_eq!(Dance::named_in("mazurka"), None);
    }
}
