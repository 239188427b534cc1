//! The archive: what was composed and played, kept in a database.
//!
//! In: what is composed, played and kept. Out: an SQLite file that holds all of it, whatever happens to the process or the
//! disk. The only file that names rusqlite.
//!
//! A thread of its own writes; what the disk has no room for waits in memory and is written when it has. A file that
//! is damaged is set aside, never deleted, and a new one begun. Readers open the file for each question. A second daemon
//! is kept out (see `archive_lock`), so that no number is given twice.

use super::archive_lock::{ArchiveLock, LockError};
use super::command::{Keeping, TuneEnd};
use super::entry::Entry;
use super::origin::Origin;
use super::rendition::Rendition;
use super::tune::{TuneId, TuneRecord};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Entries on their way to the archive's thread.
const ENTRIES_MAX: usize = 256;
/// Entries that wait for a disk that has no room: days of music. With more, the oldest are lost, and it is said.
const WAITING_MAX: usize = 20_000;
/// Entries of one transaction.
const BATCH_MAX: usize = 256;
/// How long a failed write waits to be tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// How long the end waits for what is not yet written.
const CLOSE_WAIT_MAX: Duration = Duration::from_millis(800);
/// A file up to this size is read through when it is opened, to find damage: some tenths of a second.
const CHECKED_BYTES_MAX: u64 = 64 << 20;
/// After so many tunes, old ones are looked for.
const TIDY_EVERY: u32 = 50;
/// One tune in so many goes at once where the file is too large.
const TIDY_PART: u32 = 20;
/// Rows of one answer at the most.
pub const ROWS_MAX: u32 = 1000;

/// Pages are kept in memory up to 256 kB: a tune is written once and seldom read, and the usual 2 MB fill up in a day.
const SETTINGS: &str = "
    PRAGMA cache_size = -256;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
";

/// What makes each form of the file of the one before. `PRAGMA user_version` says how many of them a file has been
/// through; they are added to and never changed.
const MIGRATIONS: &[&str] = &[
    // Files from before forms were counted have this already.
    "CREATE TABLE IF NOT EXISTS tunes (
        id INTEGER PRIMARY KEY,
        composed_ms INTEGER NOT NULL,
        title TEXT NOT NULL,
        dance TEXT, key TEXT, meter TEXT,
        abc TEXT NOT NULL,
        provenance TEXT NOT NULL,
        verdict TEXT NOT NULL,
        set_name TEXT,
        rendition TEXT NOT NULL,
        seconds REAL NOT NULL,
        kept INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS plays (
        tune INTEGER NOT NULL,
        started_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        how TEXT,
        PRIMARY KEY (tune, started_ms)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS tunes_kept ON tunes (kept, id);",
    // The highest number that was ever given: tunes go when they are old, and their numbers are not given again.
    "CREATE TABLE numbers (last INTEGER NOT NULL);
    INSERT INTO numbers SELECT max(coalesce((SELECT max(id) FROM tunes), 0), coalesce((SELECT max(tune) FROM plays), 0));",
];

/// Where tunes are kept, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveSettings {
    /// The file.
    pub path: PathBuf,
    /// Tunes that nobody keeps go after this time; `None` for never.
    pub age_max: Option<Duration>,
    /// The file's size; where it is larger, the oldest tunes that nobody keeps go.
    pub bytes_max: u64,
}

/// Why the archive gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be opened, read or written.
    #[error("the archive `{}` cannot be used", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A newer ceilid has written it in a form of its own.
    #[error("the archive `{}` is of form {found}, and this ceilid knows forms up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The form of the file.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// Another daemon writes it.
    #[error("another ceilid has the archive `{}`{}", path.display(), holder_in_words(.holder.as_deref()))]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who has it, where that is known.
        holder: Option<String>,
    },
    /// Its folder cannot be made, or a damaged file cannot be set aside.
    #[error("the archive `{}` cannot be used", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn holder_in_words(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |holder| format!(": {holder}"))
}

/// The archive of a daemon. Clones speak to the same thread.
#[derive(Clone, Debug)]
pub struct Archive {
    reader: ArchiveReader,
    outbox: SyncSender<Entry>,
}

/// Reads an archive, also while a daemon writes it, or after one has ended.
#[derive(Clone, Debug)]
pub struct ArchiveReader {
    path: Arc<Path>,
}

