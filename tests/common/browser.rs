//! A real browser without a window: Chromium, spoken to through two pipes in its own protocol (CDP).

use super::process::{PATIENCE, Running};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often a page is asked whether something is so.
const ASK_INTERVAL: Duration = Duration::from_millis(100);

/// A page in a real browser.
pub trait Page {
    fn go_to(&mut self, address: &str);

    /// What an expression comes to; promises are waited for.
    fn ask(&mut self, expression: &str) -> Value;

    /// Runs a whole script in the page.
    fn run(&mut self, script: &str);

    /// Errors and warnings of the console, and what was thrown and not caught.
    fn complaints(&mut self) -> Vec<String>;

    /// The addresses that were asked for.
    fn asked_for(&mut self) -> Vec<String>;

    fn wait_for(&mut self, expression: &str) {
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

    fn click(&mut self, id: &str) {
        self.ask(&format!("document.getElementById('{id}').click()"));
    }
}

/// A Chromium with one page.
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
        Self::launch((width, height), scheme, &["--mute-audio"], &[])
    }

    /// The same, and its sound is heard where this environment says.
    pub fn open_aloud(width: u32, height: u32, environment: &[(&str, OsString)]) -> Self {
        Self::launch((width, height), "light", &[], environment)
    }

    fn launch(
        (width, height): (u32, u32),
        scheme: &str,
        arguments: &[&str],
        environment: &[(&str, OsString)],
    ) -> Self {
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
            .arg("--remote-debugging-pipe")
            .args(arguments)
            .arg("--autoplay-policy=no-user-gesture-required")
            // For proxies that know their site by its name.
            .arg("--host-resolver-rules=MAP band.example 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .envs(environment.iter().map(|(name, value)| (name, value)))
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

    /// The thing of this role and name that is seen, as those meet it who use a screen reader: its handle.
    fn thing(&mut self, role: &str, name: &str) -> Option<Value> {
        let root = self.order("DOM.getDocument", json!({"depth": 0}));
        let root = root["root"]["backendNodeId"].clone();
        let asked = json!({"backendNodeId": root, "accessibleName": name, "role": role});
        let found = self.order("Accessibility.queryAXTree", asked);
        let found = found["nodes"].as_array()?.iter();
        let node = found.clone().find(|node| node["ignored"] == false)?;
        let node = json!({"backendNodeId": node["backendDOMNodeId"]});
        let handle = self.order("DOM.resolveNode", node);
        Some(handle["object"]["objectId"].clone())
    }

    /// Waits for the thing of this role and name, and calls a function with it as `this`.
    pub fn with(&mut self, role: &str, name: &str, function: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let handle = loop {
            if let Some(handle) = self.thing(role, name) {
                break handle;
            }
            assert!(Instant::now() < deadline, "there is no {role} \"{name}\"");
            std::thread::sleep(ASK_INTERVAL);
        };
        let call = json!({"objectId": handle, "functionDeclaration": function, "awaitPromise": true, "returnByValue": true});
        self.order("Runtime.callFunctionOn", call)["result"]["value"].clone()
    }

    /// Presses it.
    pub fn press(&mut self, role: &str, name: &str) {
        self.with(role, name, "function () { this.click(); }");
    }

    /// Chooses one of a list by its words.
    pub fn choose(&mut self, name: &str, words: &str) {
        let function = format!(
            "function () {{ this.value = [...this.options].find((option) => option.text === {}).value;
            this.dispatchEvent(new Event('change', {{ bubbles: true }})); }}",
            json!(words)
        );
        self.with("combobox", name, &function);
    }

    /// A picture of what is seen, as base64 of a PNG.
    pub fn picture(&mut self) -> String {
        let shot = self.order("Page.captureScreenshot", json!({"format": "png"}));
        shot["data"].as_str().unwrap().to_owned()
    }

    /// Forgets what the page complained of: what came was to come.
    pub fn forgive(&mut self) {
        self.take_in(Duration::ZERO);
        let is_complaint = |event: &Value| event["method"] != "Network.requestWillBeSent";
        self.events.retain(|event| !is_complaint(event));
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

impl Page for Browser {
    fn go_to(&mut self, address: &str) {
        self.order("Page.navigate", json!({"url": address}));
        self.wait_for("document.readyState === 'complete'");
    }

    fn ask(&mut self, expression: &str) -> Value {
        let question = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let answer = self.order("Runtime.evaluate", question);
        let failure = &answer["exceptionDetails"];
        assert!(failure.is_null(), "{expression}: {failure}");
        answer["result"]["value"].clone()
    }

    fn run(&mut self, script: &str) {
        // What its last expression comes to cannot always be sent.
        self.ask(&format!("{script}\n;0"));
    }

    fn complaints(&mut self) -> Vec<String> {
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

    fn asked_for(&mut self) -> Vec<String> {
        self.take_in(Duration::ZERO);
        let requests = self.events.iter().filter_map(|event| {
            let is_request = event["method"] == "Network.requestWillBeSent";
            let address = event["params"]["request"]["url"].as_str()?;
            is_request.then(|| address.to_owned())
        });
        requests.collect()
    }
}
