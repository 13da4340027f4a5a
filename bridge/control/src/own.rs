//! Which ends are our own: nobody's media is sent to them, or sound would go round and round.

use std::net::{IpAddr, SocketAddr};

use crate::config::Config;
use crate::media_addresses::MediaAddresses;

/// Where the bridge is reached, besides its media as others see it.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The addresses that media sockets are bound to; `None` for those which others see.
    pub media_bind: Option<MediaAddresses>,
    /// What is listened on for SIP and HTTP, as it is bound and as it is advertised.
    pub listening: Vec<SocketAddr>,
}

impl Config {
    /// Whether media to `end` would come back to us: to a port of our media, or to one that we
    /// listen on. Other programs on the same machine have other ports.
    pub(crate) fn is_own_end(&self, end: SocketAddr) -> bool {
        let at_media = || self.own_media().any(|bound| self.leads(end.ip(), bound));
        let listens = |own: &SocketAddr| own.port() == end.port() && self.leads(end.ip(), own.ip());
        !end.ip().is_unspecified()
            && (self.ports.has(end.port()) && at_media() || self.own.listening.iter().any(listens))
    }

    /// Whether what is sent to `to` comes to a socket that is bound to `bound`.
    fn leads(&self, to: IpAddr, bound: IpAddr) -> bool {
        let (to, bound) = (to.to_canonical(), bound.to_canonical());
        let ours = || self.own_media().chain(self.own.listening.iter().map(SocketAddr::ip));
        bound == to
            || bound.is_unspecified()
                && (to.is_loopback() || ours().any(|own| own.to_canonical() == to))
    }

    /// Where our media is, as others see it and as it is bound.
    fn own_media(&self) -> impl Iterator<Item = IpAddr> {
        [Some(self.media), self.own.media_bind].into_iter().flatten().flat_map(MediaAddresses::iter)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::PortRange;

    fn config(bind: &str, listening: &[&str]) -> Config {
        Config {
            media: "203.0.113.9".parse::<IpAddr>().expect("an address").into(),
            ports: PortRange::new(20_000, 20_099).expect("a range"),
            trunks: Vec::new(),
            brands: BTreeMap::new(),
            verification: crate::Verification::none(),
            own: Own {
                media_bind: Some(bind.parse::<IpAddr>().expect("an address").into()),
                listening: listening.iter().map(|at| at.parse().expect("an address")).collect(),
            },
        }
    }

    #[test]
    fn an_end_is_ours_by_address_and_port_together() {
        let config = config("10.0.0.5", &["10.0.0.6:5060", "127.0.0.1:9060"]);
        for (end, own) in [
            ("203.0.113.9:20000", true),
            ("203.0.113.9:20099", true),
            ("10.0.0.5:20001", true),
            ("[::ffff:10.0.0.5]:20001", true),
            ("10.0.0.6:5060", true),
            ("127.0.0.1:9060", true),
            // Other programs on the same machine.
            ("203.0.113.9:20100", false),
            ("10.0.0.5:19999", false),
            ("10.0.0.6:20000", false),
            ("10.0.0.5:5060", false),
            ("127.0.0.1:20000", false),
            // A hold, and others.
            ("0.0.0.0:20000", false),
            ("192.0.2.1:20000", false),
        ] {
            assert_eq!(config.is_own_end(end.parse().expect("an end")), own, "{end}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_reached_at_each_known_address_and_on_loopback() {
        let config = config("0.0.0.0", &["0.0.0.0:5060", "10.0.0.6:5070"]);
        for (end, own) in [
            ("127.0.0.1:20000", true),
            ("127.9.9.9:5060", true),
            ("203.0.113.9:5060", true),
            ("10.0.0.6:20000", true),
            ("10.0.0.6:5060", true),
            ("0.0.0.0:20000", false),
            ("203.0.113.9:5070", false),
            ("192.0.2.1:5060", false),
        ] {
            assert_eq!(config.is_own_end(end.parse().expect("an end")), own, "{end}");
        }
    }
}