/// A tune of the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedTune {
    /// The tune, and how it was played.
    pub tune: Arc<TuneRecord>,
    /// When it was composed, since 1970.
    pub composed: Duration,
    /// Whether it is kept.
    pub keeping: Keeping,
    /// When it was last begun, and how that ended (`playing`, `played`, `cut short`, `interrupted`); `None` for never.
    pub last_play: Option<(Duration, String)>,
}

/// Which tunes are asked for, latest first.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Only those before this one.
    pub before: Option<TuneId>,
    /// Only those that are kept.
    pub kept_only: bool,
    /// Only those that were begun.
    pub played_only: bool,
    /// Only those that were begun or are kept.
    pub heard_or_kept: bool,
    /// Only those whose title has this in it; capital letters of ASCII are as small ones.
    pub title: Option<String>,
    /// Only those of this dance, as `R:` says it.
    pub dance: Option<String>,
    /// Only those in this key, as `K:` says it.
    pub key: Option<String>,
    /// Only those that were begun, or where never begun composed, from this time since 1970 on …
    pub since: Option<Duration>,
    /// … and before this one.
    pub until: Option<Duration>,
    /// How many at the most; [`ROWS_MAX`] in any case.
    pub count: u32,
}

impl Archive {
    /// Opens the archive and starts its thread. A damaged file is set aside, an older one brought to the form of today.
    ///
    /// # Errors
    /// The folder or the file cannot be made or written, another daemon has it, or a newer one made it.
    pub fn open(settings: ArchiveSettings) -> Result<Self, ArchiveError> {
        let path: Arc<Path> = settings.path.clone().into();
        make_folder_of(&path)?;
        let lock = ArchiveLock::take(&path).map_err(|error| match error {
            LockError::Held(holder) => ArchiveError::InUse {
                path: path.to_path_buf(),
                holder,
            },
            LockError::File(source) => file_error(&path, source),
        })?;
        let connection = open_or_set_aside(&path)?;
        let cannot = |source| database_error(&path, source);
        // Nobody was there to write how these ended.
        let interrupted =
            "UPDATE plays SET how = 'interrupted' WHERE ended_ms IS NULL AND how IS NULL";
        connection.execute(interrupted, []).map_err(cannot)?;
        let (outbox, inbox) = sync_channel(ENTRIES_MAX);
        let writer = Writer {
            settings,
            lock: Some(lock),
            connection: Some(connection),
            inbox,
            waiting: VecDeque::new(),
            has_failed: false,
            lost_count: 0,
            tunes_since_tidied: TIDY_EVERY,
        };
        std::thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| file_error(&path, source))?;
        Ok(Self {
            reader: ArchiveReader { path },
            outbox,
        })
    }

    /// Writes this down, soon. Waits where `ENTRIES_MAX` are on their way, which a working disk never lets happen.
    pub fn write(&self, entry: Entry) {
        // Gone, the thread has said why.
        let _ = self.outbox.send(entry);
    }

    /// Waits until all is written, for `CLOSE_WAIT_MAX` at the most.
    pub fn close(&self) {
        let (done, is_done) = sync_channel(1);
        self.write(Entry::Close(done));
        if is_done.recv_timeout(CLOSE_WAIT_MAX).is_err() {
            tracing::error!(path = %self.reader.path.display(), "the archive could not be finished");
        }
    }

    /// What reads it.
    pub fn reader(&self) -> &ArchiveReader {
        &self.reader
    }
}

impl ArchiveReader {
    /// Reads this file.
    pub fn of(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The number after the highest that was ever given.
    ///
    /// # Errors
    /// The file cannot be read, or no daemon of today has opened it yet.
    pub fn next_tune(&self) -> Result<TuneId, ArchiveError> {
        let sql = "SELECT last FROM numbers";
        let last: i64 = self.read(|connection| connection.query_row(sql, [], |row| row.get(0)))?;
        Ok(TuneId(u64::try_from(last).unwrap_or(0) + 1))
    }

    /// A tune.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, id: TuneId) -> Result<Option<ArchivedTune>, ArchiveError> {
        let sql = format!("{SELECT} WHERE t.id = ?1");
        self.read(|connection| {
            connection
                .query_row(&sql, [to_sql(id)], archived)
                .optional()
        })
    }

