//! A mosquitto of the test's own.

use super::folder::Folder;
use super::port::ReservedPort;
use super::process::{InTime, Running, wait_for};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// A broker, and what it tells everybody who asks.
pub struct Mosquitto {
    port: ReservedPort,
    _process: Running,
    _folder: Folder,
}

impl Mosquitto {
    pub fn start() -> Self {
        let (folder, port) = (Folder::with_tune(), ReservedPort::new());
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous false\npassword_file {}\nuser root\n",
            port.number(),
            folder.path("passwords").display()
        );
        std::fs::write(folder.path("mosquitto.conf"), config).unwrap();
        let mut command = Command::new("mosquitto_passwd");
        command.args(["-b", "-c"]).arg(folder.path("passwords"));
        assert!(command.args(["band", "se@cret"]).status_in_time().success());
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(folder.path("mosquitto.conf"));
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = Running(command.spawn().unwrap());
        let server = Self {
            port,
            _process: process,
            _folder: folder,
        };
        wait_for("the broker", || {
            TcpStream::connect(("127.0.0.1", server.port.number())).is_ok()
        });
        server
    }

    /// As ceilid is told it.
    pub fn address(&self, topic: &str) -> String {
        let port = self.port.number();
        format!("mqtt://band:se%40cret@127.0.0.1:{port}/{topic}")
    }

    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-p", &self.port.number().to_string()]);
        command.args(["-u", "band", "-P", "se@cret"]);
        command
    }

    /// What it keeps under this topic.
    pub fn kept(&self, topic: &str) -> serde_json::Value {
        let mut command = self.client("mosquitto_sub");
        command.args(["-t", topic, "-C", "1", "-W", "2"]);
        let kept = command.stderr(Stdio::null()).output_in_time().stdout;
        let words = String::from_utf8(kept).unwrap();
        serde_json::from_str(&words).unwrap_or_else(|_| words.trim().into())
    }

    pub fn say(&self, topic: &str, words: &str) {
        let mut command = self.client("mosquitto_pub");
        command.args(["-t", topic, "-m", words]);
        assert!(command.status_in_time().success());
    }
}
