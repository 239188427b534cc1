//! Splits a corpus into train, validation and test, all versions of a tune together.
//!
//! In: settings without exact duplicates. Out: which part of the split each belongs to, so that no version of
//! a tune is in two parts.
//!
//! The rule: settings are clustered by shared melody runs (`fingerprint`); a cluster's number is the smallest
//! [`Identity::number`] of its settings; number mod 100 is 0–4 for test, 5–9 for validation, else training.
//! It depends on the settings alone, not on their order or their files.
//!
//! Clusters move when melodies are read otherwise. So the parts of the tunes that the shipped models are taught on and
//! judged by are frozen in `data/split.txt`, by the hash of their text: they stay where they are, and take with them what
//! is new in their cluster.

use super::fingerprint::{self, SHARED_STEPS_OF_VERSIONS, Step};
use super::normalise::Identity;
use super::tunebook::Setting;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::LazyLock;

/// Says the rule in a model's card.
pub const SPLIT_RULE: &str = "frozen by hash in data/split.txt; others by clusters of settings that share 16 melody steps: as a frozen one among them, else smallest SHA-256 number of the cluster mod 100: 0-4 test, 5-9 valid, else train";

/// What [`Split::hashes`] wrote of the four books that the shipped models are taught on.
const FROZEN: &str = include_str!("../../data/split.txt");

/// A part of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// What a model learns from: about 90 %.
    Train,
    /// What says when to stop: about 5 %.
    Valid,
    /// What is looked at once, at the end: about 5 %.
    Test,
}

impl Part {
    /// All parts, in the order they are written and shown.
    pub const ALL: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

    /// `train`, `valid` or `test`: the name of its file.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
        }
    }

    fn of_number(number: u64) -> Self {
        match number % 100 {
            0..5 => Part::Test,
            5..10 => Part::Valid,
            _ => Part::Train,
        }
    }
}

/// Which part each of some settings is in, whatever else there is.
#[derive(Debug, Default)]
struct Frozen(HashMap<u64, Part>);

impl Frozen {
    /// Of this crate's own list.
    fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Frozen> = LazyLock::new(|| Frozen::read(FROZEN));
        &SHIPPED
    }

    /// From the name of a part on a line, and the hashes of its settings on those below it.
    fn read(list: &str) -> Self {
        let mut parts = HashMap::new();
        let mut part = Part::Train;
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            match Part::ALL.into_iter().find(|part| part.name() == line) {
                Some(named) => part = named,
                None => {
                    let hash = u64::from_str_radix(line, 16);
                    parts.insert(hash.expect("a list that ceilid wrote"), part);
                }
            }
        }
        Self(parts)
    }

    fn part(&self, identity: Identity) -> Option<Part> {
        self.0.get(&Self::hash(identity)).copied()
    }

    /// 48 bits: two of some thousand settings share them once in ten million lists.
    fn hash(identity: Identity) -> u64 {
        identity.number() >> 16
    }
}

/// Settings with their cluster and part.
#[derive(Clone, Debug)]
pub struct Split {
    /// In the order they were given.
    pub members: Vec<Member>,
}

/// A setting in a split.
#[derive(Clone, Debug)]
pub struct Member {
    /// The setting.
    pub setting: Setting,
    /// Index of the first setting of its cluster.
    pub cluster: usize,
    /// Its cluster's part.
    pub part: Part,
}

impl Split {
    /// Splits settings (without exact duplicates) by the rule of this file.
    pub fn new(settings: Vec<Setting>) -> Self {
        Self::beside(settings, Frozen::shipped())
    }

    fn beside(settings: Vec<Setting>, frozen: &Frozen) -> Self {
        let melodies: Vec<Vec<Step>> = settings.iter().map(Setting::melody).collect();
        let clusters = fingerprint::clusters(&melodies, SHARED_STEPS_OF_VERSIONS);
        let identities: Vec<Identity> = settings.iter().map(Identity::of).collect();
        // Of each cluster the smallest number, and the part that goes with it; frozen ones before others.
        let mut parts: HashMap<usize, (bool, u64, Part)> = HashMap::new();
        for (&identity, &cluster) in identities.iter().zip(&clusters) {
            let (number, part) = (identity.number(), frozen.part(identity));
            let ranked = (
                part.is_none(),
                number,
                part.unwrap_or(Part::of_number(number)),
            );
            parts
                .entry(cluster)
                .and_modify(|first| *first = ranked.min(*first))
                .or_insert(ranked);
        }
        let members = settings.into_iter().zip(identities).zip(clusters).map(
            |((setting, identity), cluster)| Member {
                part: frozen.part(identity).unwrap_or(parts[&cluster].2),
                setting,
                cluster,
            },
        );
        Self {
            members: members.collect(),
        }
    }