    /// Tunes, latest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn search(&self, search: Search) -> Result<Vec<ArchivedTune>, ArchiveError> {
        let sql = format!(
            "{SELECT} WHERE t.id < ?1 AND t.kept >= ?2 AND (NOT ?3 OR p.tune IS NOT NULL)
             AND (NOT ?5 OR p.tune IS NOT NULL OR t.kept) AND (?6 IS NULL OR instr(lower(t.title), lower(?6)) > 0)
             AND (?7 IS NULL OR t.dance = ?7 COLLATE NOCASE) AND (?8 IS NULL OR t.key = ?8 COLLATE NOCASE)
             AND coalesce(p.started_ms, t.composed_ms) >= ?9 AND coalesce(p.started_ms, t.composed_ms) < ?10
             ORDER BY t.id DESC LIMIT ?4"
        );
        let before = search.before.map_or(i64::MAX, to_sql);
        let parameters = params![
            before,
            search.kept_only,
            search.played_only,
            search.count.min(ROWS_MAX),
            search.heard_or_kept,
            search.title,
            search.dance,
            search.key,
            search.since.map_or(0, milliseconds),
            search.until.map_or(i64::MAX, milliseconds),
        ];
        self.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(parameters, archived)?;
            rows.collect()
        })
    }

    fn read<T>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, ArchiveError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let answer = Connection::open_with_flags(&self.path, flags).and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(1))?;
            question(&connection)
        });
        answer.map_err(|source| database_error(&self.path, source))
    }
}

/// The archive's thread.
struct Writer {
    settings: ArchiveSettings,
    /// Others are kept out until the file is closed.
    lock: Option<ArchiveLock>,
    /// `None` between a damaged file and the next.
    connection: Option<Connection>,
    inbox: Receiver<Entry>,
    waiting: VecDeque<Entry>,
    has_failed: bool,
    lost_count: u64,
    tunes_since_tidied: u32,
}

impl Writer {
    fn run(mut self) {
        loop {
            let pause = if self.has_failed && !self.waiting.is_empty() {
                RETRY_PAUSE
            } else {
                Duration::MAX
            };
            let first = if pause == Duration::MAX {
                self.inbox
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.inbox.recv_timeout(pause)
            };
            let mut close = None;
            match first {
                Ok(Entry::Close(done)) => close = Some(done),
                Ok(entry) => self.waiting.push_back(entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_waiting();
                    return;
                }
            }
            while close.is_none() && self.waiting.len() < BATCH_MAX {
                match self.inbox.try_recv() {
                    Ok(Entry::Close(done)) => close = Some(done),
                    Ok(entry) => self.waiting.push_back(entry),
                    Err(_) => break,
                }
            }
            self.write_waiting();
            if let Some(done) = close {
                self.finish();
                let _ = done.try_send(());
                return;
            }
        }
    }

    /// Writes what waits; what cannot be written goes on waiting.
    fn write_waiting(&mut self) {
        while !self.waiting.is_empty() {
            match self.write_batch() {
                Ok(count) => {
                    self.waiting.drain(..count);
                    if std::mem::take(&mut self.has_failed) {
                        tracing::warn!(path = %self.settings.path.display(), "the archive is written again");
                    }
                }
                Err(error) => {
                    self.cope_with(&error);
                    return;
                }
            }
        }
        if self.tunes_since_tidied >= TIDY_EVERY {
            self.tunes_since_tidied = 0;
            if let Err(error) = self.tidy() {
                tracing::warn!(cause = %with_cause(&error), "old tunes stay in the archive");
            }
        }
    }

