//! What must hold between keys, and what is rarely meant.
//!
//! A setting that is accepted and cannot work is found out by a caller; these rules find it before.
//! Only the file is looked at: whether an address is this machine's is known when the bridge starts.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use partyline_control::MediaAddresses;
use partyline_sip::Transport;
use partyline_sip::locate::Procedure;
use partyline_sip::sdp::{KeyExchange, SrtpPolicy};

use super::account;
use super::document::Findings;
use super::place::RawPlace;
use super::raw::{RawConfig, RawTrunk};
use super::{identity, numbers, purpose, star, stir, user};

/// A network of callers wider than this is most of the Internet: bits of the prefix.
const WIDE_V4: u8 = 7;
const WIDE_V6: u8 = 15;

/// Notes what cannot work together, and what works but is rarely meant.
pub(super) fn check(raw: &RawConfig, findings: &Findings<'_>) {
    sip(raw, findings);
    streams(raw, findings);
    media(raw, findings);
    http(raw, findings);
    dns(raw, findings);
    trunks(raw, findings);
    stir::check_all(raw, findings);
    user::check(raw, findings);
    conference(raw, findings);
    star::check(raw, findings);
}

fn sip(raw: &RawConfig, findings: &Findings<'_>) {
    let listen = &raw.sip_listen;
    let streams = raw.streams.listeners().map(|(transport, at)| (format!("sip.{transport}"), at));
    let all = listen.iter().map(|at| ("sip.listen".to_owned(), *at)).chain(streams);
    let everywhere = all.into_iter().find(|(_, at)| at.ip().is_unspecified());
    if let Some((path, _)) = everywhere.filter(|_| raw.sip_advertised.is_none()) {
        let message = format!(
            "{path}: with 0.0.0.0 or ::, sip.advertised must say which address others reach; add it"
        );
        findings.add_at(&path, message);
    }
    for (index, address) in listen.iter().enumerate() {
        let overlaps = |other: &&SocketAddr| is_one_port(**other, *address);
        if let Some(other) = listen[..index].iter().find(overlaps) {
            let message = format!("sip.listen: {other} and {address} are one port; remove one");
            findings.add_at("sip.listen", message);
        }
    }
    if let Some(advertised) = raw.sip_advertised {
        let nowhere = advertised.port() == 0 || !hears(raw, advertised.ip());
        let here_only =
            advertised.ip().to_canonical().is_loopback() && !listens_on_loopback_only(raw);
        let unheard = !advertised.ip().is_loopback() && listens_on_loopback_only(raw);
        if nowhere || here_only || unheard {
            let message = format!(
                "sip.advertised: nobody who is told {advertised} reaches {}; give an address that \
                 leads to one of sip.listen",
                list(listen)
            );
            findings.add_at("sip.advertised", message);
        }
    }
}

fn streams(raw: &RawConfig, findings: &Findings<'_>) {
    let streams = &raw.streams;
    let listeners: Vec<(String, SocketAddr)> = streams
        .listeners()
        .map(|(transport, address)| (format!("sip.{transport}"), address))
        .chain([("http.listen".to_owned(), raw.http_listen)])
        .collect();
    for (index, (path, address)) in listeners.iter().enumerate() {
        let before = &listeners[..index];
        if let Some((other, _)) = before.iter().find(|(_, other)| is_one_port(*other, *address)) {
            let message = format!("{path}: {address} stands in {other} too; give it another port");
            findings.add_at(path, message);
        }
    }
    for (path, list) in [("sip.tls", &streams.tls), ("sip.wss", &streams.wss)] {
        if !list.is_empty() && (streams.certificate.is_none() || streams.key.is_none()) {
            let message = format!("{path}: needs sip.certificate and sip.key; add them");
            findings.add_at(path, message);
        }
    }
    let pair = [("sip.certificate", &streams.certificate), ("sip.key", &streams.key)];
    if let [(path, Some(_)), (other, None)] | [(other, None), (path, Some(_))] = pair {
        findings.add_at(path, format!("{path}: is of no use without {other}; add it"));
    }
    if streams.client_ca.is_some() && streams.tls.is_empty() && streams.wss.is_empty() {
        let message = "sip.client_ca: nobody connects with TLS; is sip.tls forgotten?";
        findings.warn_at("sip.client_ca", message.to_owned());
    }
    let has_browsers = !streams.ws.is_empty() || !streams.wss.is_empty();
    if has_browsers && streams.ws_origins.is_empty() {
        let path = findings.first_set(["sip.wss", "sip.ws"]);
        let message = format!(
            "{path}: browsers are refused until sip.ws_origins lists their pages; others are taken"
        );
        findings.warn_at(path, message);
    }
}

