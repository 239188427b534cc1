//! For names of files that cannot collide: a book's name, made unique among the books, and the tune's number in it.
//!
//! In: the paths of all tunebooks, then the number of each tune. Out: names without folder and ending; `X:` numbers for a book
//! that several are joined in. Nothing here touches a file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path};

/// The longest name of a book, in bytes: with number and ending a file's name has at most 255.
const STEM_BYTES_MAX: usize = 200;
/// The most folders of a path that are put before a book's name to tell it from another.
const FOLDERS_MAX: usize = 8;

/// A name for each of these books, no two alike, even where small and capital letters are the same: `t`, or `a-t` and `b-t`
/// for `a/t.abc` and `b/t.abc`, or a number behind.
pub(super) fn book_names(books: &[impl AsRef<Path>]) -> Vec<BookName> {
    let mut names: Vec<String> = books
        .iter()
        .map(|book| name_with(book.as_ref(), 0))
        .collect();
    for folders in 1..=FOLDERS_MAX {
        let shared = shared_by_several(&names);
        if shared.is_empty() {
            break;
        }
        for index in shared {
            names[index] = name_with(books[index].as_ref(), folders);
        }
    }
    let mut taken: HashSet<String> = HashSet::new();
    for name in &mut names {
        let mut number = 1;
        let mut free = name.clone();
        while !taken.insert(free.to_lowercase()) {
            number += 1;
            free = format!("{name}+{number}");
        }
        *name = free;
    }
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let is_begun_by = |stem: &str, other: &str| {
        let rest = other
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-')
        })
    };
    let mut sorted: Vec<&str> = lower.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    names
        .iter()
        .zip(&lower)
        .map(|(name, stem)| {
            // Sorted, what begins with a name and a hyphen follows it closely.
            let from = sorted.partition_point(|other| *other <= stem.as_str());
            let near = sorted[from..]
                .iter()
                .take_while(|other| other.starts_with(stem.as_str()));
            let clashes = near.into_iter().any(|other| is_begun_by(stem, other));
            BookName {
                stem: name.clone(),
                repeat_sign: if clashes { '_' } else { '-' },
            }
        })
        .collect()
}

/// What the files of a book's tunes are called after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BookName {
    stem: String,
    /// What stands before the count where a number comes again: `-`, or `_` where a name such as `book-1-2` could be another book's.
    repeat_sign: char,
}

/// The indices of names that are not alone.
fn shared_by_several(names: &[String]) -> Vec<usize> {
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        by_name.entry(name.to_lowercase()).or_default().push(index);
    }
    by_name
        .into_values()
        .filter(|who| who.len() > 1)
        .flatten()
        .collect()
}

/// A book's name with so many of its folders before it.
fn name_with(book: &Path, folders: usize) -> String {
    let stem = match book.file_stem() {
        Some(stem) if stem != "-" => stem.to_string_lossy().into_owned(),
        _ => "tune".to_owned(),
    };
    let parents = book.parent().into_iter().flat_map(Path::components);
    let mut parts: Vec<String> = parents
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    parts.drain(..parts.len().saturating_sub(folders));
    parts.push(stem);
    let mut name = parts.join("-");
    if name.len() > STEM_BYTES_MAX {
        // The end tells more than the beginning.
        let at = (name.len() - STEM_BYTES_MAX..).find(|at| name.is_char_boundary(*at));
        name.drain(..at.unwrap_or(0));
    }
    name
}

/// Names for the files of a book's tunes: `BOOK-X`, and `BOOK-X-2` where a number comes again.
pub(super) struct TuneNames {
    book: BookName,
    times: HashMap<u64, u32>,
}

impl TuneNames {
    /// The names of this book's tunes.
    pub(super) fn new(book: BookName) -> Self {
        Self {
            book,
            times: HashMap::new(),
        }
    }

    /// The name of the next tune, whose text begins with `X:` where it has a number.
    pub(super) fn next(&mut self, text: &str) -> String {
        let number = reference(text).unwrap_or(0);
        let times = self.times.entry(number).or_insert(0);
        *times += 1;
        let BookName { stem, repeat_sign } = &self.book;
        match *times {
            1 => format!("{stem}-{number}"),
            times => format!("{stem}-{number}{repeat_sign}{times}"),
        }
    }
}

