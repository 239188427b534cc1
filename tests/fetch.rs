//! `ceilid corpus fetch` against a server of the test's own, which breaks off, sends other bytes, or is not there.

#![cfg(feature = "fetch")]

mod common;

use common::port::ReservedPort;
use common::process::InTime;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// How the server of a test behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// As it should.
    Well,
    /// Breaks off after so many bytes, the first time it is asked for a file.
    BreaksOff(usize),
    /// Does not know ranges: sends all, always.
    KnowsNoRanges,
    /// Sends something else.
    Lies,
    /// Answers 503 the first time it is asked.
    Busy,
    /// Knows no such file.
    Lost,
}

/// What a server was asked for: a file's name, and the range where one was.
type Request = (String, Option<String>);

/// A server of `FILES`, and the requests it got.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

const FILES: [(&str, &str); 2] = [
    ("one.abc", "X:1\nT:One\nK:D\nABcd efga|\n"),
    ("two.abc", "X:2\nT:Two\nK:G\nGABc dedB|\n"),
];

impl Server {
    fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let requests = Arc::clone(&server.requests);
        // It ends with the process; each connection is served to its end.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = serve(connection, mood, &requests); // a client may go away
            }
        });
        server
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut connection: TcpStream,
    mood: Mood,
    requests: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let name = first
        .split(' ')
        .nth(1)
        .unwrap_or("")
        .trim_start_matches("/abc/")
        .to_owned();
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("range: ") {
            range = Some(bytes.to_owned());
        }
    }
    let is_first = {
        let mut requests = requests.lock().unwrap();
        let is_first = requests.iter().all(|(asked, _)| *asked != name);
        requests.push((name.clone(), range.clone()));
        is_first
    };
    let file = FILES.iter().find(|(known, _)| *known == name);
    let (Some((_, text)), true) = (file, mood != Mood::Lost) else {
        return write!(
            connection,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    };
    if mood == Mood::Busy && is_first {
        return write!(
            connection,
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let text = match mood {
        Mood::Lies => text.replace('A', "B"),
        _ => (*text).to_owned(),
    };
    let begin = range.filter(|_| mood != Mood::KnowsNoRanges);
    let begin = begin.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let rest = &text[begin.unwrap_or(0)..];
    match begin {
        None => write!(connection, "HTTP/1.1 200 OK\r\n")?,
        Some(begin) => write!(
            connection,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {begin}-{}/{}\r\n",
            text.len() - 1,
            text.len()
        )?,
    }
    let sent = match mood {
        Mood::BreaksOff(bytes) if is_first => &rest[..bytes],
        _ => rest,
    };
    write!(
        connection,
        "Content-Length: {}\r\nConnection: close\r\n\r\n{sent}",
        rest.len()
    )
}

/// A folder with a manifest of one collection, `book`, at these addresses.
fn folder(addresses: &[SocketAddr]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let hash = |text: &str| -> String {
        Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let files = FILES.map(|(name, text)| format!("{}  {name}\n", hash(text)));
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| format!("\"http://{address}/abc/\""))
        .collect();
    let manifest = format!(
        "[book]\ntitle = \"A book\"\nabout = \"two tunes\"\nterms = \"nobody's\"\nkeep = \"all\"\n\
         addresses = [{}]\nfiles = \"\"\"\n{}\"\"\"\n",
        addresses.join(", "),
        files.concat()
    );
    std::fs::write(folder.path().join("own.toml"), manifest).unwrap();
    folder
}

fn fetch(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ceilid"))
        .current_dir(folder)
        .args(["corpus", "fetch", "book", "--manifest", "own.toml"])
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .env_remove("ALL_PROXY")
        .env_remove("all_proxy")
        .output_in_time()
}

/// Fetches, and checks the exit code and the words of the message.
fn fetched(folder: &Path, code: i32, words: &[&str]) {
    let output = fetch(folder);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} in {said}");
    }
}

/// What is in the folder of the collection, by name.
fn files_of(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder.join("book")).unwrap();
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect();
    files.sort();
    files
}

fn assert_whole(folder: &Path) {
    let whole = FILES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(files_of(folder), whole);
}

