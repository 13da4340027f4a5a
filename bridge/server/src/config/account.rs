//! What a trunk's section says of our registration there and of the watch over it.

use std::time::Duration;

use ipnet::IpNet;
use partyline_control::TrunkAccount;
use partyline_sip::health::HealthRules;
use partyline_sip::message::{Host, Scheme, Uri};
use partyline_sip::register::DEFAULT_EXPIRES;

use super::document::{Findings, Walk};
use super::place::{RawPlace, RawSource};
use super::raw::RawTrunk;

/// The shortest and the longest time that a binding may be asked for.
const LEAST_EXPIRES: Duration = Duration::from_secs(60);
const MOST_EXPIRES: Duration = Duration::from_secs(86_400);
/// A ping's transaction ends by itself after this (RFC 3261 timer F).
const MOST_PATIENCE: Duration = Duration::from_secs(32);

/// Our account at the trunk's registrar.
pub(super) struct RawAccount {
    pub(super) register: bool,
    pub(super) registrar: Option<RawPlace>,
    pub(super) domain: Option<String>,
    pub(super) aor: Option<String>,
    pub(super) expires: Duration,
}

/// How the trunk is asked whether it is there.
#[derive(Default)]
pub(super) struct RawPings {
    /// `None` for never.
    pub(super) ping: Option<Duration>,
    pub(super) rules: HealthRules,
}

impl Default for RawAccount {
    fn default() -> Self {
        Self { register: false, registrar: None, domain: None, aor: None, expires: DEFAULT_EXPIRES }
    }
}

impl RawAccount {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.setting("register", &mut self.register);
        walk.setting("registrar", &mut self.registrar);
        walk.checked("domain", &mut self.domain, |domain| {
            let fits = domain.as_ref().is_none_or(|domain| of_domain(domain).is_some());
            let rule = "expected a host name such as \"sip.carrier.example\", with a port only where \
                        the carrier says so";
            if fits { Ok(()) } else { Err(rule) }
        });
        walk.checked("aor", &mut self.aor, |aor| {
            let fits = aor.as_ref().is_none_or(|aor| of_record(aor).is_some());
            let rule = "expected the address that is registered, such as \
                        \"sip:4930123@sip.carrier.example\"";
            if fits { Ok(()) } else { Err(rule) }
        });
        walk.checked("expires", &mut self.expires, |expires| {
            let fits = (LEAST_EXPIRES..=MOST_EXPIRES).contains(expires);
            if fits { Ok(()) } else { Err("expected \"1m\" to \"24h\"") }
        });
    }
}

impl RawPings {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        let rules = &mut self.rules;
        walk.checked("ping", &mut self.ping, |ping| ping.as_ref().map_or(Ok(()), lasting));
        walk.checked("ping_retry", &mut rules.retry, lasting);
        walk.checked("ping_patience", &mut rules.patience, |patience| {
            lasting(patience)?;
            if *patience <= MOST_PATIENCE { Ok(()) } else { Err("expected at most \"32s\"") }
        });
        walk.checked("ping_down_after", &mut rules.down_after, at_least_one);
        walk.checked("ping_up_after", &mut rules.up_after, at_least_one);
    }

    pub(super) fn rules(&self) -> Option<HealthRules> {
        self.ping.map(|interval| HealthRules { interval, ..self.rules })
    }
}

/// More often than once a second nobody is asked.
fn lasting(time: &Duration) -> Result<(), &'static str> {
    if *time >= Duration::from_secs(1) { Ok(()) } else { Err("expected at least \"1s\"") }
}

fn at_least_one(count: &u8) -> Result<(), &'static str> {
    if *count > 0 { Ok(()) } else { Err("expected at least 1") }
}

/// The URI of a domain, which is that and nothing else.
pub(super) fn of_domain(domain: &str) -> Option<Uri> {
    let uri = Uri::parse(&format!("sip:{domain}")).ok()?;
    let alone = uri.user_raw().is_none() && !uri.has_headers() && !domain.contains([';', '?', '@']);
    (alone && uri.host().is_some()).then_some(uri)
}

fn of_record(aor: &str) -> Option<Uri> {
    let uri = Uri::parse(aor).ok()?;
    let sip = matches!(uri.scheme(), Scheme::Sip | Scheme::Sips);
    (sip && uri.user_raw().is_some() && uri.host().is_some() && !uri.has_headers()).then_some(uri)
}

impl RawTrunk {
    /// Where REGISTER goes.
    pub(super) fn registrar(&self) -> Option<&RawPlace> {
        let registrar = self.account.registrar.as_ref().or(self.destination.as_ref());
        registrar.filter(|_| self.account.register)
    }

    /// Where the trunk's requests go, as far as anywhere.
    pub(super) fn places(&self) -> impl Iterator<Item = &RawPlace> {
        [self.destination.as_ref(), self.registrar()].into_iter().flatten()
    }

    /// Whether it is known without `sources` where calls come from.
    pub(super) fn needs_no_sources(&self) -> bool {
        self.account.register || self.places().any(|at| at.name().is_some())
    }

