//! The keys of the configuration: their names, their defaults and the rules for each alone.
//!
//! What keys mean together is decided in [`super`]. Every key is explained in
//! `config/bridge.example.toml`, whose values a test compares with these.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use partyline_conference::EntryTiming;
use partyline_control::{
    MediaAddresses, Numbers, RejectCodes, Routing, SourceKind, TrunkLimits, TrunkSound,
};
use partyline_model::Number;
use partyline_sip::auth::Hash;
use partyline_sip::locate::Procedure;
use partyline_sip::sdp::{KeyExchange, SrtpPolicy};
use partyline_sip::{Extensions, Transport};
use rustls::pki_types::ServerName;

use super::account::{RawAccount, RawPings};
use super::document::Walk;
use super::filter;
use super::identity::RawIdentity;
use super::place::{RawPlace, RawSource};
use super::setting::{Digest, LogFormat, Percent, Ports, ReadFile};
use super::star::RawStarCodes;
use super::stir::{RawSigned, RawStir};
use super::user::RawUser;
use super::{numbers, reject};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a file says, defaults where it says nothing.
pub(super) struct RawConfig {
    pub(super) node_id: u32,
    pub(super) data_dir: PathBuf,
    pub(super) sip_listen: Vec<SocketAddr>,
    pub(super) sip_advertised: Option<SocketAddr>,
    pub(super) streams: RawStreams,
    pub(super) media_address: MediaAddresses,
    pub(super) media_bind: Option<MediaAddresses>,
    pub(super) ports: Ports,
    pub(super) http_listen: SocketAddr,
    pub(super) http_allow_remote: bool,
    pub(super) trace_hours: u8,
    pub(super) log_filter: String,
    pub(super) log_format: LogFormat,
    /// Name servers; those of the system where the list is empty.
    pub(super) dns_servers: Vec<SocketAddr>,
    pub(super) stir: RawStir,
    pub(super) trunks: Vec<RawTrunk>,
    pub(super) users: Vec<RawUser>,
    pub(super) conference: partyline_conference::Config,
    pub(super) star_codes: RawStarCodes,
    pub(super) seller: RawSeller,
}

/// Where connections come to, and what they are opened with.
pub(super) struct RawStreams {
    pub(super) tcp: Vec<SocketAddr>,
    pub(super) tls: Vec<SocketAddr>,
    pub(super) ws: Vec<SocketAddr>,
    pub(super) wss: Vec<SocketAddr>,
    pub(super) certificate: Option<ReadFile>,
    pub(super) key: Option<ReadFile>,
    pub(super) client_ca: Option<ReadFile>,
    pub(super) ws_origins: Vec<String>,
    pub(super) keep_alive: Duration,
}

impl Default for RawStreams {
    fn default() -> Self {
        Self {
            tcp: Vec::new(),
            tls: Vec::new(),
            ws: Vec::new(),
            wss: Vec::new(),
            certificate: None,
            key: None,
            client_ca: None,
            ws_origins: Vec::new(),
            keep_alive: Duration::from_secs(30),
        }
    }
}

#[derive(Default)]
pub(super) struct RawTrunk {
    pub(super) name: String,
    /// `None` for those that the trunk's place makes likely.
    pub(super) sources: Option<Vec<RawSource>>,
    pub(super) media_sources: Vec<IpNet>,
    /// `None` for what the destination and a registration make likely.
    pub(super) kind: Option<SourceKind>,
    pub(super) uri_passcode: UriPasscode,
    pub(super) trusted: bool,
    pub(super) srtp: SrtpPolicy,
    pub(super) srtp_keys: KeyExchange,
    pub(super) digest: Digests,
    pub(super) nat_keep_alive: NatKeepAlive,
    pub(super) extensions: Extensions,
    /// `None` for what the trunk's kind makes likely.
    pub(super) refer: Option<bool>,
    pub(super) destination: Option<RawPlace>,
    pub(super) resolve: Procedure,
    pub(super) transport: TrunkTransport,
    pub(super) tls_name: Option<String>,
    pub(super) tls_certificate: Option<ReadFile>,
    pub(super) tls_key: Option<ReadFile>,
    pub(super) tls_ca: Option<ReadFile>,
    pub(super) tls_verify: TlsVerify,
    pub(super) numbers: Numbers,
    pub(super) identity: RawIdentity,
    pub(super) sound: TrunkSound,
    pub(super) reject: RejectCodes,
    pub(super) caller_id: Option<Number>,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) routing: Routing,
    pub(super) limits: TrunkLimits,
    pub(super) account: RawAccount,
    pub(super) pings: RawPings,
    pub(super) signed: RawSigned,
}

