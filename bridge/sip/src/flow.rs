//! By which way a message comes or goes: transport, our address, the far end's and, on a stream,
//! the connection (RFC 3261 §18); and next hops by name, which somebody else resolves (RFC 3263).

use std::fmt;
use std::net::SocketAddr;

use crate::message::Host;

/// How SIP is carried (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// One message in one datagram.
    Udp,
    /// A stream without encryption.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket without encryption (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Whether the transport itself repeats what is lost: then no transaction does
    /// (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Ws | Self::Wss => true,
        }
    }

    /// Whether the transport encrypts and proves who is at the far end.
    pub const fn is_secure(self) -> bool {
        match self {
            Self::Tls | Self::Wss => true,
            Self::Udp | Self::Tcp | Self::Ws => false,
        }
    }

    /// The transport in a Via (RFC 3261 §20.42, RFC 7118 §5.2).
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The transport that a Via names, in any case; `None` for those that are not spoken here.
    pub fn from_via_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.via_token().eq_ignore_ascii_case(token))
    }

    /// The `transport=` value of a URI. TLS is written `tls` (RFC 3261 §26.2.2 deprecates that for
    /// `sips:`, which asks more than most peers can do), and a WebSocket `ws` whether it is
    /// encrypted or not (RFC 7118 §5.2).
    pub const fn uri_value(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// The transport that a `transport=` value asks for, in any case; in a `sips:` URI, the
    /// encrypted one of its kind (RFC 3261 §19.1.2, RFC 7118 §5.2).
    pub fn from_uri_value(value: &str, secure: bool) -> Option<Self> {
        let is = |text: &str| value.eq_ignore_ascii_case(text);
        if is("ws") || is("wss") {
            Some(if secure || is("wss") { Self::Wss } else { Self::Ws })
        } else if is("tls") || is("tcp") && secure {
            Some(Self::Tls)
        } else if is("tcp") {
            Some(Self::Tcp)
        } else if is("udp") && !secure {
            Some(Self::Udp)
        } else {
            None
        }
    }

    /// The port where none is named (RFC 3261 §19.1.2, RFC 7118 §5.3).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

/// A connection of the shell, in either direction; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection-{}", self.0)
    }
}

/// The way of a message.
///
/// The flow of a response is that of its request, seen from here: on a stream the same connection
/// (RFC 3261 §18.2.2), on UDP from the address that the request came to, to where its Via says
/// (RFC 3581 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// How the message is carried.
    pub transport: Transport,
    /// Our address; `None` where any will do.
    pub local: Option<SocketAddr>,
    /// The far end's address.
    pub remote: SocketAddr,
    /// The connection that the message came on or has to go on; `None` on UDP, and on a stream
    /// where any connection to `remote` will do, a new one if there is none.
    pub connection: Option<ConnectionId>,
    /// The trunk that a connection is for: the far end proves to be it, and nothing of another
    /// trunk goes by it. `None` where the address alone says who is there.
    pub trunk: Option<u32>,
}

impl Flow {
    /// A flow to `remote` from any address and on any connection.
    pub const fn new(transport: Transport, remote: SocketAddr) -> Self {
        Self { transport, local: None, remote, connection: None, trunk: None }
    }

    /// Whether the far end has proved by a certificate that it is this trunk, as far as certificates
    /// of the trunk are verified.
    pub fn proves(self, trunk: u32) -> bool {
        self.transport.is_secure() && self.connection.is_some() && self.trunk == Some(trunk)
    }

    /// A flow of datagrams.
    pub const fn udp(local: Option<SocketAddr>, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote, connection: None, trunk: None }
    }

    /// The same way to the trunk that records name so, where the far end can prove to be it.
    #[must_use]
    pub const fn of_trunk(self, trunk: Option<u32>) -> Self {
        if self.transport.is_secure() { Self { trunk, ..self } } else { self }
    }

    /// What connections have in common of which any will do.
    pub const fn far_end(self) -> (Transport, SocketAddr, Option<u32>) {
        (self.transport, self.remote, self.trunk)
    }

    /// The same way to another address.
    pub(crate) const fn with_remote(self, remote: SocketAddr) -> Self {
        Self { remote, ..self }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.remote)
    }
}

/// The next hop of a request: what RFC 3263 §4 takes of its URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// A name, or an address, which needs no resolving.
    pub host: Host,
    /// The port, where the URI names one: then there are no SRV records to ask for.
    pub port: Option<u16>,
    /// The transport, where the URI names one.
    pub transport: Option<Transport>,
    /// Whether the URI is a `sips:` one.
    pub secure: bool,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        write!(f, "{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
        self.transport.map_or(Ok(()), |over| write!(f, ";transport={over}"))
    }
}

/// One address that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How to speak with the address.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// A question for the addresses of a next hop; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolveId(pub(crate) u64);

/// A name to resolve. The answer goes to [`Endpoint::handle_resolved`](crate::Endpoint), best
/// address first; without one, the request that waits goes on by itself after 3 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// Names the question.
    pub id: ResolveId,
    /// What is asked for.
    pub hop: NextHop,
    /// Where the peer was met whose words made us ask.
    pub met: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_read_as_they_are_written() {
        for transport in Transport::ALL {
            assert_eq!(Transport::from_via_token(transport.via_token()), Some(transport));
            let secure = transport == Transport::Wss;
            assert_eq!(
                Transport::from_uri_value(transport.uri_value(), secure),
                Some(transport),
                "{transport}"
            );
        }
        assert_eq!(Transport::from_via_token("tcp"), Some(Transport::Tcp));
        assert_eq!(Transport::from_via_token("SCTP"), None);
    }

    #[test]
    fn a_sips_uri_is_never_carried_in_the_open() {
        assert_eq!(Transport::from_uri_value("TCP", true), Some(Transport::Tls));
        assert_eq!(Transport::from_uri_value("udp", true), None);
        assert_eq!(Transport::from_uri_value("tcp", false), Some(Transport::Tcp));
    }

    #[test]
    fn only_datagrams_are_repeated_by_transactions() {
        let reliable = Transport::ALL.map(Transport::is_reliable);
        assert_eq!(reliable, [false, true, true, true, true]);
    }
}
