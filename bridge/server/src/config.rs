//! The configuration: from one TOML file, or from defaults that run on a laptop.
//!
//! `RawConfig` is what a file says, [`Config`] what it means: typed, checked and complete. A file
//! is refused as a whole, with every fault in it. The file is read once; a running bridge takes up
//! changes of the directory, not of this.

mod account;
mod document;
mod filter;
mod identity;
mod login;
mod numbers;
mod place;
mod purpose;
mod raw;
mod reject;
mod setting;
mod star;
mod stir;
mod tls;
mod together;
mod user;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use partyline_billing::{Party, TaxRate};
use partyline_control::{IdentityHeader, MediaAddresses, Own, SourceKind, Trunk};
use partyline_sip::Transport;

pub(crate) use document::Problem;
use document::{Findings, Writer};
pub(crate) use login::TrunkLogin;
use raw::{RawConfig, RawSeller, RawTax, RawTrunk};
pub(crate) use setting::LogFormat;
use star::StarCodes;
pub(crate) use stir::StirConfig;
use stir::TrunkSigner;
#[cfg(test)]
pub(crate) use tls::ServerFiles;
pub(crate) use tls::{CertificateFiles, TlsFiles, TrunkTls};
pub(crate) use user::UserConfig;

/// Everything that a node is told at its start.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file that it was read from; `None` for the defaults.
    pub(crate) file: Option<PathBuf>,
    /// The number of this node in records, from 1.
    pub(crate) node_id: u32,
    /// The folder of the journal, the database, the keys and the recordings.
    pub(crate) data_dir: PathBuf,
    /// Where SIP comes to.
    pub(crate) sip: Sip,
    /// Name servers; those of the system where there are none.
    pub(crate) dns_servers: Vec<SocketAddr>,
    /// The files of certificates and keys, as far as TLS is spoken.
    pub(crate) tls: TlsFiles,
    /// The address that media sockets are bound to; that of `control` unless behind NAT.
    pub(crate) media_bind: MediaAddresses,
    /// Trunks, and where media is.
    pub(crate) control: partyline_control::Config,
    /// Where `/metrics` and `/health` are served; on loopback unless the file says otherwise.
    pub(crate) http_listen: SocketAddr,
    /// For how many hours traces of calls are kept on disk; 0 for not at all.
    pub(crate) trace_hours: u8,
    /// What is logged.
    pub(crate) log: Log,
    /// Timers and limits of the call flow.
    pub(crate) conference: partyline_conference::Config,
    /// Which keys are star codes; the files are read when the bridge starts.
    star_codes: StarCodes,
    /// Who sends the invoices.
    pub(crate) seller: Seller,
    /// Who we are at which trunk; the passwords are read when the bridge starts and when they change.
    logins: Vec<TrunkLogin>,
    /// Whose signatures of callers' numbers are believed; the files are read when the bridge starts.
    pub(crate) stir: StirConfig,
    /// Who signs the calls out of which trunk; the keys are read when the bridge starts.
    signers: Vec<TrunkSigner>,
    /// Who registers with the bridge.
    users: Vec<UserConfig>,
    /// What works but is rarely meant; with its place where a file says it.
    pub(crate) warnings: Vec<Problem>,
    effective: String,
}

/// Where SIP comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sip {
    /// The addresses that UDP is listened for on; at least one.
    pub(crate) listen: Vec<SocketAddr>,
    /// The addresses that connections are listened for on, by transport.
    pub(crate) streams: Vec<(Transport, SocketAddr)>,
    /// The web pages that WebSockets may come from.
    pub(crate) ws_origins: Vec<String>,
    /// How often a connection that the bridge opened shows that it is there.
    pub(crate) keep_alive: Duration,
    /// What Contact and Via say; `None` for the address that a message came to.
    pub(crate) advertised: Option<SocketAddr>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// Levels by target, in the syntax of `tracing_subscriber::EnvFilter`; checked.
    pub(crate) filter: String,
    /// How a line looks.
    pub(crate) format: LogFormat,
}

