//! Decides which requests are answered.
//!
//! In: requests from anywhere. Out: those that may be answered.
//!
//! Against strangers: a token, wherever the address is not this machine's own. Against pages of other sites in the user's
//! own browser: the `Host` must be one of ours where there is no token (DNS rebinding), and what steers must come from our
//! own page (`Origin`, `Sec-Fetch-Site`). Against floods: a bucket of requests for each peer.
//!
//! Behind a proxy on this machine the peer is whom the proxy names (`X-Forwarded-For`, the last one), and the site's names are
//! those it was told to trust.

use super::Web;
use super::api::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// A shorter token is guessed.
const TOKEN_CHARS_MIN: usize = 16;
/// Questions a peer may ask at once, and how many more a second: a house full of listeners may share an address.
const QUESTIONS: Allowance = Allowance {
    at_once: 1000.0,
    a_second: 100.0,
};
/// Commands a peer may give.
const COMMANDS: Allowance = Allowance {
    at_once: 30.0,
    a_second: 10.0,
};
/// Wrong tokens a peer may try.
const GUESSES: Allowance = Allowance {
    at_once: 10.0,
    a_second: 0.2,
};
/// Peers that are remembered; with more, the one that has been quiet for longest is forgotten.
const PEERS_MAX: usize = 4096;
/// What a browser may load for what we send it: nothing of others, and nothing that was slipped into the page.
pub(super) const CONTENT_POLICY: &str =
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; frame-ancestors 'none'";
/// The cookie in which the page keeps the token.
const COOKIE: &str = "ceilid_token";

