//! `ceilid status|skip|pause|resume|keep|panic|stop`: a command in; a request to a running daemon, and its answer out.

use super::{Context, Failure, files};
use crate::web::{ADDRESS, Token};
use anyhow::{Context as _, anyhow};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the daemon may take to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// No answer is that long.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where the daemon is.
#[derive(clap::Args, Clone, Debug)]
pub struct Door {
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

/// Arguments of `ceilid status`.
#[derive(clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid skip`.
#[derive(clap::Args)]
pub struct SkipArgs {
    /// Let the part that plays end first
    #[arg(long)]
    part_end: bool,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid keep`.
#[derive(clap::Args)]
pub struct KeepArgs {
    /// Number of the tune; without it, the one that plays
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// Take the mark away
    #[arg(long)]
    not: bool,
    #[command(flatten)]
    door: Door,
}

/// Arguments of `ceilid stop`.
#[derive(clap::Args)]
pub struct StopArgs {
    /// Let the tune that plays end first
    #[arg(long)]
    after_tune: bool,
    #[command(flatten)]
    door: Door,
}

/// Runs `ceilid status`.
pub fn status(args: &StatusArgs, context: &Context) -> Result<(), Failure> {
    let status = args.door.ask("GET", "/api/status")?;
    let report = if context.json {
        format!("{status:#}\n")
    } else {
        describe(&status)
    };
    files::write_stdout(report.as_bytes())
}

/// Runs `ceilid skip`.
pub fn skip(args: &SkipArgs, context: &Context) -> Result<(), Failure> {
    let at = if args.part_end { "part-end" } else { "now" };
    args.door.order(&format!("skip?at={at}"), context)
}

/// Runs `ceilid keep`.
pub fn keep(args: &KeepArgs, context: &Context) -> Result<(), Failure> {
    let mut path = format!("keep?kept={}", !args.not);
    if let Some(id) = args.id {
        // Writing to a string cannot fail.
        let _ = write!(path, "&id={id}");
    }
    args.door.order(&path, context)
}

/// Runs `ceilid stop`.
pub fn stop(args: &StopArgs, context: &Context) -> Result<(), Failure> {
    args.door
        .order(&format!("stop?after_tune={}", args.after_tune), context)
}

impl Door {
    /// Sends a command: the part of its address after `/api/`.
    ///
    /// # Errors
    /// No daemon answers (environment), or it refuses.
    pub fn order(&self, command: &str, context: &Context) -> Result<(), Failure> {
        let answer = self.ask("POST", &format!("/api/{command}"))?;
        if context.json {
            files::write_stdout(format!("{answer:#}\n").as_bytes())?;
        }
        Ok(())
    }

    fn ask(&self, method: &str, path: &str) -> Result<Value, Failure> {
        let answer = self.exchange(method, path).map_err(|error| {
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

    fn exchange(&self, method: &str, path: &str) -> anyhow::Result<String> {
        let mut connection = TcpStream::connect_timeout(&self.at, ANSWER_WAIT_MAX)?;
        connection.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        connection.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        let token = self.token.as_ref().map_or_else(String::new, |token| {
            format!("Authorization: Bearer {}\r\n", token.as_str())
        });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{token}Content-Length: 0\r\nConnection: close\r\n\r\n",
            self.at
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

/// A status in a few lines.
fn describe(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let mut report = text(&status["activity"]);
    let now = &status["now"];
    if !now.is_null() {
        let _ = write!(
            report,
            ": {} ({}, {}), {:.0} of {:.0} s, tune {}",
            text(&now["title"]),
            text(&now["key"]),
            text(&now["meter"]),
            number(&now["position_s"]),
            number(&now["length_s"]),
            now["id"],
        );
    }
    let _ = write!(
        report,
        "\n{} tunes wait, {} played, {} refused; up {:.0} s\n",
        status["queue_length"],
        status["counters"]["tunes_played"],
        status["counters"]["tunes_refused"],
        number(&status["uptime_s"]),
    );
    for output in status["outputs"].as_array().into_iter().flatten() {
        let how = if output["well"] == true {
            "plays"
        } else {
            "lost"
        };
        let _ = writeln!(report, "{}: {how}", text(&output["name"]));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_told_in_a_few_lines() {
        let status = json!({
            "activity": "playing",
            "now": {"id": 3, "title": "The Kesh", "key": "G", "meter": "6/8", "position_s": 5.2, "length_s": 60.0},
            "queue_length": 2, "uptime_s": 61.0,
            "counters": {"tunes_played": 1, "tunes_refused": 0},
            "outputs": [{"name": "synth", "well": true}],
        });
        assert_eq!(
            describe(&status),
            "playing: The Kesh (G, 6/8), 5 of 60 s, tune 3\n\
             2 tunes wait, 1 played, 0 refused; up 61 s\nsynth: plays\n"
        );
    }
}