/// Who sends the invoices, and what they all say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seller {
    /// Name, address and tax registration.
    pub(crate) party: Party,
    /// Taxes on every net.
    pub(crate) taxes: Vec<TaxRate>,
    /// How to pay and until when to dispute, a paragraph each.
    pub(crate) notes: Vec<String>,
    /// Begins the invoice numbers: `PL` in `PL-2026-000042`.
    pub(crate) series: String,
    /// Days from issue to due.
    pub(crate) terms_days: u16,
}

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is wrong; every fault in the order of the file, at least one.
    Faults {
        /// Which.
        file: PathBuf,
        /// What is wrong in it.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, source } => {
                write!(f, "{}: cannot be read: {source}", file.display())
            }
            Self::Faults { file, problems } => {
                let lines: Vec<_> =
                    problems.iter().map(|p| format!("{}:{p}", file.display())).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        RawConfig::default().into()
    }
}

impl Config {
    /// Reads `file`, or takes the defaults where there is none.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { file: path.into(), source })?;
        let config = Self::parse(&text)
            .map_err(|problems| ConfigError::Faults { file: path.into(), problems })?;
        Ok(Self { file: Some(path.into()), ..config })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Every fault in it, in the order of the text.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let findings = Findings::new(text);
        let mut raw = RawConfig::default();
        document::read(&findings, |reader| raw.walk(reader));
        together::check(&raw, &findings);
        match findings.into_parts() {
            (problems, warnings) if problems.is_empty() => Ok(Self { warnings, ..raw.into() }),
            (problems, _) => Err(problems),
        }
    }

    /// Reads what stands in files of its own: passwords, keys, authorities.
    ///
    /// # Errors
    /// Which file cannot be used, and why; never what is in it.
    pub(crate) fn read_files(&mut self) -> anyhow::Result<()> {
        self.read_logins()?;
        self.read_signers()?;
        self.read_authorities()
    }

    /// Every setting in effect as TOML, which [`Self::parse`] reads back to the same.
    pub(crate) fn effective(&self) -> &str {
        &self.effective
    }
}

/// Fills in what the rest of a trunk makes likely, where the file says nothing.
fn fill_in(trunk: &mut RawTrunk) {
    let reaches_out = trunk.places().next().is_some();
    trunk.kind.get_or_insert(SourceKind::by_destination(reaches_out));
    let usual = IdentityHeader::by_trust(trunk.trusted);
    trunk.identity.presenting.identity.get_or_insert(usual);
    trunk.extensions.refers = *trunk.refer.get_or_insert(trunk.kind == Some(SourceKind::Phones));
    // What a certificate proves, where one is shown and looked at.
    trunk.extensions.takeovers = trunk.transport.0 == Some(Transport::Tls) && trunk.tls_verify.0;
    if trunk.sources.is_none() {
        let usual = trunk.usual_sources();
        trunk.sources = Some(usual).filter(|usual| !usual.is_empty());
    }
}