/// A secret that opens the door.
#[derive(Clone)]
pub struct Token(String);

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        if text.len() < TOKEN_CHARS_MIN || !is_plain {
            return Err(format!(
                "a token has at least {TOKEN_CHARS_MIN} letters, digits, `-`, `_`, `.` or `~`"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    /// Not into any log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes as long for any wrong one: what is compared are keyed hashes that nobody outside can know.
    fn is(&self, other: &str, key: &RandomState) -> bool {
        key.hash_one(&self.0) == key.hash_one(other) && self.0 == other
    }
}

/// Who may come.
#[derive(Clone, Debug, Default)]
pub struct Access {
    token: Option<Token>,
    hosts: Vec<String>,
}

impl Access {
    /// Those who know the token; without one, whoever reaches this machine's own address.
    ///
    /// `None` where the address is open to others and there is no token.
    pub fn to(address: SocketAddr, token: Option<Token>) -> Option<Self> {
        let is_open = !address.ip().is_loopback();
        if is_open && token.is_none() {
            return None;
        }
        Some(Self {
            token,
            hosts: vec!["localhost".to_owned()],
        })
    }

    /// These names are the band's too: a proxy answers to them.
    #[must_use]
    pub fn trusting(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.hosts.extend(hosts);
        self
    }
}

/// What is remembered of those who come.
pub(super) struct Guard {
    access: Access,
    key: RandomState,
    peers: Mutex<HashMap<IpAddr, Buckets>>,
}

#[derive(Clone, Copy)]
struct Allowance {
    at_once: f64,
    a_second: f64,
}

struct Buckets {
    questions: f64,
    commands: f64,
    guesses: f64,
    seen: Instant,
    /// It has said the token: its old pages, which say an older one, do not shut it out.
    has_entered: bool,
}

/// What a request is, to its bucket.
#[derive(Clone, Copy)]
enum Errand {
    Question,
    Command,
}

/// What a token is worth.
enum Judgement {
    Right,
    Wrong,
    TooMany,
}

/// Takes one out, if there is one.
fn taken(bucket: &mut f64) -> bool {
    let is_there = *bucket >= 1.0;
    if is_there {
        *bucket -= 1.0;
    }
    is_there
}

/// Whoever has one address of IPv6 has 2⁶⁴ of them (RFC 6177): they are one peer.
pub(super) fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

impl Guard {
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            key: RandomState::new(),
            peers: Mutex::default(),
        }
    }

    /// What is in the peer's buckets now.
    fn with_buckets<T>(&self, peer: IpAddr, now: Instant, f: impl FnOnce(&mut Buckets) -> T) -> T {
        let peer = household(peer);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            let quietest = peers.iter().min_by_key(|(_, buckets)| buckets.seen);
            let quietest = quietest.map(|(peer, _)| *peer);
            quietest.and_then(|peer| peers.remove(&peer));
        }
        let buckets = peers.entry(peer).or_insert(Buckets {
            questions: QUESTIONS.at_once,
            commands: COMMANDS.at_once,
            guesses: GUESSES.at_once,
            seen: now,
            has_entered: false,
        });
        let elapsed = now.saturating_duration_since(buckets.seen).as_secs_f64();
        buckets.seen = now;
        for (bucket, allowance) in [
            (&mut buckets.questions, QUESTIONS),
            (&mut buckets.commands, COMMANDS),
            (&mut buckets.guesses, GUESSES),
        ] {
            *bucket = (*bucket + elapsed * allowance.a_second).min(allowance.at_once);
        }
        f(buckets)
    }

    /// Takes one out of the peer's bucket; `false` when it is empty.
    fn allows(&self, peer: IpAddr, errand: Errand, now: Instant) -> bool {
        self.with_buckets(peer, now, |buckets| {
            let bucket = match errand {
                Errand::Question => &mut buckets.questions,
                Errand::Command => &mut buckets.commands,
            };
            taken(bucket)
        })
    }

    /// Whether the token opens the door. A peer that has guessed too often is not even told that it is right.
    fn judge(&self, token: &Token, offered: &str, peer: IpAddr, now: Instant) -> Judgement {
        self.with_buckets(peer, now, |buckets| {
            if !buckets.has_entered && buckets.guesses < 1.0 {
                return Judgement::TooMany;
            }
            if token.is(offered, &self.key) {
                buckets.has_entered = true;
                return Judgement::Right;
            }
            if taken(&mut buckets.guesses) {
                Judgement::Wrong
            } else {
                Judgement::TooMany
            }
        })
    }

    /// Browsers say where a request comes from; programs do not.
    fn is_from_our_page(&self, headers: &HeaderMap, host: Option<&str>) -> bool {
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return false;
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let origin = origin.to_str().unwrap_or_default();
        let Some((_, place)) = origin.split_once("://") else {
            return false;
        };
        // Behind a proxy the site's name is another than ours.
        Some(place) == host || self.trusts(host_name(place))
    }

    fn trusts(&self, name: &str) -> bool {
        let mut hosts = self.access.hosts.iter();
        hosts.any(|known| known != "localhost" && known.eq_ignore_ascii_case(name))
    }

    fn knows_host(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return false };
        let name = host_name(host);
        let is_loopback = name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
        is_loopback
            || self
                .access
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Lets a request through, or says why not.
pub(super) async fn check(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let mut response = match examine(&web.guard, &request) {
        Ok(Passage::Through) => next.run(request).await,
        Ok(Passage::ToPage(cookie)) => (
            StatusCode::SEE_OTHER,
            [
                // Relative: before a proxy the page may lie in a folder.
                (header::LOCATION, HeaderValue::from_static("./")),
                (header::SET_COOKIE, cookie),
            ],
        )
            .into_response(),
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    ] {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
    response
}

enum Passage {
    Through,
    /// The token came in the address: into a cookie with it, and out of the address.
    ToPage(HeaderValue),
}

fn examine(guard: &Guard, request: &Request) -> Result<Passage, Problem> {
    let headers = request.headers();
    let path = request.uri().path();
    if path == "/healthz" {
        return Ok(Passage::Through);
    }
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    let peer = forwarded_for(headers, peer);
    let now = Instant::now();
    let is_command = !matches!(*request.method(), Method::GET | Method::HEAD);
    // Text is sent there to be answered; it steers nothing.
    let is_question = !is_command || ["/api/compose", "/api/convert"].contains(&path);
    let errand = if !is_question {
        Errand::Command
    } else {
        Errand::Question
    };
    if !guard.allows(peer, errand, now) {
        return Err(too_many());
    }
    let host = text(headers, &header::HOST);
    if is_command && !guard.is_from_our_page(headers, host) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "another site's page may not steer this band",
        ));
    }
    let Some(token) = &guard.access.token else {
        return if guard.knows_host(host) {
            Ok(Passage::Through)
        } else {
            Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this is a machine's own address; call it localhost, or set a token",
            ))
        };
    };
    let in_query = request.uri().query().and_then(|query| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("token="))
    });
    let in_cookie = text(headers, &header::COOKIE).and_then(|cookies| {
        cookies
            .split(';')
            .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
    });
    let in_header =
        text(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let offered = in_header.or(in_query).or(in_cookie);
    let judged = offered.map(|offered| guard.judge(token, offered, peer, now));
    if let Some(Judgement::Right) = judged {
        let is_entrance = path == "/" && in_query.is_some() && !is_command;
        let cookie = is_entrance.then(|| {
            let is_secret = text(headers, &FORWARDED_PROTO) == Some("https");
            let cookie = format!(
                "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{}",
                token.as_str(),
                if is_secret { "; Secure" } else { "" }
            );
            HeaderValue::from_str(&cookie).ok()
        });
        return Ok(match cookie.flatten() {
            Some(cookie) => Passage::ToPage(cookie),
            None => Passage::Through,
        });
    }
    if let Some(Judgement::TooMany) = judged {
        return Err(too_many());
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "a token is needed: `Authorization: Bearer TOKEN`, or open /?token=TOKEN",
    ))
}

