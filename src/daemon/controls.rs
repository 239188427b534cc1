//! Turns knobs of a MIDI controller into commands.
//!
//! In: rows of a configuration, and controllers that somebody turns. Out: commands. Pure.

use super::command::{Command, Keeping, SkipAt};
use crate::music::midi::{Channel, DataByte};
use crate::wishes::{SettingError, SettingsPatch, ValueError, whole};

/// From here on a button is pressed.
const PRESSED_FROM: u8 = 64;

/// What each controller does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    /// The rows.
    pub rows: Vec<Control>,
}

/// One controller and what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    controller: Option<u8>,
    /// From 0; `None` for any.
    channel: Option<u8>,
    does: Option<Does>,
    from: f64,
    to: f64,
}

/// Why a row of controls cannot do anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It names none.
    #[error("a control needs a `controller`, 0 to 127")]
    NoController,
    /// It names nothing to do.
    #[error("a control needs a `setting` or an `action`")]
    DoesNothing,
    /// One of its ends cannot be had.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as controllers"
)]
enum Does {
    Setting(String),
    Action(Command),
}

impl Default for Control {
    /// A row that says nothing yet.
    fn default() -> Self {
        Self {
            controller: None,
            channel: None,
            does: None,
            from: 0.0,
            to: 127.0,
        }
    }
}

impl Control {
    /// The keys that a row has in a file.
    pub const KEYS: &[&str] = &["controller", "channel", "setting", "action", "from", "to"];

    /// Takes one of [`Control::KEYS`] from a file.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn assign(&mut self, key: &str, values: &[String]) -> Result<(), ValueError> {
        let [value] = values else {
            return Err(ValueError::List);
        };
        let number = || {
            let found = value.clone();
            value.parse().map_err(|_| ValueError::NotANumber { found })
        };
        match key {
            "controller" => self.controller = Some(whole(value, &(0..=127))?),
            "channel" => self.channel = Some(whole(value, &(1..=16))? - 1),
            "from" => self.from = number()?,
            "to" => self.to = number()?,
            "action" => self.does = Some(Does::Action(action(value)?)),
            _ => self.does = Some(Does::Setting(value.clone())),
        }
        Ok(())
    }

    /// Whether the row is whole and its ends can be had.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn check(&self) -> Result<(), ControlError> {
        if self.controller.is_none() {
            return Err(ControlError::NoController);
        }
        match &self.does {
            None => Err(ControlError::DoesNothing),
            Some(Does::Action(_)) => Ok(()),
            Some(Does::Setting(name)) => {
                patch(name, self.from)?;
                patch(name, self.to)?;
                Ok(())
            }
        }
    }

    fn command(&self, value: DataByte) -> Option<Command> {
        match self.does.as_ref()? {
            Does::Action(command) if value.value() >= PRESSED_FROM => Some(command.clone()),
            Does::Action(_) => None,
            Does::Setting(name) => {
                let share = f64::from(value.value()) / 127.0;
                let value = self.from + (self.to - self.from) * share;
                patch(name, value).ok().map(Command::Patch)
            }
        }
    }
}

impl Controls {
    /// What a controller that is turned asks for.
    pub fn command(
        &self,
        channel: Channel,
        controller: DataByte,
        value: DataByte,
    ) -> Option<Command> {
        let concerns = |row: &&Control| {
            row.controller == Some(controller.value())
                && row.channel.is_none_or(|wanted| wanted == channel.index())
        };
        self.rows.iter().find(concerns)?.command(value)
    }
}

/// To the thousandth, and whole where the setting is counted.
fn patch(name: &str, value: f64) -> Result<SettingsPatch, SettingError> {
    let mut patch = SettingsPatch::default();
    let fine = patch.set(name, &format!("{}", (value * 1e3).round() / 1e3));
    fine.or_else(|_| patch.set(name, &format!("{value:.0}")))?;
    Ok(patch)
}

fn action(name: &str) -> Result<Command, ValueError> {
    const ACTIONS: [&str; 7] = [
        "skip",
        "skip-part",
        "pause",
        "resume",
        "keep",
        "panic",
        "stop",
    ];
    Ok(match name {
        "skip" => Command::Skip(SkipAt::Now),
        "skip-part" => Command::Skip(SkipAt::PartEnd),
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "keep" => Command::Keep(None, Keeping::Kept),
        "panic" => Command::Panic,
        "stop" => Command::StopAfterTune,
        _ => return Err(ValueError::none_of(name, ACTIONS.to_vec())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(keys: &[(&str, &str)]) -> Control {
        let mut row = Control::default();
        for (key, value) in keys {
            row.assign(key, &[(*value).to_owned()]).unwrap();
        }
        row
    }

    fn turned(controls: &Controls, channel: u8, controller: u8, value: u8) -> Option<Command> {
        let data = |value| DataByte::new(value).unwrap();
        controls.command(
            Channel::new(channel).unwrap(),
            data(controller),
            data(value),
        )
    }

    #[test]
    fn a_controller_moves_a_setting_between_its_ends_and_a_button_acts_when_pressed() {
        let controls = Controls {
            rows: vec![
                row(&[
                    ("controller", "1"),
                    ("setting", "tempo_scale"),
                    ("from", "0.5"),
                    ("to", "1.5"),
                ]),
                row(&[
                    ("controller", "2"),
                    ("setting", "times"),
                    ("from", "1"),
                    ("to", "9"),
                ]),
                row(&[("controller", "64"), ("channel", "3"), ("action", "skip")]),
            ],
        };
        assert!(controls.rows.iter().all(|row| row.check().is_ok()));
        let setting = |controller, value| match turned(&controls, 0, controller, value) {
            Some(Command::Patch(patch)) => serde_json::to_string(&patch).unwrap(),
            other => format!("{other:?}"),
        };
        assert_eq!(setting(1, 127), r#"{"tempo_scale":1.5}"#);
        assert_eq!(setting(1, 0), r#"{"tempo_scale":0.5}"#);
        assert_eq!(setting(2, 64), r#"{"times":5}"#);
        assert_eq!(
            turned(&controls, 2, 64, 127),
            Some(Command::Skip(SkipAt::Now))
        );
        assert_eq!(turned(&controls, 2, 64, 0), None);
        assert_eq!(turned(&controls, 0, 64, 127), None, "another channel");
    }

    #[test]
    fn a_row_that_is_not_whole_or_cannot_be_is_refused() {
        let error = |keys: &[(&str, &str)]| row(keys).check().unwrap_err().to_string();
        assert!(error(&[("setting", "volume")]).contains("`controller`"));
        assert!(error(&[("controller", "7")]).contains("`setting` or an `action`"));
        let volume = error(&[("controller", "7"), ("setting", "volume")]);
        assert!(volume.contains("127 is not between 0 and 100"), "{volume}");
        assert!(
            Control::default()
                .assign("action", &["dance".to_owned()])
                .is_err()
        );
    }
}