/// How often telephones behind a NAT are asked whether they are there; zero: never. Many routers forget
/// them after 30 s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NatKeepAlive(pub(super) Duration);

impl Default for NatKeepAlive {
    fn default() -> Self {
        Self(Duration::from_secs(25))
    }
}

/// Whether `;pin=` is taken from a trunk; it is, unless the trunk says otherwise.
pub(super) struct UriPasscode(pub(super) bool);

impl Default for UriPasscode {
    fn default() -> Self {
        Self(true)
    }
}

/// How calls out go; `None` for what the trunk's name says, and UDP where it has an address.
#[derive(Default)]
pub(super) struct TrunkTransport(pub(super) Option<Transport>);

/// How users of the trunk are asked who they are; by MD5 alone, unless the trunk says otherwise: there
/// are telephones that give up when any other algorithm is among the challenges.
pub(super) struct Digests(pub(super) Vec<Digest>);

impl Default for Digests {
    fn default() -> Self {
        Self(vec![Digest(Hash::Md5)])
    }
}

/// Whether the far end's certificate is verified; it is, unless the trunk says otherwise.
pub(super) struct TlsVerify(pub(super) bool);

impl Default for TlsVerify {
    fn default() -> Self {
        Self(true)
    }
}

pub(super) struct RawSeller {
    pub(super) name: String,
    pub(super) address: Vec<String>,
    pub(super) tax_id: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) series: String,
    pub(super) terms_days: u16,
    pub(super) taxes: Vec<RawTax>,
}

#[derive(Default)]
pub(super) struct RawTax {
    pub(super) label: String,
    pub(super) percent: Percent,
}

impl Default for RawConfig {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"];
        let source = |net: &str| RawSource::Network(net.parse().expect("a network"));
        Self {
            node_id: 1,
            data_dir: "partyline-data".into(),
            sip_listen: vec![SocketAddr::new(LOOPBACK, 5060)],
            sip_advertised: None,
            streams: RawStreams::default(),
            media_address: LOOPBACK.into(),
            media_bind: None,
            ports: Ports::new(20_000, 29_999).expect("a range with pairs"),
            http_listen: SocketAddr::new(LOOPBACK, 9060),
            http_allow_remote: false,
            trace_hours: 0,
            log_filter: "info".to_owned(),
            log_format: LogFormat::default(),
            dns_servers: Vec::new(),
            stir: RawStir::default(),
            trunks: vec![RawTrunk {
                name: "loopback".to_owned(),
                sources: Some(loopback.map(source).to_vec()),
                // Programs and phones on one machine share its address.
                kind: Some(SourceKind::Carrier),
                trusted: true,
                ..RawTrunk::default()
            }],
            users: Vec::new(),
            conference: partyline_conference::Config::default(),
            star_codes: RawStarCodes::default(),
            seller: RawSeller::default(),
        }
    }
}

impl Default for RawSeller {
    fn default() -> Self {
        Self {
            name: "Partyline Demo Conferencing".to_owned(),
            address: vec!["1 Example Street".to_owned(), "Toronto ON  M5J 0A1".to_owned()],
            tax_id: None,
            notes: vec!["This is a demonstration: do not pay it.".to_owned()],
            series: "PL".to_owned(),
            terms_days: 30,
            taxes: Vec::new(),
        }
    }
}