/// Whether nobody can listen on both.
fn is_one_port(one: SocketAddr, other: SocketAddr) -> bool {
    let wide = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (wide || one.ip() == other.ip())
}

fn media(raw: &RawConfig, findings: &Findings<'_>) {
    for address in raw.media_address.iter() {
        media_at(raw, address, findings);
    }
    for bind in raw.media_bind.iter().flat_map(|bind| bind.iter()) {
        let Some(address) = raw.media_address.of_family(bind) else {
            let message = format!(
                "media.bind: {bind} takes no sound that is sent to {}",
                words(raw.media_address)
            );
            findings.add_at("media.bind", message);
            continue;
        };
        if bind.is_loopback() && !address.is_loopback() {
            let message = format!(
                "media.bind: sound that others send to {address} never comes to {bind}; give an \
                 address of a network"
            );
            findings.add_at("media.bind", message);
        }
    }
    let lacking = raw.sip_listen.iter().find(|at| raw.media_address.of_family(at.ip()).is_none());
    if let Some(at) = lacking {
        let family = if at.is_ipv4() { "IPv4" } else { "IPv6" };
        let message = format!(
            "media.address: callers of {at} hear nothing unless they reach {} as well; add an \
             address of {family}",
            words(raw.media_address)
        );
        findings.warn_at("media.address", message);
    }
    let bind = raw.media_bind.unwrap_or(raw.media_address);
    let fits = bind.iter().all(|bind| raw.media_address.of_family(bind).is_some());
    let lacks = raw.media_address.iter().find(|ip| bind.of_family(*ip).is_none());
    if let Some(lacks) = lacks.filter(|_| fits) {
        let message = format!("media.bind: nothing takes sound that is sent to {lacks}");
        findings.add_at("media.bind", message);
    }
    let (low, high) = (raw.ports.low, raw.ports.high);
    let meets = |at: &&SocketAddr| {
        let same =
            |bind: IpAddr| at.ip() == bind || at.ip().is_unspecified() || bind.is_unspecified();
        bind.of_family(at.ip()).is_some_and(same) && (low..=high).contains(&at.port())
    };
    if let Some(at) = raw.sip_listen.iter().find(meets) {
        let message = format!("media.ports: {low}-{high} holds the SIP port of {at}; move one");
        findings.add_at_first(["media.ports", "sip.listen"], message);
    }
    let room = raw.ports.range.even_ports().count();
    if room < raw.conference.max_calls {
        let message = format!(
            "media.ports: {low}-{high} is enough for {room} calls at one time, fewer than \
             conference.max_calls"
        );
        findings.warn_at_first(["media.ports", "conference.max_calls"], message);
    }
}

/// One address of our media beside those of SIP.
fn media_at(raw: &RawConfig, address: IpAddr, findings: &Findings<'_>) {
    if address.is_loopback() && !listens_on_loopback_only(raw) && hears(raw, address) {
        let message = format!(
            "media.address: callers of {} are told to send sound to {address}, which only this \
             machine reaches; give the address that they reach",
            list(&raw.sip_listen)
        );
        findings.add_at(findings.first_set(["media.address", "sip.listen"]), message);
    }
    if !hears(raw, address) {
        let message = format!(
            "media.address: callers of {} are told to send sound to {address}, and SIP has no \
             address of that family; give an address of the same one, or let sip.listen have both",
            list(&raw.sip_listen)
        );
        findings.add_at(findings.first_set(["media.address", "sip.listen"]), message);
    } else if !address.is_loopback() && listens_on_loopback_only(raw) {
        let message = format!(
            "media.address: sound is taken at {address}, but SIP only from this machine; is \
             sip.listen forgotten?"
        );
        findings.warn_at("media.address", message);
    }
}

fn http(raw: &RawConfig, findings: &Findings<'_>) {
    let ip = raw.http_listen.ip();
    if ip.is_loopback() {
        return;
    }
    if raw.http_allow_remote {
        let who = if ip.is_unspecified() { "this machine".to_owned() } else { ip.to_string() };
        let message = format!(
            "http.listen: whoever reaches {who} reads how many calls there are; let a firewall \
             admit only your probes"
        );
        findings.warn_at("http.listen", message);
    } else {
        let message = format!(
            "http.listen: {ip} can be reached from outside and the pages have no access control; \
             give an address of loopback, or say http.allow_remote = true"
        );
        findings.add_at("http.listen", message);
    }
}

