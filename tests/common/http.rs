//! One question over HTTP, as a script asks it.

use super::process::PATIENCE;
use std::io::{Read, Write};
use std::net::TcpStream;

/// What stands at this path of the page at this port. `headers` each end with a line's end.
///
/// # Panics
/// Nobody is there, or takes longer than [`PATIENCE`].
pub fn get(port: u16, path: &str, headers: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = "Host: localhost\r\nConnection: close";
    write!(connection, "GET {path} HTTP/1.1\r\n{host}\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
