//! An authority, carriers with its certificates, and the tokens that they sign.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::time::Duration;

use partyline_model::{IdSource, Number, Time, Uuid, WallTime};
use partyline_stir::{
    Attest, Authorities, Call, Certificates, Claim, Fetched, Inspection, Place, Rules, Signer,
    Verdict, Want, inspect,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

pub const PLACE: &str = "https://cr.carrier.example/shaken.pem";
pub const CALLER: &str = "12025550100";
pub const CALLEE: &str = "14165550100";
/// A provider's code, `709J`.
pub const CODE: &[u8] = b"\x30\x08\xa0\x06\x16\x04709J";
/// 2026-06-01, noon.
pub const NOON: i64 = 1_780_315_200;

pub struct Chance(pub u128);

impl IdSource for Chance {
    fn next_u128(&mut self) -> u128 {
        self.0
    }
}

pub fn at(second: i64) -> WallTime {
    WallTime::from_micros((NOON + second) * 1_000_000)
}

pub fn number(text: &str) -> Number {
    text.parse().expect("a number")
}

pub fn place(text: &str) -> Place {
    Place::parse(text).expect("a place")
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// An authority that this one vouches for.
    pub fn below(&self, name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        Self(CertifiedIssuer::signed_by(params, key, &self.0).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn believed(&self) -> Authorities {
        let mut authorities = Authorities::default();
        authorities.add(self.pem().as_bytes()).expect("an authority");
        authorities
    }

    /// A carrier's certificate and key, in PEM.
    pub fn certify(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = params("SHAKEN 709J");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.custom_extensions = vec![numbers(CODE)];
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// `TNAuthorizationList`.
pub fn numbers(list: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list.to_vec())
}

pub fn claim() -> Claim {
    Claim {
        attest: Attest::Full,
        caller: number(CALLER),
        callee: number(CALLEE),
        at: at(0),
        origin: Uuid::v7(at(0), 7),
    }
}

pub fn signer(key: &str) -> Signer {
    Signer::new(key.as_bytes(), place(PLACE)).expect("a key")
}

pub fn rules() -> Rules {
    Rules {
        freshness: Duration::from_secs(60),
        hosts: vec!["cr.carrier.example".parse().expect("a host")],
    }
}

/// What is known of `headers` in a call from [`CALLER`] to [`CALLEE`] at noon, when each place gives
/// `pem`.
pub fn verdict(headers: &[&str], authorities: Authorities, pem: &str) -> Verdict {
    verdict_of(headers, authorities, pem, CALLEE, at(0))
}

pub fn verdict_of(
    headers: &[&str],
    authorities: Authorities,
    pem: &str,
    callee: &str,
    at: WallTime,
) -> Verdict {
    let callees = [number(callee)];
    let call = Call { caller: Some(number(CALLER)), callees: &callees, at };
    let signed = match inspect(headers.iter().copied(), &call, &rules()) {
        Inspection::Done(verdict) => return verdict,
        Inspection::Signed(signed) => signed,
    };
    let mut certificates = Certificates::new(authorities);
    let now = Time::ZERO;
    assert_eq!(signed.verdict(at, |place| certificates.get(now, place)), None);
    for place in signed.places() {
        if certificates.want(now, 0, place) == Want::Fetch {
            let fetched = Fetched { pem: pem.as_bytes().to_vec(), max_age: None };
            certificates.take(now, at, place, Ok(fetched));
        }
    }
    signed.verdict(at, |place| certificates.get(now, place)).expect("all is known")
}