fn dns(raw: &RawConfig, findings: &Findings<'_>) {
    let streams = raw.streams.listeners().map(|(_, at)| at);
    let all = raw.sip_listen.iter().copied().chain(streams).chain([raw.http_listen]);
    let own: Vec<SocketAddr> = all.chain(raw.sip_advertised).collect();
    let is_own = |server: &&SocketAddr| own.iter().any(|at| is_one_port(*at, **server));
    if let Some(server) = raw.dns_servers.iter().find(is_own) {
        let message = format!(
            "dns.servers: {server} is this bridge itself; give the address of a name server"
        );
        findings.add_at("dns.servers", message);
    }
}

fn trunks(raw: &RawConfig, findings: &Findings<'_>) {
    if raw.trunks.is_empty() {
        let message = "trunk: without one no call can come in; add a [[trunk]]";
        findings.add_at("trunk", message.to_owned());
    }
    let mut seen = BTreeSet::new();
    for (index, trunk) in raw.trunks.iter().enumerate() {
        let path = |key: &str| format!("trunk[{index}].{key}");
        let plain = |trunk: &RawTrunk| trunk.name.trim().to_lowercase();
        let same = |other: &&RawTrunk| !trunk.name.is_empty() && plain(other) == plain(trunk);
        if let Some(other) = raw.trunks[..index].iter().find(same) {
            let path = path("name");
            let message = format!("{path}: another trunk is called {:?}; rename one", other.name);
            findings.add_at(&path, message);
        }
        let networks: Vec<IpNet> = trunk.networks().collect();
        for source in &networks {
            if let Some(message) = doubtful(raw, trunk, *source) {
                let path = path("sources");
                findings.warn_at(&path, format!("{path}: {message}"));
            }
            if !seen.insert(source.trunc()) {
                let path = path("sources");
                let message = format!(
                    "{path}: {source} stands twice; calls from it belong to the first trunk"
                );
                findings.warn_at(&path, message);
            } else if source.prefix_len() < source.max_prefix_len()
                && let Some((before, wider)) = hidden(&raw.trunks[..index], *source)
            {
                let path = path("sources");
                let message = format!(
                    "{path}: {source} lies within {wider}: calls from it belong to the trunk \
                     {before:?}; put this trunk before it"
                );
                findings.warn_at(&path, message);
            }
        }
        for net in trunk.media_sources.iter().filter(|net| is_wide(**net)) {
            let path = path("media_sources");
            findings.warn_at(
                &path,
                format!(
                    "{path}: {net}: anybody on the Internet may take the sound of a caller who is \
                     silent; name the networks that the NAT sends media from"
                ),
            );
        }
        way_out(raw, trunk, findings, &path);
        names(trunk, findings, &path);
        let patience = trunk.routing.patience;
        if patience.progress < patience.provisional {
            let message = format!("{}: must not be less than first_response", path("first_18x"));
            findings.add_at_first([&path("first_18x"), &path("first_response")], message);
        }
        if trunk.destination.is_some() && patience.progress > raw.conference.ring {
            let message = format!(
                "{}: longer than conference.ring, after which the call is over: no other trunk is \
                 tried for silence",
                path("first_18x")
            );
            findings.warn_at_first([&path("first_18x"), "conference.ring"], message);
        }
        let timers = trunk.extensions.timers;
        if timers.expires < timers.min_se {
            let message = format!("{}: must not be less than min_se", path("session_expires"));
            findings.add_at_first([&path("session_expires"), &path("min_se")], message);
        }
        let at = |place: &Option<RawPlace>| place.as_ref().and_then(RawPlace::address);
        if let Some(message) = at(&trunk.destination).and_then(|to| unreachable(raw, to)) {
            let path = path("destination");
            findings.add_at(&path, format!("{path}: {message}"));
        }
        if trunk.srtp == SrtpPolicy::Off && trunk.srtp_keys != KeyExchange::default() {
            let path = path("srtp_keys");
            findings.warn_at(
                &path,
                format!("{path}: nothing is encrypted; set srtp to preferred or required"),
            );
        }
        if let Some(message) = readable_keys(raw, trunk) {
            let path = path("srtp");
            findings.warn_at(&path, format!("{path}: {message}"));
        }
        if let Some(message) = at(&trunk.account.registrar).and_then(|to| unreachable(raw, to)) {
            let path = path("registrar");
            findings.add_at(&path, format!("{path}: {message}"));
        }
        account::check(trunk, &raw.trunks[..index], findings, &path);
        purpose::check(raw, trunk, findings, &path);
        numbers::check(trunk, findings, &path);
        identity::check(trunk, findings, &path);
        stir::check(trunk, findings, &path);
        if let Some((key, message)) = half_a_login(trunk) {
            let path = path(key);
            findings.add_at(&path, format!("{path}: {message}"));
        }
    }
}

