//! Speaks to a running daemon: requests to its API, and their answers as JSON.
//!
//! In: a method, a path, a body. Out: what the daemon answers, or why there is no answer. Not: what is asked, and how it is told.

use super::{Context, ExitStatus, Failure, files, stop};
use crate::web::{ADDRESS, Token};
use anyhow::{Context as _, anyhow};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the daemon may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// No answer is that long.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How often a watched daemon is asked, and how often Ctrl-C is looked for meanwhile.
pub(super) const WATCH_INTERVAL: Duration = Duration::from_secs(1);
const STOP_LOOK: Duration = Duration::from_millis(100);

/// Where the daemon is.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Door {
    /// Address of the daemon's API
    #[arg(long, value_name = "ADDRESS:PORT", default_value = ADDRESS, env = "CEILID_LISTEN")]
    at: SocketAddr,
    /// The daemon's token, where it has one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "CEILID_TOKEN",
        hide_env_values = true
    )]
    token: Option<Token>,
}

impl Door {
    /// Sends a command, the part of its address after `/api/`, and says what is `done` where the daemon accepts it.
    ///
    /// # Errors
    /// No daemon answers (environment), or it refuses.
    pub(super) fn order(
        &self,
        command: &str,
        done: &str,
        context: &Context,
    ) -> Result<(), Failure> {
        let answer = self.ask("POST", &format!("/api/{command}"), "")?;
        if context.json {
            return files::write_stdout(format!("{answer:#}\n").as_bytes());
        }
        context.say(done);
        Ok(())
    }

    /// Asks again every second and gives each answer to `show`, until the daemon ends.
    ///
    /// # Errors
    /// No daemon answers at first, `show` fails, or Ctrl-C.
    pub(super) fn watch(
        &self,
        path: &str,
        mut show: impl FnMut(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let stop = stop::flag()?;
        let mut answer = self.ask("GET", path, "")?;
        loop {
            show(&answer)?;
            for _ in 0..WATCH_INTERVAL.as_millis() / STOP_LOOK.as_millis() {
                if stop.load(Ordering::Relaxed) {
                    return Err(stopped_watching());
                }
                std::thread::sleep(STOP_LOOK);
            }
            match self.ask("GET", path, "") {
                Ok(next) => answer = next,
                // It was there a second ago: that it is not any more is how watching ends.
                Err(failure) if failure.status() == ExitStatus::Environment => return Ok(()),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Asks the daemon, and gives its answer.
    ///
    /// # Errors
    /// No daemon answers (environment), or it refuses.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
        let answer = self.exchange(method, path, body).map_err(|error| {
            Failure::environment(error.context(format!("no daemon answers at {}", self.at)))
                .hint("`ceilid serve` starts one; --at says where it is")
        })?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| self.strange())?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse::<u16>().ok());
        let body: Value = serde_json::from_str(body).map_err(|_| self.strange())?;
        match status {
            Some(200) => Ok(body),
            Some(code) => {
                let reason = body
                    .get("error")
                    .and_then(Value::as_str)
                    .unwrap_or("no reason given");
                let failure = anyhow!("the daemon refuses ({code}): {reason}");
                Err(match code {
                    400..=499 => Failure::input(failure),
                    _ => Failure::environment(failure),
                })
            }
            None => Err(self.strange()),
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let mut connection = TcpStream::connect_timeout(&self.at, ANSWER_WAIT_MAX)?;
        connection.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        connection.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        let token = self.token.as_ref().map_or_else(String::new, |token| {
            format!("Authorization: Bearer {}\r\n", token.as_str())
        });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.at,
            body.len()
        );
        connection.write_all(request.as_bytes())?;
        let mut answer = String::new();
        connection
            .take(ANSWER_BYTES_MAX)
            .read_to_string(&mut answer)
            .context("the answer breaks off")?;
        Ok(answer)
    }

    fn strange(&self) -> Failure {
        Failure::environment(anyhow!("what answers at {} is no ceilid", self.at))
    }
}

/// What Ctrl-C does to those who watch.
pub(super) fn stopped_watching() -> Failure {
    Failure::stopped(anyhow!("stopped watching; the daemon plays on"))
}

/// The words of a value, as they may stand on a terminal.
pub(super) fn text(value: &Value) -> String {
    // Titles come from tunebooks: nothing of them may steer a terminal.
    let text = value.as_str().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).collect()
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