    /// The name that the far end has to prove, unless the file has another: the service that was
    /// asked for, never a host that it has led to (RFC 5922 §4).
    pub(super) fn service_name(&self) -> Option<String> {
        let named = || self.places().find_map(RawPlace::name).map(str::to_owned);
        self.domain_host().or_else(named)
    }

    fn domain_host(&self) -> Option<String> {
        let uri = of_domain(self.account.domain.as_deref()?)?;
        Some(match uri.host()? {
            Host::Name(name) => name.to_string(),
            Host::Address(ip) => ip.to_string(),
        })
    }

    /// The host of the registrar's URI: the domain, else the address.
    fn registrar_host(&self) -> Option<String> {
        self.account.domain.clone().or_else(|| Some(self.registrar()?.to_string()))
    }

    /// The address of record: that of the file, else the user's in the domain.
    fn aor(&self) -> Option<Uri> {
        if let Some(aor) = &self.account.aor {
            return of_record(aor);
        }
        let user = self.user.as_ref().filter(|user| !user.contains('@'))?;
        of_record(&format!("sip:{user}@{}", self.registrar_host()?))
    }

    /// Our account there; `None` where calls come without, or where it is not described whole.
    pub(super) fn account(&self) -> Option<TrunkAccount> {
        let registrar = self.registrar()?;
        let domain = of_domain(&self.registrar_host()?)?;
        let registrar = registrar.to_site(self.transport.0, self.resolve);
        Some(TrunkAccount { registrar, domain, aor: self.aor()?, expires: self.account.expires })
    }

    /// The networks that calls come from.
    pub(super) fn networks(&self) -> impl Iterator<Item = IpNet> {
        self.sources.iter().flatten().filter_map(RawSource::network)
    }

    /// The names whose addresses calls come from.
    pub(super) fn source_names(&self) -> Vec<String> {
        let names = self.sources.iter().flatten().filter_map(RawSource::name);
        names.map(str::to_owned).collect()
    }

    /// Where calls of a registration come from, unless the file says so: its own two addresses.
    pub(super) fn usual_sources(&self) -> Vec<RawSource> {
        let mut sources: Vec<RawSource> = Vec::new();
        let places = [self.registrar(), self.destination.as_ref()];
        let addresses = places.into_iter().flatten().filter_map(RawPlace::address);
        for source in addresses.map(|address| RawSource::Network(address.ip().into())) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }
}

