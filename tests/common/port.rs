//! TCP ports for programs that want to be told theirs.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};

/// A free port of this machine that stays ours: neither a socket that asks for any free port nor an outgoing connection is
/// given it. Somebody who names it may listen there, if he allows the address to be used again, as servers do.
pub struct ReservedPort {
    _holder: Socket,
    number: u16,
}

impl ReservedPort {
    pub fn new() -> Self {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        holder.set_reuse_address(true).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        holder.bind(&any.into()).unwrap();
        let address = holder.local_addr().unwrap().as_socket().unwrap();
        Self {
            number: address.port(),
            _holder: holder,
        }
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}
