//! How a command fails: one message, a hint and an exit code.
//!
//! In: whatever went wrong below. Out: one message for a person, a hint where there is one, and an exit code.

use crate::compose::ComposeError;
use std::borrow::Cow;
use std::fmt;

/// What the process tells the shell. Scripts rely on these numbers, so they stay what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything asked for was done.
    Done = 0,
    /// The input is at fault; every fault was named.
    Input = 1,
    /// The command line is at fault.
    Usage = 2,
    /// The environment is at fault: device, port, disk, network.
    Environment = 3,
    /// Ctrl-C or SIGTERM ended it; what was done so far is kept.
    Stopped = 130,
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8) // lossless: the largest is 130
    }
}

/// A command's end that is not success: what to say, what to do about it, and the exit code.
#[derive(Debug)]
pub struct Failure {
    status: ExitStatus,
    error: anyhow::Error,
    hint: Option<String>,
    /// What the line begins with: `error`, or a milder word.
    label: Cow<'static, str>,
}

impl Failure {
    /// The input is at fault (exit code 1).
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitStatus::Input, error)
    }

    /// The command line is at fault (exit code 2).
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitStatus::Usage, error)
    }

    /// Device, port, disk or network is at fault (exit code 3).
    pub fn environment(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitStatus::Environment, error)
    }

    /// The user stopped it (exit code 130), which is no error: the line begins with `note`.
    pub fn stopped(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitStatus::Stopped, error).called("note")
    }

    /// Adds a line that says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what it is where that is no error: `warning`.
    pub fn called(mut self, label: impl Into<Cow<'static, str>>) -> Self {
        self.label = label.into();
        self
    }

    /// The exit code.
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Whether an I/O error of this kind is at the bottom of it.
    pub fn is_caused_by(&self, kind: std::io::ErrorKind) -> bool {
        self.error.chain().any(|cause| {
            cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| io.kind() == kind)
        })
    }

    fn new(status: ExitStatus, error: impl Into<anyhow::Error>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: None,
            label: Cow::Borrowed("error"),
        }
    }
}

impl From<ComposeError> for Failure {
    fn from(error: ComposeError) -> Self {
        match error {
            ComposeError::Stopped => Self::stopped(error),
            _ => Self::input(error),
        }
    }
}

impl fmt::Display for Failure {
    /// `error: what: why`, and a second line `hint: …` where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#}", self.label, self.error)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_and_its_hint_another() {
        let failure =
            Failure::input(anyhow::anyhow!("`a.abc` has no tune")).hint("a tune begins with `X:`");
        assert_eq!(
            failure.to_string(),
            "error: `a.abc` has no tune\nhint: a tune begins with `X:`"
        );
        assert_eq!(failure.status() as u8, 1);
    }

    #[test]
    fn to_be_stopped_is_no_error() {
        let stopped = Failure::stopped(anyhow::anyhow!("stopped"));
        assert_eq!(stopped.to_string(), "note: stopped");
        assert_eq!(stopped.status() as u8, 130);
    }
}
