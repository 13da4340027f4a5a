//! Keys that do not stand in session descriptions: `a=fingerprint` (RFC 8122) and `a=setup`
//! (RFC 4145) of DTLS-SRTP (RFC 5763), and who begins the handshake.

use partyline_model::{DtlsRole, Fingerprint, FingerprintHash};
use sdp_types::Attribute;

use super::parse::values;

/// `a=fingerprint` lines of one stream that are looked at.
const MAX_FINGERPRINTS: usize = 16;
/// The longest `a=tls-id` (RFC 8842 §4).
const MAX_ID: usize = 255;

/// Our end of a handshake, as descriptions have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsEnd {
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// Whether our offers ask for DTLS, and it goes before other keys where the far end has both.
    pub preferred: bool,
    /// Our role in the association that runs: it stays when the far end leaves it to us
    /// (RFC 8842 §5.3).
    pub role: Option<DtlsRole>,
}

/// The far end of a handshake that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsPeer {
    /// The far end's certificate has one of these: those of the strongest hash function it names
    /// (RFC 8122 §5).
    pub fingerprints: Vec<Fingerprint>,
    /// What we are.
    pub role: DtlsRole,
    /// Names the association (`a=tls-id`, RFC 8842): another name is another handshake.
    pub id: Option<String>,
}

/// Who the writer of a description wants to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Active,
    Passive,
    Either,
    /// Nobody for now (`holdconn`), or a word that is not known.
    Other,
}

/// Which of the two descriptions one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Offer,
    Answer,
}

/// What we are where that is left to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Our role so far: it stays.
    pub(super) kept: Option<DtlsRole>,
    /// Whether the far end's media is behind a NAT: nothing reaches it before something of its own
    /// has shown the way.
    pub(super) hidden: bool,
}

impl Left {
    /// We begin (RFC 5763 §5), unless nobody would hear it.
    fn role(self) -> DtlsRole {
        let new = if self.hidden { DtlsRole::Passive } else { DtlsRole::Active };
        self.kept.unwrap_or(new)
    }
}

/// What a description says of DTLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    id: Option<String>,
}

impl Described {
    /// The attributes of a stream; what it does not say, the session says for it.
    pub(super) fn read(stream: &[Attribute], session: &[Attribute]) -> Self {
        let fingerprints = |attributes| -> Vec<Fingerprint> {
            let lines = values(attributes, "fingerprint").take(MAX_FINGERPRINTS);
            lines.filter_map(fingerprint).collect()
        };
        let own = fingerprints(stream);
        let setup = |attributes| values(attributes, "setup").map(Setup::read).next();
        let id = |attributes| {
            let mut ids = values(attributes, "tls-id").map(str::trim);
            ids.find(|id| !id.is_empty() && id.len() <= MAX_ID).map(str::to_owned)
        };
        Self {
            fingerprints: if own.is_empty() { fingerprints(session) } else { own },
            setup: setup(stream).or_else(|| setup(session)),
            id: id(stream).or_else(|| id(session)),
        }
    }

    /// The far end, where our role is `left` when it is left to us; `None` when there can be no
    /// handshake.
    pub(super) fn agree(&self, side: Side, left: Left) -> Option<DtlsPeer> {
        let strongest = self.fingerprints.iter().map(Fingerprint::hash).max()?;
        let of_it = self.fingerprints.iter().filter(|one| one.hash() == strongest);
        let role = Setup::ours(self.setup, side, left)?;
        Some(DtlsPeer { fingerprints: of_it.cloned().collect(), role, id: self.id.clone() })
    }
}

impl Setup {
    fn read(value: &str) -> Self {
        let is = |word: &str| value.trim().eq_ignore_ascii_case(word);
        match () {
            () if is("active") => Self::Active,
            () if is("passive") => Self::Passive,
            () if is("actpass") => Self::Either,
            () => Self::Other,
        }
    }

    /// Our role by the far end's word. Without a word an offerer begins (RFC 4145 §4).
    fn ours(theirs: Option<Self>, side: Side, left: Left) -> Option<DtlsRole> {
        match (theirs, side) {
            (Some(Self::Active), _) | (None, Side::Offer) => Some(DtlsRole::Passive),
            (Some(Self::Passive), _) | (None, Side::Answer) => Some(DtlsRole::Active),
            (Some(Self::Either), Side::Offer) => Some(left.role()),
            // An answer has to choose. Where nothing is to change there is no choice to make.
            (Some(Self::Either), Side::Answer) => left.kept,
            (Some(Self::Other), _) => None,
        }
    }
}

/// `hash AB:CD:...`; `None` when the hash function is not believed, or its octets are too few or
/// too many.
fn fingerprint(value: &str) -> Option<Fingerprint> {
    let mut words = value.split_ascii_whitespace();
    let name = words.next()?;
    let hash =
        FingerprintHash::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))?;
    let mut octets = Vec::with_capacity(hash.octets());
    for pair in words.next()?.split(':').take(hash.octets() + 1) {
        let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        octets.push(u8::from_str_radix(pair, 16).ok().filter(|_| is_pair)?);
    }
    Fingerprint::new(hash, &octets).filter(|_| words.next().is_none())
}