impl RawConfig {
    /// Visits every key.
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.table("node", |node| {
            node.checked("id", &mut self.node_id, |&id| {
                if id > 0 { Ok(()) } else { Err("nodes are numbered from 1") }
            });
        });
        walk.table("data", |data| data.setting("dir", &mut self.data_dir));
        walk.table("sip", |sip| {
            sip.checked("listen", &mut self.sip_listen, |list| {
                not_empty(list)?;
                list.iter().try_for_each(|address| of_one_host(&address.ip()))
            });
            sip.checked("advertised", &mut self.sip_advertised, |address| {
                address.map_or(Ok(()), |address| reachable(&address.ip()))
            });
            self.streams.walk(sip);
        });
        walk.table("media", |media| {
            media.checked("address", &mut self.media_address, |addresses| {
                addresses.iter().try_for_each(|address| reachable(&address))
            });
            media.checked("bind", &mut self.media_bind, |addresses| {
                let mut bound = addresses.iter().flat_map(|addresses| addresses.iter());
                bound.try_for_each(|address| of_one_host(&address))
            });
            media.setting("ports", &mut self.ports);
        });
        walk.table("http", |http| {
            http.checked("listen", &mut self.http_listen, |address| of_one_host(&address.ip()));
            http.setting("allow_remote", &mut self.http_allow_remote);
        });
        walk.table("trace", |trace| {
            trace.checked("keep_hours", &mut self.trace_hours, |hours| match hours {
                0..=72 => Ok(()),
                73.. => Err("expected 0 to 72: whom somebody called is nobody's for longer"),
            });
        });
        walk.table("log", |log| {
            log.checked("filter", &mut self.log_filter, |filter| filter::check(filter));
            log.setting("format", &mut self.log_format);
        });
        walk.table("dns", |dns| {
            dns.checked("servers", &mut self.dns_servers, |servers| {
                servers.iter().try_for_each(|server| match server.port() {
                    0 => Err("a name server listens on a port: 53, if you were told none"),
                    _ => reachable(&server.ip()),
                })
            });
        });
        walk.table("stir", |walk| self.stir.walk(walk));
        walk.tables("trunk", &mut self.trunks, |walk, trunk| trunk.walk(walk));
        walk.tables("user", &mut self.users, |walk, user| user.walk(walk));
        walk.table("conference", |walk| conference(&mut self.conference, walk));
        walk.table("star_codes", |walk| self.star_codes.walk(walk));
        walk.table("seller", |walk| self.seller.walk(walk));
    }
}

impl RawStreams {
    /// The addresses that connections come to.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (Transport, SocketAddr)> {
        let of = |transport, list: &Vec<SocketAddr>| {
            list.clone().into_iter().map(move |address| (transport, address))
        };
        of(Transport::Tcp, &self.tcp)
            .chain(of(Transport::Tls, &self.tls))
            .chain(of(Transport::Ws, &self.ws))
            .chain(of(Transport::Wss, &self.wss))
    }

    fn walk(&mut self, sip: &mut impl Walk) {
        sip.setting("tcp", &mut self.tcp);
        sip.setting("tls", &mut self.tls);
        sip.setting("ws", &mut self.ws);
        sip.setting("wss", &mut self.wss);
        sip.setting("certificate", &mut self.certificate);
        sip.setting("key", &mut self.key);
        sip.setting("client_ca", &mut self.client_ca);
        sip.checked("ws_origins", &mut self.ws_origins, |pages| {
            let is_page = |page: &String| {
                let host = page.strip_prefix("https://").or_else(|| page.strip_prefix("http://"));
                host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
            };
            let rule =
                "expected pages as browsers name them, such as \"https://phone.example.com\"";
            if pages.iter().all(is_page) { Ok(()) } else { Err(rule) }
        });
        sip.checked("keep_alive", &mut self.keep_alive, lasting);
    }
}

impl RawTrunk {
    fn walk(&mut self, walk: &mut impl Walk) {
        walk.required("name", &mut self.name, |name| {
            if name.is_empty() { Err("expected a name for reports and logs") } else { Ok(()) }
        });
        walk.checked("sources", &mut self.sources, |list| {
            list.as_ref().map_or(Ok(()), |list| not_empty(list))
        });
        walk.setting("kind", &mut self.kind);
        walk.setting("uri_passcode", &mut self.uri_passcode.0);
        walk.setting("media_sources", &mut self.media_sources);
        walk.setting("trusted", &mut self.trusted);
        walk.setting("srtp", &mut self.srtp);
        walk.setting("srtp_keys", &mut self.srtp_keys);
        walk.checked("digest", &mut self.digest.0, |list| not_empty(list));
        walk.checked("nat_keep_alive", &mut self.nat_keep_alive.0, |every| {
            let fits = every.is_zero() || (5..=300).contains(&every.as_secs());
            if fits { Ok(()) } else { Err("expected \"5s\" to \"5m\", or \"0s\" for never") }
        });
        extensions(&mut self.extensions, walk);
        walk.setting("refer", &mut self.refer);
        walk.checked("destination", &mut self.destination, |address| {
            let address = address.as_ref().and_then(RawPlace::address);
            address.map_or(Ok(()), |address| reachable(&address.ip()))
        });
        walk.setting("resolve", &mut self.resolve);
        walk.setting("transport", &mut self.transport);
        walk.checked("tls_name", &mut self.tls_name, |name| {
            let fits = |name: &String| ServerName::try_from(name.as_str()).is_ok();
            let rule = "expected the host name in the far end's certificate";
            if name.as_ref().is_none_or(fits) { Ok(()) } else { Err(rule) }
        });
        walk.setting("tls_certificate", &mut self.tls_certificate);
        walk.setting("tls_key", &mut self.tls_key);
        walk.setting("tls_ca", &mut self.tls_ca);
        walk.setting("tls_verify", &mut self.tls_verify.0);
        numbers::walk(&mut self.numbers, walk);
        self.identity.walk(walk);
        sound(&mut self.sound, walk);
        walk.setting("caller_id", &mut self.caller_id);
        walk.checked("user", &mut self.user, |user| {
            let unfit = |c: char| c.is_control() || matches!(c, '"' | '\\');
            let fits = user.as_ref().is_none_or(|user| !user.is_empty() && !user.contains(unfit));
            if fits { Ok(()) } else { Err("expected a user name without quotes or backslashes") }
        });
        walk.setting("password_file", &mut self.password_file);
        routing(&mut self.routing, walk);
        limits(&mut self.limits, walk);
        self.account.walk(walk);
        self.pings.walk(walk);
        walk.table("reject", |walk| reject::walk(&mut self.reject, walk));
        walk.table("stir", |walk| self.signed.walk(walk));
        // A place that cannot be read is told as that, and not as one that is missing.
        let is_unread = |key, is_read: bool| walk.has(key) && !is_read;
        let unread = is_unread("destination", self.destination.is_some())
            || is_unread("registrar", self.account.registrar.is_some());
        if !self.needs_no_sources() && !unread {
            walk.needs("sources");
        }
    }
}