/// Why the keys of encrypted sound can be read by others: SDES has them in the signalling.
fn readable_keys(raw: &RawConfig, trunk: &RawTrunk) -> Option<String> {
    let is_safe = |transport| matches!(transport, Transport::Tls | Transport::Wss);
    let transport = trunk.transport.0.unwrap_or(Transport::Udp);
    let rest = "its keys go in the clear, and whoever reads the signalling can listen";
    match trunk.srtp {
        SrtpPolicy::Off | SrtpPolicy::Preferred => None,
        // A handshake gives none away.
        SrtpPolicy::Required if trunk.srtp_keys == KeyExchange::Dtls => None,
        SrtpPolicy::Required if trunk.destination.is_some() && !is_safe(transport) => {
            Some(format!("calls out go over {transport}: {rest}; set transport = \"tls\""))
        }
        SrtpPolicy::Required if raw.streams.listeners().any(|(by, _)| is_safe(by)) => None,
        SrtpPolicy::Required => {
            Some(format!("no call can come in over TLS: {rest}; add an address to sip.tls"))
        }
    }
}

/// What a login lacks to be of use, and at which key that is said.
fn half_a_login(trunk: &RawTrunk) -> Option<(&'static str, &'static str)> {
    match (&trunk.user, &trunk.password_file, trunk.places().next()) {
        (Some(_), None, _) => Some(("user", "add password_file, where the password stands")),
        (None, Some(_), _) => Some(("password_file", "add user, whose password it is")),
        (Some(_), Some(_), None) if !trunk.account.register => {
            Some(("user", "without a destination there are no calls that it is asked for; add it"))
        }
        (Some(_), Some(_), _) | (None, None, _) => None,
    }
}

/// The first of `earlier` trunks that all addresses of `source` belong to, and its network.
fn hidden(earlier: &[RawTrunk], source: IpNet) -> Option<(&str, IpNet)> {
    let nets =
        earlier.iter().flat_map(|trunk| trunk.networks().map(|wider| (trunk.name.as_str(), wider)));
    nets.into_iter().find(|(_, wider)| wider.contains(&source))
}

/// Notes what the names of `trunk` lack, or what they are not.
fn names(trunk: &RawTrunk, findings: &Findings<'_>, path: &impl Fn(&str) -> String) {
    let add = |key: &str, message: &str| {
        let path = path(key);
        findings.add_at(&path, format!("{path}: {message}"));
    };
    if trunk.resolve == Procedure::Auto {
        return;
    }
    let named = || trunk.places().filter(|at| at.name().is_some());
    let has_port = |at: &RawPlace| matches!(at, RawPlace::Name { port: Some(_), .. });
    if named().next().is_none() {
        add("resolve", "is of no use without a name; give one as destination or registrar");
    } else if named().all(has_port) {
        add(
            "resolve",
            "a name with a port is looked up by its address records; remove one of both",
        );
    }
}

/// Notes what keeps calls out of `trunk` from going by its transport.
fn way_out(
    raw: &RawConfig,
    trunk: &RawTrunk,
    findings: &Findings<'_>,
    path: &impl Fn(&str) -> String,
) {
    let transport = trunk.transport.0.unwrap_or(Transport::Udp);
    let listens = raw.streams.listeners().any(|(listening, _)| listening == transport);
    if transport.is_reliable() && !listens {
        let path = path("transport");
        let message = format!(
            "{path}: {transport} needs an address in sip.{transport}, which the far end connects \
             to when it has lost the connection"
        );
        findings.add_at(&path, message);
    }
    let pair = [("tls_certificate", &trunk.tls_certificate), ("tls_key", &trunk.tls_key)];
    if let [(one, Some(_)), (other, None)] | [(other, None), (one, Some(_))] = pair {
        let path = path(one);
        findings.add_at(&path, format!("{path}: is of no use without {other}; add it"));
    }
    if transport == Transport::Tls && !trunk.tls_verify.0 {
        let path = path("tls_verify");
        let message =
            format!("{path}: whoever gets between may listen and call in the far end's name");
        findings.warn_at(&path, message);
    }
}

