//! Named pipes, and somebody who reads them.

use super::process::{InTime, Running, end_gently};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

pub fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status_in_time().success());
}

/// `cat` on a FIFO, into memory.
pub struct FifoReader {
    process: Running,
    bytes: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    thread: std::thread::JoinHandle<()>,
}

impl FifoReader {
    pub fn start(path: &Path) -> Self {
        let mut process = Command::new("cat")
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = process.stdout.take().unwrap();
        let bytes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let shared = std::sync::Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut chunk = [0; 256];
            while let Ok(length @ 1..) = stdout.read(&mut chunk) {
                shared.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        Self {
            process: Running(process),
            bytes,
            thread,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// The same as it grows.
    pub fn shared_bytes(&self) -> std::sync::Arc<std::sync::Mutex<Vec<u8>>> {
        std::sync::Arc::clone(&self.bytes)
    }

    pub fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    pub fn stop(mut self) {
        end_gently(&mut self.process);
        let _ = self.thread.join();
    }
}
