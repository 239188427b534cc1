//! Reads a span of time as people write it: `90`, `30m`, `1h30m`, `1.5s`; writes it the same way.

use super::error::ValueError;
use super::values::Value;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest span: ten years. More is a slip of the finger.
const SECONDS_MAX: f64 = 10.0 * 365.0 * 86_400.0;

/// A span of time, not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

impl FromStr for TimeSpan {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wanted = || {
            let such_as = "90 (seconds), 30m, 1h30m or 2d";
            ValueError::no_such_thing(text, "span of time", such_as)
        };
        let mut seconds = 0.0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wanted());
        }
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let number: f64 = rest[..digits].parse().map_err(|_| wanted())?;
            rest = &rest[digits..];
            let letters = rest
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(rest.len());
            seconds += number
                * match &rest[..letters] {
                    "ms" => 1e-3,
                    "" | "s" => 1.0,
                    "m" | "min" => 60.0,
                    "h" => 3_600.0,
                    "d" => 86_400.0,
                    _ => return Err(wanted()),
                };
            rest = rest[letters..].trim_start();
        }
        if seconds > SECONDS_MAX {
            let found = text.to_owned();
            return Err(ValueError::TooLong { found });
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl fmt::Display for TimeSpan {
    /// `1h30m`, `1.5s`: as it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.0.as_secs() / 60, self.0.as_secs_f64() % 60.0);
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if !minutes.is_multiple_of(60) {
            write!(f, "{}m", minutes % 60)?;
        }
        if seconds > 0.0 || minutes == 0 {
            write!(f, "{seconds}s")?;
        }
        Ok(())
    }
}

impl Value for TimeSpan {
    const PLACEHOLDER: &'static str = "TIME";

    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn allowed() -> String {
        "such as 2, 1.5s or 1m".to_owned()
    }

    /// In seconds.
    fn to_json(&self) -> serde_json::Value {
        self.0.as_secs_f64().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for text in ["0s", "1.5s", "1m30s", "1h", "1h30m", "48h"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        let seconds = |text: &str| text.parse::<TimeSpan>().map(|span| span.0.as_secs_f64());
        assert_eq!(seconds("90"), Ok(90.0));
        assert_eq!(seconds("1h30m"), Ok(5_400.0));
        assert_eq!(seconds("1.5s"), Ok(1.5));
        assert_eq!(seconds("250ms"), Ok(0.25));
        for bad in ["", "h", "5 parsecs", "-1", "1..2", "99999999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