    /// How many entries are safe now.
    fn write_batch(&mut self) -> Result<usize, ArchiveError> {
        let path = &self.settings.path;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(open_or_set_aside(path)?),
        };
        let cannot = |source| database_error(path, source);
        let transaction = connection.transaction().map_err(cannot)?;
        let count = self.waiting.len().min(BATCH_MAX);
        let mut tunes = 0;
        for entry in self.waiting.iter().take(count) {
            write(&transaction, entry).map_err(cannot)?;
            tunes += u32::from(matches!(entry, Entry::Composed(..)));
        }
        transaction.commit().map_err(cannot)?;
        self.tunes_since_tidied = self.tunes_since_tidied.saturating_add(tunes);
        Ok(count)
    }

    /// Says it once, and makes sure that the next try starts from a sound file.
    fn cope_with(&mut self, error: &ArchiveError) {
        if is_damage(error) {
            tracing::error!(%error, cause = %with_cause(error), "the archive is damaged and is set aside");
            self.connection = None;
        } else if !self.has_failed {
            tracing::error!(cause = %with_cause(error), "the archive cannot be written; what happens is remembered");
        }
        self.has_failed = true;
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
            self.lost_count += 1;
            if self.lost_count.is_power_of_two() {
                tracing::error!(lost = self.lost_count, "the archive loses entries");
            }
        }
    }

    /// Lets tunes go that are too old or too many. Kept ones stay.
    fn tidy(&mut self) -> Result<(), ArchiveError> {
        let path = &self.settings.path;
        let cannot = |source| database_error(path, source);
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let mut gone = 0;
        if let Some(age_max) = self.settings.age_max {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let oldest = milliseconds(now.saturating_sub(age_max));
            let sql = "DELETE FROM tunes WHERE kept = 0 AND composed_ms < ?1";
            gone += connection.execute(sql, [oldest]).map_err(cannot)?;
        }
        if used_bytes(connection).map_err(cannot)? > self.settings.bytes_max {
            let sql = "DELETE FROM tunes WHERE id IN (SELECT id FROM tunes WHERE kept = 0 ORDER BY id LIMIT
                       max(1, (SELECT count(*) FROM tunes) / ?1))";
            gone += connection.execute(sql, [TIDY_PART]).map_err(cannot)?;
            // Still too large, it is looked at again with the next tune.
            if used_bytes(connection).map_err(cannot)? > self.settings.bytes_max && gone > 0 {
                self.tunes_since_tidied = TIDY_EVERY;
            }
        }
        if gone > 0 {
            let orphans = "DELETE FROM plays WHERE tune NOT IN (SELECT id FROM tunes)";
            connection.execute(orphans, []).map_err(cannot)?;
            connection
                .execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
                .map_err(cannot)?;
            tracing::info!(tunes = gone, "old tunes left the archive");
        }
        Ok(())
    }

    fn finish(&mut self) {
        if !self.waiting.is_empty() {
            tracing::error!(
                entries = self.waiting.len(),
                "the archive loses its last entries"
            );
        }
        if let Some(connection) = self.connection.take() {
            // The last connection to close brings everything into one file.
            let _ = connection.close();
        }
        self.lock = None;
    }
}

fn write(connection: &Connection, entry: &Entry) -> Result<(), rusqlite::Error> {
    match entry {
        Entry::Composed(tune, at) => {
            let sql = "UPDATE numbers SET last = max(last, ?1)";
            connection.prepare_cached(sql)?.execute([to_sql(tune.id)])?;
            insert(connection, tune, *at)
        }
        Entry::Started(tune, at) => {
            insert(connection, tune, *at)?;
            // Since it was composed, it was learnt what it leads to.
            let sql = "UPDATE tunes SET rendition = ?2, seconds = ?3 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![
                to_sql(tune.id),
                tune.rendition.to_json(),
                tune.length.as_secs_f64()
            ])?;
            let sql = "INSERT OR REPLACE INTO plays (tune, started_ms) VALUES (?1, ?2)";
            connection
                .prepare_cached(sql)?
                .execute(params![to_sql(tune.id), milliseconds(*at)])?;
            Ok(())
        }
        Entry::Ended {
            tune,
            started,
            ended,
            how,
        } => {
            insert(connection, tune, *started)?;
            let how = match how {
                TuneEnd::Played => "played",
                TuneEnd::CutShort => "cut short",
                TuneEnd::Unheard => "unheard",
            };
            let sql = "INSERT OR REPLACE INTO plays (tune, started_ms, ended_ms, how) VALUES (?1, ?2, ?3, ?4)";
            let values = params![
                to_sql(tune.id),
                milliseconds(*started),
                milliseconds(*ended),
                how
            ];
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        }
        Entry::Kept(id, keeping) => {
            let sql = "UPDATE tunes SET kept = ?2 WHERE id = ?1";
            let kept = *keeping == Keeping::Kept;
            connection
                .prepare_cached(sql)?
                .execute(params![to_sql(*id), kept])?;
            Ok(())
        }
        Entry::Close(_) => Ok(()),
    }
}