#[test]
fn a_collection_is_fetched_once_and_checked_ever_after() {
    let server = Server::start(Mood::Well);
    let folder = folder(&[server.address]);
    fetched(folder.path(), 0, &["nobody's", "2 files", "2 of them new"]);
    assert_whole(folder.path());
    fetched(folder.path(), 0, &["2 files", "0 of them new"]);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn what_breaks_off_goes_on_where_it_did() {
    let server = Server::start(Mood::BreaksOff(7));
    let folder = folder(&[server.address]);
    fetched(folder.path(), 0, &["2 of them new"]);
    assert_whole(folder.path());
    let ranges: Vec<_> = server
        .requests()
        .into_iter()
        .filter_map(|(_, range)| range)
        .collect();
    assert_eq!(ranges, ["bytes=7-", "bytes=7-"]);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let server = Server::start(Mood::KnowsNoRanges);
    let folder = folder(&[server.address]);
    std::fs::create_dir(folder.path().join("book")).unwrap();
    std::fs::write(folder.path().join("book/one.abc.part"), "X:1\nT:").unwrap();
    fetched(folder.path(), 0, &["2 of them new"]);
    assert_whole(folder.path());
}

#[test]
fn an_unfinished_file_of_other_bytes_is_begun_again() {
    let server = Server::start(Mood::Well);
    let folder = folder(&[server.address]);
    std::fs::create_dir(folder.path().join("book")).unwrap();
    std::fs::write(folder.path().join("book/one.abc.part"), "something else").unwrap();
    fetched(folder.path(), 0, &["2 of them new"]);
    assert_whole(folder.path());
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = Server::start(Mood::Busy);
    let folder = folder(&[server.address]);
    fetched(folder.path(), 0, &["2 of them new"]);
    assert_whole(folder.path());
}

#[test]
fn other_bytes_than_the_manifests_are_refused_and_not_kept() {
    let server = Server::start(Mood::Lies);
    let folder = folder(&[server.address]);
    fetched(
        folder.path(),
        1,
        &["one.abc is another file", "SHA-256", "hint:"],
    );
    assert_eq!(files_of(folder.path()), []);
}

#[test]
fn the_next_address_is_asked_where_one_has_it_not_or_lies() {
    let (lost, liar) = (Server::start(Mood::Lost), Server::start(Mood::Lies));
    let well = Server::start(Mood::Well);
    let folder = folder(&[lost.address, liar.address, well.address]);
    fetched(folder.path(), 0, &["2 of them new"]);
    assert_whole(folder.path());
}

#[test]
fn a_file_that_is_there_and_another_is_left_alone() {
    let server = Server::start(Mood::Well);
    let folder = folder(&[server.address]);
    std::fs::create_dir(folder.path().join("book")).unwrap();
    std::fs::write(folder.path().join("book/one.abc"), "my own").unwrap();
    fetched(folder.path(), 1, &["one.abc", "is another file", "move"]);
    assert_eq!(
        files_of(folder.path()),
        [("one.abc".to_owned(), "my own".to_owned())]
    );
    assert_eq!(server.requests(), []);
}

#[test]
fn without_a_network_it_is_said_what_to_do_and_what_is_there_is_checked() {
    // A port that is held, and at which nobody listens.
    let nobody = ReservedPort::new();
    let folder = folder(&[([127, 0, 0, 1], nobody.number()).into()]);
    fetched(
        folder.path(),
        3,
        &["cannot be had", "by other means", "book"],
    );
    for (name, text) in FILES {
        std::fs::write(folder.path().join("book").join(name), text).unwrap();
    }
    fetched(folder.path(), 0, &["2 files", "0 of them new"]);
}

#[test]
fn an_unknown_collection_and_a_bad_manifest_are_named() {
    let folder = folder(&[]);
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ceilid"))
            .current_dir(folder.path())
            .args(["corpus", "fetch"])
            .args(args)
            .output_in_time();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(&["nothingham"]);
    assert!(
        code == Some(2) && said.contains("nottingham, oneills1850"),
        "{said}"
    );
    std::fs::write(folder.path().join("bad.toml"), "[a]\nname = 1\n").unwrap();
    let (code, said) = run(&["a", "--manifest", "bad.toml"]);
    assert!(code == Some(1) && said.contains("bad.toml"), "{said}");
    let (code, _) = run(&["a", "--manifest", "missing.toml"]);
    assert_eq!(code, Some(3));
}

/// The files the shipped manifest describes are those the models learnt from.
#[test]
fn the_shipped_manifest_describes_the_corpora() {
    let Some(corpora) = common::corpora::folder() else {
        return;
    };
    for collection in ceilid::corpus::manifest::read(ceilid::corpus::manifest::SHIPPED).unwrap() {
        let folder = corpora.join(&collection.name);
        let stop = Default::default();
        let fetched = ceilid::corpus::fetch::fetch(&collection, &folder, &stop, || ()).unwrap();
        assert_eq!((fetched.new, fetched.old), (0, collection.files.len()));
    }
}
