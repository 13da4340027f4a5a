//! The Via header: which way a request came, and so where its response goes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::scan::{Malformed, Params, find, split_once};
use super::uri::Host;
use crate::flow::{Flow, Transport};

/// The port that SIP over UDP has when none is named (RFC 3261 §19.1.2).
pub(crate) const DEFAULT_PORT: u16 = 5060;

/// What a branch of RFC 3261 begins with (§8.1.1.7); without it the peer speaks RFC 2543.
pub(crate) const MAGIC_COOKIE: &str = "z9hG4bK";

/// One hop (RFC 3261 §20.42).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    protocol: Box<str>,
    host: Host,
    port: Option<u16>,
    params: Params,
}

impl Via {
    /// A hop of our own, asking for `rport` (RFC 3581 §3).
    pub(crate) fn ours(transport: Transport, sent_by: SocketAddr, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        params.set("rport", None);
        let protocol = format!("SIP/2.0/{}", transport.via_token()).into();
        let (host, port) = (Host::Address(sent_by.ip()), Some(sent_by.port()));
        Self { protocol, host, port, params }
    }

    /// Reads one hop, not a list.
    ///
    /// # Errors
    /// [`Malformed`] unless it is `SIP/version/transport host[:port]` with parameters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (name, rest) = split_once(text, b'/').ok_or(Malformed)?;
        let (version, rest) = split_once(rest, b'/').ok_or(Malformed)?;
        let (name, version, rest) =
            (name.trim_ascii(), version.trim_ascii(), rest.trim_ascii_start());
        let end = memchr::memchr2(b' ', b'\t', rest.as_bytes()).ok_or(Malformed)?;
        let (transport, rest) = (&rest[..end], rest[end..].trim_ascii_start());
        if !name.eq_ignore_ascii_case("SIP")
            || !super::scan::is_token(version)
            || !super::scan::is_token(transport)
        {
            return Err(Malformed);
        }
        let end = find(rest, b';').unwrap_or(rest.len());
        let (host, port) = Host::parse_with_port(rest[..end].trim_ascii_end())?;
        let params = Params::parse(&rest[end..])?;
        let protocol = [name, "/", version, "/", transport].concat().into();
        Ok(Self { protocol, host, port, params })
    }

    /// The branch, when there is one.
    pub fn branch(&self) -> Option<&str> {
        self.params.value("branch")
    }

    /// The branch, when it identifies a transaction on its own (RFC 3261 §17.2.3).
    pub(crate) fn unique_branch(&self) -> Option<&str> {
        let branch = self.branch()?;
        let head = branch.get(..MAGIC_COOKIE.len())?;
        (head.eq_ignore_ascii_case(MAGIC_COOKIE) && branch.len() > head.len()).then_some(branch)
    }

    /// `host:port` as the sender names itself.
    pub(crate) fn sent_by(&self) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(DEFAULT_PORT))
    }

    /// Notes where the request really came from: `received` where the address differs or `rport`
    /// was asked for, and the value of `rport` (RFC 3261 §18.2.1, RFC 3581 §4).
    ///
    /// What the sender put there itself is not believed.
    pub(crate) fn stamp(&mut self, source: SocketAddr) {
        self.params.remove("received");
        let asked = self.params.find("rport").is_some();
        if asked {
            self.params.set("rport", Some(&source.port().to_string()));
        }
        if asked || self.host.address() != Some(source.ip()) {
            self.params.set("received", Some(&bare(source.ip())));
        }
    }

    /// By which way the response to a request goes that came by `flow`: on a stream the same way
    /// (RFC 3261 §18.2.2), on UDP as [`Via::response_address`] says.
    pub(crate) fn response_flow(&self, flow: Flow) -> Flow {
        if flow.transport.is_reliable() {
            return flow;
        }
        flow.with_remote(self.response_address(flow.remote))
    }

    /// Where the response to a datagram from `source` goes: the source's address, with its port
    /// where `rport` was asked for and the Via's otherwise (RFC 3261 §18.2.2, RFC 3581 §4).
    ///
    /// `maddr` is not followed: it would let anyone aim our responses.
    /// Where a connection for the response is opened when the one that the request came on is gone:
    /// the source's address, with the port that the Via names (RFC 3261 §18.2.2).
    pub(crate) fn reopened(&self, flow: Flow) -> Flow {
        let port = self.port.unwrap_or(flow.transport.default_port());
        Flow::new(flow.transport, SocketAddr::new(flow.remote.ip(), port))
    }

    fn response_address(&self, source: SocketAddr) -> SocketAddr {
        let port = match self.params.find("rport") {
            Some(_) => source.port(),
            None => self.port.unwrap_or(DEFAULT_PORT),
        };
        SocketAddr::new(source.ip(), port)
    }
}

fn bare(ip: IpAddr) -> String {
    ip.to_string()
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via {
        Via::parse(text).unwrap_or_else(|_| panic!("{text}"))
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn blanks_are_allowed_around_every_sign() {
        let via = via("SIP  / 2.0  / UDP  192.0.2.2 : 5070 ; branch = z9hG4bKx ;rport");
        assert_eq!(via.unique_branch(), Some("z9hG4bKx"));
        assert_eq!(via.to_string(), "SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKx;rport");
    }

    #[test]
    fn responses_go_to_the_source_port_only_when_asked() {
        let source = addr("198.51.100.9:40000");
        let mut asked = via("SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bKx");
        assert_eq!(asked.response_address(source), source);
        asked.stamp(source);
        let stamped = asked.to_string();
        assert!(stamped.contains(";rport=40000") && stamped.ends_with(";received=198.51.100.9"));
        let mut plain = via("SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKx;received=1.1.1.1");
        assert_eq!(plain.response_address(source), addr("198.51.100.9:5062"));
        plain.stamp(source);
        assert!(plain.to_string().ends_with(";received=198.51.100.9"));
        let same = via("SIP/2.0/UDP 198.51.100.9");
        assert_eq!(same.response_address(source), addr("198.51.100.9:5060"));
    }

    #[test]
    fn a_bare_cookie_identifies_nothing() {
        assert_eq!(via("SIP/2.0/UDP h;branch=z9hG4bK").unique_branch(), None);
        assert_eq!(via("SIP/2.0/UDP h;branch=1").unique_branch(), None);
        assert_eq!(via("SIP/2.0/UDP h").unique_branch(), None);
    }

    #[test]
    fn broken_hops_are_refused() {
        for bad in ["", "SIP/2.0/UDP", "SIP/2.0 h", "HTTP/1.1/UDP h", "SIP/2.0/UDP h;;,;,,"] {
            assert_eq!(Via::parse(bad), Err(Malformed), "{bad}");
        }
    }
}
