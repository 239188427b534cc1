//! The page in a real browser, steering a real daemon: what somebody does who has never seen it.
//!
//! Skipped, and counted, where Chromium is not installed.

mod common;

use common::browser::Browser;
use common::folder::Folder;
use common::port::ReservedPort;
use common::process::{Running, end_gently};
use common::skip::{lacks, skip_uninstalled};
use serde_json::{Value, json};
use std::process::Command;

/// A daemon with a page, a browser that looks at it, and an archive that outlives both.
struct House {
    folder: Folder,
    port: ReservedPort,
    daemon: Option<Running>,
}

impl House {
    fn open() -> Self {
        let mut house = Self {
            folder: Folder::with_tune(),
            port: ReservedPort::new(),
            daemon: None,
        };
        house.start();
        house
    }

    fn start(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port.number());
        let arguments = [
            "serve",
            "--to",
            "silent",
            "--seed",
            "3",
            "--listen",
            &listen,
            "--archive-path",
            "a.sqlite",
        ];
        self.daemon = Some(self.folder.start(&arguments, &[]));
    }

    fn stop(&mut self) {
        end_gently(&mut self.daemon.take().unwrap());
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port.number())
    }

    /// A browser at this view, once the daemon answers.
    fn visit(&self, view: &str, width: u32, scheme: &str) -> Browser {
        let mut browser = Browser::open(width, 900, scheme);
        common::process::wait_for("the daemon", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port.number())).is_ok()
        });
        browser.go_to(&format!("{}{view}", self.address()));
        browser
    }

    /// Nobody complained, and nobody else was asked for anything.
    fn check(&self, browser: &mut Browser) {
        assert_eq!(browser.complaints(), [] as [String; 0]);
        let own = self.address();
        for asked in browser.asked_for() {
            let is_own = asked.starts_with(&own) || asked.starts_with(&format!("blob:{own}"));
            assert!(is_own || asked.starts_with("data:"), "{asked}");
        }
    }
}

#[test]
fn somebody_hears_the_band_keeps_a_tune_skips_it_and_finds_it_again_after_a_restart() {
    if lacks(&["chromium"]) {
        return;
    }
    let mut house = House::open();
    let mut browser = house.visit("", 390, "light");
    browser.wait_for("document.querySelectorAll('#now-score svg g[data-bar]').length > 7");
    let title = browser.ask("document.getElementById('now-title').textContent");
    browser.click("listen");
    browser.wait_for("ceilid.sound.isHeard");
    browser.wait_for("document.getElementById('stream').webkitAudioDecodedByteCount > 20000");
    browser.wait_for("!document.querySelector('#now-score .cursor').hidden");
    browser.click("keep");
    browser.wait_for("document.getElementById('keep').textContent === 'Kept'");
    browser.click("skip");
    browser.click("listen");
    browser.wait_for(&format!(
        "document.getElementById('now-title').textContent !== {title}"
    ));
    browser.wait_for("!ceilid.sound.isWanted");
    house.check(&mut browser);

    house.stop();
    browser.wait_for("!document.getElementById('connection').hidden");
    house.start();
    browser.wait_for("document.getElementById('connection').hidden");
    browser.forgive(); // that nobody answered for a while
    browser.ask("location.hash = 'book'");
    browser.ask("document.querySelector('#search [name=kept]').click()");
    browser.wait_for("document.querySelectorAll('#tunes li').length === 1");
    let found = browser.ask("document.querySelector('#tunes li b').textContent");
    assert_eq!(found, title);
    browser.wait_for("document.querySelector('#tunes img').naturalWidth > 100");
    browser.ask("document.querySelector('#tunes li .buttons button').click()");
    browser.wait_for(&format!(
        "fetch('api/queue').then((r) => r.json()).then((q) => q.some((tune) => tune.title === {title}))"
    ));
    house.check(&mut browser);
}

