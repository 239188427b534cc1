//! The page behind real proxies, in a folder of a site, as `data/proxy/` has them: nginx and Caddy. Where they are not installed
//! (`tests/set_up.sh --tests` installs them) the tests are skipped.

mod common;

use common::browser::{Browser, Page};
use common::port::ReservedPort;
use common::process::{PATIENCE, Running, Said, end_gently, wait_for};
use common::skip::lacks;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

const TOKEN: &str = "0123456789abcdef";

#[test]
fn behind_nginx_in_a_folder_the_page_lives_and_steers() {
    if lacks(&["nginx"]) {
        return;
    }
    let band = Band::start();
    let port = ReservedPort::new();
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = nginx(&band, &port, folder.path());
    page_lives_and_steers(port.number());
    end_gently(&mut proxy);
}

#[test]
fn behind_nginx_in_a_folder_a_browser_shows_the_score_and_the_band_is_heard() {
    if lacks(&["nginx", "chromium"]) {
        return;
    }
    let band = Band::start();
    let port = ReservedPort::new();
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = nginx(&band, &port, folder.path());
    wait_for("the proxy", || {
        TcpStream::connect(("127.0.0.1", port.number())).is_ok()
    });
    let site = format!("http://band.example:{}/band/", port.number());
    let mut browser = Browser::open(1280, 900, "light");
    browser.go_to(&format!("{site}?token={TOKEN}"));
    browser.wait_for("document.querySelectorAll('#now-score svg g[data-bar]').length > 7");
    assert_eq!(browser.ask("location.href"), site);
    browser.click("listen");
    browser.wait_for("document.getElementById('stream').webkitAudioDecodedByteCount > 20000");
    browser.click("keep");
    browser.wait_for("document.getElementById('keep').textContent === 'Kept'");
    assert_eq!(browser.complaints(), [] as [String; 0]);
    for asked in browser.asked_for() {
        // The browser's own signs in its fields are data.
        assert!(
            asked.starts_with(&site) || asked.starts_with("data:"),
            "{asked}"
        );
    }
    end_gently(&mut proxy);
}

/// nginx at this port, with our example for this band; its files lie in the folder.
fn nginx(band: &Band, port: &ReservedPort, folder: &Path) -> Running {
    let path = folder.display();
    let location = example("nginx.conf", band);
    let config = format!(
        "daemon off; worker_processes 1; pid {path}/pid; error_log {path}/error; user root;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
         fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
         server {{ listen 127.0.0.1:{} ; {location} }} }}",
        port.number()
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut proxy = Command::new("nginx");
    proxy.arg("-c").arg(folder.join("nginx.conf"));
    Running(proxy.stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn behind_caddy_in_a_folder_the_page_lives_and_steers() {
    if lacks(&["caddy"]) {
        return;
    }
    let band = Band::start();
    let port = ReservedPort::new();
    let folder = tempfile::tempdir().unwrap();
    let site = format!("http://127.0.0.1:{} {{\n\tbind 127.0.0.1", port.number());
    let config = example("Caddyfile", &band).replace("band.example {", &site);
    let config = format!("{{\n\tadmin off\n\tauto_https off\n}}\n{config}");
    std::fs::write(folder.path().join("Caddyfile"), config).unwrap();
    let mut proxy = Command::new("caddy");
    proxy.args(["run", "--adapter", "caddyfile", "--config"]);
    proxy.arg(folder.path().join("Caddyfile"));
    proxy.env("HOME", folder.path());
    let mut proxy = Running(proxy.stderr(Stdio::null()).spawn().unwrap());
    page_lives_and_steers(port.number());
    end_gently(&mut proxy);
}

/// A daemon that knows its site's name, and wants a token.
struct Band {
    port: u16,
    _process: Running,
}

impl Band {
    fn start() -> Self {
        let token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(token.path(), format!("{TOKEN}\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ceilid"));
        command.args(["serve", "--to", "null", "--listen", "127.0.0.1:0"]);
        command.args(["--trusted-host", "band.example", "--token-file"]);
        command.arg(token.path());
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = Said::by(&mut process);
        let mut lines = std::iter::repeat_with(|| said.next_line());
        let line = lines.find(|line| line.contains("page at http://")).unwrap();
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap();
        Self {
            port: port.parse().unwrap(),
            _process: Running(process),
        }
    }
}

/// The file that users are given, for this band.
fn example(name: &str, band: &Band) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/proxy")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.replace("127.0.0.1:7424", &format!("127.0.0.1:{}", band.port))
}

fn page_lives_and_steers(port: u16) {
    wait_for("the proxy", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    // In by the token, to the folder and not to the site's root; over TLS the cookie stays there.
    let answer = ask(
        port,
        "GET",
        &format!("/band/?token={TOKEN}"),
        "X-Forwarded-Proto: https",
    );
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(has_header(&answer, "location: ./"), "{answer}");
    let cookie = format!("Cookie: ceilid_token={TOKEN}");
    let page = ask(port, "GET", "/band/", &cookie);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    // Everything that the page names lies in the folder too.
    assert!(
        !page.contains("src=\"/") && !page.contains("href=\"/"),
        "{page}"
    );
    // What happens comes as it happens.
    let mut events = open(port, "GET", "/band/api/events", &cookie);
    let mut heard = String::new();
    while !heard.contains("event: status") {
        let mut bytes = [0; 4096];
        let count = events.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    // Its buttons work, and those of other sites do not.
    let from = |site: &str| {
        let headers = format!("{cookie}\r\nOrigin: {site}\r\nContent-Length: 0");
        ask(port, "POST", "/band/api/resume", &headers)
    };
    let ours = from("http://band.example");
    assert!(ours.starts_with("HTTP/1.1 200"), "{ours}");
    let theirs = from("http://evil.example");
    assert!(theirs.starts_with("HTTP/1.1 403"), "{theirs}");
}

fn has_header(answer: &str, header: &str) -> bool {
    answer.lines().any(|line| line.eq_ignore_ascii_case(header))
}

fn open(port: u16, method: &str, path: &str, headers: &str) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n\r\n"
    )
    .unwrap();
    connection
}

fn ask(port: u16, method: &str, path: &str, headers: &str) -> String {
    let mut answer = Vec::new();
    open(port, method, path, headers)
        .read_to_end(&mut answer)
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