/// Written again by each entry that needs it: after damage, the new file does not know what the old one held.
fn insert(connection: &Connection, tune: &TuneRecord, at: Duration) -> Result<(), rusqlite::Error> {
    let sql = "INSERT OR IGNORE INTO tunes (id, composed_ms, title, dance, key, meter, abc, provenance, verdict, set_name,
               rendition, seconds)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let written = connection.prepare_cached(sql)?.execute(params![
        to_sql(tune.id),
        milliseconds(at),
        tune.title,
        tune.field('R'),
        tune.field('K'),
        tune.field('M'),
        tune.abc,
        tune.origin.to_string(),
        tune.verdict,
        tune.set,
        tune.rendition.to_json(),
        tune.length.as_secs_f64(),
    ])?;
    if written == 0 {
        let sql = "SELECT abc = ?2 FROM tunes WHERE id = ?1";
        let is_it: bool = connection
            .prepare_cached(sql)?
            .query_row(params![to_sql(tune.id), tune.abc], |row| row.get(0))?;
        if !is_it {
            // The file was exchanged for another one while it was open.
            tracing::error!(tune = %tune.id, "the archive has another tune of this number; this one is not archived");
        }
    }
    Ok(())
}

const SELECT: &str = "SELECT t.id, t.composed_ms, t.title, t.abc, t.provenance, t.verdict, t.set_name, t.rendition, t.seconds,
    t.kept, p.started_ms, p.how FROM tunes t
    LEFT JOIN plays p ON p.tune = t.id AND p.started_ms = (SELECT max(started_ms) FROM plays WHERE tune = t.id)";

fn archived(row: &Row<'_>) -> Result<ArchivedTune, rusqlite::Error> {
    let id: i64 = row.get(0)?;
    let (provenance, rendition): (String, String) = (row.get(4)?, row.get(7)?);
    let unreadable = |column: usize, text: &str| {
        let reason = format!("`{text}` is not understood");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
    };
    let started: Option<i64> = row.get(10)?;
    let how: Option<String> = row.get(11)?;
    let kept: bool = row.get(9)?;
    Ok(ArchivedTune {
        tune: Arc::new(TuneRecord {
            id: TuneId(id.cast_unsigned()),
            title: row.get(2)?,
            abc: row.get(3)?,
            length: Duration::try_from_secs_f64(row.get(8)?).unwrap_or_default(),
            rendition: Rendition::from_json(&rendition).ok_or_else(|| unreadable(7, &rendition))?,
            origin: provenance.parse().unwrap_or(Origin::Old(provenance)),
            verdict: row.get(5)?,
            set: row.get(6)?,
        }),
        composed: from_milliseconds(row.get(1)?),
        keeping: if kept {
            Keeping::Kept
        } else {
            Keeping::NotKept
        },
        last_play: started.map(|started| {
            (
                from_milliseconds(started),
                how.unwrap_or_else(|| "playing".to_owned()),
            )
        }),
    })
}

fn make_folder_of(path: &Path) -> Result<(), ArchiveError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|source| file_error(path, source))
}

fn open_or_set_aside(path: &Path) -> Result<Connection, ArchiveError> {
    make_folder_of(path)?;
    match open(path) {
        Err(error) if is_damage(&error) => {
            let aside = set_aside(path).map_err(|source| file_error(path, source))?;
            tracing::error!(
                cause = %with_cause(&error),
                aside = %aside.display(),
                "the archive is damaged: it is set aside and a new one begun"
            );
            open(path)
        }
        opened => opened,
    }
}

fn open(path: &Path) -> Result<Connection, ArchiveError> {
    let cannot = |source| database_error(path, source);
    make_private(path).map_err(|source| file_error(path, source))?;
    let mut connection = Connection::open(path).map_err(cannot)?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .and_then(|()| connection.execute_batch(SETTINGS))
        .map_err(cannot)?;
    migrate(&mut connection, path)?;
    let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES_MAX);
    if is_small {
        let check = |row: &Row<'_>| row.get::<_, String>(0);
        let found = connection
            .query_row("PRAGMA quick_check(1)", [], check)
            .map_err(cannot)?;
        if found != "ok" {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(cannot(rusqlite::Error::SqliteFailure(code, Some(found))));
        }
    }
    Ok(connection)
}