/// Notes what of an account or of pings cannot work.
pub(super) fn check(
    trunk: &RawTrunk,
    earlier: &[RawTrunk],
    findings: &Findings<'_>,
    path: &impl Fn(&str) -> String,
) {
    let add = |key: &str, message: &str| {
        let path = path(key);
        findings.add_at(&path, format!("{path}: {message}"));
    };
    let RawAccount { register, registrar, aor, .. } = &trunk.account;
    let register = *register;
    for (key, is_set) in [("registrar", registrar.is_some()), ("aor", aor.is_some())] {
        if is_set && !register {
            add(key, "is of no use without register = true; add it, or remove this");
        }
    }
    if trunk.pings.ping.is_some() && trunk.destination.is_none() {
        add("ping", "without a destination there is nobody to ask; add it");
    }
    if !register {
        return;
    }
    if trunk.registrar().is_none() {
        return add("register", "add registrar, the address that REGISTER goes to, or destination");
    }
    let Some(account) = trunk.account() else {
        return add("register", "add aor, the address that is registered: user does not say it");
    };
    let same = |other: &&RawTrunk| other.account().is_some_and(|known| known.aor == account.aor);
    if let Some(other) = earlier.iter().find(same) {
        let message = format!(
            "the trunk {:?} registers {} already: of two registrations of one account, one gets no \
             calls",
            other.name, account.aor
        );
        add(if aor.is_some() { "aor" } else { "register" }, &message);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const HERE: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n";
    const TRUNK: &str = "[[trunk]]\nname = \"carrier\"\ndestination = \"198.51.100.1:5060\"\n";
    const LOGIN: &str = "user = \"bob\"\npassword_file = \"x\"\n";

    fn parse(keys: &str) -> Result<Config, Vec<String>> {
        let found = Config::parse(&format!("{HERE}{TRUNK}{keys}"));
        found.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn account(keys: &str) -> TrunkAccount {
        let config = parse(keys).expect("no fault");
        config.control.trunks[0].account.clone().expect("an account")
    }

    #[test]
    fn a_registration_needs_little_more_than_a_login() {
        let config = parse(&format!("register = true\n{LOGIN}")).expect("no fault");
        let trunk = &config.control.trunks[0];
        let account = trunk.account.as_ref().expect("an account");
        assert_eq!(account.registrar.to_string(), "198.51.100.1:5060");
        assert_eq!(account.domain.as_str(), "sip:198.51.100.1:5060");
        assert_eq!(account.aor.as_str(), "sip:bob@198.51.100.1:5060");
        assert_eq!((account.expires, trunk.pings), (DEFAULT_EXPIRES, None));
        let sources: Vec<_> = trunk.sources.iter().map(ToString::to_string).collect();
        assert_eq!(sources, ["198.51.100.1/32"], "calls come from where we register");
        assert!(config.effective().contains("register = true\n"));
        assert_eq!(
            Config::parse(config.effective()).expect("as printed").effective(),
            config.effective()
        );
    }

    #[test]
    fn an_account_is_what_the_carrier_says() {
        let text = format!(
            "register = true\n{LOGIN}registrar = \"198.51.100.7:5070\"\ndomain = \"sip.example\"\n\
             expires = \"30m\"\n"
        );
        let found = account(&text);
        assert_eq!(found.registrar.to_string(), "198.51.100.7:5070");
        assert_eq!(found.domain.as_str(), "sip:sip.example");
        assert_eq!(found.aor.as_str(), "sip:bob@sip.example");
        assert_eq!(found.expires, Duration::from_secs(1800));
        let config = parse(&text).expect("no fault");
        assert_eq!(config.control.trunks[0].domain.as_deref(), Some("sip.example"));
        assert_eq!(config.control.trunks[0].sources.len(), 2);
        let found = account(&format!("{text}aor = \"sip:4930123@pbx.example\"\n"));
        assert_eq!(found.aor.as_str(), "sip:4930123@pbx.example");
        let other = format!("{text}sources = [\"203.0.113.0/24\"]\n");
        let config = parse(&other).expect("no fault");
        assert_eq!(config.control.trunks[0].sources.len(), 1, "as the file says");
    }

    #[test]
    fn pings_have_thresholds() {
        let rules = |keys: &str| parse(keys).expect("no fault").control.trunks[0].pings;
        let source = "sources = [\"198.51.100.0/24\"]\n";
        assert_eq!(rules(source), None);
        let usual = HealthRules { interval: Duration::from_secs(30), ..HealthRules::default() };
        assert_eq!(rules(&format!("{source}ping = \"30s\"\n")), Some(usual));
        let all = "ping = \"30s\"\nping_retry = \"5s\"\nping_patience = \"2s\"\n\
                   ping_down_after = 2\nping_up_after = 3\n";
        let rules = rules(&format!("{source}{all}")).expect("pings");
        assert_eq!((rules.retry.as_secs(), rules.patience.as_secs()), (5, 2));
        assert_eq!((rules.down_after, rules.up_after), (2, 3));
    }

    #[test]
    fn what_cannot_work_is_told_with_what_to_do() {
        let sources = "sources = [\"198.51.100.0/24\"]\n";
        let register = format!("register = true\n{LOGIN}");
        for (keys, expected) in [
            (LOGIN.to_owned(), "trunk[0].sources is missing; add it"),
            (format!("{sources}registrar = \"198.51.100.1:5060\"\n"), "without register = true"),
            (format!("{sources}aor = \"sip:a@b\"\n"), "trunk[0].aor: is of no use"),
            ("register = true\n".to_owned(), "trunk[0].register: add aor"),
            (register.replace("bob", "bob@x"), "trunk[0].register: add aor"),
            (format!("{register}aor = \"bob\"\n"), "trunk[0].aor: expected the address"),
            (format!("{register}domain = \"a b\"\n"), "trunk[0].domain: expected a host name"),
            (format!("{register}domain = \"x@y\"\n"), "trunk[0].domain: expected a host name"),
            (format!("{register}expires = \"5s\"\n"), "trunk[0].expires: expected \"1m\""),
            (format!("{register}registrar = \"198.51.100.1:0\"\n"), "has no port"),
            (format!("{register}registrar = \"192.0.2.9:5060\"\n"), "is this bridge itself"),
            (format!("{sources}ping = \"10ms\"\n"), "trunk[0].ping: expected at least"),
            (format!("{sources}ping_patience = \"33s\"\n"), "expected at most \"32s\""),
            (format!("{sources}ping_down_after = 0\n"), "expected at least 1"),
            (
                format!("{register}{TRUNK}{register}").replacen("carrier", "other", 1),
                "trunk[1].register: the trunk \"carrier\" registers sip:bob@198.51.100.1:5060 already",
            ),
        ] {
            let found = parse(&keys).err().unwrap_or_default();
            assert!(found.iter().any(|fault| fault.contains(expected)), "{keys}: {found:?}");
            assert_eq!(found.len(), 1, "{keys}: {found:?}");
        }
        let alone = TRUNK.replace("destination = \"198.51.100.1:5060\"\n", "");
        let found = |keys: &str| {
            let problems = Config::parse(&format!("{HERE}{alone}{keys}")).err().unwrap_or_default();
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(found(&register).contains("trunk[0].register: add registrar"));
        assert!(found(&format!("{sources}ping = \"60s\"\n")).contains("there is nobody to ask"));
        let registrar = "registrar = \"198.51.100.1:5060\"\n";
        assert_eq!(found(&format!("{register}{registrar}")), "", "a trunk that brings calls in");
    }
}