fn too_many() -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests; wait a second",
    )
}

/// Of a proxy that speaks TLS.
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whom a proxy on this machine speaks for. What the client said of itself stands before what the proxy adds.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    if !peer.is_loopback() {
        return peer;
    }
    let named = headers.get_all("x-forwarded-for").iter().next_back();
    let named = named.and_then(|value| value.to_str().ok());
    let last = named.and_then(|names| names.rsplit(',').next());
    last.and_then(|name| name.trim().parse().ok())
        .unwrap_or(peer)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Without the port; of `[::1]:80` the address alone.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(name, _)| name);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_open_address_needs_a_token_and_a_token_some_length() {
        let open: SocketAddr = "0.0.0.0:80".parse().unwrap();
        assert!(Access::to(open, None).is_none());
        assert!("short".parse::<Token>().is_err());
        assert!("0123456789abcde;".parse::<Token>().is_err());
        let token: Token = "0123456789abcdef".parse().unwrap();
        assert!(Access::to(open, Some(token)).is_some());
        assert!(Access::to("[::1]:80".parse().unwrap(), None).is_some());
    }

    #[test]
    fn a_bucket_empties_fills_again_and_is_each_peers_own() {
        let guard = Guard::new(Access::default());
        let (one, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let now = Instant::now();
        let given = (0..100)
            .filter(|_| guard.allows(one, Errand::Command, now))
            .count();
        assert_eq!(given, 30);
        assert!(guard.allows(other, Errand::Command, now));
        assert!(guard.allows(one, Errand::Question, now));
        assert!(guard.allows(one, Errand::Command, now + Duration::from_secs(1)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_a_crowd_of_them_shuts_nobody_out() {
        let guard = Guard::new(Access::default());
        let now = Instant::now();
        let from = |network: u128, host: u128| {
            let network = 0x2001_0db8_u128 << 96 | network << 64;
            IpAddr::from(Ipv6Addr::from(network | host))
        };
        let given = (0..100)
            .filter(|host| guard.allows(from(1, *host), Errand::Command, now))
            .count();
        assert_eq!(given, 30);
        for network in 2..2 + 2 * PEERS_MAX as u128 {
            let later = now + Duration::from_millis(network as u64);
            assert!(guard.allows(from(network, 1), Errand::Command, later));
        }
        assert_eq!(guard.peers.lock().unwrap().len(), PEERS_MAX);
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(household(mapped), IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn who_has_guessed_too_often_is_not_told_that_it_is_right() {
        let guard = Guard::new(Access::default());
        let token: Token = "0123456789abcdef".parse().unwrap();
        let (owner, guesser): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let now = Instant::now();
        let enters = |peer, offered: &str, at| {
            matches!(guard.judge(&token, offered, peer, at), Judgement::Right)
        };
        assert!(enters(owner, token.as_str(), now));
        for number in 0..50 {
            let guess = format!("{number:016}");
            assert!(!enters(owner, &guess, now) && !enters(guesser, &guess, now));
        }
        assert!(enters(owner, token.as_str(), now));
        assert!(!enters(guesser, token.as_str(), now));
        assert!(enters(
            guesser,
            token.as_str(),
            now + Duration::from_secs(6)
        ));
    }

    #[test]
    fn only_names_of_this_machine_are_known() {
        let guard = Guard::new(Access::to("127.0.0.1:1".parse().unwrap(), None).unwrap());
        for host in [
            "localhost",
            "LOCALHOST:7424",
            "127.0.0.1:80",
            "[::1]:80",
            "127.9.9.9",
        ] {
            assert!(guard.knows_host(Some(host)), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!guard.knows_host(Some(host)), "{host}");
        }
        assert!(!guard.knows_host(None));
    }
}
