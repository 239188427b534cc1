//! A real browser without a window: Chromium, spoken to through two pipes in its own protocol (CDP).

use super::process::{PATIENCE, Running};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often a page is asked whether something is so.
const ASK_INTERVAL: Duration = Duration::from_millis(100);

/// A browser with one page.
pub struct Browser {
    _process: Running,
    orders: ChildStdin,
    messages: Receiver<Value>,
    /// Everything the page said by itself.
    events: Vec<Value>,
    session: String,
    last_order: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// A browser whose page is as large as this, light or dark. Sound plays, and nobody hears it.
    pub fn open(width: u32, height: u32, scheme: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("bash")
            // CDP takes its orders at descriptor 3 and answers at 4.
            .args([
                "-c",
                "exec chromium \"$@\" 3<&0 4>&1 >/dev/null 2>&1",
                "chromium",
            ])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args(["--remote-debugging-pipe", "--mute-audio"])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, answers) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let (tell, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message else { return };
                if tell
                    .send(serde_json::from_slice(&message).unwrap())
                    .is_err()
                {
                    return;
                }
            }
        });
        let mut browser = Self {
            _process: Running(process),
            orders,
            messages,
            events: Vec::new(),
            session: String::new(),
            last_order: 0,
            _profile: profile,
        };
        let target = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.order("Target.attachToTarget", target);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.order(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(width, height);
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        browser.order("Emulation.setEmulatedMedia", json!({"features": [feature]}));
        browser
    }

    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.order("Emulation.setDeviceMetricsOverride", size);
    }

    pub fn go_to(&mut self, address: &str) {
        self.order("Page.navigate", json!({"url": address}));
        self.wait_for("document.readyState === 'complete'");
    }

    /// What an expression comes to; promises are waited for.
    pub fn ask(&mut self, expression: &str) -> Value {
        let question = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let answer = self.order("Runtime.evaluate", question);
        let failure = &answer["exceptionDetails"];
        assert!(failure.is_null(), "{expression}: {failure}");
        answer["result"]["value"].clone()
    }

    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(expression) != json!(true) {
            assert!(
                Instant::now() < deadline,
                "waited in vain for `{expression}`; the page said {:?}",
                self.complaints()
            );
            std::thread::sleep(ASK_INTERVAL);
        }
    }

    pub fn click(&mut self, id: &str) {
        self.ask(&format!("document.getElementById('{id}').click()"));
    }

    /// A picture of what is seen, as base64 of a PNG.
    pub fn picture(&mut self) -> String {
        let shot = self.order("Page.captureScreenshot", json!({"format": "png"}));
        shot["data"].as_str().unwrap().to_owned()
    }

    /// Errors and warnings of the console, and what was thrown and not caught.
    pub fn complaints(&mut self) -> Vec<String> {
        self.take_in(Duration::ZERO);
        let told = self.events.iter().filter_map(|event| {
            let words = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(words["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled"
                    if ["error", "warning"].contains(&words["type"].as_str()?) =>
                {
                    Some(words["args"].to_string())
                }
                "Log.entryAdded" => Some(words["entry"].to_string()),
                _ => None,
            }
        });
        told.collect()
    }

    /// Forgets what the page complained of: what came was to come.
    pub fn forgive(&mut self) {
        self.take_in(Duration::ZERO);
        let is_complaint = |event: &Value| event["method"] != "Network.requestWillBeSent";
        self.events.retain(|event| !is_complaint(event));
    }

    /// The addresses that were asked for.
    pub fn asked_for(&mut self) -> Vec<String> {
        self.take_in(Duration::ZERO);
        let requests = self.events.iter().filter_map(|event| {
            let is_request = event["method"] == "Network.requestWillBeSent";
            let address = event["params"]["request"]["url"].as_str()?;
            is_request.then(|| address.to_owned())
        });
        requests.collect()
    }

    fn order(&mut self, method: &str, params: Value) -> Value {
        self.last_order += 1;
        let id = self.last_order;
        let mut order = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        self.orders
            .write_all(format!("{order}\0").as_bytes())
            .unwrap();
        self.orders.flush().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message =
                message.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn take_in(&mut self, wait: Duration) {
        while let Ok(message) = self.messages.recv_timeout(wait) {
            self.events.push(message);
        }
    }
}
