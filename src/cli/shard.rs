//! Shares the making of many tunes among machines, so that each is made once.
//!
//! In: `I/N`. Out: which of many numbers are this machine's.

use std::str::FromStr;

/// One machine's share: tunes whose index leaves `remainder` when divided by `of`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shard {
    remainder: u64,
    of: u64,
}

impl Shard {
    /// All of it.
    pub(super) const WHOLE: Self = Self {
        remainder: 0,
        of: 1,
    };

    /// The numbers of its tunes, of `count`.
    pub(super) fn indices(self, count: u64) -> impl Iterator<Item = u64> + use<> {
        let indices = std::iter::successors(Some(self.remainder), move |index| {
            index.checked_add(self.of)
        });
        indices.take_while(move |index| *index < count)
    }

    /// How many of `count` tunes are its own.
    pub(super) fn share_of(self, count: u64) -> u64 {
        count.saturating_sub(self.remainder).div_ceil(self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is not I/N with I from 1 to N, such as 1/4");
        let (part, of) = text.split_once('/').ok_or_else(wanted)?;
        let (part, of): (u64, u64) = (
            part.parse().map_err(|_| wanted())?,
            of.parse().map_err(|_| wanted())?,
        );
        if part == 0 || part > of {
            Err(wanted())
        } else {
            Ok(Self {
                remainder: part - 1,
                of,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_tunes_and_none_twice() {
        let of = |of| (0..of).map(move |remainder| Shard { remainder, of });
        for (shards, count) in [(1, 5), (3, 7), (4, 4), (5, 3), (u64::MAX, 0)] {
            let mut all: Vec<u64> = Vec::new();
            for shard in of(shards).take(9) {
                let own: Vec<u64> = shard.indices(count).collect();
                assert_eq!(own.len() as u64, shard.share_of(count));
                all.extend(own);
            }
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn shards_are_counted_from_one() {
        let shard: Shard = "2/3".parse().unwrap();
        assert_eq!((shard.remainder, shard.of), (1, 3));
        for bad in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