/// The attributes of ours: in an offer whoever answers chooses the roles (RFC 5763 §5).
pub(super) fn write(ours: &Fingerprint, role: Option<DtlsRole>) -> [Attribute; 2] {
    let setup = match role {
        None => "actpass",
        Some(DtlsRole::Active) => "active",
        Some(DtlsRole::Passive) => "passive",
    };
    [Attribute::with_value("fingerprint", ours.to_string()), Attribute::with_value("setup", setup)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fingerprint_is_read_in_either_case_and_no_weak_or_broken_one() {
        let pairs = |count: usize| vec!["aB"; count].join(":");
        for (name, octets) in [("sha-256", 32), ("SHA-384", 48), ("sha-512", 64)] {
            let read = fingerprint(&format!("{name} {}", pairs(octets))).unwrap();
            assert_eq!(read.octets(), vec![0xAB; octets]);
        }
        for value in [
            format!("sha-1 {}", pairs(20)),
            format!("md5 {}", pairs(16)),
            format!("sha-256 {}", pairs(31)),
            format!("sha-256 {}", pairs(33)),
            format!("sha-256 {}:a", pairs(31)),
            format!("sha-256 {}:+a", pairs(31)),
            format!("sha-256 {} x", pairs(32)),
            "sha-256".to_owned(),
            String::new(),
        ] {
            assert_eq!(fingerprint(&value), None, "{value}");
        }
    }

    #[test]
    fn whoever_is_left_the_choice_begins_and_keeps_the_role() {
        use DtlsRole::{Active, Passive};
        for (theirs, side, kept, ours) in [
            (Some("actpass"), Side::Offer, None, Some(Active)),
            (Some("ACTPASS "), Side::Offer, Some(Passive), Some(Passive)),
            (Some("active"), Side::Offer, Some(Active), Some(Passive)),
            (Some("passive"), Side::Offer, None, Some(Active)),
            (Some("holdconn"), Side::Offer, Some(Active), None),
            (None, Side::Offer, None, Some(Passive)),
            (Some("active"), Side::Answer, None, Some(Passive)),
            (Some("passive"), Side::Answer, None, Some(Active)),
            (Some("actpass"), Side::Answer, None, None),
            (Some("actpass"), Side::Answer, Some(Passive), Some(Passive)),
            (None, Side::Answer, None, Some(Active)),
        ] {
            let left = Left { kept, hidden: false };
            let role = Setup::ours(theirs.map(Setup::read), side, left);
            assert_eq!(role, ours, "{theirs:?} {side:?} {kept:?}");
        }
    }

    #[test]
    fn who_is_behind_a_nat_is_left_to_begin_unless_that_is_settled() {
        use DtlsRole::{Active, Passive};
        for (theirs, kept, ours) in [
            ("actpass", None, Passive),
            ("actpass", Some(Active), Active),
            ("actpass", Some(Passive), Passive),
            ("active", None, Passive),
            ("passive", None, Active),
        ] {
            let left = Left { kept, hidden: true };
            let role = Setup::ours(Some(Setup::read(theirs)), Side::Offer, left);
            assert_eq!(role, Some(ours), "{theirs} {kept:?}");
        }
    }

    #[test]
    fn the_strongest_hash_counts_and_a_stream_goes_before_its_session() {
        let line = |hash: FingerprintHash, octet| {
            Fingerprint::new(hash, &vec![octet; hash.octets()]).unwrap()
        };
        let as_line = |one: &Fingerprint| Attribute::with_value("fingerprint", one.to_string());
        let ours = [
            line(FingerprintHash::Sha256, 1),
            line(FingerprintHash::Sha512, 2),
            line(FingerprintHash::Sha512, 3),
        ];
        let left = Left { kept: None, hidden: false };
        let stream: Vec<_> = ours.iter().map(as_line).collect();
        let session =
            [as_line(&line(FingerprintHash::Sha512, 4)), Attribute::with_value("setup", "active")];
        let peer = Described::read(&stream, &session).agree(Side::Offer, left).unwrap();
        assert_eq!((&peer.fingerprints[..], peer.role), (&ours[1..], DtlsRole::Passive));
        let peer = Described::read(&[], &session).agree(Side::Offer, left).unwrap();
        assert_eq!(peer.fingerprints, [line(FingerprintHash::Sha512, 4)]);
        assert_eq!(Described::read(&[], &session[1..]).agree(Side::Offer, left), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in proptest::collection::vec(any::<u8>(), 64), hash in 0..3usize) {
            let hash = FingerprintHash::ALL[hash];
            let ours = Fingerprint::new(hash, &octets[..hash.octets()]).unwrap();
            prop_assert_eq!(fingerprint(&ours.to_string()), Some(ours));
        }

        #[test]
        fn any_value_is_a_fingerprint_or_none(value in "[ -~]{0,250}", head in any::<bool>()) {
            let value = if head { format!("sha-256 {value}") } else { value };
            fingerprint(&value);
        }
    }
}
