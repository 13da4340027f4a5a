//! Whether the media ports can be had, asked once before anything is made or announced.
//!
//! A port that another program takes later is found when a call wants it, which then gets another.

use std::io;
use std::net::{IpAddr, UdpSocket};

use anyhow::bail;
use partyline_control::{MediaAddresses, PortRange};

/// Binds each pair of `range` on each address for a moment.
///
/// # Errors
/// An address is not this machine's, or not one pair is free.
pub(super) fn probe(addresses: MediaAddresses, range: PortRange) -> anyhow::Result<()> {
    addresses.iter().try_for_each(|address| probe_one(address, range))
}

fn probe_one(address: IpAddr, range: PortRange) -> anyhow::Result<()> {
    let (mut free, mut taken) = (0_u32, 0_u32);
    for port in range.even_ports() {
        let pair = UdpSocket::bind((address, port))
            .and_then(|rtp| Ok((rtp, UdpSocket::bind((address, port + 1))?)));
        match pair {
            Ok(_) => free += 1,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken += 1,
            Err(error) => bail!(
                "cannot bind media ports on {address} (port {port}: {error}): give an address of \
                 this machine as media.address, or as media.bind when others reach another one"
            ),
        }
    }
    match (free, taken) {
        (0, _) => bail!(
            "every media port on {address} is in use: is another bridge running? Stop it, or \
             choose another range with media.ports"
        ),
        (_, 0) => {}
        (_, taken) => tracing::warn!(
            taken,
            free,
            "other programs use some pairs of the media ports: calls get the others"
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_use_and_a_foreign_address_are_told() {
        let ip: IpAddr = "127.91.7.1".parse().unwrap();
        let range = PortRange::new(40_000, 40_003).unwrap();
        assert!(probe(ip.into(), range).is_ok());
        let held = [40_001, 40_002].map(|port| UdpSocket::bind((ip, port)).unwrap());
        let said = probe(ip.into(), range).unwrap_err().to_string();
        assert!(said.contains("every media port on 127.91.7.1 is in use"), "{said}");
        drop(held.into_iter().next());
        assert!(probe(ip.into(), range).is_ok(), "some ports are enough");
        let said =
            probe("192.0.2.7".parse::<IpAddr>().unwrap().into(), range).unwrap_err().to_string();
        assert!(said.contains("media.address"), "{said}");
    }
}
