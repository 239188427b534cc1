//! Speaks to a running daemon: requests to its API, and their answers as JSON.
//!
//! In: a method, a path, a body. Out: what the daemon answers, or why there is no answer. Not: what is asked, and how it is told.

use super::{Context, ExitStatus, Failure, files, stop};
use crate::hands::broker::port_of;
use crate::web::{ADDRESS, Token};
use anyhow::{Context as _, anyhow};
use http::Uri;
use serde_json::Value;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
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
    /// Where the daemon's page is: an address such as localhost:7424 or http://pub.example/band/
    #[arg(long, value_name = "ADDRESS", default_value_t = PageAddress::usual(), env = "CEILID_LISTEN")]
    at: PageAddress,
    /// The daemon's token, where it has one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "CEILID_TOKEN",
        hide_env_values = true
    )]
    token: Option<Token>,
}

/// Where a page is, as one says it to a browser; without `http://` the port may be left out, too.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PageAddress {
    /// The host and the port.
    authority: String,
    /// The path before `/api/`: empty, or beginning with `/`.
    folder: String,
}

impl FromStr for PageAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usual = "write an address such as localhost:7424 or http://pub.example/band/";
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("{}{text}", Self::SCHEME)
        };
        let uri: Uri = with_scheme.parse().map_err(|_| usual.to_owned())?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("only http:// is spoken here; {usual}"));
        }
        let authority = uri
            .authority()
            .filter(|authority| !authority.as_str().contains('@'));
        let host = authority.map_or("", |authority| authority.host());
        if host.is_empty() || uri.query().is_some() || text == "off" {
            return Err(usual.to_owned());
        }
        let port_usual = if text == with_scheme {
            80
        } else {
            ADDRESS.port()
        };
        let port = port_of(&uri, port_usual).ok_or_else(|| usual.to_owned())?;
        Ok(Self {
            authority: format!("{host}:{port}"),
            folder: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl PageAddress {
    const SCHEME: &str = "http://";

    fn usual() -> Self {
        Self {
            authority: ADDRESS.to_string(),
            folder: String::new(),
        }
    }

    /// A connection to the first of the name's addresses that answers.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, ANSWER_WAIT_MAX) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl fmt::Display for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.authority, self.folder)
    }
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
        let mut connection = self.at.connect()?;
        connection.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        connection.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        let token = self.token.as_ref().map_or_else(String::new, |token| {
            format!("Authorization: Bearer {}\r\n", token.as_str())
        });
        let request = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.at.folder,
            self.at.authority,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_where_a_browser_is_told_that_it_is() {
        let said = |text: &str| text.parse().map(|at: PageAddress| at.to_string());
        for (text, is) in [
            ("127.0.0.1:7424", "127.0.0.1:7424"),
            ("localhost:7500", "localhost:7500"),
            ("pub.example", "pub.example:7424"),
            ("[::1]:7424", "[::1]:7424"),
            ("http://localhost:7500/", "localhost:7500"),
            ("http://pub.example/band/", "pub.example:80/band"),
        ] {
            assert_eq!(said(text), Ok(is.to_owned()));
        }
        for wrong in [
            "",
            "off",
            ":7424",
            "https://pub.example/",
            "a b",
            "a:99999",
            "http://",
        ] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }
}
