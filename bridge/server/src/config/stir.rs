//! What the file says of signed callers' numbers: how a trunk's calls out are signed, what is done about
//! those that come, and whose signatures are believed.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use partyline_control::{Verification, Verifying};
use partyline_stir::{Authorities, ListedHost, Place, Rules, Signer};
use toml::de::DeValue;
use zeroize::Zeroizing;

use super::Config;
use super::document::{Findings, Walk};
use super::raw::{RawConfig, RawTrunk};
use super::setting::{ReadFile, Setting, quoted};

/// More than any key of the curve has.
const MOST_OCTETS: usize = 4096;
/// The bit of a file's mode that lets everybody read it.
const OTHERS_READ: u32 = 0o004;

/// Whose signatures are believed.
pub(super) struct RawStir {
    authorities: Vec<ReadFile>,
    hosts: Vec<ListedHost>,
    freshness: Duration,
    allow_loopback: bool,
}

impl Default for RawStir {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            hosts: Vec::new(),
            freshness: Duration::from_secs(60),
            allow_loopback: false,
        }
    }
}

impl RawStir {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.setting("authorities", &mut self.authorities);
        walk.setting("hosts", &mut self.hosts);
        walk.checked("freshness", &mut self.freshness, |time| {
            let fits = (1..=300).contains(&time.as_secs());
            if fits { Ok(()) } else { Err("expected \"1s\" to \"5m\"; RFC 8224 has \"60s\"") }
        });
        walk.setting("allow_loopback", &mut self.allow_loopback);
    }
}

/// Whose certificates are believed, and where they are.
#[derive(Clone, Debug)]
pub(crate) struct StirConfig {
    authorities: Vec<PathBuf>,
    /// Whether certificates may be fetched from this machine, as tests do.
    pub(crate) allow_loopback: bool,
    /// Whether any trunk's calls are looked into.
    pub(crate) is_used: bool,
}

impl StirConfig {
    pub(super) fn of(raw: &RawConfig) -> Self {
        Self {
            authorities: raw.stir.authorities.iter().map(|file| file.0.clone()).collect(),
            allow_loopback: raw.stir.allow_loopback,
            is_used: raw.trunks.iter().any(|trunk| trunk.signed.verify != Verifying::Off),
        }
    }
}

/// By what signatures are judged, before the authorities are read.
pub(super) fn verification(raw: &RawStir) -> Verification {
    let rules = Rules { freshness: raw.freshness, hosts: raw.hosts.clone() };
    Verification { rules, authorities: Authorities::default() }
}

impl Setting for Verifying {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("off") => Ok(Self::Off),
            Some("record") => Ok(Self::Record),
            Some("refuse-invalid") => Ok(Self::RefuseInvalid),
            Some("require") => Ok(Self::Require),
            Some(_) | None => {
                Err("expected \"off\", \"record\", \"refuse-invalid\" or \"require\"".to_owned())
            }
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Off => "off",
            Self::Record => "record",
            Self::RefuseInvalid => "refuse-invalid",
            Self::Require => "require",
        })
    }
}

/// What a trunk's section says of signatures.
#[derive(Default)]
pub(super) struct RawSigned {
    pub(super) verify: Verifying,
    pub(super) key: Option<ReadFile>,
    pub(super) certificate_url: Option<CertificateUrl>,
}

/// Where others find the certificate of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateUrl(pub(super) Place);

impl Setting for CertificateUrl {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let place = found.as_str().and_then(Place::parse);
        place.map(Self).ok_or_else(|| {
            "expected where others fetch the certificate, such as \
             \"https://certificates.example.com/shaken.pem\""
                .to_owned()
        })
    }

    fn write(&self) -> Option<String> {
        quoted(&self.0)
    }
}

impl RawSigned {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.setting("verify", &mut self.verify);
        walk.setting("key", &mut self.key);
        walk.setting("certificate_url", &mut self.certificate_url);
    }
}