impl From<RawConfig> for Config {
    fn from(mut raw: RawConfig) -> Self {
        raw.trunks.iter_mut().for_each(fill_in);
        let users = raw.users.iter().filter_map(|user| UserConfig::of(&raw, user)).collect();
        let mut writer = Writer::default();
        raw.walk(&mut writer);
        let tls = TlsFiles::of(&raw);
        let streams = raw.streams.listeners().collect();
        // An account takes its user from the login.
        let accounts: Vec<_> = raw.trunks.iter().map(RawTrunk::account).collect();
        let logins = raw.trunks.iter_mut().enumerate().filter_map(|(trunk, raw)| {
            let (user, password_file) = raw.user.take().zip(raw.password_file.take())?;
            Some(TrunkLogin { trunk, name: raw.name.clone(), user, password_file })
        });
        let logins = logins.collect();
        let stir = StirConfig::of(&raw);
        let star_codes = StarCodes::of(&raw);
        let signed = raw.trunks.iter().enumerate();
        let signers = signed.filter_map(|(place, trunk)| TrunkSigner::of(place, trunk)).collect();
        let trunks = raw.trunks.into_iter().zip(accounts).zip(1..);
        let trunks = trunks.map(|((trunk, account), id)| Trunk {
            id,
            name: trunk.name.clone(),
            sources: trunk.networks().collect(),
            source_names: trunk.source_names(),
            kind: trunk.kind.unwrap_or(SourceKind::by_destination(trunk.destination.is_some())),
            uri_passcode: trunk.uri_passcode.0,
            media_sources: trunk.media_sources,
            trusted: trunk.trusted,
            srtp: trunk.srtp,
            srtp_keys: trunk.srtp_keys,
            extensions: trunk.extensions,
            destination: trunk.destination.map(|at| at.to_site(trunk.transport.0, trunk.resolve)),
            transport: trunk.transport.0.unwrap_or(Transport::Udp),
            numbers: trunk.numbers,
            caller_from: trunk.identity.caller_from,
            presenting: trunk.identity.presenting,
            sound: trunk.sound,
            reject: trunk.reject,
            caller_id: trunk.caller_id,
            login: None,
            verifying: trunk.signed.verify,
            signer: None,
            routing: trunk.routing,
            limits: trunk.limits,
            domain: trunk.account.domain,
            account,
            pings: trunk.pings.rules(),
        });
        let others = [Some(raw.http_listen), raw.sip_advertised].into_iter().flatten();
        let connected = raw.streams.listeners().map(|(_, at)| at);
        let listening = raw.sip_listen.iter().copied().chain(connected).chain(others).collect();
        Self {
            file: None,
            node_id: raw.node_id,
            data_dir: raw.data_dir,
            sip: Sip {
                listen: raw.sip_listen,
                streams,
                ws_origins: raw.streams.ws_origins,
                keep_alive: raw.streams.keep_alive,
                advertised: raw.sip_advertised,
            },
            dns_servers: raw.dns_servers,
            tls,
            media_bind: raw.media_bind.unwrap_or(raw.media_address),
            control: partyline_control::Config {
                media: raw.media_address,
                ports: raw.ports.range,
                trunks: trunks.collect(),
                // The files are read when the bridge starts.
                brands: BTreeMap::new(),
                own: Own { media_bind: raw.media_bind, listening },
                verification: stir::verification(&raw.stir),
            },
            http_listen: raw.http_listen,
            trace_hours: raw.trace_hours,
            log: Log { filter: raw.log_filter, format: raw.log_format },
            conference: raw.conference,
            star_codes,
            seller: raw.seller.into(),
            logins,
            stir,
            signers,
            users,
            warnings: Vec::new(),
            effective: writer.into_text(),
        }
    }
}

