//! Public collections of tunes: what each is, whose it is, where it can be had, and the hash of every file.
//!
//! In: a manifest (TOML). Out: its collections, whose file names are safe to write. Not: the fetching; that is `fetch`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The manifest of this project, `data/corpora.toml`.
pub const SHIPPED: &str = include_str!("../../data/corpora.toml");

/// The names of its collections, in its order.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    let heads = SHIPPED.lines();
    heads.filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or has other fields.
    #[error("not a manifest of collections: {0}")]
    Form(#[from] Box<toml::de::Error>),
    /// A line of `files` that `sha256sum` would not print.
    #[error(
        "[{collection}]: `{line}` is not a SHA-256 in small letters, two spaces and a file's name"
    )]
    Line {
        /// The collection.
        collection: String,
        /// The line.
        line: String,
    },
    /// A name that could be written elsewhere than in the collection's folder.
    #[error(
        "[{collection}]: `{name}` is no name for a file here: letters, digits, `-`, `_` and `.` within"
    )]
    Name {
        /// The collection.
        collection: String,
        /// The name.
        name: String,
    },
    /// An address of another kind.
    #[error(
        "[{collection}]: `{address}` is no address: it begins with https:// or http:// and ends with /"
    )]
    Address {
        /// The collection.
        collection: String,
        /// The address.
        address: String,
    },
}

/// One public collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// What it is called on the command line, and its folder.
    pub name: String,
    /// What it is called by people.
    pub title: String,
    /// How much it is, and who made it.
    pub about: String,
    /// Whose it is and what may be done with it.
    pub terms: String,
    /// What of it is kept.
    pub keep: String,
    /// Where its files are: a file's name is put behind.
    pub addresses: Vec<String>,
    /// Its files.
    pub files: Vec<ListedFile>,
}

/// A file as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its name, without folders.
    pub name: String,
    /// Its SHA-256, 64 hexadecimal digits in small letters.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    title: String,
    about: String,
    terms: String,
    keep: String,
    addresses: Vec<String>,
    files: String,
}

/// The collections of a manifest, in the order of their names.
///
/// # Errors
/// [`ManifestError`]: the first thing that is wrong.
pub fn read(text: &str) -> Result<Vec<Collection>, ManifestError> {
    let rows: BTreeMap<String, Row> = toml::from_str(text).map_err(Box::new)?;
    rows.into_iter()
        .map(|(name, row)| collection(name, row))
        .collect()
}

fn collection(name: String, row: Row) -> Result<Collection, ManifestError> {
    if !is_safe(&name) {
        let collection = name.clone();
        return Err(ManifestError::Name { collection, name });
    }
    for address in &row.addresses {
        let is_web = address.starts_with("https://") || address.starts_with("http://");
        if !is_web || !address.ends_with('/') {
            let (collection, address) = (name, address.clone());
            return Err(ManifestError::Address {
                collection,
                address,
            });
        }
    }
    let lines = row.files.lines().filter(|line| !line.is_empty());
    let files = lines
        .map(|line| listed_file(&name, line))
        .collect::<Result<_, _>>()?;
    Ok(Collection {
        name,
        title: row.title,
        about: row.about,
        terms: row.terms,
        keep: row.keep,
        addresses: row.addresses,
        files,
    })
}

fn listed_file(collection: &str, line: &str) -> Result<ListedFile, ManifestError> {
    let is_hash = |text: &str| {
        text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    let Some((sha256, name)) = line.split_once("  ").filter(|(hash, _)| is_hash(hash)) else {
        return Err(ManifestError::Line {
            collection: collection.to_owned(),
            line: line.to_owned(),
        });
    };
    if !is_safe(name) {
        return Err(ManifestError::Name {
            collection: collection.to_owned(),
            name: name.to_owned(),
        });
    }
    Ok(ListedFile {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
    })
}

/// Neither a path nor hidden, and the same in an address as on the disk.
fn is_safe(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(address: &str, files: &str) -> Result<Vec<Collection>, ManifestError> {
        read(&format!(
            "[a]\ntitle = \"\"\nabout = \"\"\nterms = \"\"\nkeep = \"\"\naddresses = [\"{address}\"]\nfiles = \"\"\"\n{files}\n\"\"\""
        ))
    }

    #[test]
    fn the_manifest_of_this_project_can_be_read() {
        let collections = read(SHIPPED).unwrap();
        assert_eq!(shipped_names().count(), collections.len());
        let names: Vec<(&str, usize)> = collections
            .iter()
            .map(|collection| (collection.name.as_str(), collection.files.len()))
            .collect();
        assert_eq!(
            names,
            [
                ("airds-airs", 6),
                ("nottingham", 14),
                ("oneills1850", 39),
                ("ryans-mammoth", 1059)
            ]
        );
    }

    #[test]
    fn a_manifest_that_could_write_elsewhere_is_refused() {
        let hash = "0".repeat(64);
        assert!(with("https://a/", &format!("{hash}  b.abc")).is_ok());
        for name in ["../b.abc", "/etc/b", ".b", "b c", ""] {
            let error = with("https://a/", &format!("{hash}  {name}"));
            assert!(error.is_err(), "{name}");
        }
        for line in ["b.abc", "12  b.abc", &format!("{hash} b.abc")] {
            assert!(
                matches!(with("https://a/", line), Err(ManifestError::Line { .. })),
                "{line}"
            );
        }
        for address in ["ftp://a/", "file:///", "https://a"] {
            let error = with(address, "");
            assert!(
                matches!(error, Err(ManifestError::Address { .. })),
                "{address}"
            );
        }
        assert!(matches!(
            read("[a]\ntitle = 1"),
            Err(ManifestError::Form(_))
        ));
    }
}
