//! What was changed while a daemon played, for the daemon after it.
//!
//! In: what was changed, and what the configuration said then. Out: what of it still holds under the configuration of
//! today: a key that somebody has changed there since wins. Reads and writes no file.

use super::config::Config;
use crate::wishes::SettingsPatch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept between two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedState {
    /// Settings that were changed, by name.
    changed: BTreeMap<String, String>,
    /// What the configuration said of those; nothing of what it did not name.
    config: BTreeMap<String, String>,
    /// The outputs of the configuration.
    to: Vec<String>,
    /// What was changed of the outputs.
    outputs: OutputsState,
}

/// What was changed of the outputs, each as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputsState {
    /// Were added.
    pub added: Vec<String>,
    /// Were taken away.
    pub removed: Vec<String>,
    /// Are switched off.
    pub off: Vec<String>,
}

impl SavedState {
    /// What is to be kept of a daemon with this configuration.
    pub fn new(changed: &SettingsPatch, outputs: OutputsState, config: &Config) -> Self {
        let changed = by_name(changed);
        let mut said = by_name(&config.settings);
        said.retain(|name, _| changed.contains_key(name));
        Self {
            changed,
            config: said,
            to: config.to.clone(),
            outputs,
        }
    }

    /// The settings that still hold. What is not understood any more is left out.
    pub fn settings(&self, config: &Config) -> SettingsPatch {
        let says = by_name(&config.settings);
        let mut patch = SettingsPatch::default();
        for (name, value) in &self.changed {
            if says.get(name) == self.config.get(name) {
                let _ = patch.set(name, value);
            }
        }
        patch
    }

    /// The outputs' changes, if they still hold.
    pub fn outputs(&self, config: &Config) -> OutputsState {
        if config.to == self.to {
            self.outputs.clone()
        } else {
            OutputsState::default()
        }
    }

    /// As a file has it.
    pub fn to_json(&self) -> String {
        // Names and texts.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// From such a file; `None` where it is none.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

fn by_name(patch: &SettingsPatch) -> BTreeMap<String, String> {
    let entries = patch.entries().into_iter();
    entries
        .map(|(row, value)| (row.name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(entries: &[(&str, &str)]) -> SettingsPatch {
        let mut patch = SettingsPatch::default();
        for (name, value) in entries {
            patch.set(name, value).unwrap();
        }
        patch
    }

    fn config(text: &str) -> Config {
        let mut config = Config::default();
        config.read_toml(text).unwrap();
        config
    }

    #[test]
    fn a_change_holds_until_the_configuration_says_otherwise_of_the_same() {
        let changed = patch(&[("volume", "33"), ("dance", "jig"), ("mute", "drum")]);
        let before = config("volume = 80\nto = \"null\"\n");
        let off = OutputsState {
            off: vec!["null".to_owned()],
            ..OutputsState::default()
        };
        let written = SavedState::new(&changed, off.clone(), &before).to_json();
        let state = SavedState::from_json(&written).unwrap();
        assert_eq!(state.settings(&before), changed);
        assert_eq!(state.outputs(&before), off);
        let unrelated = config("volume = 80\ngap = 2\nto = \"null\"\n");
        assert_eq!(state.settings(&unrelated), changed);
        let other = config("volume = 90\nto = \"silent\"\n");
        assert_eq!(
            state.settings(&other),
            patch(&[("dance", "jig"), ("mute", "drum")])
        );
        assert_eq!(state.outputs(&other), OutputsState::default());
    }

    #[test]
    fn what_is_no_state_is_none() {
        assert_eq!(SavedState::from_json("rubbish"), None);
        assert_eq!(SavedState::from_json("{}"), Some(SavedState::default()));
    }
}
