//! What a trunk's section says of who calls: where it says so, and where we do.

use partyline_control::{FromUser, IdentityHeader, Presenting};
use partyline_sip::Identity;
use toml::de::DeValue;

use super::account::of_domain;
use super::document::{Findings, Walk};
use super::raw::RawTrunk;
use super::setting::{Setting, quoted};

/// Who calls.
pub(super) struct RawIdentity {
    pub(super) caller_from: Vec<Identity>,
    pub(super) presenting: Presenting,
}

impl Default for RawIdentity {
    fn default() -> Self {
        let caller_from = vec![Identity::Asserted, Identity::From];
        Self { caller_from, presenting: Presenting::default() }
    }
}

impl RawIdentity {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.checked("caller_from", &mut self.caller_from, |places| {
            let twice = places.iter().enumerate().any(|(at, one)| places[..at].contains(one));
            match places.as_slice() {
                [] => Err("expected at least one place, such as [\"pai\", \"from\"]"),
                _ if twice => Err("names a place twice; remove one"),
                _ => Ok(()),
            }
        });
        let out = &mut self.presenting;
        walk.setting("from", &mut out.from);
        walk.checked("from_domain", &mut out.from_domain, |domain| {
            let fits = domain.as_ref().is_none_or(|domain| of_domain(domain).is_some());
            if fits { Ok(()) } else { Err("expected a host name such as \"sip.carrier.example\"") }
        });
        walk.setting("identity_out", &mut out.identity);
        walk.setting("anonymous", &mut out.anonymous);
    }
}

impl Setting for FromUser {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("number") => Ok(Self::Number),
            Some("account") => Ok(Self::Account),
            Some("fixed") => Ok(Self::Fixed),
            Some(_) | None => Err("expected \"number\" (the caller's), \"account\" (ours at the \
                 trunk) or \"fixed\" (caller_id, whoever calls)"
                .into()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Number => "number",
            Self::Account => "account",
            Self::Fixed => "fixed",
        })
    }
}

impl Setting for IdentityHeader {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let named = |one: &Self| found.as_str() == Some(name(*one));
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            let names = Self::ALL.map(|one| format!("\"{}\"", name(one)));
            format!("expected one of {}", names.join(", "))
        })
    }

    fn write(&self) -> Option<String> {
        quoted(name(*self))
    }
}

const fn name(header: IdentityHeader) -> &'static str {
    match header {
        IdentityHeader::Asserted => "pai",
        IdentityHeader::Preferred => "ppi",
        IdentityHeader::RemoteParty => "rpid",
        IdentityHeader::Diversion => "diversion",
        IdentityHeader::FromDisplay => "from-display",
        IdentityHeader::None => "none",
    }
}

/// Notes what of it cannot work.
pub(super) fn check(trunk: &RawTrunk, findings: &Findings<'_>, path: &impl Fn(&str) -> String) {
    let from = |message: &str| {
        let path = path("from");
        findings.add_at(&path, format!("{path}: {message}"));
    };
    match trunk.identity.presenting.from {
        FromUser::Account if trunk.user.is_none() && !trunk.account.register => {
            from("\"account\" needs user, or register = true; add one");
        }
        FromUser::Fixed if trunk.caller_id.is_none() => {
            from("\"fixed\" needs caller_id, the number that stands there; add it");
        }
        FromUser::Number | FromUser::Account | FromUser::Fixed => {}
    }
    if trunk.identity.caller_from.contains(&Identity::RemoteParty) && !trunk.trusted {
        let path = path("caller_from");
        let message = "\"rpid\" is passed over unless the trunk is believed: trusted = true";
        findings.warn_at(&path, format!("{path}: {message}"));
    }
}

#[cfg(test)]
mod tests {
    use partyline_control::Trunk;

    use super::super::Config;
    use super::*;

    const TRUNK: &str = "[[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.0/8\"]\n";

    fn parse(keys: &str) -> Result<(Trunk, Vec<String>), Vec<String>> {
        let config = Config::parse(&format!("{TRUNK}{keys}\n"));
        let config = config
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let again = Config::parse(config.effective()).expect("as printed");
        assert_eq!(again.control.trunks[0].presenting, config.control.trunks[0].presenting);
        let warnings = config.warnings.iter().map(ToString::to_string).collect();
        Ok((config.control.trunks[0].clone(), warnings))
    }

    #[test]
    fn a_trunk_says_where_callers_are_named_in_and_out() {
        let (usual, _) = parse("").expect("no fault");
        assert_eq!(usual.caller_from, [Identity::Asserted, Identity::From]);
        assert_eq!(usual.presenting.identity, Some(IdentityHeader::None), "nobody believes us");
        let (trusted, _) = parse("trusted = true").expect("no fault");
        assert_eq!(trusted.presenting.identity, Some(IdentityHeader::Asserted));
        let text = "destination = \"127.0.0.9:5060\"\ncaller_from = [\"rpid\", \"ppi\", \"from\"]\ntrusted = true\ncaller_id = \"1416\"\n\
                    from = \"fixed\"\nfrom_domain = \"sip.example\"\nidentity_out = \"ppi\"\nanonymous = true";
        let (trunk, warnings) = parse(text).expect("no fault");
        let expected = [Identity::RemoteParty, Identity::Preferred, Identity::From];
        assert_eq!(trunk.caller_from, expected);
        let expected = Presenting {
            from: FromUser::Fixed,
            from_domain: Some("sip.example".to_owned()),
            identity: Some(IdentityHeader::Preferred),
            anonymous: true,
        };
        assert_eq!(trunk.presenting, expected);
        assert!(!warnings.iter().any(|warning| warning.contains("rpid")), "{warnings:?}");
        let (_, warnings) = parse("caller_from = [\"rpid\", \"from\"]").expect("no fault");
        assert!(warnings.iter().any(|warning| warning.contains("trusted = true")), "{warnings:?}");
    }

    #[test]
    fn what_cannot_work_is_told_with_what_to_do() {
        for (keys, expected) in [
            ("caller_from = []", "caller_from: expected at least one place"),
            ("caller_from = [\"to\"]", "caller_from: expected \"pai\""),
            ("caller_from = [\"pai\", \"pai\"]", "caller_from: names a place twice"),
            ("from = \"me\"", "from: expected \"number\""),
            ("from = \"account\"", "from: \"account\" needs user, or register = true; add one"),
            ("from = \"fixed\"", "from: \"fixed\" needs caller_id"),
            ("from_domain = \"a b\"", "from_domain: expected a host name"),
            ("identity_out = \"p-asserted\"", "identity_out: expected one of \"pai\", \"ppi\""),
        ] {
            let found = parse(keys).err().unwrap_or_default();
            assert_eq!(found.len(), 1, "{keys}: {found:?}");
            assert!(found[0].contains(expected), "{keys}: {found:?}");
        }
    }
}
