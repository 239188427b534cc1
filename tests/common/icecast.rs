//! An Icecast server, and a listener at its mount.

use super::port::ReservedPort;
use super::process::{LOOK_INTERVAL, PATIENCE, Running, wait_for};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A server of the test's own.
pub struct Icecast {
    folder: tempfile::TempDir,
    port: ReservedPort,
    /// `None` while it is down.
    process: Option<Running>,
}

impl Icecast {
    /// A server that answers.
    pub fn start() -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().unwrap(),
            port: ReservedPort::new(),
            process: None,
        };
        let path = server.folder.path().display();
        let port = server.port();
        // Run by root it must become somebody else, who may write the log.
        let config = format!(
            "<icecast><limits><clients>10</clients><sources>2</sources></limits>\
             <authentication><source-password>hackme</source-password></authentication>\
             <hostname>localhost</hostname>\
             <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
             <paths><logdir>{path}</logdir><webroot>{path}</webroot><adminroot>{path}</adminroot></paths>\
             <logging><errorlog>-</errorlog><accesslog>-</accesslog></logging>\
             <security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group></changeowner></security>\
             </icecast>"
        );
        std::fs::write(server.folder.path().join("icecast.xml"), config).unwrap();
        server.restart();
        server
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Begins again at the same port. Where another socket has just taken it, it is tried until that one lets go.
    pub fn restart(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let process = self.process.insert(spawn(self.folder.path()));
            while process.is_running() && Instant::now() < deadline {
                if is_icecast(self.port.number()) {
                    return;
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
        panic!("waited in vain for Icecast at port {}", self.port());
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Listens at the mount as any player does, until it hears a tune of this title.
    pub fn wait_for_sound(&self, title: &str) {
        let words = format!("TITLE={title}");
        wait_for(title, || {
            let mut connection = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
            connection
                .set_read_timeout(Some(Duration::from_secs(2)))
                .unwrap();
            connection
                .write_all(b"GET /folk.opus HTTP/1.0\r\n\r\n")
                .unwrap();
            let mut heard = Vec::new();
            let mut bytes = [0; 4096];
            while heard.len() < 30_000 && !String::from_utf8_lossy(&heard).contains(&words) {
                match connection.read(&mut bytes) {
                    Ok(count) if count > 0 => heard.extend_from_slice(&bytes[..count]),
                    _ => break,
                }
            }
            String::from_utf8_lossy(&heard).contains(&words)
        });
    }
}

fn spawn(folder: &Path) -> Running {
    let mut command = Command::new("icecast2");
    command.arg("-c").arg(folder.join("icecast.xml"));
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// Whether the one who answers at this port is Icecast, and not whoever else got it.
fn is_icecast(port: u16) -> bool {
    let answer = || -> std::io::Result<Vec<u8>> {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(Duration::from_secs(2)))?;
        connection.write_all(b"GET /status-json.xsl HTTP/1.0\r\n\r\n")?;
        let mut head = vec![0; 512];
        let count = connection.read(&mut head)?;
        head.truncate(count);
        Ok(head)
    };
    answer().is_ok_and(|head| String::from_utf8_lossy(&head).contains("Server: Icecast"))
}
