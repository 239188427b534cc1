//! The files of the page, as they stand in `page/`: no framework, no build step, nothing of another host.
//!
//! In: a file's name. Out: the file. Knows all of them: none is read from the disk.

use super::api::Problem;
use super::guard::CONTENT_POLICY;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::hash::{BuildHasher, Hasher, RandomState};

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

/// How the page names its style, before that is put in its place.
const STYLE: &str = r#"<link rel="stylesheet" href="page.css">"#;

/// The page itself with its style in it: a browser paints as soon as it has this, and asks for nothing else before.
pub(super) fn index() -> Response {
    // Whoever slips a style of his own into the page cannot know it.
    let nonce = RandomState::new().build_hasher().finish();
    let style = format!("<style nonce=\"{nonce:016x}\">{}</style>", text("page.css"));
    let policy = format!("{CONTENT_POLICY}; style-src 'self' 'nonce-{nonce:016x}'");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, text("index.html").replacen(STYLE, &style, 1)).into_response()
}

/// What stands in one of [`FILES`]; nothing where there is none of this name.
fn text(name: &str) -> &'static str {
    let file = FILES.iter().find(|(known, _)| *known == name);
    file.map_or("", |(_, text)| text)
}

/// A file of the page.
pub(super) fn file(name: &str) -> Response {
    if name == "index.html" {
        return index();
    }
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

    #[tokio::test]
    async fn the_page_carries_its_style_and_no_other_style_counts() {
        assert_eq!(text("index.html").matches(STYLE).count(), 1);
        let page = index();
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        let nonce = policy.split("'nonce-").nth(1).unwrap();
        let nonce = nonce.trim_end_matches('\'').to_owned();
        assert_ne!(index().headers()["content-security-policy"], policy);
        let bytes = axum::body::to_bytes(page.into_body(), BYTES_MAX).await;
        let html = String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        assert!(html.contains(&format!("<style nonce=\"{nonce}\">:root")));
        assert!(!html.contains("rel=\"stylesheet\""));
    }

    #[test]
    fn every_module_of_the_page_is_asked_for_at_once() {
        for (name, _) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            let is_named = ["modulepreload\" href", "module\" src"]
                .iter()
                .any(|how| text("index.html").contains(&format!("{how}=\"{name}\"")));
            assert!(is_named, "{name} waits until another module asks for it");
        }
    }

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