impl From<RawSeller> for Seller {
    fn from(raw: RawSeller) -> Self {
        let taxes = raw.taxes.into_iter();
        let rate = |tax: RawTax| TaxRate { label: tax.label, basis_points: tax.percent.0 };
        Self {
            party: Party { name: raw.name, address: raw.address, tax_id: raw.tax_id },
            taxes: taxes.map(rate).collect(),
            notes: raw.notes,
            series: raw.series,
            terms_days: raw.terms_days,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../config/bridge.example.toml");

    /// The example with the settings behind `marks` taken into use.
    fn example(marks: &[&str]) -> String {
        let used = |line| marks.iter().find_map(|&mark| str::strip_prefix(line, mark));
        let lines = EXAMPLE.lines().map(|line| used(line).unwrap_or(line));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// The example with every key in use, on addresses of one network.
    fn full_example() -> String {
        let text = example(&["#|", "#? "]);
        let text = text.replace("[\"127.0.0.1:5060\"]", "[\"10.0.0.5:5060\"]");
        text.replace("address = \"127.0.0.1\"", "address = \"203.0.113.5\"")
    }

    fn problems(text: &str) -> Vec<String> {
        let problems = Config::parse(text).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_as_it_is_says_nothing() {
        let config = Config::parse(EXAMPLE).unwrap();
        assert_eq!(config.effective(), Config::default().effective());
    }

    #[test]
    fn the_example_shows_the_defaults() {
        let text = example(&["#|"]);
        assert_eq!(problems(&text), Vec::<String>::new());
        assert_eq!(Config::parse(&text).unwrap().effective(), Config::default().effective());
    }

    #[test]
    fn the_examples_of_unset_keys_can_be_used() {
        let text = full_example();
        assert_eq!(problems(&text), Vec::<String>::new());
        let config = Config::parse(&text).unwrap();
        assert_eq!(config.control.trunks.len(), 2);
        assert_eq!(config.seller.taxes[0].basis_points, 1300);
    }

    #[test]
    fn the_example_explains_every_key() {
        let mut known = Keys::default();
        RawConfig::default().walk(&mut known);
        let example: toml::Table = example(&["#|", "#? "]).parse().unwrap();
        let explained = |path: &str| {
            let mut at = toml::Value::Table(example.clone());
            for key in path.split('.') {
                // Of several tables, the last one of the example has every key.
                let last = at.as_array().and_then(|tables| tables.last());
                let inner = last.unwrap_or(&at).get(key);
                let Some(inner) = inner.cloned() else { return false };
                at = inner;
            }
            true
        };
        let missing: Vec<_> = known.paths.iter().filter(|path| !explained(path)).collect();
        assert!(missing.is_empty(), "not in bridge.example.toml: {missing:?}");
        assert!(known.paths.len() > 50);
    }

    #[test]
    fn effective_settings_read_back_to_the_same() {
        let config = Config::parse(&full_example()).unwrap();
        assert_eq!(Config::parse(config.effective()).unwrap().effective(), config.effective());
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let found = problems(
            "[sip]\n\
             lisen = [\"127.0.0.1:5060\"]\n\
             advertised = \"0.0.0.0:5060\"\n\
             [media]\n\
             ports = \"20000\"\n\
             [[trunk]]\n\
             name = \"a\"\n\
             [[trunk]]\n\
             name = \"a\"\n\
             sources = [\"127.0.0.1\"]\n\
             [conference]\n\
             ring = 45\n",
        );
        let expected = [
            "2:1: unknown key sip.lisen; did you mean listen?",
            "3:14: sip.advertised: others must be able to send there",
            "5:9: media.ports: expected a range of UDP ports",
            "6:1: trunk[0].sources is missing; add it",
            "9:8: trunk[1].name: another trunk is called \"a\"; rename one",
            "10:11: trunk[1].sources: expected a network such as",
            "12:8: conference.ring: expected a time with its unit",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} / {expected}");
        }
    }

    #[test]
    fn broken_toml_is_told_with_its_place() {
        let found = problems("[node]\nid = \n[sip\nlisten = 1\n");
        assert!(found.iter().any(|fault| fault.starts_with("2:")), "{found:?}");
        assert!(found.iter().any(|fault| fault.starts_with("3:")), "{found:?}");
    }

    #[test]
    fn addresses_that_nobody_reaches_are_refused() {
        let found = problems("[sip]\nlisten = [\"0.0.0.0:5060\"]\n");
        assert!(found[0].starts_with("2:10: media.address: callers of 0.0.0.0"), "{found:?}");
        assert!(found[1].starts_with("2:10: sip.listen: with 0.0.0.0"), "{found:?}");
        let found = problems("[http]\nlisten = \"192.0.2.1:80\"\n[node]\nid = 0\n");
        assert!(found[0].contains("http.allow_remote = true"), "{found:?}");
        assert!(found[1].contains("numbered from 1"), "{found:?}");
    }

    #[test]
    fn the_pages_leave_the_machine_only_when_told_so() {
        let text = "[http]\nlisten = \"192.0.2.1:9060\"\nallow_remote = true\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.http_listen.to_string(), "192.0.2.1:9060");
        let said: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
        assert!(said[0].starts_with("2:10: http.listen: whoever reaches 192.0.2.1"), "{said:?}");
        assert_eq!(Config::parse("").unwrap().warnings, []);
    }

    #[test]
    fn media_is_bound_where_it_is_unless_told_otherwise() {
        let of = |text: &str| Config::parse(text).unwrap();
        let nat = of("[media]\naddress = \"203.0.113.9\"\nbind = \"10.0.0.9\"\n");
        let list = |addresses: MediaAddresses| {
            addresses.iter().map(|ip| ip.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list(nat.media_bind), ["10.0.0.9"]);
        assert_eq!(list(nat.control.media), ["203.0.113.9"]);
        let plain = of("[media]\naddress = \"203.0.113.9\"\n");
        assert_eq!(list(plain.media_bind), ["203.0.113.9"]);
        let both = of("[sip]\nlisten = [\"203.0.113.9:5060\", \"[2001:db8::9]:5060\"]\n\
                       [media]\naddress = [\"203.0.113.9\", \"2001:db8::9\"]\n\
                       bind = [\"10.0.0.9\", \"2001:db8::9\"]\n");
        assert_eq!(list(both.control.media), ["203.0.113.9", "2001:db8::9"]);
        assert_eq!(list(both.media_bind), ["10.0.0.9", "2001:db8::9"]);
    }

    #[test]
    fn a_trunk_with_a_destination_is_a_carrier_unless_told_otherwise() {
        let kind = |keys: &str| {
            let trunk = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                         [[trunk]]\nname = \"a\"\nsources = [\"192.0.2.0/24\"]\n";
            let config = Config::parse(&format!("{trunk}{keys}\n")).unwrap();
            assert!(config.effective().contains("kind = "), "{keys}");
            config.control.trunks[0].kind
        };
        let out = "destination = \"192.0.2.1:5060\"";
        assert_eq!(kind(""), SourceKind::Phones);
        assert_eq!(kind(out), SourceKind::Carrier);
        assert_eq!(kind("kind = \"carrier\""), SourceKind::Carrier);
        assert_eq!(kind(&format!("{out}\nkind = \"phones\"")), SourceKind::Phones);
        let found =
            problems("[[trunk]]\nname = \"a\"\nsources = [\"192.0.2.0/24\"]\nkind = \"phone\"\n");
        assert!(found[0].starts_with("4:8: trunk[0].kind: expected \"carrier\""), "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\[\\[?[a-z.]{0,9}\\]{0,2}\n|[a-z_]{1,9} = [\"0-9a-z.:{\\[\\]}-]{0,9}\n|\\PC{0,20})*") {
            drop(Config::parse(&text));
        }
    }

    /// Every key that can be written.
    #[derive(Default)]
    struct Keys {
        path: String,
        paths: Vec<String>,
    }

    impl document::Walk for Keys {
        fn checked<T: setting::Setting>(
            &mut self,
            key: &'static str,
            _: &mut T,
            _: impl FnOnce(&T) -> Result<(), &'static str>,
        ) {
            self.paths.push(format!("{}{key}", self.path));
        }

        fn required<T: setting::Setting>(
            &mut self,
            key: &'static str,
            value: &mut T,
            rule: impl FnOnce(&T) -> Result<(), &'static str>,
        ) {
            self.checked(key, value, rule);
        }

        fn table(&mut self, key: &'static str, each: impl FnOnce(&mut Self)) {
            let outer = self.path.clone();
            self.path = format!("{outer}{key}.");
            each(self);
            self.path = outer;
        }

        fn tables<T: Default>(
            &mut self,
            key: &'static str,
            _: &mut Vec<T>,
            mut each: impl FnMut(&mut Self, &mut T),
        ) {
            self.table(key, |keys| each(keys, &mut T::default()));
        }
    }
}
