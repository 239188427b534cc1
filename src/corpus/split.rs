//! Splits a corpus into train, validation and test, all versions of a tune together.
//!
//! In: settings without exact duplicates. Out: which part of the split each belongs to, so that no version of
//! a tune is in two parts.
//!
//! The rule: settings are clustered by shared melody runs (`fingerprint`); a cluster's number is the smallest
//! [`Identity::number`] of its settings; number mod 100 is 0–4 for test, 5–9 for validation, else training.
//! It depends on the settings alone, not on their order or their files.

use super::fingerprint::{self, SHARED_STEPS_OF_VERSIONS, Step};
use super::normalise::Identity;
use super::tunebook::Setting;
use std::collections::HashMap;
use std::path::Path;

/// Says the rule in a model's card.
pub const SPLIT_RULE: &str = "clusters of settings that share 16 melody steps; smallest SHA-256 number of the cluster mod 100: 0-4 test, 5-9 valid, else train";

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
        let melodies: Vec<Vec<Step>> = settings.iter().map(Setting::melody).collect();
        let clusters = fingerprint::clusters(&melodies, SHARED_STEPS_OF_VERSIONS);
        let mut numbers: HashMap<usize, u64> = HashMap::new();
        for (setting, &cluster) in settings.iter().zip(&clusters) {
            let number = Identity::of(setting).number();
            numbers
                .entry(cluster)
                .and_modify(|smallest| *smallest = number.min(*smallest))
                .or_insert(number);
        }
        let members = settings
            .into_iter()
            .zip(clusters)
            .map(|(setting, cluster)| Member {
                part: Part::of_number(numbers[&cluster]),
                setting,
                cluster,
            });
        Self {
            members: members.collect(),
        }
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