/// The number after `X:`, which the text begins with; the first ten digits of it.
fn reference(text: &str) -> Option<u64> {
    let line = text.strip_prefix("X:")?.lines().next()?.trim();
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    line[..digits.min(10)].parse().ok()
}

/// Numbers that are taken. Those that follow each other, as a book's do, take no more room than one.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<u32, u32>);

impl Numbers {
    /// Takes a number; whether it was free.
    pub(super) fn take(&mut self, number: u32) -> bool {
        let before = self
            .0
            .range(..=number)
            .next_back()
            .map(|(&from, &to)| (from, to));
        if before.is_some_and(|(_, to)| to >= number) {
            return false;
        }
        let end = match number.checked_add(1).and_then(|next| self.0.remove(&next)) {
            Some(end) => end,
            None => number,
        };
        match before.filter(|&(_, to)| to.checked_add(1) == Some(number)) {
            Some((from, _)) => self.0.insert(from, end),
            None => self.0.insert(number, end),
        };
        true
    }

    /// Takes this number, or where it is not free (or none is asked for) the one after the highest.
    pub(super) fn take_or_next(&mut self, number: Option<u32>) -> u32 {
        if let Some(number) = number.filter(|number| self.take(*number)) {
            return number;
        }
        let highest = self.0.last_key_value().map_or(0, |(_, &to)| to);
        // Behind the last number of all there is nothing: then the first gap.
        let first_gap = || {
            self.0
                .first_key_value()
                .map_or(1, |(_, &to)| to.saturating_add(1))
        };
        let next = highest.checked_add(1).unwrap_or_else(first_gap);
        self.take(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(books: &[&str]) -> Vec<String> {
        let names = book_names(books);
        names
            .into_iter()
            .map(|name| TuneNames::new(name).next("X:1\nK:C"))
            .collect()
    }

    #[test]
    fn tunes_are_named_after_their_book_and_number_and_never_twice_the_same() {
        let mut names = TuneNames::new(book_names(&["books/jigs.abc"]).remove(0));
        let named: Vec<String> = ["X:1\nK:C", "X: 7 \nK:C", "X:1\nK:C", "K:C"]
            .map(|text| names.next(text))
            .into();
        assert_eq!(named, ["jigs-1", "jigs-7", "jigs-1-2", "jigs-0"]);
    }

    #[test]
    fn books_of_one_name_are_told_apart_by_their_folders() {
        assert_eq!(
            names(&["a/t.abc", "b/t.abc", "c/u.abc"]),
            ["a-t-1", "b-t-1", "u-1"]
        );
        assert_eq!(
            names(&["t.abc", "a/t.abc", "./t.abc"]),
            ["t-1", "a-t-1", "t+2-1"]
        );
        assert_eq!(names(&["x/a/t.abc", "y/a/T.abc"]), ["x-a-t-1", "y-a-T-1"]);
        assert_eq!(names(&["a/b/t.abc", "a-b/t.abc"]), ["b-t-1", "a-b-t-1"]);
        assert_eq!(names(&["-"]), ["tune-1"]);
    }

    #[test]
    fn no_two_tunes_of_any_books_get_one_name() {
        let books = [
            "jigs.abc",
            "jigs-1.abc",
            "jigs-1-2.abc",
            "a/jigs.abc",
            "JIGS.abc",
            "jigs+2.abc",
        ];
        let mut all = HashSet::new();
        for book in book_names(&books) {
            let mut names = TuneNames::new(book);
            for text in ["X:1", "X:1", "X:2", "X:2", "X:2", "K:C", "K:C", "X:12"] {
                let name = names.next(text);
                assert!(all.insert(name.to_lowercase()), "{name}");
            }
        }
    }

    #[test]
    fn numbers_are_taken_once_and_then_counted_on() {
        let mut numbers = Numbers::default();
        let taken = [
            Some(3),
            Some(1),
            Some(2),
            Some(2),
            None,
            Some(9),
            Some(3),
            Some(u32::MAX),
        ]
        .map(|asked| numbers.take_or_next(asked));
        assert_eq!(taken, [3, 1, 2, 4, 5, 9, 10, u32::MAX]);
        assert_eq!(numbers.0.len(), 3);
    }
}
