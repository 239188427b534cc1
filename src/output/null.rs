//! An output that sends nothing anywhere and remembers it.
//!
//! In: messages. Out: nothing to hear; what came in and when can be read afterwards. For tests and machines without sound.

use super::{Health, LiveOutput};
use crate::music::midi::MidiMessage;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Messages remembered; older ones are forgotten. Some hours of a busy tune.
const MESSAGES_MAX: usize = 1 << 20;

/// Takes everything and makes no sound.
#[derive(Debug, Default)]
pub struct NullOutput {
    memory: Option<Arc<Mutex<VecDeque<Received>>>>,
}

/// A message and the time it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// When it was due.
    pub due: Instant,
    /// What came.
    pub message: MidiMessage,
}

/// Reads what a [`NullOutput`] was sent.
#[derive(Clone, Debug)]
pub struct NullMemory(Arc<Mutex<VecDeque<Received>>>);

impl NullOutput {
    /// An output that forgets at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// An output that remembers, and what reads its memory.
    pub fn remembering() -> (Self, NullMemory) {
        let memory = Arc::new(Mutex::new(VecDeque::new()));
        (
            Self {
                memory: Some(Arc::clone(&memory)),
            },
            NullMemory(memory),
        )
    }
}

impl NullMemory {
    /// What was sent so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }

    /// Takes what was sent so far out of the memory.
    pub fn take(&self) -> Vec<Received> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect()
    }
}

impl LiveOutput for NullOutput {
    fn name(&self) -> &str {
        "null"
    }

    fn send(&mut self, message: MidiMessage, due: Instant) {
        if let Some(memory) = &self.memory {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            if memory.len() == MESSAGES_MAX {
                memory.pop_front();
            }
            memory.push_back(Received { due, message });
        }
    }

    fn health(&mut self) -> Health {
        Health::Well
    }

    fn close(self: Box<Self>) {}
}
