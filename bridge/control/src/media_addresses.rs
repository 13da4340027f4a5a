//! The addresses that media is at: one, or one of IPv4 and one of IPv6.

use std::net::IpAddr;

/// One address, or two of different families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddresses {
    first: IpAddr,
    second: Option<IpAddr>,
}

impl MediaAddresses {
    /// The addresses of a list; `None` unless it has one, or one of each family.
    pub fn from_list(list: &[IpAddr]) -> Option<Self> {
        match *list {
            [first] => Some(first.into()),
            [first, second] if first.is_ipv4() != second.is_ipv4() => {
                Some(Self { first, second: Some(second) })
            }
            [] | [_, ..] => None,
        }
    }

    /// Iterates over them, the first before the second.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> {
        [Some(self.first), self.second].into_iter().flatten()
    }

    /// Finds the address of the family of `ip`.
    pub fn of_family(self, ip: IpAddr) -> Option<IpAddr> {
        self.iter().find(|own| own.is_ipv4() == ip.to_canonical().is_ipv4())
    }

    /// Finds the address of the family of `ip` where there is one, and the first otherwise.
    pub fn near(self, ip: IpAddr) -> IpAddr {
        self.of_family(ip).unwrap_or(self.first)
    }

    /// Gives the first address.
    pub(crate) fn first(self) -> IpAddr {
        self.first
    }

    /// Finds the address that `ip` is not.
    pub(crate) fn beside(self, ip: IpAddr) -> Option<IpAddr> {
        self.iter().find(|own| *own != ip)
    }

    /// Whether only this machine reaches them.
    pub fn is_loopback(self) -> bool {
        self.iter().all(|own| own.is_loopback())
    }
}

impl From<IpAddr> for MediaAddresses {
    fn from(first: IpAddr) -> Self {
        Self { first, second: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn there_is_one_or_one_of_each_family() {
        let (v4, v6) = (ip("192.0.2.1"), ip("2001:db8::1"));
        for list in [&[][..], &[v4, v4], &[v6, v6], &[v4, v6, v4]] {
            assert_eq!(MediaAddresses::from_list(list), None, "{list:?}");
        }
        let both = MediaAddresses::from_list(&[v6, v4]).expect("one of each");
        assert_eq!(both.iter().collect::<Vec<_>>(), [v6, v4]);
        assert_eq!((both.near(ip("10.0.0.1")), both.near(ip("fd00::1"))), (v4, v6));
        assert_eq!(both.near(ip("::ffff:10.0.0.1")), v4, "IPv4 in the clothes of IPv6");
        assert_eq!((both.beside(v4), both.beside(v6)), (Some(v6), Some(v4)));
        let one = MediaAddresses::from(v4);
        assert_eq!((one.near(v6), one.of_family(v6), one.beside(v4)), (v4, None, None));
    }
}