    /// The split as it can be frozen: the name of each part, and below it the first 12 hexadecimal digits of the hash of
    /// each of its settings, in their order.
    pub fn hashes(&self) -> String {
        let mut list = String::from(
            "# The first 48 bits of the SHA-256 of each tune (all lines but `X:` and comments).\n",
        );
        for part in Part::ALL {
            let hashes: BTreeSet<u64> = self
                .part(part)
                .map(|setting| Frozen::hash(Identity::of(setting)))
                .collect();
            list += &format!("{}\n", part.name());
            list.extend(hashes.iter().map(|hash| format!("{hash:012x}\n")));
        }
        list
    }

    /// The settings of one part, in order.
    pub fn part(&self, part: Part) -> impl Iterator<Item = &Setting> {
        self.members
            .iter()
            .filter(move |member| member.part == part)
            .map(|member| &member.setting)
    }

    /// The text of one part: its settings, each followed by a blank line.
    pub fn text(&self, part: Part) -> String {
        self.part(part)
            .map(|setting| setting.text.clone() + "\n")
            .collect()
    }

    /// How many clusters there are.
    pub fn cluster_count(&self) -> usize {
        self.members
            .iter()
            .enumerate()
            .filter(|(index, member)| member.cluster == *index)
            .count()
    }

    /// The split as a table of tab-separated values: part, cluster, file, line, title.
    pub fn manifest(&self) -> String {
        let mut rows = String::from("part\tcluster\tfile\tline\ttitle\n");
        for member in &self.members {
            let file = member
                .setting
                .path
                .file_name()
                .map(Path::new)
                .unwrap_or(&member.setting.path);
            rows += &format!(
                "{}\t{}\t{}\t{}\t{}\n",
                member.part.name(),
                member.cluster,
                file.display(),
                member.setting.line,
                member.setting.title().replace('\t', " "),
            );
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same melody of 17 notes under other titles: one cluster.
    fn version(title: &str) -> Setting {
        Setting {
            path: "book.abc".into(),
            line: 1,
            text: format!(
                "X:1\nT:{title}\nM:4/4\nL:1/8\nK:D\nDFAd fdAF|GBdg bgdB|A2ce a2gf|e2d2 d4|\n"
            ),
        }
    }

    #[test]
    fn a_frozen_tune_stays_and_takes_its_new_versions_along() {
        let settings: Vec<Setting> = (0..12).map(|n| version(&n.to_string())).collect();
        let ruled = Split::beside(settings.clone(), &Frozen::default());
        let part = ruled.members[0].part;
        assert!(ruled.members.iter().all(|member| member.part == part));
        let other = [Part::Test, Part::Valid]
            .into_iter()
            .find(|&other| other != part);
        let other = other.expect("another part");
        let of = |setting| Frozen::hash(Identity::of(setting));
        // One is frozen elsewhere: all go there. Another stays where it was frozen.
        let list = format!("{}\n{:012x}\n", other.name(), of(&settings[5]));
        let split = Split::beside(settings.clone(), &Frozen::read(&list));
        assert!(split.members.iter().all(|member| member.part == other));
        let list = format!("{list}{}\n{:012x}\n", part.name(), of(&settings[7]));
        let split = Split::beside(settings.clone(), &Frozen::read(&list));
        assert_eq!(split.members[5].part, other);
        assert_eq!(split.members[7].part, part);
        // What was written is read as it was.
        let again = Split::beside(settings, &Frozen::read(&split.hashes()));
        let parts = |split: &Split| -> Vec<Part> {
            split.members.iter().map(|member| member.part).collect()
        };
        assert_eq!(parts(&again), parts(&split));
    }

    #[test]
    fn the_shipped_list_is_whole() {
        let parts = &Frozen::shipped().0;
        let count = |part| parts.values().filter(|&&of| of == part).count();
        assert_eq!(
            Part::ALL.map(count),
            [4759, 268, 242],
            "train, valid and test of data/split.txt"
        );
    }
}
