//! Which addresses mean something within one network only, and who sits behind a NAT.

use std::net::IpAddr;

/// Whether the address that a peer names is a network's own, and the peer was met outside of any: a
/// NAT lies between that translates what is sent to where the peer was met, and nothing else.
pub(crate) fn hides(named: IpAddr, met: IpAddr) -> bool {
    is_private(named) && !is_private(met)
}

/// Whether an address means something within one network only: RFC 1918, RFC 6598 (behind a
/// carrier's NAT), RFC 3927, RFC 4193, RFC 4291 §2.5.6, and a machine's loopback.
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}
