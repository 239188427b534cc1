//! Listens to MIDI that comes over the network (RTP-MIDI): another machine's clock, a tablet's controllers.
//!
//! In: datagrams at two ports, one for the session and, one higher, one for the music. Out: what concerns us of them, with the
//! moment at which it came. Invitations are accepted, clocks are answered; we invite nobody and send no MIDI.
//!
//! What was lost on the way stays lost: a fader's next position and a clock's next pulse come at once, so the journal for
//! recovery is passed over. Whoever reaches the ports may steer, as with OSC.
//!
//! Sources: RFC 6295, sections 3 (the MIDI command section) and 3.1 to 3.2; Apple's session protocol as the appendix of
//! J. Lazzaro and J. Wawrzynek's *Apple MIDI network driver protocol* notes has it: `IN`, `OK`, `CK`, `BY`.

use super::OutputError;
use super::midi_bytes::{Heard, OnHeard, Parser};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A longer datagram is cut, and its end not heard.
const DATAGRAM_BYTES_MAX: usize = 1536;
/// Machines that play to us at once; a further one takes the place of the one that was heard longest ago.
const PEERS_MAX: usize = 8;
/// A machine that says nothing for so long is gone: sessions ask for the time every ten seconds or so.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The pause after a socket that fails.
const BACK_OFF: Duration = Duration::from_millis(500);
/// Where it listens when nobody says: the usual port, on this machine alone.
const USUAL_ADDRESS: &str = "127.0.0.1:5004";
/// What we are called in a session.
const NAME: &[u8] = b"ceilid\0";
/// Who we are in it: any number, of one daemon always the same.
const OWN_SOURCE: [u8; 4] = *b"ceil";

const SIGNATURE: [u8; 2] = [0xFF, 0xFF];
/// Version 2 of RTP, without padding, extension and contributors; what else stands in the byte is not looked at.
const RTP_VERSION: u8 = 0b1000_0000;
const RTP_HEADER_BYTES: usize = 12;

/// Listens at this address, and at the port above it, for as long as the process lives.
///
/// # Errors
/// The address cannot be read or had, or a thread does not start.
pub(super) fn listen(address: Option<&str>, tell: OnHeard) -> Result<(), OutputError> {
    let text = address.unwrap_or(USUAL_ADDRESS);
    let wrong = |reason| OutputError::Address {
        kind: "rtp",
        found: text.to_owned(),
        reason,
        wanted: "rtp:ADDRESS:PORT",
    };
    let session_at: SocketAddr = text.parse().map_err(|_| wrong("it is no address"))?;
    let mut music_at = session_at;
    let above = session_at.port().checked_add(1).filter(|port| *port > 1);
    music_at.set_port(above.ok_or_else(|| wrong("it needs a port, and the one above it"))?);
    let bind = |at: SocketAddr| {
        UdpSocket::bind(at).map_err(|error| OutputError::Port {
            port: format!("rtp:{at}"),
            reason: error.to_string(),
        })
    };
    let (session, music) = (bind(session_at)?, bind(music_at)?);
    spawn("rtp-session", move || converse(&session))?;
    let start = Instant::now();
    spawn("midi-in", move || {
        Ears {
            start,
            peers: Vec::new(),
        }
        .hear(&music, tell)
    })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), OutputError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop).map_err(|source| OutputError::Thread {
        output: "midi_in".to_owned(),
        source,
    })
}