/// Whether `net` holds a good part of the Internet.
const fn is_wide(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() <= WIDE_V4,
        IpNet::V6(net) => net.prefix_len() <= WIDE_V6,
    }
}

/// Why callers from `source` are hardly whom somebody wants to let in.
fn doubtful(raw: &RawConfig, trunk: &RawTrunk, source: IpNet) -> Option<String> {
    if is_wide(source) && purpose::has_users(raw, trunk) {
        return Some(format!(
            "{source}: telephones register from the whole Internet, and nothing but their \
             passwords keeps others out: let those be long and random"
        ));
    }
    if is_wide(source) {
        let believed = if trunk.trusted {
            ", and the calling numbers that they claim are believed (trusted)"
        } else {
            ""
        };
        return Some(format!(
            "{source}: anybody on the Internet may call and try passcodes{believed}; name the \
             networks of the carrier or of the phones"
        ));
    }
    let heard = raw.sip_listen.iter().any(|at| {
        let same_family = at.is_ipv4() == matches!(source, IpNet::V4(_));
        let loopback = source.addr().is_loopback();
        same_family && (at.ip().is_unspecified() || at.ip().is_loopback() == loopback)
    });
    // The default names both families of loopback, and hears one.
    (!heard && !source.addr().is_loopback())
        .then(|| format!("{source}: nobody there reaches {}", list(&raw.sip_listen)))
}

/// Why no call out comes to `to`.
fn unreachable(raw: &RawConfig, to: SocketAddr) -> Option<String> {
    if to.port() == 0 {
        return Some(format!("{to} has no port; SIP's is 5060"));
    }
    if raw.sip_listen.contains(&to) || raw.sip_advertised == Some(to) {
        return Some(format!("{to} is this bridge itself; give the carrier's address"));
    }
    let from: Vec<IpAddr> = raw
        .sip_listen
        .iter()
        .map(SocketAddr::ip)
        .filter(|ip| ip.is_ipv4() == to.is_ipv4())
        .collect();
    if from.is_empty() {
        let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
        return Some(format!("nothing goes to {to}: sip.listen has no address of {family}"));
    }
    let leaves = |ip: &IpAddr| ip.is_unspecified() || ip.is_loopback() == to.ip().is_loopback();
    (!from.iter().any(leaves))
        .then(|| format!("nothing goes to {to} from {}", list(&raw.sip_listen)))
}

fn conference(raw: &RawConfig, findings: &Findings<'_>) {
    let times = &raw.conference;
    if times.speak_at_latest < times.speak_after {
        let message = "conference.speak_at_latest: must not be less than speak_after";
        let keys = ["conference.speak_at_latest", "conference.speak_after"];
        findings.add_at_first(keys, message.to_owned());
    }
    if times.alone_limit <= times.alone_music {
        let message = "conference.alone_music: somebody alone is hung up before music begins";
        let keys = ["conference.alone_music", "conference.alone_limit"];
        findings.warn_at_first(keys, message.to_owned());
    }
}

/// Whether SIP is heard in the family of `ip`.
fn hears(raw: &RawConfig, ip: IpAddr) -> bool {
    raw.sip_listen.iter().any(|at| at.is_ipv4() == ip.is_ipv4())
}

/// Whether no other machine reaches the bridge's SIP.
pub(super) fn listens_on_loopback_only(raw: &RawConfig) -> bool {
    let streams = raw.streams.listeners().map(|(_, at)| at);
    raw.sip_listen.iter().copied().chain(streams).all(|at| at.ip().is_loopback())
}

