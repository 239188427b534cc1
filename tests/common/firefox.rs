//! A real Firefox without a window, spoken to in its own protocol (Marionette): JSON with its length before it, over TCP.

use super::browser::Page;
use super::port::ReservedPort;
use super::process::{LOOK_INTERVAL, PATIENCE, Running};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A Firefox takes its time to start on a machine that has much to do.
const START_WAIT_MAX: Duration = Duration::from_secs(120);

/// A Firefox with one page.
pub struct Firefox {
    answers: BufReader<TcpStream>,
    last_order: u64,
    _process: Running,
    _profile: tempfile::TempDir,
    _port: ReservedPort,
}

impl Firefox {
    /// A Firefox whose pages are light or dark; `environment` says where it plays to.
    pub fn open(scheme: &str, environment: &[(&str, OsString)]) -> Self {
        let (profile, port) = (tempfile::tempdir().unwrap(), ReservedPort::new());
        let dark = if scheme == "dark" { 0 } else { 1 };
        let preferences = [
            format!("\"marionette.port\", {}", port.number()),
            format!("\"layout.css.prefers-color-scheme.content-override\", {dark}"),
            // Sound begins without a click.
            "\"media.autoplay.default\", 0".to_owned(),
            // Nor is a page at fault that waited for a busy machine.
            "\"dom.max_script_run_time\", 0".to_owned(),
            // Nor one that is left in the middle of a script.
            "\"dom.ipc.cancel_content_js_when_navigating\", false".to_owned(),
            // It asks nobody for anything by itself.
            "\"network.captive-portal-service.enabled\", false".to_owned(),
            "\"network.connectivity-service.enabled\", false".to_owned(),
            "\"datareporting.policy.dataSubmissionEnabled\", false".to_owned(),
        ];
        let lines = preferences.map(|row| format!("user_pref({row});\n"));
        std::fs::write(profile.path().join("user.js"), lines.concat()).unwrap();
        let process = Command::new("firefox-esr")
            .args(["--headless", "--no-remote", "--marionette"])
            // To read its console.
            .arg("-remote-allow-system-access")
            .arg("--profile")
            .arg(profile.path())
            .arg("about:blank")
            .env("HOME", profile.path())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = Running(process.unwrap());
        let deadline = Instant::now() + START_WAIT_MAX;
        let connection = loop {
            match TcpStream::connect(("127.0.0.1", port.number())) {
                Ok(connection) => break connection,
                Err(error) => assert!(Instant::now() < deadline, "Firefox: {error}"),
            }
            std::thread::sleep(LOOK_INTERVAL);
        };
        connection.set_read_timeout(Some(START_WAIT_MAX)).unwrap();
        let mut firefox = Self {
            answers: BufReader::new(connection),
            last_order: 0,
            _process: process,
            _profile: profile,
            _port: port,
        };
        firefox.read();
        firefox.order("WebDriver:NewSession", json!({"capabilities": {}}));
        let patience = json!({"script": PATIENCE.as_millis()});
        firefox.order("WebDriver:SetTimeouts", patience);
        firefox
    }

    /// Runs a script where Firefox's own code runs.
    fn ask_itself(&mut self, script: &str) -> Value {
        self.order("Marionette:SetContext", json!({"value": "chrome"}));
        let answer = self.order(
            "WebDriver:ExecuteScript",
            json!({"script": script, "args": []}),
        );
        self.order("Marionette:SetContext", json!({"value": "content"}));
        answer["value"].clone()
    }

    fn order(&mut self, name: &str, parameters: Value) -> Value {
        self.last_order += 1;
        let order = json!([0, self.last_order, name, parameters]).to_string();
        write!(self.answers.get_mut(), "{}:{order}", order.len()).unwrap();
        let answer = self.read();
        assert!(answer[2].is_null(), "{name}: {}", answer[2]);
        answer[3].clone()
    }

    fn read(&mut self) -> Value {
        let mut length = Vec::new();
        self.answers.read_until(b':', &mut length).unwrap();
        length.pop();
        let length = String::from_utf8(length).unwrap().parse().unwrap();
        let mut message = vec![0; length];
        self.answers.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }
}

impl Page for Firefox {
    fn go_to(&mut self, address: &str) {
        self.order("WebDriver:Navigate", json!({"url": address}));
    }

    fn ask(&mut self, expression: &str) -> Value {
        // An expression may stand on several lines, and be a promise.
        let script = format!(
            "const done = arguments[arguments.length - 1];
            (async () => ({expression}\n))().then((value) => done({{ value }}), (error) => done({{ error: String(error) }}));"
        );
        let answer = self.order(
            "WebDriver:ExecuteAsyncScript",
            json!({"script": script, "args": []}),
        );
        let answer = &answer["value"];
        assert!(answer["error"].is_null(), "{expression}: {answer}");
        answer["value"].clone()
    }

    fn run(&mut self, script: &str) {
        self.order(
            "WebDriver:ExecuteScript",
            json!({"script": script, "args": []}),
        );
    }

    fn complaints(&mut self) -> Vec<String> {
        let script = "return Services.console.getMessageArray()
            .filter((message) => message instanceof Ci.nsIScriptError && /^https?:/.test(message.sourceName))
            .filter((message) => !message.errorMessage.startsWith('Script terminated by timeout'))
            .map((message) => message.sourceName + ': ' + message.errorMessage);";
        serde_json::from_value(self.ask_itself(script)).unwrap()
    }

    fn asked_for(&mut self) -> Vec<String> {
        let names = self.ask("performance.getEntriesByType('resource').map((entry) => entry.name)");
        serde_json::from_value(names).unwrap()
    }
}