/// Brings a file to the form of today, whole or not at all.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), ArchiveError> {
    let cannot = |source| database_error(path, source);
    let form = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    };
    let found = form(connection).map_err(cannot)?;
    let forms: Vec<(u32, &str)> = (1..).zip(MIGRATIONS.iter().copied()).collect();
    let known = forms.last().map_or(0, |(form, _)| *form);
    if found > known {
        let path = path.to_path_buf();
        return Err(ArchiveError::Newer { path, found, known });
    }
    for (form, step) in forms.into_iter().filter(|(form, _)| *form > found) {
        let transaction = connection.transaction().map_err(cannot)?;
        transaction
            .execute_batch(step)
            .and_then(|()| transaction.pragma_update(None, "user_version", form))
            .and_then(|()| transaction.commit())
            .map_err(cannot)?;
    }
    Ok(())
}

/// The file is its owner's alone, an old one too: what somebody likes is nobody else's business. SQLite makes those beside it
/// alike.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            #[cfg(unix)]
            close_to_others(path);
            Ok(())
        }
        opened => opened.map(drop),
    }
}

/// Takes away what others may do with a file, and with what SQLite keeps beside it. Where that cannot be, because it is not
/// ours or its file system has no such thing, it stays as it is: an archive that can be written is written.
#[cfg(unix)]
fn close_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for suffix in ["", "-wal", "-shm"] {
        let path = beside(path, suffix);
        let Ok(found) = std::fs::metadata(&path).map(|file| file.permissions().mode()) else {
            continue;
        };
        if found & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(found & 0o700);
            if let Err(error) = std::fs::set_permissions(&path, private) {
                tracing::warn!(archive = %path.display(), %error, "others may read it");
            }
        }
    }
}

/// The name of a file that stands beside the archive.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames the file, and what SQLite keeps beside it.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let aside = beside(path, &format!(".damaged-{}", now.as_millis()));
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        // Without its file, it is of no use.
        let _ = std::fs::remove_file(beside(path, suffix));
    }
    Ok(aside)
}

fn file_error(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::File {
        path: path.to_path_buf(),
        source,
    }
}

fn database_error(path: &Path, source: rusqlite::Error) -> ArchiveError {
    ArchiveError::Database {
        path: path.to_path_buf(),
        source,
    }
}