#[test]
fn somebody_composes_from_bars_of_his_own_hears_it_changes_it_and_takes_it_home() {
    if lacks(&["chromium"]) {
        return;
    }
    let house = House::open();
    let mut browser = house.visit("#compose", 1280, "dark");
    browser.wait_for("document.querySelectorAll('#wishes [name=dance] option').length > 5");
    browser.ask("document.querySelector('#wishes [name=dance]').value = 'jig'");
    browser.ask("document.querySelector('#wishes [name=key]').value = 'D'");
    browser.ask("document.querySelector('#wishes [name=seed]').value = '7'");
    browser.ask("document.getElementById('own').open = true");
    let typed = |id: &str, text: &str| {
        format!(
            "(() => {{ const field = document.getElementById('{id}'); field.value = {}; field.dispatchEvent(new Event('input')); }})()",
            json!(text)
        )
    };
    browser.ask(&typed("bars", "fef afd|gfg efg|fef afd|"));
    browser.wait_for("document.querySelectorAll('#bars-score svg g[data-bar]').length >= 3");
    browser.click("compose-go");
    browser.wait_for(
        "!document.getElementById('draft').hidden && ceilid.draft.player.currentTime > .2",
    );
    let abc = browser.ask("document.getElementById('draft-abc').value");
    let abc = abc.as_str().unwrap();
    let notes: String = abc
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    for bar in ["fefafd", "gfgefg"] {
        let plain = notes.replace('"', "");
        assert!(plain.contains(bar), "{abc}");
    }
    assert!(abc.contains("R:jig\n") && abc.contains("K:D\n"), "{abc}");
    // Changed, it is shown and heard as it is then.
    let changed = abc.replacen("T:", "T:My own, once ", 1);
    browser.ask(&typed("draft-abc", &format!("{changed}!wrong | [\n")));
    browser.wait_for("document.getElementById('draft-findings').textContent.includes('line')");
    browser.ask(&typed("draft-abc", &changed));
    browser
        .wait_for("document.getElementById('draft-title').textContent.startsWith('My own, once')");
    let sizes = "Promise.all(['abc', 'mid', 'svg', 'pdf', 'flac'].map(async (to) => {
        const answer = await fetch('api/convert?to=' + to, { method: 'POST', body: document.getElementById('draft-abc').value });
        return [answer.status, (await answer.blob()).size];
    }))";
    for answer in browser.ask(sizes).as_array().unwrap() {
        assert_eq!(answer[0], 200);
        assert!(answer[1].as_u64().unwrap() > 200, "{answer}");
    }
    browser.click("draft-keep");
    browser.wait_for("document.getElementById('compose-state').textContent.startsWith('Kept')");
    browser.ask("location.hash = 'book'");
    browser.wait_for("[...document.querySelectorAll('#tunes b')].some((title) => title.textContent.startsWith('My own, once'))");
    house.check(&mut browser);
}

#[test]
fn the_link_of_a_draft_makes_it_again() {
    if lacks(&["chromium"]) {
        return;
    }
    let house = House::open();
    let view = "#compose?dance=waltz&key=G&seed=11&index=0";
    let composed = |browser: &mut Browser| {
        browser.wait_for("!!document.getElementById('draft-abc').value");
        browser.ask("document.getElementById('draft-abc').value")
    };
    let mut browser = house.visit(view, 1280, "light");
    let first = composed(&mut browser);
    let link = browser.ask("location.hash");
    let mut again = house.visit(link.as_str().unwrap(), 1280, "light");
    assert_eq!(composed(&mut again), first);
    house.check(&mut again);
}

#[test]
fn the_page_can_be_used_by_those_who_do_not_see_it_or_see_little() {
    if lacks(&["chromium", "npm"]) {
        return;
    }
    let Some(axe) = axe() else { return };
    let house = House::open();
    for scheme in ["light", "dark"] {
        let mut browser = house.visit("#compose?dance=jig&seed=5", 390, scheme);
        browser.wait_for("!!document.getElementById('draft-abc').value");
        browser.ask(&axe);
        for view in ["compose", "now", "book", "behind"] {
            browser.ask(&format!("location.hash = '{view}'"));
            browser
                .wait_for("document.querySelectorAll('main > section:not([hidden])').length === 1");
            let found = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((violation) =>
                violation.id + ': ' + violation.nodes.map((node) => node.target + ' ' + node.failureSummary).join('; ')))";
            assert_eq!(browser.ask(found), json!([]), "{view}, {scheme}");
        }
    }
}

/// axe-core, which finds what keeps people out of a page; from npm, and only for this test.
fn axe() -> Option<String> {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if !script.is_file() {
        std::fs::create_dir_all(&folder).unwrap();
        let install = ["install", "--no-audit", "--no-fund", "--prefix"];
        let done = Command::new("npm")
            .args(install)
            .arg(&folder)
            .arg("axe-core")
            .output();
        if !done.is_ok_and(|done| done.status.success()) {
            skip_uninstalled("axe-core");
            return None;
        }
    }
    // What its last expression comes to cannot be sent.
    Some(std::fs::read_to_string(script).unwrap() + "\n;0")
}

#[test]
fn the_wall_shows_the_score_and_nothing_to_press() {
    if lacks(&["chromium"]) {
        return;
    }
    let house = House::open();
    let mut browser = house.visit("?view=wall", 1920, "dark");
    browser.wait_for("document.querySelectorAll('#now-score svg g[data-bar]').length > 7");
    let seen = "[...document.querySelectorAll('button, input, select')].filter((thing) => thing.checkVisibility()).length";
    assert_eq!(browser.ask(seen), Value::from(0));
    house.check(&mut browser);
}