/// Which extensions of SIP are spoken with a trunk.
fn extensions(extensions: &mut Extensions, walk: &mut impl Walk) {
    let interval = |time: &Duration| {
        let fits = (90..=86_400).contains(&time.as_secs()) && time.subsec_nanos() == 0;
        let rule = "expected whole seconds from \"90s\", the least of RFC 4028, to \"24h\"";
        if fits { Ok(()) } else { Err(rule) }
    };
    walk.setting("rel", &mut extensions.reliability);
    walk.setting("timers", &mut extensions.timers.mode);
    walk.checked("session_expires", &mut extensions.timers.expires, interval);
    walk.checked("min_se", &mut extensions.timers.min_se, interval);
}

/// What a trunk wants of sound.
fn sound(sound: &mut TrunkSound, walk: &mut impl Walk) {
    walk.checked("codecs", &mut sound.codecs, |codecs| {
        let twice = codecs.iter().enumerate().any(|(at, one)| codecs[..at].contains(one));
        if twice { Err("names a codec twice; remove one") } else { Ok(()) }
    });
    walk.checked("ptime", &mut sound.ptime_ms, |ms| {
        let fits = (10..=60).contains(ms) && ms.is_multiple_of(10);
        if fits { Ok(()) } else { Err("expected 10, 20, 30, 40, 50 or 60 milliseconds") }
    });
}

/// How many calls a trunk has, and how often.
fn limits(limits: &mut TrunkLimits, walk: &mut impl Walk) {
    let some = |most: &Option<u32>| {
        if *most == Some(0) {
            Err("expected at least 1; leave it out for no limit")
        } else {
            Ok(())
        }
    };
    walk.checked("max_calls", &mut limits.max_calls, some);
    walk.checked("max_in", &mut limits.max_in, some);
    walk.checked("max_out", &mut limits.max_out, some);
    walk.checked("cps_in", &mut limits.cps_in, some);
    walk.checked("cps_out", &mut limits.cps_out, some);
    walk.checked("requests_per_second", &mut limits.requests, |requests| match requests {
        Some(0) | Some(100_001..) => Err(
            "expected 1 to 100000; leave it out for 500 of a carrier's address, 20 of a phone's",
        ),
        Some(_) | None => Ok(()),
    });
}

/// Which calls out a trunk gets, and when they leave it for the next.
fn routing(routing: &mut Routing, walk: &mut impl Walk) {
    walk.setting("prefixes", &mut routing.prefixes);
    walk.setting("priority", &mut routing.priority);
    walk.setting("weight", &mut routing.weight);
    walk.setting("follow_redirects", &mut routing.follow_redirects);
    walk.checked("first_response", &mut routing.patience.provisional, lasting);
    walk.checked("first_18x", &mut routing.patience.progress, lasting);
    walk.checked("advance_on", &mut routing.advance_on, |statuses| {
        if statuses.iter().any(|status| !(400..700).contains(status)) {
            Err("expected final SIP statuses from 400 to 699, such as [480, 403]")
        } else if statuses.iter().any(|status| Routing::NEVER.contains(status)) {
            Err("486, 600 and 603 are the callee's own answer: no other trunk rings him again")
        } else {
            Ok(())
        }
    });
}

