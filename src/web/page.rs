//! The files of the page, as they stand in `page/`: no framework, no build step, nothing of another host.
//!
//! In: a file's name. Out: the file. Knows all of them: none is read from the disk.

use super::api::Problem;
use axum::http::header;
use axum::response::{IntoResponse, Response};

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("page/", $name)))),*] };
}

/// Every file.
const FILES: &[(&str, &str)] = files![
    "index.html",
    "page.css",
    "app.js",
    "ask.js",
    "band.js",
    "behind.js",
    "book.js",
    "compose.js",
    "keyboard.js",
    "music.js",
    "now.js",
    "score.js",
    "settings.js",
    "sound.js",
    "icon.svg",
    "manifest.webmanifest",
];

/// A file of the page.
pub(super) fn file(name: &str) -> Response {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        return Problem::not_found("there is nothing at this address").into_response();
    };
    let media_type = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "text/html; charset=utf-8",
    };
    ([(header::CONTENT_TYPE, media_type)], *text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all files together, uncompressed: on a phone's slow day still a second.
    const BYTES_MAX: usize = 100 * 1024;

    #[test]
    fn the_page_is_small_and_asks_nobody_else_for_anything() {
        let bytes: usize = FILES.iter().map(|(_, text)| text.len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes} bytes");
        for (name, text) in FILES {
            let others = text.matches("://").count() - text.matches("http://www.w3.org/").count();
            assert_eq!(others, 0, "{name} names another host");
            assert!(
                !text.contains("=\"/"),
                "{name} has an address that is not relative"
            );
        }
    }
}
