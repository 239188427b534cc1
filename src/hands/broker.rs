//! The address of an MQTT broker.
//!
//! In: an address as it is configured. Out: whom to call, as whom, and what the band is called there.

use super::HandsError;
use http::Uri;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::str::FromStr;

/// The port of a broker where none is named.
const USUAL_PORT: u16 = 1883;
/// The band's topic where none is named.
const USUAL_TOPIC: &str = "ceilid";

/// Where a broker is, and what the band is called there.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Name or number.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Name and password.
    pub user: Option<(String, String)>,
    /// What all topics of the band begin with.
    pub topic: String,
}

impl fmt::Debug for Broker {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mqtt://{}:{}/{}", self.host, self.port, self.topic)
    }
}

impl FromStr for Broker {
    type Err = HandsError;

    /// `mqtt://USER:PASSWORD@HOST:PORT/TOPIC`; all but the host may be left out.
    fn from_str(text: &str) -> Result<Self, HandsError> {
        let wrong = |reason| HandsError::Broker { reason };
        let uri: Uri = text.parse().map_err(|_| wrong("it is no address"))?;
        if uri.scheme_str() != Some("mqtt") {
            return Err(wrong("it does not begin with mqtt://"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = authority.rsplit_once('@').map(|(user, _)| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(name), decoded(password))
        });
        let topic = uri.path().trim_matches('/');
        if topic.contains(['+', '#', '%']) || uri.query().is_some() {
            return Err(wrong("the topic has a sign that topics cannot have"));
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port_of(&uri, USUAL_PORT).ok_or_else(|| wrong("its port is none"))?,
            user,
            topic: Some(topic)
                .filter(|topic| !topic.is_empty())
                .unwrap_or(USUAL_TOPIC)
                .to_owned(),
        })
    }
}

/// The port of an address; the usual one where none is written, and nothing where what is written is none.
pub fn port_of(uri: &Uri, usual: u16) -> Option<u16> {
    let authority = uri.authority()?;
    let host_and_port = authority.as_str().rsplit('@').next()?;
    match host_and_port.strip_prefix(authority.host())? {
        "" => Some(usual),
        written => written.strip_prefix(':')?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_what_is_left_out_is_the_usual() {
        let read = |text: &str| text.parse::<Broker>().map_err(|error| error.to_string());
        let full = read("mqtt://me:se%40cret@home.example:1884/kitchen/band").unwrap();
        assert_eq!(full.user, Some(("me".to_owned(), "se@cret".to_owned())));
        assert_eq!(format!("{full:?}"), "mqtt://home.example:1884/kitchen/band");
        assert_eq!(
            format!("{:?}", read("mqtt://[::1]").unwrap()),
            "mqtt://::1:1883/ceilid"
        );
        for wrong in [
            "home.example",
            "http://home.example",
            "mqtt://",
            "mqtt://x/+/y",
            "mqtt:// x",
            "mqtt://x:99999",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