impl RawSeller {
    fn walk(&mut self, walk: &mut impl Walk) {
        walk.checked("name", &mut self.name, |name| {
            if name.trim().is_empty() { Err("expected who sends the invoices") } else { Ok(()) }
        });
        walk.setting("address", &mut self.address);
        walk.setting("tax_id", &mut self.tax_id);
        walk.setting("notes", &mut self.notes);
        walk.checked("series", &mut self.series, |series| {
            let rule = "expected 1 to 8 capital letters and digits, which begin invoice numbers";
            let fits = (1..=8).contains(&series.len())
                && series.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if fits { Ok(()) } else { Err(rule) }
        });
        walk.checked("terms_days", &mut self.terms_days, |&days| {
            if days <= 366 { Ok(()) } else { Err("expected at most 366 days") }
        });
        walk.tables("taxes", &mut self.taxes, |walk, tax| {
            walk.required("label", &mut tax.label, |label| {
                if label.is_empty() { Err("expected what invoices print") } else { Ok(()) }
            });
            walk.required("percent", &mut tax.percent, |_| Ok(()));
        });
    }
}

fn conference(config: &mut partyline_conference::Config, walk: &mut impl Walk) {
    walk.checked("max_calls", &mut config.max_calls, |&calls| {
        if calls > 0 { Ok(()) } else { Err("expected at least 1: with 0 no call could come in") }
    });
    walk.setting("speak_after", &mut config.speak_after);
    walk.setting("speak_at_latest", &mut config.speak_at_latest);
    walk.checked("no_media", &mut config.no_media, lasting);
    walk.checked("confirm", &mut config.confirm, lasting);
    walk.checked("hold_thanks", &mut config.hold_thanks, lasting);
    walk.checked("hold_limit", &mut config.hold_limit, lasting);
    walk.setting("alone_music", &mut config.alone_music);
    walk.checked("alone_limit", &mut config.alone_limit, lasting);
    walk.checked("max_duration", &mut config.max_duration, lasting);
    walk.setting("ending", &mut config.ending);
    walk.setting("lost_moderator", &mut config.lost_moderator);
    walk.checked("ring", &mut config.ring, lasting);
    walk.checked("private_reminder", &mut config.private_reminder, lasting);
    walk.setting("retry_after", &mut config.retry_after);
    walk.setting("silent_above", &mut config.silent_above);
    walk.checked(
        "required_reference_tries",
        &mut config.required_reference_tries,
        at_least_one_try,
    );
    walk.table("passcode", |walk| entry(&mut config.passcode, walk));
    walk.table("reference", |walk| entry(&mut config.reference, walk));
    walk.table("security", |walk| entry(&mut config.security, walk));
    walk.table("dial", |walk| entry(&mut config.dial, walk));
}

fn entry(entry: &mut EntryTiming, walk: &mut impl Walk) {
    walk.checked("first_digit", &mut entry.first_digit, lasting);
    walk.checked("inter_digit", &mut entry.inter_digit, lasting);
    walk.checked("tries", &mut entry.tries, at_least_one_try);
}

/// Nobody hears, answers or keys anything in less than a second.
fn lasting(time: &Duration) -> Result<(), &'static str> {
    if *time >= Duration::from_secs(1) { Ok(()) } else { Err("expected at least \"1s\"") }
}

fn at_least_one_try(tries: &u8) -> Result<(), &'static str> {
    if *tries > 0 { Ok(()) } else { Err("expected at least 1") }
}

fn not_empty<T>(list: &[T]) -> Result<(), &'static str> {
    if list.is_empty() { Err("expected at least one entry") } else { Ok(()) }
}

/// Others cannot send to "any address".
fn reachable(address: &IpAddr) -> Result<(), &'static str> {
    if address.is_unspecified() {
        Err("others must be able to send there: give the address itself, not 0.0.0.0 or ::")
    } else {
        of_one_host(address)
    }
}

/// Neither answers nor sound come from an address that a group has.
fn of_one_host(address: &IpAddr) -> Result<(), &'static str> {
    let everybody = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || everybody {
        Err("a multicast or broadcast address is nobody's own: give that of one machine")
    } else {
        Ok(())
    }
}
