//! What a trunk's section says that is of no use for what the trunk is for: calls out, or users.

use partyline_control::SourceKind;

use super::document::Findings;
use super::place::{RawPlace, RawSource};
use super::raw::{Digests, NatKeepAlive, RawConfig, RawTrunk};

/// Notes what of `trunk` nothing comes of.
pub(super) fn check(
    raw: &RawConfig,
    trunk: &RawTrunk,
    findings: &Findings<'_>,
    path: &impl Fn(&str) -> String,
) {
    let add = |key: &str, message: &str| {
        let path = path(key);
        findings.add_at(&path, format!("{path}: {message}"));
    };
    let has_users = has_users(raw, trunk);
    let routing = &trunk.routing;
    // Users are called by the trunk that they belong to, but not since a number begins so.
    let keys = [
        ("prefixes", !routing.prefixes.is_empty(), true),
        ("caller_id", trunk.caller_id.is_some(), !has_users),
        ("max_out", trunk.limits.max_out.is_some(), !has_users),
        ("cps_out", trunk.limits.cps_out.is_some(), !has_users),
    ];
    for (key, is_set, is_useless) in keys {
        if is_set && is_useless && trunk.destination.is_none() {
            add(key, "without a destination no call goes out there; add it, or remove this");
        }
    }
    if trunk.digest.0 != Digests::default().0 && !has_users {
        add("digest", "nobody is asked without a [[user]] of this trunk; add one, or remove this");
    }
    if trunk.nat_keep_alive != NatKeepAlive::default() && !has_users {
        let message = "nobody registers without a [[user]] of this trunk; add one, or remove this";
        add("nat_keep_alive", message);
    }
    // Programs on one machine share its address.
    let is_here = trunk.networks().all(|net| net.addr().is_loopback());
    if has_users && trunk.kind == Some(SourceKind::Carrier) && !is_here {
        let message = "users are telephones: \"carrier\" counts nobody's guesses by his address; \
                       say \"phones\", or remove this";
        add("kind", message);
    }
    if has_users && trunk.realm().contains(['"', '\\', '\n', '\r']) {
        let key = if trunk.account.domain.is_some() { "domain" } else { "name" };
        let message = "telephones are asked for their password in this name, which must not have \
                       quotes or backslashes; add domain, the host that they are set up with";
        add(key, message);
    }
    if !super::together::listens_on_loopback_only(raw) {
        for (key, name) in own_names(trunk) {
            let message = format!(
                "{name} is every machine itself: nobody else comes there; give the name that \
                 others know"
            );
            add(key, &message);
        }
    }
}

/// Whether users belong to `trunk`.
pub(super) fn has_users(raw: &RawConfig, trunk: &RawTrunk) -> bool {
    raw.users.iter().any(|user| user.trunk == trunk.name)
}

impl RawTrunk {
    /// The realm that users of the trunk are asked in.
    pub(super) fn realm(&self) -> &str {
        self.account.domain.as_ref().unwrap_or(&self.name)
    }
}

/// The names of the trunk that lead every machine to itself (RFC 6761 §6.3).
fn own_names(trunk: &RawTrunk) -> Vec<(&'static str, String)> {
    let host = |name: &str| name.split(':').next().unwrap_or(name).to_ascii_lowercase();
    let place = |place: &Option<RawPlace>| place.as_ref().and_then(RawPlace::name).map(host);
    let domain = |domain: &Option<String>| domain.as_deref().map(host);
    let sources = trunk.sources.iter().flatten().filter_map(RawSource::name).map(host);
    let one = [
        ("destination", place(&trunk.destination)),
        ("registrar", place(&trunk.account.registrar)),
        ("domain", domain(&trunk.account.domain)),
        ("from_domain", domain(&trunk.identity.presenting.from_domain)),
    ];
    let one = one.into_iter().filter_map(|(key, name)| Some((key, name?)));
    let all = one.chain(sources.map(|name| ("sources", name)));
    let is_own = |name: &str| {
        let name = name.strip_suffix('.').unwrap_or(name);
        name == "localhost" || name.ends_with(".localhost")
    };
    all.filter(|(_, name)| is_own(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const HERE: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n";
    const TRUNK: &str = "[[trunk]]\nname = \"in\"\nsources = [\"192.0.2.0/24\"]\n";
    const OUT: &str = "destination = \"198.51.100.1:5060\"\n";
    const USER: &str = "[[user]]\nname = \"anna\"\ntrunk = \"in\"\nnumber = \"14165550130\"\n\
                        password_file = \"anna.password\"\n";

    fn faults(text: &str) -> Vec<String> {
        let problems = Config::parse(text).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    /// The one fault of a file.
    fn fault(text: &str) -> String {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        found.into_iter().next().expect("one")
    }

    #[test]
    fn what_is_for_calls_out_needs_a_destination() {
        for (key, used_by_users) in [
            ("prefixes = [\"44\"]", false),
            ("caller_id = \"14165550123\"", true),
            ("max_out = 3", true),
            ("cps_out = 3", true),
        ] {
            let text = format!("{HERE}{TRUNK}{key}\n");
            let found = fault(&text);
            let name = key.split(' ').next().unwrap_or_default();
            assert!(found.contains(&format!("trunk[0].{name}: without a destination")), "{found}");
            assert_eq!(faults(&format!("{text}{OUT}")), Vec::<String>::new());
            assert_eq!(faults(&format!("{text}{USER}")).is_empty(), used_by_users, "{key}");
        }
    }

    #[test]
    fn what_is_for_users_needs_them_and_what_is_not_is_told() {
        for (keys, expected) in [
            ("digest = [\"sha-256\"]\n".to_owned(), "trunk[0].digest: nobody is asked without"),
            ("nat_keep_alive = \"0s\"\n".to_owned(), "trunk[0].nat_keep_alive: nobody registers"),
            (format!("kind = \"carrier\"\n{USER}"), "trunk[0].kind: users are telephones"),
        ] {
            let found = fault(&format!("{HERE}{TRUNK}{keys}"));
            assert!(found.contains(expected), "{found}");
        }
        let quoted = TRUNK.replace("\"in\"", "'in \"1\"'") + &USER.replace("\"in\"", "'in \"1\"'");
        let found = fault(&format!("{HERE}{quoted}"));
        assert!(found.starts_with("6:8: trunk[0].name: telephones are asked"), "{found}");
        let text = format!("{HERE}{TRUNK}digest = [\"sha-256\"]\n{USER}");
        assert_eq!(faults(&text), Vec::<String>::new());
    }

    #[test]
    fn a_name_that_is_every_machines_own_is_of_use_on_one_machine_only() {
        let named = [
            "destination = \"localhost:5070\"",
            "domain = \"LocalHost\"",
            "from_domain = \"localhost:5060\"",
            "sources = [\"pbx.localhost\"]",
        ];
        for key in named {
            let trunk = if key.starts_with("sources") {
                TRUNK.replace("sources = [\"192.0.2.0/24\"]", key)
            } else {
                format!("{TRUNK}{key}\n")
            };
            let found = fault(&format!("{HERE}{trunk}"));
            assert!(found.contains("localhost") && found.contains("every machine"), "{found}");
            assert_eq!(faults(&trunk.replace("192.0.2.0/24", "127.0.0.0/8")), Vec::<String>::new());
        }
        assert_eq!(
            faults(&format!("{HERE}{TRUNK}domain = \"local.host\"\n")),
            Vec::<String>::new()
        );
    }
}
