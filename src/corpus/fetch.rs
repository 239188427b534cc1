//! Gets the files of a public collection, each checked by its hash before it gets its name.
//!
//! In: a [`Collection`] and a folder. Out: its files in the folder, whole and true, or why not; what was got stays, and
//! the next try goes on from there. Not: any file that is there already and is another one.

use super::manifest::{Collection, ListedFile};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The largest file that is taken, in bytes: a book of ten thousand tunes has a tenth of it.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What is read at a time.
const ROOM_BYTES: usize = 1 << 16;
/// How often an address that breaks off or is busy is asked for a file, and how long is waited before the second time; twice
/// as long before the third.
const TRIES_MAX: u32 = 3;
const WAIT: Duration = Duration::from_secs(1);
/// The longest an address may take to be reached, to begin to answer, and to send a file.
#[cfg(feature = "fetch")]
const TIMES_MAX: [Duration; 3] = [
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(300),
];

/// Why a collection is not whole.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A file is in the way.
    #[error("`{path}` is there already and is another file: its SHA-256 is {found}, not {wanted}")]
    OtherFileThere {
        /// The file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The manifest's.
        wanted: String,
    },
    /// What an address sends is not what the manifest describes.
    #[error(
        "{address} is another file than the manifest's: its SHA-256 is {found}, not {wanted}; it was not kept"
    )]
    OtherFileSent {
        /// The whole address.
        address: String,
        /// The hash of what came.
        found: String,
        /// The manifest's.
        wanted: String,
    },
    /// What an address sends has no end in sight.
    #[error("{address} has more than {FILE_BYTES_MAX} bytes; it was not kept")]
    TooLarge {
        /// The whole address.
        address: String,
    },
    /// No address has it now.
    #[error("{address} cannot be had: {reason}")]
    Unreachable {
        /// The last address that was tried.
        address: String,
        /// What it or the network said.
        reason: String,
    },
    /// The folder cannot be read or written.
    #[error("cannot write `{path}`")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The stop flag was raised.
    #[error("stopped; what was got stays, and the same command goes on from there")]
    Stopped,
}

/// How many files of a collection are in the folder now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files that came.
    pub new: usize,
    /// Files that were there.
    pub old: usize,
}

/// Gets what is missing of the collection into `folder`, which is made; `each` is called when a file is there.
///
/// # Errors
/// [`FetchError`], at the first file that cannot be had. Files before it stay, and so does what came of it.
pub fn fetch(
    collection: &Collection,
    folder: &Path,
    stop: &AtomicBool,
    mut each: impl FnMut(),
) -> Result<Fetched, FetchError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let client = Client::new();
    let mut fetched = Fetched::default();
    for file in &collection.files {
        let path = folder.join(&file.name);
        if path.exists() {
            let found = sha256_of(&path)?;
            if found != file.sha256 {
                let wanted = file.sha256.clone();
                return Err(FetchError::OtherFileThere {
                    path,
                    found,
                    wanted,
                });
            }
            fetched.old += 1;
        } else {
            Download {
                client: &client,
                file,
                path,
                stop,
            }
            .try_addresses(&collection.addresses)?;
            fetched.new += 1;
        }
        each();
    }
    Ok(fetched)
}

/// One file on its way.
struct Download<'a> {
    client: &'a Client,
    file: &'a ListedFile,
    path: PathBuf,
    stop: &'a AtomicBool,
}

/// Why one try came to nothing.
enum Trouble {
    /// The next try may do better.
    Passing(String),
    /// This address has it not.
    Lasting(String),
    Fatal(FetchError),
}

