//! Steers the band by OSC: faders and buttons of musicians' controllers.
//!
//! In: datagrams of Open Sound Control 1.0. Out: commands. Nothing is answered.
//!
//! `/ceilid/skip`, `/ceilid/pause`, `/ceilid/resume`, `/ceilid/keep` and `/ceilid/panic` are buttons: what they send when they
//! are let go, a zero, does nothing. `/ceilid/NAME VALUE` changes the setting of that name. A fader of the volume goes from 0 to
//! 1, a whole number from 0 to 100.

use super::HandsError;
use crate::daemon::{Command, Handle, Keeping, NoNotice, SettingsPatch, SkipAt};
use rosc::{OscMessage, OscPacket, OscType, decoder};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Longer datagrams are cut, and not understood: bundles within bundles stay few.
const DATAGRAM_BYTES_MAX: usize = 1536;
/// How often it looks whether the daemon has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const PROTOCOL: &str = "OSC";

/// Listens at this address until the daemon ends; port 0 takes a free one. Where it is.
///
/// # Errors
/// The address cannot be had, or the thread does not start.
pub fn open(address: SocketAddr, handle: Handle) -> Result<SocketAddr, HandsError> {
    let refused = |source| HandsError::Address {
        protocol: PROTOCOL,
        address,
        source,
    };
    let socket = UdpSocket::bind(address).map_err(refused)?;
    socket
        .set_read_timeout(Some(LOOK_INTERVAL))
        .map_err(refused)?;
    let bound = socket.local_addr().map_err(refused)?;
    std::thread::Builder::new()
        .name("osc".to_owned())
        .spawn(move || listen(&socket, &handle))
        .map_err(|source| HandsError::Thread {
            protocol: PROTOCOL,
            source,
        })?;
    Ok(bound)
}

fn listen(socket: &UdpSocket, handle: &Handle) {
    let notices = handle.subscribe();
    let mut bytes = [0; DATAGRAM_BYTES_MAX];
    loop {
        let count = socket.recv(&mut bytes).unwrap_or(0);
        if count > 0 {
            obey_datagram(&bytes[..count], handle);
        }
        loop {
            match notices.next_within(Duration::ZERO) {
                Ok(_) => {}
                Err(NoNotice::Yet) => break,
                Err(NoNotice::AnyMore) => return,
            }
        }
    }
}

/// Does what a datagram asks for, where it is one of OSC.
pub fn obey_datagram(bytes: &[u8], handle: &Handle) {
    match decoder::decode_udp(bytes) {
        Ok((_, packet)) => obey(&packet, handle),
        Err(error) => tracing::debug!(%error, "no OSC"),
    }
}

fn obey(packet: &OscPacket, handle: &Handle) {
    match packet {
        OscPacket::Message(message) => match command(message) {
            Ok(Some(command)) => {
                handle.command(command);
            }
            Ok(None) => {}
            Err(reason) => tracing::info!(
                address = message.addr,
                reason,
                "an OSC message is not obeyed"
            ),
        },
        OscPacket::Bundle(bundle) => bundle
            .content
            .iter()
            .for_each(|packet| obey(packet, handle)),
    }
}

/// What a message asks for; nothing where a button is let go.
fn command(message: &OscMessage) -> Result<Option<Command>, String> {
    let Some(name) = message.addr.strip_prefix("/ceilid/") else {
        return Err("addresses begin with /ceilid/".to_owned());
    };
    let value = message.args.first();
    let button = match name {
        "skip" => Some(Command::Skip(SkipAt::Now)),
        "pause" => Some(Command::Pause),
        "resume" => Some(Command::Resume),
        "keep" => Some(Command::Keep(None, Keeping::Kept)),
        "panic" => Some(Command::Panic),
        _ => None,
    };
    if button.is_some() {
        let is_let_go = matches!(
            value,
            Some(OscType::Int(0) | OscType::Bool(false)) | Some(OscType::Float(0.0))
        );
        return Ok(button.filter(|_| !is_let_go));
    }
    let value = match (name, value) {
        ("volume", Some(OscType::Float(share))) => (share * 100.0).round().to_string(),
        (_, Some(OscType::Float(value))) => value.to_string(),
        (_, Some(OscType::Double(value))) => value.to_string(),
        (_, Some(OscType::Int(value))) => value.to_string(),
        (_, Some(OscType::Long(value))) => value.to_string(),
        (_, Some(OscType::String(value))) => value.clone(),
        (_, Some(OscType::Bool(value))) => value.to_string(),
        (_, _) => return Err("a setting needs a value".to_owned()),
    };
    let mut patch = SettingsPatch::default();
    patch.set(name, &value).map_err(|error| error.to_string())?;
    Ok(Some(Command::Patch(patch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(addr: &str, args: Vec<OscType>) -> Result<Option<Command>, String> {
        let addr = addr.to_owned();
        command(&OscMessage { addr, args })
    }

    fn patch(name: &str, value: &str) -> Result<Option<Command>, String> {
        let mut patch = SettingsPatch::default();
        patch.set(name, value).unwrap();
        Ok(Some(Command::Patch(patch)))
    }

    #[test]
    fn buttons_act_when_they_are_pressed_and_faders_set() {
        let skip = Ok(Some(Command::Skip(SkipAt::Now)));
        assert_eq!(asked("/ceilid/skip", vec![]), skip);
        assert_eq!(asked("/ceilid/skip", vec![OscType::Float(1.0)]), skip);
        assert_eq!(asked("/ceilid/skip", vec![OscType::Float(0.0)]), Ok(None));
        let fader = asked("/ceilid/volume", vec![OscType::Float(0.5)]);
        assert_eq!(fader, patch("volume", "50"));
        let whole = asked("/ceilid/volume", vec![OscType::Int(80)]);
        assert_eq!(whole, patch("volume", "80"));
        let dance = asked("/ceilid/dance", vec![OscType::String("jig".to_owned())]);
        assert_eq!(dance, patch("dance", "jig"));
    }

    #[test]
    fn what_cannot_be_is_told_and_not_obeyed() {
        for (addr, args) in [
            ("/other/skip", vec![]),
            ("/ceilid/volume", vec![]),
            ("/ceilid/volume", vec![OscType::Float(f32::NAN)]),
            ("/ceilid/volume", vec![OscType::Int(101)]),
            ("/ceilid/nothing", vec![OscType::Int(1)]),
        ] {
            assert!(asked(addr, args.clone()).is_err(), "{addr} {args:?}");
        }
    }
}