/// Accepts invitations. Nothing else is said at the session's port that concerns us.
fn converse(socket: &UdpSocket) {
    let mut bytes = [0; DATAGRAM_BYTES_MAX];
    loop {
        match socket.recv_from(&mut bytes) {
            Ok((count, from)) => {
                if let Some(answer) = acceptance(&bytes[..count]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
            Err(error) => wait_after(&error),
        }
    }
}

fn wait_after(error: &io::Error) {
    tracing::debug!(%error, "RTP-MIDI");
    std::thread::sleep(BACK_OFF);
}

/// The answer to an invitation.
fn acceptance(bytes: &[u8]) -> Option<Vec<u8>> {
    let (command, rest) = session_command(bytes)?;
    // Version, token, and who asks.
    let token = rest.get(4..8).filter(|_| command == *b"IN")?;
    Some(
        [
            &SIGNATURE[..],
            b"OK",
            &[0, 0, 0, 2],
            token,
            &OWN_SOURCE,
            NAME,
        ]
        .concat(),
    )
}

/// The answer to `CK0`: when it came, in tenths of milliseconds.
fn clock_answer(bytes: &[u8], now: Duration) -> Option<Vec<u8>> {
    let (command, rest) = session_command(bytes)?;
    let asked = rest.get(8..16)?;
    if command != *b"CK" || rest.get(4) != Some(&0) {
        return None;
    }
    let now = u64::try_from(now.as_micros() / 100).unwrap_or(u64::MAX);
    let now = now.to_be_bytes();
    Some(
        [
            &SIGNATURE[..],
            b"CK",
            &OWN_SOURCE,
            &[1, 0, 0, 0],
            asked,
            &now,
            &[0; 8],
        ]
        .concat(),
    )
}

fn session_command(bytes: &[u8]) -> Option<([u8; 2], &[u8])> {
    let rest = bytes.strip_prefix(&SIGNATURE)?;
    let (command, rest) = rest.split_first_chunk::<2>()?;
    Some((*command, rest))
}

/// What plays to us.
struct Ears {
    start: Instant,
    peers: Vec<Peer>,
}

/// A machine that was let in.
struct Peer {
    from: SocketAddr,
    heard_at: Instant,
    /// The number of the last datagram, where one has come.
    sequence: Option<u16>,
    parser: Parser,
}

impl Ears {
    fn hear(mut self, socket: &UdpSocket, mut tell: OnHeard) {
        let mut bytes = [0; DATAGRAM_BYTES_MAX];
        loop {
            match socket.recv_from(&mut bytes) {
                Ok((count, from)) => {
                    let now = Instant::now();
                    if let Some(answer) = self.take(&bytes[..count], from, now, &mut tell) {
                        let _ = socket.send_to(&answer, from);
                    }
                }
                Err(error) => wait_after(&error),
            }
        }
    }

    /// Takes in a datagram; the answer to it, if it wants one.
    fn take(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        now: Instant,
        tell: &mut dyn FnMut(Heard, Instant),
    ) -> Option<Vec<u8>> {
        self.peers
            .retain(|peer| now.saturating_duration_since(peer.heard_at) < SILENCE_MAX);
        if let Some(answer) = acceptance(bytes) {
            self.let_in(from, now);
            return Some(answer);
        }
        let place = self.peers.iter().position(|peer| peer.from == from)?;
        self.peers[place].heard_at = now;
        if let Some((command, _)) = session_command(bytes) {
            if command == *b"BY" {
                self.peers.swap_remove(place);
            }
            return clock_answer(bytes, now.saturating_duration_since(self.start));
        }
        let (sequence, commands) = rtp_commands(bytes)?;
        let peer = &mut self.peers[place];
        // The network may double datagrams and change their order; less than half the numbers back is the past.
        let is_past = |last: u16| last.wrapping_sub(sequence) < u16::MAX / 2;
        if peer.sequence.is_some_and(is_past) {
            return None;
        }
        peer.sequence = Some(sequence);
        for heard in commands.filter_map(|byte| peer.parser.take(byte)) {
            tell(heard, now);
        }
        None
    }

    fn let_in(&mut self, from: SocketAddr, now: Instant) {
        self.peers.retain(|peer| peer.from != from);
        if self.peers.len() >= PEERS_MAX {
            let oldest = (0..self.peers.len()).min_by_key(|place| self.peers[*place].heard_at);
            oldest.map(|place| self.peers.swap_remove(place));
        }
        self.peers.push(Peer {
            from,
            heard_at: now,
            sequence: None,
            parser: Parser::default(),
        });
        tracing::info!(%from, "plays to us over the network");
    }
}

/// A datagram's number, and its MIDI as it would come over a wire.
fn rtp_commands(bytes: &[u8]) -> Option<(u16, impl Iterator<Item = u8>)> {
    let (header, section) = bytes.split_at_checked(RTP_HEADER_BYTES)?;
    if header[0] & 0b1100_0000 != RTP_VERSION {
        return None;
    }
    let sequence = u16::from_be_bytes([header[2], header[3]]);
    let (&flags, mut list) = section.split_first()?;
    let mut length = usize::from(flags & 0x0F);
    if flags & 0x80 != 0 {
        let (&low, rest) = list.split_first()?;
        (length, list) = (length << 8 | usize::from(low), rest);
    }
    // A length beyond the end is a lie.
    let list = list.get(..length)?;
    Some((sequence, wire_bytes(list, flags & 0x20 != 0).into_iter()))
}

/// A list of commands without the times between them: what comes together is heard together. Running status stays as it is;
/// the parts of a system-exclusive message that was divided are of no use to us.
fn wire_bytes(list: &[u8], begins_with_time: bool) -> Vec<u8> {
    let mut wire = Vec::with_capacity(list.len());
    let mut rest = list;
    let mut status = 0;
    let mut has_time = begins_with_time;
    while !rest.is_empty() {
        if has_time {
            // One to four bytes; all but the last have the highest bit.
            let more = rest.iter().take(3).take_while(|byte| **byte & 0x80 != 0);
            rest = rest.get(more.count() + 1..).unwrap_or_default();
        }
        has_time = true;
        let Some(&first) = rest.first() else { break };
        let head = usize::from(first & 0x80 != 0);
        let meant = if head == 1 { first } else { status };
        // Real-time messages stand between others and change nothing for them.
        if meant < 0xF8 {
            status = meant;
        }
        let length = match meant {
            0x00..0x80 => break, // data without a status: not to be understood
            0xC0..0xE0 | 0xF1 | 0xF3 => head + 1,
            0x80..0xF0 | 0xF2 => head + 2,
            0xF0 | 0xF7 => {
                // To its end or the end of this part of it.
                let end = rest.iter().skip(1).position(|byte| byte & 0x80 != 0);
                end.map_or(rest.len(), |end| end + 2)
            }
            0xF4..=0xFF => 1,
        };
        let (command, after) = rest.split_at(length.min(rest.len()));
        if !matches!(meant, 0xF0 | 0xF7) {
            wire.extend_from_slice(command);
        }
        rest = after;
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::midi::{ClockMessage, DataByte};

    const PEER: &str = "10.0.0.1:5005";

    fn invitation() -> Vec<u8> {
        [
            b"\xFF\xFFIN",
            &[0, 0, 0, 2],
            b"tokn",
            b"them",
            &b"Tablet\0"[..],
        ]
        .concat()
    }

    fn datagram(sequence: u16, section: &[u8]) -> Vec<u8> {
        let number = sequence.to_be_bytes();
        [&[0x80, 0x61], &number[..], &[0; 4], b"them", section].concat()
    }

    fn ears() -> Ears {
        Ears {
            start: Instant::now(),
            peers: Vec::new(),
        }
    }

    fn heard(ears: &mut Ears, bytes: &[u8]) -> (Option<Vec<u8>>, Vec<Heard>) {
        let mut heard = Vec::new();
        let answer = ears.take(
            bytes,
            PEER.parse().unwrap(),
            Instant::now(),
            &mut |one, _| {
                heard.push(one);
            },
        );
        (answer, heard)
    }

    /// The values of the controllers that were heard.
    fn values(heard: &[Heard]) -> Vec<u8> {
        let value = |heard: &Heard| match heard {
            Heard::Control { value, .. } => Some(DataByte::value(*value)),
            Heard::Clock(_) => None,
        };
        heard.iter().filter_map(value).collect()
    }

    #[test]
    fn who_was_invited_in_is_heard_and_a_stranger_is_not() {
        let mut ears = ears();
        let turned = datagram(1, &[3, 0xB0, 7, 100]);
        assert_eq!(heard(&mut ears, &turned), (None, vec![]));
        let (answer, _) = heard(&mut ears, &invitation());
        assert_eq!(answer.unwrap(), b"\xFF\xFFOK\0\0\0\x02toknceilceilid\0");
        assert_eq!(values(&heard(&mut ears, &turned).1), [100]);
        // Once, however often it comes; then the next.
        assert_eq!(heard(&mut ears, &turned).1, []);
        let (_, next) = heard(&mut ears, &datagram(2, &[4, 0xB0, 7, 101, 0xF8]));
        assert_eq!(values(&next), [101]);
        heard(&mut ears, b"\xFF\xFFBY\0\0\0\x02toknthem");
        assert_eq!(heard(&mut ears, &datagram(3, &[1, 0xF8])).1, []);
    }

    #[test]
    fn a_clock_that_is_asked_for_answers_with_its_own_time() {
        let mut asked = b"\xFF\xFFCKthem\0\0\0\0".to_vec();
        asked.extend([0, 0, 0, 0, 0, 0, 0, 9]);
        asked.extend([0; 16]);
        let answer = clock_answer(&asked, Duration::from_millis(50)).unwrap();
        assert_eq!(answer[..12], *b"\xFF\xFFCKceil\x01\0\0\0");
        assert_eq!(
            answer[12..28],
            [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 244]
        );
        asked[8] = 1;
        assert_eq!(
            clock_answer(&asked, Duration::ZERO),
            None,
            "that was an answer"
        );
    }

    #[test]
    fn a_list_is_read_with_its_times_running_status_and_all_that_is_not_for_us() {
        let list = [
            &[0xB0, 7, 1][..],   // the first has no time here
            &[0x00, 7, 2],       // running status
            &[0x81, 0x48, 0xF8], // after 200 ticks, a pulse
            &[0x00, 7, 3],
            &[0x00, 0xF0, 1, 2, 0xF7], // system exclusive
            &[0x05, 0xC0, 9],          // a program
            &[0x00, 0xB0, 7, 4],
        ]
        .concat();
        let mut ears = ears();
        heard(&mut ears, &invitation());
        // A list longer than 15 bytes has a length of twelve bits; a journal may follow.
        let section = [
            &[0xC0, u8::try_from(list.len()).unwrap()][..],
            &list,
            &[0, 0, 0],
        ]
        .concat();
        let (_, all) = heard(&mut ears, &datagram(0xFFFF, &section));
        assert_eq!(values(&all), [1, 2, 3, 4]);
        assert_eq!(all[2], Heard::Clock(ClockMessage::Pulse));
        // Numbers begin anew after the last; a time stands before the first command where a flag says so.
        let (_, all) = heard(&mut ears, &datagram(0, &[0x25, 0x83, 0x00, 0xB0, 7, 5]));
        assert_eq!(values(&all), [5]);
    }

    #[test]
    fn rubbish_is_passed_over() {
        let mut ears = ears();
        heard(&mut ears, &invitation());
        for (number, section) in (0..).zip([
            &[][..],
            &[0x0F],
            &[0x8F],
            &[0x03, 7, 7, 7],
            &[0x22, 0xFF, 0xFF],
            &[0x02, 0xF0, 1],
            &[0x02, 0xB0, 7],
        ]) {
            assert_eq!(heard(&mut ears, &datagram(number, section)).1, []);
        }
        for bytes in [&[][..], b"\xFF", b"\xFF\xFFIN", b"\xFF\xFFCK", &[0x80; 11]] {
            assert_eq!(heard(&mut ears, bytes), (None, vec![]), "{bytes:?}");
        }
        for port in 0..100 {
            ears.let_in(SocketAddr::from(([10, 0, 0, 2], port)), Instant::now());
        }
        assert_eq!(ears.peers.len(), PEERS_MAX);
    }
}
