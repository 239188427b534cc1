//! Answers requests for a part of something.
//!
//! In: `Range`, and what could be sent whole. Out: the part, or the whole where no part can be meant. Not: several parts at
//! once, which nobody asks sound for.
//!
//! Source: RFC 9110 §14: a range that is not understood is ignored; one that lies behind the end is refused with 416.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Which part is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// From this byte on, to that one if one is named.
    Span(u64, Option<u64>),
    /// So many bytes at the end.
    Tail(u64),
}

/// What the request asks for.
pub(super) fn asked(headers: &HeaderMap) -> Asked {
    let words = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    words.and_then(read).unwrap_or(Asked::Whole)
}

fn read(words: &str) -> Option<Asked> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let (first, last) = words.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Asked::Tail(number(last)?)),
        (first, "") => Some(Asked::Span(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Span(first, Some(last)))
        }
    }
}

/// Says which bytes an answer has, and of how many.
pub(super) fn mark(headers: &mut HeaderMap, first: u64, last: u64, length: Option<u64>) {
    let length = length.map_or_else(|| "*".to_owned(), |length| length.to_string());
    // Digits and signs are words of a header.
    if let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{length}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
}

/// The part that is asked for of these bytes.
pub(super) fn part(headers: &HeaderMap, media_type: &'static str, mut bytes: Vec<u8>) -> Response {
    let length = bytes.len() as u64;
    let span = match asked(headers) {
        Asked::Whole => None,
        Asked::Span(first, last) => Some((first, last.unwrap_or(u64::MAX))),
        Asked::Tail(count) => Some((
            length.saturating_sub(count),
            if count == 0 { 0 } else { u64::MAX },
        )),
    };
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    let Some((first, last)) = span else {
        return (kind, bytes).into_response();
    };
    if first >= length || last < first {
        let mut refusal = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
            refusal.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        return refusal;
    }
    let last = last.min(length - 1);
    bytes.truncate(last as usize + 1); // lossless: less than the length
    bytes.drain(..first as usize);
    let mut response = (StatusCode::PARTIAL_CONTENT, kind, Body::from(bytes)).into_response();
    mark(response.headers_mut(), first, last, Some(length));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_the_rest_is_ignored() {
        for (words, wanted) in [
            ("bytes=0-1", Some(Asked::Span(0, Some(1)))),
            ("bytes=5-", Some(Asked::Span(5, None))),
            ("bytes=-500", Some(Asked::Tail(500))),
            (
                "bytes=3-99999999999999999999999",
                Some(Asked::Span(3, Some(u64::MAX))),
            ),
            ("bytes=5-4", None),
            ("bytes=0-1,4-5", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("seconds=0-1", None),
        ] {
            assert_eq!(read(words), wanted, "{words}");
        }
    }

    #[test]
    fn a_part_lies_within_the_whole_or_is_refused() {
        let part = |range: &'static str| {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
            let response = part(&headers, "audio/flac", (0..10).collect());
            let range = response.headers().get(header::CONTENT_RANGE);
            let range = range.map(|value| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), range.unwrap_or_default())
        };
        for (range, status, wanted) in [
            ("bytes=0-1", 206, "bytes 0-1/10"),
            ("bytes=4-", 206, "bytes 4-9/10"),
            ("bytes=4-99", 206, "bytes 4-9/10"),
            ("bytes=-3", 206, "bytes 7-9/10"),
            ("bytes=-99", 206, "bytes 0-9/10"),
            ("bytes=10-", 416, "bytes */10"),
            ("bytes=-0", 416, "bytes */10"),
            ("bytes=nonsense", 200, ""),
        ] {
            assert_eq!(part(range), (status, wanted.to_owned()), "{range}");
        }
    }
}