fn words(addresses: MediaAddresses) -> String {
    addresses.iter().map(|ip| ip.to_string()).collect::<Vec<_>>().join(" and ")
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const WIDE: &str = "[sip]\nlisten = [\"192.0.2.7:5060\"]\n[media]\naddress = \"192.0.2.7\"\n";
    const TRUNK: &str = "[[trunk]]\nname = \"t\"\nsources = [\"192.0.2.0/24\"]\n";

    fn faults(text: &str) -> Vec<String> {
        let problems = Config::parse(text).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    fn warnings(text: &str) -> Vec<String> {
        Config::parse(text).unwrap().warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn settings_that_cannot_work_together_are_refused_with_what_to_do() {
        let trunk_to = |to: &str| format!("{WIDE}{TRUNK}destination = \"{to}\"\n");
        for (text, expected) in [
            ("[sip]\nlisten = [\"192.0.2.7:5060\"]\n".to_owned(), "media.address: callers of 192"),
            (
                "[sip]\nlisten = [\"0.0.0.0:5060\"]\nadvertised = \"192.0.2.7:5060\"\n".to_owned(),
                "media.address: callers of 0.0.0.0:5060",
            ),
            (
                "[sip]\nlisten = [\"127.0.0.1:5060\", \"127.0.0.1:5060\"]\n".to_owned(),
                "127.0.0.1:5060 and 127.0.0.1:5060 are one port",
            ),
            (
                "[sip]\nadvertised = \"192.0.2.7:5060\"\n".to_owned(),
                "nobody who is told 192.0.2.7:5060 reaches 127.0.0.1:5060",
            ),
            (format!("{WIDE}bind = \"127.0.0.1\"\n"), "never comes to 127.0.0.1"),
            (format!("{WIDE}bind = \"::1\"\n"), "takes no sound that is sent to 192.0.2.7"),
            (format!("{WIDE}ports = \"5000-6000\"\n"), "holds the SIP port of 192.0.2.7:5060"),
            ("[media]\naddress = \"::1\"\n".to_owned(), "SIP has no address of that family"),
            (
                WIDE.replace(
                    "[media]\naddress = \"192.0.2.7\"",
                    "[media]\naddress = \"2001:db8::7\"",
                ),
                "sound to 2001:db8::7, and SIP has no address",
            ),
            (
                WIDE.replace("[media]", "advertised = \"[2001:db8::7]:5060\"\n[media]"),
                "nobody who is told [2001:db8::7]:5060 reaches 192.0.2.7:5060",
            ),
            (WIDE.replace("192.0.2.7:", "224.0.0.1:"), "sip.listen: a multicast or broadcast"),
            (WIDE.replace("192.0.2.7:", "255.255.255.255:"), "sip.listen: a multicast or broadc"),
            ("[media]\naddress = \"224.0.0.1\"\n".to_owned(), "media.address: a multicast or"),
            (format!("{WIDE}bind = \"239.1.1.1\"\n"), "media.bind: a multicast or broadcast"),
            ("[http]\nlisten = \"224.0.0.1:80\"\n".to_owned(), "http.listen: a multicast or"),
            (trunk_to("224.0.0.1:5060"), "destination: a multicast or broadcast"),
            (trunk_to("127.0.0.1:5060"), "nothing goes to 127.0.0.1:5060 from 192.0.2.7"),
            (trunk_to("[2001:db8::1]:5060"), "sip.listen has no address of IPv6"),
            (trunk_to("192.0.2.7:5060"), "is this bridge itself"),
            (trunk_to("192.0.2.9:0"), "has no port"),
            (
                "[sip]\ntls = [\"127.0.0.1:5061\"]\n".to_owned(),
                "sip.tls: needs sip.certificate and sip.key",
            ),
            ("[sip]\nkey = \"k.pem\"\n".to_owned(), "no use without sip.certificate"),
            (
                "[sip]\ntcp = [\"127.0.0.1:9060\"]\n".to_owned(),
                "http.listen: 127.0.0.1:9060 stands in sip.tcp too",
            ),
            ("[sip]\nws_origins = [\"phone.example.com\"]\n".to_owned(), "as browsers name them"),
            (
                format!("{}transport = \"tcp\"\n", trunk_to("192.0.2.9:5060")),
                "trunk[0].transport: tcp needs an address in sip.tcp",
            ),
            (
                format!("{}tls_key = \"k.pem\"\n", trunk_to("192.0.2.9:5060")),
                "trunk[0].tls_key: is of no use without tls_certificate",
            ),
            (
                format!("{}transport = \"ws\"\n", trunk_to("192.0.2.9:5060")),
                "expected \"auto\", \"udp\", \"tcp\" or \"tls\"",
            ),
            (
                format!("{}tls_name = \"a b\"\n", trunk_to("192.0.2.9:5060")),
                "expected the host name in",
            ),
            (
                format!("{TRUNK}first_response = \"10s\"\nfirst_18x = \"9s\"\n"),
                "trunk[0].first_18x: must not be less than first_response",
            ),
            (format!("{TRUNK}max_in = 0\n"), "trunk[0].max_in: expected at least 1"),
            (
                "[dns]\nservers = [\"9.9.9.9:0\"]\n".to_owned(),
                "dns.servers: a name server listens on a port: 53",
            ),
            (
                format!("{TRUNK}requests_per_second = 0\n"),
                "trunk[0].requests_per_second: expected 1 to 100000",
            ),
            (format!("{TRUNK}prefixes = [\"*1\"]\n"), "expected the first digits of telephone"),
            (format!("{TRUNK}advance_on = [600]\n"), "trunk[0].advance_on: 486, 600 and 603 are"),
            (format!("{TRUNK}advance_on = [302]\n"), "expected final SIP statuses from 400"),
            (
                format!("{WIDE}{TRUNK}srtp = \"on\"\n"),
                "trunk[0].srtp: expected \"off\", \"preferred\" or \"required\"",
            ),
            ("[log]\nfilter = \"verbose\"\n".to_owned(), "log.filter: expected a level of"),
            ("[conference]\nring = \"0s\"\n".to_owned(), "conference.ring: expected at least"),
            ("[conference]\nmax_calls = 0\n".to_owned(), "with 0 no call could come in"),
            (
                "[conference.passcode]\nfirst_digit = \"10ms\"\n".to_owned(),
                "passcode.first_digit: expected at least",
            ),
            ("[seller]\nname = \" \"\n".to_owned(), "expected who sends the invoices"),
        ] {
            let found = faults(&text);
            assert!(found.iter().any(|fault| fault.contains(expected)), "{text}: {found:?}");
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        assert_eq!(faults(&trunk_to("192.0.2.9:5060")), Vec::<String>::new());
    }

    #[test]
    fn a_fault_of_two_keys_is_told_at_the_one_that_the_file_has() {
        let trunk = format!("{WIDE}{TRUNK}destination = \"192.0.2.9:5060\"\n");
        for (text, expected) in [
            (format!("{trunk}min_se = \"1h\"\n"), "9:10: trunk[0].session_expires: must not"),
            (format!("{trunk}first_response = \"20s\"\n"), "9:18: trunk[0].first_18x: must not"),
            (
                "[conference]\nspeak_after = \"1m\"\n".to_owned(),
                "2:15: conference.speak_at_latest: must not",
            ),
        ] {
            assert!(faults(&text).iter().any(|fault| fault.starts_with(expected)), "{text}");
        }
        for (text, expected) in [
            (format!("{trunk}[conference]\nring = \"14s\"\n"), "10:8: trunk[0].first_18x: longer"),
            (format!("{trunk}first_18x = \"2m\"\n"), "9:13: trunk[0].first_18x: longer"),
            ("[conference]\nalone_limit = \"4s\"\n".to_owned(), "2:15: conference.alone_music"),
        ] {
            let found = warnings(&text);
            assert!(found.iter().any(|doubt| doubt.starts_with(expected)), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_trunk_or_a_name_server_is_not_taken_for_another() {
        let found = faults(&format!("{WIDE}{TRUNK}{}", TRUNK.replace("\"t\"", "\" T\"")));
        assert!(found[0].starts_with("9:8: trunk[1].name: another trunk is called \"t\""));
        let dns = |at: &str| format!("{WIDE}{TRUNK}[dns]\nservers = [\"{at}\"]\n");
        let found = faults(&dns("192.0.2.7:5060"));
        assert!(
            found[0].starts_with("9:11: dns.servers: 192.0.2.7:5060 is this bridge"),
            "{found:?}"
        );
        assert_eq!(faults(&dns("192.0.2.7:53")), Vec::<String>::new());
    }

    #[test]
    fn a_bad_destination_is_one_fault_and_a_final_dot_is_none() {
        let trunk = |keys: &str| format!("{WIDE}[[trunk]]\nname = \"t\"\n{keys}\n");
        let found = faults(&trunk("destination = \"192.0.2.300:5060\""));
        assert!(
            found.len() == 1 && found[0].contains("trunk[0].destination: expected"),
            "{found:?}"
        );
        for key in
            ["destination = \"sip.carrier.example.\"", "sources = [\"sip.carrier.example.\"]"]
        {
            let config = Config::parse(&trunk(key)).expect("no fault");
            assert!(config.effective().contains("\"sip.carrier.example\""), "{key}");
        }
    }

    #[test]
    fn telephones_that_register_from_everywhere_are_no_callers_from_everywhere() {
        let user = "[[user]]\nname = \"anna\"\ntrunk = \"t\"\nnumber = \"14165550130\"\n\
                    password_file = \"x\"\n";
        let wide = TRUNK.replace("192.0.2.0/24", "0.0.0.0/0");
        let found = warnings(&format!("{WIDE}{wide}{user}"));
        assert!(found[0].contains("nothing but their passwords"), "{found:?}");
        assert!(!found.iter().any(|doubt| doubt.contains("anybody")), "{found:?}");
    }

    #[test]
    fn extensions_that_nobody_speaks_are_refused_with_what_to_do() {
        for (text, expected) in [
            (
                format!("{TRUNK}session_expires = \"2m\"\nmin_se = \"3m\"\n"),
                "trunk[0].session_expires: must not be less than min_se",
            ),
            (
                format!("{TRUNK}min_se = \"89s\"\n"),
                "trunk[0].min_se: expected whole seconds from \"90s\"",
            ),
            (
                format!("{TRUNK}timers = \"on\"\n"),
                "trunk[0].timers: expected \"accept\", \"offer\"",
            ),
            (
                format!("{TRUNK}srtp_keys = \"zrtp\"\n"),
                "trunk[0].srtp_keys: expected \"sdes\" or \"dtls\"",
            ),
            (
                format!("{TRUNK}rel = \"on\"\n"),
                "trunk[0].rel: expected \"on-demand\", \"offer\" or",
            ),
        ] {
            let found = faults(&text);
            assert!(found.iter().all(|fault| fault.contains(expected)), "{text}: {found:?}");
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
    }

    #[test]
    fn what_is_rarely_meant_is_told_and_taken() {
        let from = |net: &str| format!("{WIDE}[[trunk]]\nname = \"t\"\nsources = [\"{net}\"]\n");
        for (text, expected) in [
            (from("0.0.0.0/0"), "7:11: trunk[0].sources: 0.0.0.0/0: anybody on the Internet may"),
            (from("::/0"), "anybody on the Internet"),
            (
                format!("{WIDE}{TRUNK}srtp = \"required\"\n"),
                "trunk[0].srtp: no call can come in over TLS: its keys go in the clear",
            ),
            (
                format!("{WIDE}{TRUNK}srtp = \"required\"\ndestination = \"192.0.2.9:5060\"\n"),
                "trunk[0].srtp: calls out go over udp: its keys go in the clear",
            ),
            (
                format!("{WIDE}{TRUNK}srtp_keys = \"dtls\"\n"),
                "trunk[0].srtp_keys: nothing is encrypted; set srtp to preferred or required",
            ),
            (from("128.0.0.0/1"), "anybody on the Internet"),
            (format!("{}trusted = true\n", from("0.0.0.0/0")), "are believed (trusted)"),
            (
                format!("{WIDE}{TRUNK}media_sources = [\"0.0.0.0/0\"]\n"),
                "trunk[0].media_sources: 0.0.0.0/0: anybody",
            ),
            (from("127.0.0.0/8").replace("127", "2001:db8::/32\", \"127"), "nobody there reaches"),
            (format!("{WIDE}{TRUNK}{}", TRUNK.replace("\"t\"", "\"u\"")), "stands twice"),
            (
                format!("{WIDE}{TRUNK}{}", TRUNK.replace("\"t\"", "\"u\"").replace("/24", "/28")),
                "trunk[1].sources: 192.0.2.0/28 lies within 192.0.2.0/24: calls from it belong to \
                 the trunk \"t\"",
            ),
            (format!("{WIDE}ports = \"20000-20099\"\n{TRUNK}"), "is enough for 50 calls"),
            ("[media]\naddress = \"192.0.2.7\"\n".to_owned(), "is sip.listen forgotten?"),
            (
                "[sip]\nws = [\"127.0.0.1:8088\"]\n".to_owned(),
                "2:6: sip.ws: browsers are refused until sip.ws_origins",
            ),
            (
                "[sip]\nclient_ca = \"c.pem\"\n".to_owned(),
                "sip.client_ca: nobody connects with TLS",
            ),
            (
                "[sip]\ntls = [\"127.0.0.1:5061\"]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n\
                 [[trunk]]\nname = \"t\"\nsources = [\"127.0.0.0/8\"]\ntransport = \"tls\"\n\
                 destination = \"127.0.0.9:5061\"\ntls_verify = false\n"
                    .to_owned(),
                "trunk[0].tls_verify: whoever gets between",
            ),
            ("[conference]\nalone_limit = \"4s\"\n".to_owned(), "hung up before music begins"),
        ] {
            let found = warnings(&text);
            assert!(found.iter().any(|doubt| doubt.contains(expected)), "{text}: {found:?}");
        }
        assert_eq!(warnings(&from("192.0.2.0/24")), Vec::<String>::new());
        let narrow_first = TRUNK.replace("\"t\"", "\"u\"").replace("/24", "/28");
        assert_eq!(warnings(&format!("{WIDE}{narrow_first}{TRUNK}")), Vec::<String>::new());
        assert_eq!(warnings(""), Vec::<String>::new());
    }
}