fn is_damage(error: &ArchiveError) -> bool {
    let ArchiveError::Database { source, .. } = error else {
        return false;
    };
    matches!(
        source.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn with_cause(error: &ArchiveError) -> String {
    match error {
        ArchiveError::Database { source, .. } => format!("{error}: {source}"),
        ArchiveError::File { source, .. } => format!("{error}: {source}"),
        ArchiveError::Newer { .. } | ArchiveError::InUse { .. } => error.to_string(),
    }
}

fn used_bytes(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let number = |pragma: &str| {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
    };
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(u64::try_from(pages * number("page_size")?).unwrap_or(0))
}

/// SQLite's integers are signed; tunes are counted from 1.
fn to_sql(id: TuneId) -> i64 {
    id.0.cast_signed()
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn from_milliseconds(milliseconds: i64) -> Duration {
    Duration::from_millis(milliseconds.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::tune::ReadyTune;

    const ABC: &str = "X:1\nT:Up\nR:reel\nM:4/4\nL:1/4\nK:D\nDEFG|\n";

    fn tune(id: u64) -> Arc<TuneRecord> {
        let tune = ReadyTune::new(
            TuneId(id),
            ABC.to_owned(),
            Rendition::new(Arc::default(), id),
            Origin::Old(format!("seed 7, tune {id}")),
            "passed".to_owned(),
            None,
        );
        Arc::clone(tune.record())
    }

    fn settings(folder: &Path) -> ArchiveSettings {
        ArchiveSettings {
            path: folder.join("sub/archive.sqlite"),
            age_max: None,
            bytes_max: u64::MAX,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn a_tune_comes_out_as_it_went_in_and_sounds_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(settings(folder.path())).unwrap();
        archive.write(Entry::Composed(tune(3), seconds(0)));
        archive.write(Entry::Started(tune(3), seconds(1)));
        archive.write(Entry::Ended {
            tune: tune(3),
            started: seconds(1),
            ended: seconds(5),
            how: TuneEnd::Played,
        });
        archive.write(Entry::Kept(TuneId(3), Keeping::Kept));
        archive.close();
        let archive = Archive::open(settings(folder.path())).unwrap();
        let found = archive.reader().get(TuneId(3)).unwrap().unwrap();
        assert_eq!(found.tune, tune(3));
        assert_eq!(found.keeping, Keeping::Kept);
        assert_eq!(found.last_play, Some((seconds(1), "played".to_owned())));
        assert_eq!(found.tune.heard(), tune(3).heard());
        assert_eq!(archive.reader().next_tune().unwrap(), TuneId(4));
        assert_eq!(archive.reader().get(TuneId(4)).unwrap(), None);
    }

    #[test]
    fn tunes_are_found_by_title_dance_key_and_day_and_whether_somebody_cared() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(settings(folder.path())).unwrap();
        for id in 1..=3 {
            archive.write(Entry::Composed(tune(id), seconds(id)));
        }
        archive.write(Entry::Started(tune(2), seconds(100)));
        archive.write(Entry::Kept(TuneId(3), Keeping::Kept));
        archive.close();
        let ids = |search: Search| {
            let search = Search {
                count: 10,
                ..search
            };
            let found = archive.reader().search(search).unwrap();
            found.iter().map(|tune| tune.tune.id.0).collect::<Vec<_>>()
        };
        let usual = Search::default;
        let text = |text: &str| Some(text.to_owned());
        let title = |words| Search {
            title: text(words),
            ..usual()
        };
        assert_eq!(ids(title("uP")), [3, 2, 1]);
        assert_eq!(ids(title("%")), [] as [u64; 0]);
        let cared_for = Search {
            heard_or_kept: true,
            ..usual()
        };
        assert_eq!(ids(cared_for), [3, 2]);
        let of = |dance, key| Search {
            dance: text(dance),
            key: text(key),
            ..usual()
        };
        assert_eq!(ids(of("reel", "D")), [3, 2, 1]);
        assert_eq!(ids(of("jig", "D")), [] as [u64; 0]);
        let that_day = Search {
            since: Some(seconds(50)),
            until: Some(seconds(150)),
            ..usual()
        };
        assert_eq!(ids(that_day), [2]);
    }

    #[test]
    fn a_play_that_nobody_ended_was_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(settings(folder.path())).unwrap();
        archive.write(Entry::Started(tune(1), seconds(1)));
        archive.close();
        let archive = Archive::open(settings(folder.path())).unwrap();
        let found = archive.reader().get(TuneId(1)).unwrap().unwrap();
        assert_eq!(
            found.last_play,
            Some((seconds(1), "interrupted".to_owned()))
        );
    }

    #[test]
    fn a_damaged_archive_is_set_aside_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        std::fs::create_dir_all(folder.path().join("sub")).unwrap();
        std::fs::write(
            &settings.path,
            "this is no database, though long enough ".repeat(100),
        )
        .unwrap();
        let archive = Archive::open(settings).unwrap();
        archive.write(Entry::Composed(tune(1), seconds(0)));
        archive.close();
        assert!(archive.reader().get(TuneId(1)).unwrap().is_some());
        let names = std::fs::read_dir(folder.path().join("sub")).unwrap();
        let aside = names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.contains(".damaged-"));
        assert!(aside.is_some());
    }

    #[test]
    fn what_a_full_disk_refuses_is_written_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let connection = open_or_set_aside(&settings.path).unwrap();
        connection
            .execute_batch("PRAGMA max_page_count = 8")
            .unwrap();
        let (_outbox, inbox) = sync_channel(1);
        let mut writer = Writer {
            settings,
            lock: None,
            connection: Some(connection),
            inbox,
            waiting: (1..200)
                .map(|id| Entry::Composed(tune(id), seconds(id)))
                .collect(),
            has_failed: false,
            lost_count: 0,
            tunes_since_tidied: 0,
        };
        writer.write_waiting();
        assert!(writer.has_failed, "SQLite says that the disk is full");
        assert_eq!(writer.waiting.len(), 199);
        let connection = writer.connection.as_ref().unwrap();
        connection
            .execute_batch("PRAGMA max_page_count = 1000000")
            .unwrap();
        writer.write_waiting();
        assert_eq!((writer.waiting.len(), writer.has_failed), (0, false));
        let written = |connection: &Connection| -> rusqlite::Result<u32> {
            connection.query_row("SELECT count(*) FROM tunes", [], |row| row.get(0))
        };
        assert_eq!(written(writer.connection.as_ref().unwrap()), Ok(199));
    }

    #[test]
    fn a_second_daemon_is_kept_out_until_the_first_has_closed_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = Archive::open(settings(folder.path())).unwrap();
        let error = Archive::open(settings(folder.path())).unwrap_err();
        let holder = format!("process {}", std::process::id());
        assert!(
            matches!(&error, ArchiveError::InUse { holder: Some(found), .. } if *found == holder),
            "{error}"
        );
        first.close();
        Archive::open(settings(folder.path())).unwrap().close();
    }

    #[test]
    #[cfg(unix)]
    fn an_archive_is_its_owners_alone_and_an_old_one_becomes_so() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let mut is_old = false;
        for _ in 0..2 {
            let archive = Archive::open(settings.clone()).unwrap();
            archive.write(Entry::Composed(tune(1), seconds(0)));
            for suffix in ["", "-wal"] {
                let file = std::fs::metadata(beside(&settings.path, suffix)).unwrap();
                let mode = file.permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{suffix} of an old one: {is_old}");
            }
            archive.close();
            // As they were made before.
            let open_to_all = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(&settings.path, open_to_all).unwrap();
            is_old = true;
        }
    }

    #[test]
    fn an_archive_from_before_forms_were_counted_goes_on_and_a_newer_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        make_folder_of(&settings.path).unwrap();
        let old = Connection::open(&settings.path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        insert(&old, &tune(41), seconds(0)).unwrap();
        old.close().unwrap();
        let archive = Archive::open(settings.clone()).unwrap();
        assert_eq!(archive.reader().next_tune().unwrap(), TuneId(42));
        assert!(archive.reader().get(TuneId(41)).unwrap().is_some());
        archive.close();
        let newer = Connection::open(&settings.path).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        newer.close().unwrap();
        let error = Archive::open(settings).unwrap_err();
        assert!(matches!(error, ArchiveError::Newer { found: 99, .. }));
    }

    #[test]
    fn a_number_is_not_given_again_when_its_tune_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        let archive = Archive::open(settings.clone()).unwrap();
        archive.write(Entry::Composed(tune(7), seconds(0)));
        archive.close();
        settings.age_max = Some(Duration::from_secs(60));
        // The first tune written is the sign to tidy.
        let archive = Archive::open(settings.clone()).unwrap();
        archive.write(Entry::Composed(tune(8), seconds(0)));
        archive.close();
        let archive = Archive::open(settings).unwrap();
        assert_eq!(archive.reader().get(TuneId(8)).unwrap(), None);
        assert_eq!(archive.reader().next_tune().unwrap(), TuneId(9));
        archive.close();
    }

    #[test]
    fn old_tunes_go_by_age_and_by_size_and_kept_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        let archive = Archive::open(settings.clone()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        for id in 1..=3 {
            archive.write(Entry::Composed(tune(id), seconds(0)));
        }
        archive.write(Entry::Kept(TuneId(2), Keeping::Kept));
        archive.write(Entry::Composed(tune(4), now));
        archive.close();
        // Not before: the first tunes written are the sign to tidy, and the one to keep may not be kept yet.
        settings.age_max = Some(Duration::from_secs(3600));
        let archive = Archive::open(settings.clone()).unwrap();
        archive.write(Entry::Composed(tune(5), now));
        archive.close();
        let ids = |archive: &Archive| {
            let search = Search {
                count: ROWS_MAX,
                ..Search::default()
            };
            let found = archive.reader().search(search).unwrap();
            found.iter().map(|tune| tune.tune.id.0).collect::<Vec<_>>()
        };
        assert_eq!(ids(&archive), [5, 4, 2]);
        settings.bytes_max = 0;
        let archive = Archive::open(settings.clone()).unwrap();
        for id in 6..10 {
            archive.write(Entry::Composed(tune(id), now));
        }
        archive.close();
        assert!(ids(&archive).contains(&2) && !ids(&archive).contains(&4));
        // Of many, as many at once as one in twenty is, whatever that comes to.
        settings.bytes_max = u64::MAX;
        let archive = Archive::open(settings.clone()).unwrap();
        for id in 10..68 {
            archive.write(Entry::Composed(tune(id), now));
        }
        archive.close();
        let count = ids(&archive).len();
        settings.bytes_max = 0;
        let archive = Archive::open(settings).unwrap();
        archive.write(Entry::Composed(tune(68), now));
        archive.close();
        // The end may come with the tune, or find the file too large still and tidy once more.
        let tidied = |count: usize| count - count / 20;
        let once = tidied(count + 1);
        assert!([once, tidied(once)].contains(&ids(&archive).len()));
        assert!((count + 1) % 20 != 0 && ids(&archive).contains(&2));
    }
}
