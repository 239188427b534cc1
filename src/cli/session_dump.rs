//! For reading the public dumps of thesession.org: `tunes.json` and `tunes.csv`, a setting a row, as a tunebook.
//!
//! In: bytes of a dump. Out: bytes of ABC, a tune a setting, made as they are read. Does not do: fetching them.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Which of the two a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DumpKind {
    /// A list of objects.
    Json,
    /// A line of names, then a row a setting.
    Csv,
}

impl DumpKind {
    /// By the ending of the file's name.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// The dump as a tunebook.
pub(super) fn tunebook(kind: DumpKind, dump: impl Read + Send + 'static) -> impl Read + Send {
    let settings: Settings = match kind {
        DumpKind::Json => Box::new(JsonList::new(BufReader::new(dump))),
        DumpKind::Csv => {
            let reader = csv::ReaderBuilder::new().flexible(true).from_reader(dump);
            Box::new(
                reader
                    .into_deserialize::<HashMap<String, String>>()
                    .map(|row| row.map_err(io::Error::other)),
            )
        }
    };
    Book {
        settings,
        count: 0,
        text: Vec::new(),
        at: 0,
    }
}

type Setting = HashMap<String, String>;
type Settings = Box<dyn Iterator<Item = io::Result<Setting>> + Send>;

/// ABC, a setting at a time.
struct Book {
    settings: Settings,
    count: u64,
    text: Vec<u8>,
    at: usize,
}

impl Read for Book {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() {
            let Some(setting) = self.settings.next() else {
                return Ok(0);
            };
            self.count += 1;
            self.text = abc_of(&setting?, self.count).into_bytes();
            self.at = 0;
        }
        let count = buffer.len().min(self.text.len() - self.at);
        buffer[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// A setting as a tune; its number is that of the setting, or of the row.
fn abc_of(setting: &Setting, row: u64) -> String {
    let field = |name: &str| {
        let text = setting.get(name).map_or("", |text| text.trim());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let number = field("setting_id").parse().unwrap_or(row);
    let mut text = format!("X:{number}\n");
    for (letter, name) in [
        ('T', "name"),
        ('C', "composer"),
        ('R', "type"),
        ('Z', "username"),
        ('M', "meter"),
    ] {
        let value = field(name);
        if !value.is_empty() {
            text.push_str(&format!("{letter}:{value}\n"));
        }
    }
    let tune = field("tune_id");
    if !tune.is_empty() {
        text.push_str(&format!(
            "S:https://thesession.org/tunes/{tune}#setting{number}\n"
        ));
    }
    // The site's own rule: every setting counts in eighths.
    text.push_str(&format!("L:1/8\nK:{}\n", field("mode")));
    let music = setting.get("abc").map_or("", String::as_str);
    for line in music.split(['\n', '\r']) {
        // Before 2021 the site marked its line ends by an exclamation mark.
        let line = line.trim_end().trim_end_matches('!').trim_end();
        if !line.is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

/// The objects of a JSON list, one at a time: a dump has tens of megabytes.
struct JsonList<R> {
    reader: R,
    is_over: bool,
}

impl<R: BufRead> JsonList<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            is_over: false,
        }
    }

    /// Passes white space, the bracket and commas; whether an object follows.
    fn is_at_object(&mut self) -> io::Result<bool> {
        loop {
            let Some(&byte) = self.reader.fill_buf()?.first() else {
                return Ok(false);
            };
            match byte {
                b'{' => return Ok(true),
                b'[' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0xef | 0xbb | 0xbf => {
                    self.reader.consume(1)
                }
                b']' => return Ok(false),
                other => {
                    let found = char::from(other).escape_debug();
                    let message = format!("`{found}` where a list of settings goes on with `{{`");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
    }

    fn object(&mut self) -> io::Result<Setting> {
        let mut json = serde_json::Deserializer::from_reader(&mut self.reader);
        let values: HashMap<String, JsonText> =
            HashMap::deserialize(&mut json).map_err(io::Error::from)?;
        let texts = values.into_iter().filter_map(|(name, value)| {
            let text = match value {
                JsonText::Text(text) => text,
                JsonText::Number(number) => number.to_string(),
                JsonText::Other(_) => return None,
            };
            Some((name, text))
        });
        Ok(texts.collect())
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonText {
    Text(String),
    Number(i64),
    Other(IgnoredAny),
}

impl<R: BufRead> Iterator for JsonList<R> {
    type Item = io::Result<Setting>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = match self.is_at_object() {
            Ok(true) => Some(self.object()),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        };
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"[{"tune_id":"7","setting_id":"12","name":"The Test","type":"jig","meter":"6\/8","mode":"Gmajor",
        "abc":"GAB c3|!\r\n|:d2B A2:|","date":"2020","username":"me","year":3},
        {"tune_id":8,"setting_id":13,"name":"Two","type":"reel","meter":"4/4","mode":"Ador","abc":"A4|"}]"#;
    const CSV: &str = "tune_id,setting_id,name,type,meter,mode,abc,date,username\n7,12,The Test,jig,6/8,Gmajor,\"GAB c3|!\r\n|:d2B A2:|\",2020,me\n8,13,Two,reel,4/4,Ador,A4|,,\n";

    fn read(kind: DumpKind, text: &'static str) -> io::Result<String> {
        let mut abc = String::new();
        tunebook(kind, text.as_bytes()).read_to_string(&mut abc)?;
        Ok(abc)
    }

    #[test]
    fn both_dumps_give_the_same_tunes() {
        let first = "X:12\nT:The Test\nR:jig\nZ:me\nM:6/8\nS:https://thesession.org/tunes/7#setting12\nL:1/8\nK:Gmajor\nGAB c3|\n|:d2B A2:|\n\n";
        let second = "X:13\nT:Two\nR:reel\nM:4/4\nS:https://thesession.org/tunes/8#setting13\nL:1/8\nK:Ador\nA4|\n\n";
        for (kind, text) in [(DumpKind::Json, JSON), (DumpKind::Csv, CSV)] {
            assert_eq!(read(kind, text).unwrap(), format!("{first}{second}"));
        }
    }

    #[test]
    fn what_is_no_dump_is_an_error() {
        assert!(read(DumpKind::Json, "words").is_err());
        assert!(read(DumpKind::Json, "[{\"a\":").is_err());
        assert_eq!(read(DumpKind::Json, "[]").unwrap(), "");
    }
}