/// Notes what is missing for calls to be looked into, and what is rarely meant.
pub(super) fn check_all(raw: &RawConfig, findings: &Findings<'_>) {
    let stir = &raw.stir;
    for (index, trunk) in raw.trunks.iter().enumerate() {
        if trunk.signed.verify == Verifying::Off {
            continue;
        }
        let lacks = match (stir.authorities.is_empty(), stir.hosts.is_empty()) {
            (true, _) => "stir.authorities, whose certificates are believed",
            (false, true) => "stir.hosts, where certificates are fetched from",
            (false, false) => continue,
        };
        let path = format!("trunk[{index}].stir.verify");
        findings.add_at(&path, format!("{path}: needs {lacks}; add it"));
    }
    if stir.allow_loopback {
        let message = "stir.allow_loopback: whoever calls has this machine asked by https; it is for \
                       tests";
        findings.warn_at("stir.allow_loopback", message.to_owned());
    }
}

/// Notes what of it cannot work.
pub(super) fn check(trunk: &RawTrunk, findings: &Findings<'_>, path: &impl Fn(&str) -> String) {
    let add = |key: &str, message: &str| {
        let path = path(key);
        findings.add_at(&path, format!("{path}: {message}"));
    };
    match (&trunk.signed.key, &trunk.signed.certificate_url) {
        (Some(_), None) => {
            add("stir.key", "is of no use without certificate_url, which tells others whose it is");
        }
        (None, Some(_)) => add("stir.certificate_url", "is of no use without key, which signs"),
        (Some(_), Some(_)) if trunk.destination.is_none() => {
            add("stir.key", "without a destination there are no calls to be signed; add it");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

/// How the calls out of a trunk are signed.
#[derive(Clone, Debug)]
pub(super) struct TrunkSigner {
    /// The place of the trunk among all.
    trunk: usize,
    name: String,
    key: PathBuf,
    place: Place,
}

impl TrunkSigner {
    pub(super) fn of(trunk: usize, raw: &RawTrunk) -> Option<Self> {
        let key = raw.signed.key.as_ref()?.0.clone();
        let place = raw.signed.certificate_url.clone()?.0;
        Some(Self { trunk, name: raw.name.clone(), key, place })
    }

    fn read(&self) -> anyhow::Result<Signer> {
        let signer = secret(&self.key)
            .and_then(|pem| Signer::new(&pem, self.place.clone()).map_err(anyhow::Error::new));
        signer.with_context(|| format!("trunk {}: stir.key {}", self.name, self.key.display()))
    }
}

impl Config {
    /// Reads the authorities whose certificates are believed.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub(super) fn read_authorities(&mut self) -> anyhow::Result<()> {
        for file in &self.stir.authorities {
            let pem = fs::read(file).map_err(anyhow::Error::new);
            let authorities = &mut self.control.verification.authorities;
            let added = pem.and_then(|pem| authorities.add(&pem).map_err(anyhow::Error::new));
            added.with_context(|| format!("stir.authorities: {}", file.display()))?;
        }
        Ok(())
    }

    /// Reads the keys that sign calls out.
    ///
    /// # Errors
    /// Which file of which trunk cannot be used, and why; never what is in it.
    pub(super) fn read_signers(&mut self) -> anyhow::Result<()> {
        for signer in &self.signers {
            let Some(trunk) = self.control.trunks.get_mut(signer.trunk) else { continue };
            trunk.signer = Some(Arc::new(signer.read()?));
        }
        Ok(())
    }
}

/// Reads a file that not everybody may read.
fn secret(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    // Looked at first: opening a pipe waits for whoever writes to it.
    ensure!(fs::metadata(path)?.is_file(), "is no file");
    let file = File::open(path)?;
    ensure!(
        file.metadata()?.mode() & OTHERS_READ == 0,
        "everybody on this machine can read it; take that away (chmod o= FILE)"
    );
    // Room for all that is read: a buffer that grows would leave copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(MOST_OCTETS + 1));
    let most = u64::try_from(MOST_OCTETS).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut octets)?;
    ensure!(octets.len() <= MOST_OCTETS, "is longer than {MOST_OCTETS} octets");
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TRUNK: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                         [[trunk]]\nname = \"carrier\"\nsources = [\"198.51.100.0/24\"]\n";
    const OUT: &str = "destination = \"198.51.100.1:5060\"\n";
    const URL: &str = "certificate_url = \"https://cr.example.com/a.pem\"\n";

    fn problems(text: &str) -> String {
        let problems = Config::parse(&format!("{TRUNK}{text}")).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_key_and_where_its_certificate_is_belong_together_and_to_calls_out() {
        let key = "key = \"a.pem\"\n";
        assert_eq!(problems(&format!("{OUT}[trunk.stir]\n{key}{URL}")), "");
        for (text, expected) in [
            (format!("{OUT}[trunk.stir]\n{key}"), "trunk[0].stir.key: is of no use without"),
            (format!("{OUT}[trunk.stir]\n{URL}"), "stir.certificate_url: is of no use without key"),
            (format!("[trunk.stir]\n{key}{URL}"), "without a destination"),
            (
                format!("{OUT}[trunk.stir]\n{key}{}", URL.replace("https", "http")),
                "expected where others fetch",
            ),
        ] {
            let found = problems(&text);
            assert!(found.contains(expected), "{text}: {found}");
        }
    }

    #[test]
    fn signatures_are_looked_into_where_somebody_is_believed() {
        let stir =
            "[stir]\nauthorities = [\"ca.pem\"]\nhosts = [\"cr.example\", \"cr.example:4443\"]\n";
        let verify = |word: &str| format!("[trunk.stir]\nverify = \"{word}\"\n");
        let usual = Config::parse(TRUNK).expect("no fault");
        assert_eq!(usual.control.trunks[0].verifying, Verifying::Off);
        assert!(!usual.stir.is_used);
        let text = format!("{TRUNK}{}{stir}freshness = \"30s\"\n", verify("refuse-invalid"));
        let config = Config::parse(&text).expect("no fault");
        assert_eq!(config.control.trunks[0].verifying, Verifying::RefuseInvalid);
        let rules = &config.control.verification.rules;
        assert_eq!((rules.freshness.as_secs(), rules.hosts.len()), (30, 2));
        let again = Config::parse(config.effective()).expect("as printed");
        assert_eq!(again.effective(), config.effective());
        for (text, expected) in [
            (verify("record"), "trunk[0].stir.verify: needs stir.authorities"),
            (
                format!("{}[stir]\nauthorities = [\"ca.pem\"]\n", verify("require")),
                "trunk[0].stir.verify: needs stir.hosts",
            ),
            (verify("on"), "expected \"off\", \"record\""),
            ("[stir]\nhosts = [\"https://cr.example\"]\n".to_owned(), "expected a host such as"),
            ("[stir]\nfreshness = \"1h\"\n".to_owned(), "expected \"1s\" to \"5m\""),
        ] {
            let found = problems(&text);
            assert!(found.contains(expected), "{text}: {found}");
        }
        let loopback = format!("{TRUNK}[stir]\nallow_loopback = true\n");
        let warnings = Config::parse(&loopback).expect("no fault").warnings;
        assert!(warnings.iter().any(|one| one.to_string().contains("for tests")), "{warnings:?}");
    }

    fn written(octets: &[u8], mode: u32) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("sti.key");
        fs::write(&file, octets).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set");
        let text = format!("{TRUNK}{OUT}[trunk.stir]\nkey = {:?}\n{URL}", file.display());
        let mut config = Config::parse(&text).expect("no fault");
        config.read_signers().map_err(|error| format!("{error:#}"))?;
        Ok(config)
    }

    #[test]
    fn the_key_of_a_trunk_is_read_and_shown_nowhere() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let pem = key.serialize_pem();
        let config = written(pem.as_bytes(), 0o640).expect("usable");
        assert!(config.control.trunks[0].signer.is_some());
        let secret = pem.lines().nth(1).expect("the key");
        assert!(!format!("{config:?}").contains(&secret[..20]), "it is printed nowhere");
        for (octets, mode, why) in [
            (pem.as_bytes(), 0o644, "everybody"),
            (b"zanzibar", 0o600, "P-256"),
            (b"", 0o600, "P-256"),
            (&[b'x'; MOST_OCTETS + 1], 0o600, "longer"),
        ] {
            let error = written(octets, mode).expect_err("unusable");
            assert!(error.starts_with("trunk carrier: stir.key "), "{error}");
            assert!(error.contains(why) && !error.contains("zanz"), "{error}");
        }
    }
}
