//! Remembers when what a page's listener hears first was due, so that the page knows which note is heard.
//!
//! In: names that pages give their listening, and moments. Out: those moments. Forgets the oldest.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Listeners that are remembered: as many as there are places.
const ARRIVALS_MAX: usize = super::STREAMS_MAX;
/// The longest name; a longer one is none.
const NAME_BYTES_MAX: usize = 32;

/// Who came, and when what they heard first was due.
#[derive(Debug, Default)]
pub(super) struct Arrivals(Mutex<VecDeque<(String, Instant)>>);

impl Arrivals {
    /// A listener of this name hears what was due at this moment. One that comes again is another.
    pub(super) fn note(&self, name: String, begins: Instant) {
        if name.len() > NAME_BYTES_MAX {
            return;
        }
        let mut arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.retain(|(known, _)| *known != name);
        if arrivals.len() == ARRIVALS_MAX {
            arrivals.pop_front();
        }
        arrivals.push_back((name, begins));
    }

    /// When what this listener heard first was due; `None` where nothing was heard yet.
    pub(super) fn of(&self, name: &str) -> Option<Instant> {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = arrivals.iter().find(|(known, _)| known == name);
        found.map(|(_, begins)| *begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_last_listeners_are_known_each_as_it_came_last() {
        let (arrivals, now) = (Arrivals::default(), Instant::now());
        for number in 0..=ARRIVALS_MAX as u64 {
            arrivals.note(number.to_string(), now + Duration::from_secs(number));
        }
        assert_eq!(arrivals.of("0"), None);
        arrivals.note("1".to_owned(), now);
        assert_eq!(arrivals.of("1"), Some(now));
        assert_eq!(arrivals.of("2"), Some(now + Duration::from_secs(2)));
        arrivals.note("n".repeat(33), now);
        assert_eq!(arrivals.of(&"n".repeat(33)), None);
    }
}