impl Download<'_> {
    /// From the first address that has it.
    fn try_addresses(&self, addresses: &[String]) -> Result<(), FetchError> {
        let mut last = FetchError::Unreachable {
            address: self.file.name.clone(),
            reason: "the manifest names no address".to_owned(),
        };
        for address in addresses {
            let address = format!("{address}{}", self.file.name);
            match self.from(&address) {
                Err(
                    error @ (FetchError::Unreachable { .. } | FetchError::OtherFileSent { .. }),
                ) => {
                    last = error;
                }
                done => return done,
            }
        }
        Err(last)
    }

    fn from(&self, address: &str) -> Result<(), FetchError> {
        let mut wait = WAIT;
        let mut tries = 1;
        // What an earlier run or another address left may be of another file.
        let mut is_own = !self.part().exists();
        loop {
            let reason = match self.try_once(address) {
                Ok(()) => match self.check_and_name(address) {
                    Err(FetchError::OtherFileSent { .. }) if !is_own => {
                        is_own = true;
                        continue;
                    }
                    done => return done,
                },
                Err(Trouble::Fatal(error)) => return Err(error),
                Err(Trouble::Passing(_)) if tries < TRIES_MAX => {
                    self.sleep(wait)?;
                    (tries, wait) = (tries + 1, 2 * wait);
                    continue;
                }
                Err(Trouble::Passing(reason) | Trouble::Lasting(reason)) => reason,
            };
            let address = address.to_owned();
            return Err(FetchError::Unreachable { address, reason });
        }
    }

    /// Asks for what is missing and adds it to what is there.
    fn try_once(&self, address: &str) -> Result<(), Trouble> {
        let part = self.part();
        let there = fs::metadata(&part).map_or(0, |about| about.len());
        let answer = self.client.get(address, there)?;
        let mut body = match (answer.status, answer.begins_at) {
            (200, _) => self.open(&part, false)?,
            (206, Some(begin)) if begin == there => self.open(&part, true)?,
            // It goes on from elsewhere, or there is nothing behind what is there: from the beginning again.
            (206 | 416, _) => {
                fs::remove_file(&part).map_err(|error| Trouble::Fatal(at(&part)(error)))?;
                return Err(Trouble::Passing(
                    "it does not go on where it broke off".into(),
                ));
            }
            (429 | 500..=599, _) => {
                return Err(Trouble::Passing(format!("it answers {}", answer.status)));
            }
            (status, _) => return Err(Trouble::Lasting(format!("it answers {status}"))),
        };
        let mut room = vec![0; ROOM_BYTES];
        let mut from = answer.body;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Trouble::Fatal(FetchError::Stopped));
            }
            let count = match from.read(&mut room) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(Trouble::Passing(format!("it breaks off: {error}"))),
            };
            body.bytes += count as u64; // lossless: at most the room
            if body.bytes > FILE_BYTES_MAX {
                drop(body);
                let _ = fs::remove_file(&part); // that it is too large is told in any case
                let address = address.to_owned();
                return Err(Trouble::Fatal(FetchError::TooLarge { address }));
            }
            let written = body.file.write_all(&room[..count]);
            written.map_err(|error| Trouble::Fatal(at(&part)(error)))?;
        }
        Ok(())
    }

    /// The unfinished file, at its end or empty.
    fn open(&self, part: &Path, goes_on: bool) -> Result<Body, Trouble> {
        let opened = OpenOptions::new()
            .create(true)
            .append(goes_on)
            .write(true)
            .truncate(!goes_on)
            .open(part);
        let file = opened.map_err(|error| Trouble::Fatal(at(part)(error)))?;
        let there = file.metadata().map_or(0, |about| about.len());
        Ok(Body { file, bytes: there })
    }

    fn check_and_name(&self, address: &str) -> Result<(), FetchError> {
        let part = self.part();
        let found = sha256_of(&part)?;
        if found != self.file.sha256 {
            fs::remove_file(&part).map_err(at(&part))?;
            return Err(FetchError::OtherFileSent {
                address: address.to_owned(),
                found,
                wanted: self.file.sha256.clone(),
            });
        }
        fs::rename(&part, &self.path).map_err(at(&self.path))
    }

    /// Where it stands until it is whole.
    fn part(&self) -> PathBuf {
        self.path.with_file_name(format!("{}.part", self.file.name))
    }

    /// Waits, and looks at the flag ten times a second.
    fn sleep(&self, time: Duration) -> Result<(), FetchError> {
        const STEP: Duration = Duration::from_millis(100);
        for _ in 0..time.as_millis() / STEP.as_millis() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FetchError::Stopped);
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }
}

struct Body {
    file: File,
    /// Of the whole file so far.
    bytes: u64,
}

fn at(path: &Path) -> impl Fn(io::Error) -> FetchError {
    move |source| FetchError::Disk {
        path: path.to_path_buf(),
        source,
    }
}

fn sha256_of(path: &Path) -> Result<String, FetchError> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(at(path))?;
    let mut room = vec![0; ROOM_BYTES];
    loop {
        match file.read(&mut room).map_err(at(path))? {
            0 => break,
            count => hash.update(&room[..count]),
        }
    }
    let digits = hash.finalize();
    Ok(digits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What an address answers.
struct Answer {
    status: u16,
    /// The offset of its first byte, where it says so.
    begins_at: Option<u64>,
    body: Box<dyn Read>,
}

/// Speaks HTTP.
#[cfg(feature = "fetch")]
struct Client(ureq::Agent);

#[cfg(feature = "fetch")]
impl Client {
    fn new() -> Self {
        let [connect, answer, body] = TIMES_MAX.map(Some);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(connect)
            .timeout_recv_response(answer)
            .timeout_recv_body(body)
            .user_agent(concat!("ceilid/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(ureq::Agent::new_with_config(config))
    }

    /// Asks for the bytes from `begin` on.
    fn get(&self, address: &str, begin: u64) -> Result<Answer, Trouble> {
        let mut request = self.0.get(address);
        if begin > 0 {
            request = request.header("Range", format!("bytes={begin}-"));
        }
        let response = request
            .call()
            .map_err(|error| Trouble::Passing(error.to_string()))?;
        let range = response.headers().get("Content-Range");
        let begins_at = range
            .and_then(|range| {
                range
                    .to_str()
                    .ok()?
                    .strip_prefix("bytes ")?
                    .split('-')
                    .next()
            })
            .and_then(|begin| begin.parse().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            begins_at,
            body: Box::new(response.into_body().into_reader()),
        })
    }
}

/// This binary does not speak HTTP; what is in the folder is checked all the same.
#[cfg(not(feature = "fetch"))]
struct Client;

#[cfg(not(feature = "fetch"))]
impl Client {
    fn new() -> Self {
        Self
    }

    fn get(&self, _: &str, _: u64) -> Result<Answer, Trouble> {
        Err(Trouble::Lasting(
            "this ceilid was built without `--features fetch`".to_owned(),
        ))
    }
}
