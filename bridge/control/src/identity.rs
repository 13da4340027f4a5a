//! Who we say is calling, in the headers that a trunk wants to see it in.

use partyline_model::Number;

use crate::config::Trunk;

/// How a trunk wants to be told who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presenting {
    /// Whose address stands in From.
    pub from: FromUser,
    /// The host of From; `None` for the trunk's domain, else our address.
    pub from_domain: Option<String>,
    /// Where the number stands besides; `None` for P-Asserted-Identity at a trusted trunk, and
    /// nowhere at another.
    pub identity: Option<IdentityHeader>,
    /// Whether the number is withheld from those who are called.
    pub anonymous: bool,
}

/// Whose address stands in From.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FromUser {
    /// The caller's number.
    #[default]
    Number,
    /// Our account at the trunk, as carriers want it that check From.
    Account,
    /// The trunk's own number, whoever calls.
    Fixed,
}

/// Where else the caller's number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// P-Asserted-Identity (RFC 3325 §9.1).
    Asserted,
    /// P-Preferred-Identity (RFC 3325 §9.2).
    Preferred,
    /// Remote-Party-ID.
    RemoteParty,
    /// Diversion (RFC 5806): the trunk's own number, which pays for the call.
    Diversion,
    /// The display name of From.
    FromDisplay,
    /// Nowhere.
    None,
}

impl IdentityHeader {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Asserted,
        Self::Preferred,
        Self::RemoteParty,
        Self::Diversion,
        Self::FromDisplay,
        Self::None,
    ];

    /// Where the number stands for a trunk that does not say.
    pub const fn by_trust(trusted: bool) -> Self {
        if trusted { Self::Asserted } else { Self::None }
    }
}

/// What an INVITE says of its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) user: String,
    pub(crate) domain: Option<String>,
    pub(crate) display: Option<String>,
    /// Whether the user is a telephone number.
    pub(crate) is_number: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// The number that is shown, to those who are called or to the trunk at least.
    pub(crate) shown: Option<Number>,
}

const ANONYMOUS: &str = "anonymous";

/// The caller of a call out by `trunk`, who has `number` where the account has one; `home` is the
/// host that the trunk's numbers are at.
pub(crate) fn present(trunk: &Trunk, number: Option<Number>, home: &str) -> Presented {
    let terms = &trunk.presenting;
    let number = number.or(trunk.caller_id);
    let uri = |number| format!("<{}>", trunk.numbers.uri(&trunk.numbers.write(number), home));
    // Who has no number to show is as anonymous as who shows none: From and Privacy agree.
    let hidden = terms.anonymous || number.is_none();
    let domain = terms.from_domain.clone().or_else(|| trunk.service());
    let number_in_from = |number: Option<Number>| match number.filter(|_| !hidden) {
        Some(number) => Presented {
            user: trunk.numbers.write(number),
            domain: domain.clone(),
            is_number: true,
            shown: Some(number),
            ..Presented::default()
        },
        None => Presented {
            user: ANONYMOUS.to_owned(),
            domain: Some("anonymous.invalid".to_owned()),
            display: Some("Anonymous".to_owned()),
            ..Presented::default()
        },
    };
    let mut presented = match (terms.from, account(trunk), trunk.caller_id) {
        (FromUser::Account, Some(user), _) => {
            Presented { user, domain: domain.clone(), ..Presented::default() }
        }
        (FromUser::Fixed, _, Some(own)) => Presented {
            user: trunk.numbers.write(own),
            domain: domain.clone(),
            is_number: true,
            shown: Some(own),
            ..Presented::default()
        },
        (FromUser::Number | FromUser::Account | FromUser::Fixed, ..) => number_in_from(number),
    };
    let mut say = |name: &str, value: String| presented.headers.push((name.to_owned(), value));
    let privacy = if hidden { "full" } else { "off" };
    let place = terms.identity.unwrap_or(IdentityHeader::by_trust(trunk.trusted));
    match place {
        IdentityHeader::Asserted => number.map(|n| say("P-Asserted-Identity", uri(n))),
        IdentityHeader::Preferred => number.map(|n| say("P-Preferred-Identity", uri(n))),
        IdentityHeader::RemoteParty => number.map(|n| {
            let terms = format!(";party=calling;screen=yes;privacy={privacy}");
            say("Remote-Party-ID", uri(n) + &terms);
        }),
        IdentityHeader::Diversion => trunk.caller_id.or(number).map(|own| {
            let terms = format!(";reason=unconditional;counter=1;privacy={privacy}");
            say("Diversion", uri(own) + &terms);
        }),
        IdentityHeader::FromDisplay | IdentityHeader::None => None,
    };
    if hidden {
        say("Privacy", "id".to_owned());
    } else if place == IdentityHeader::FromDisplay {
        presented.display = number.map(|number| trunk.numbers.write(number));
        presented.shown = number;
    }
    // What the network is told goes before what a telephone shows (RFC 8588 §4 by way of RFC 3325).
    let told = match place {
        IdentityHeader::Asserted | IdentityHeader::Preferred | IdentityHeader::RemoteParty => {
            number
        }
        IdentityHeader::Diversion | IdentityHeader::FromDisplay | IdentityHeader::None => None,
    };
    presented.shown = told.or(presented.shown);
    presented
}

/// The user that we are at the trunk: that of the address of record, else of the login.
fn account(trunk: &Trunk) -> Option<String> {
    let registered = trunk.account.as_ref().and_then(|account| account.aor.user());
    registered.or_else(|| Some(trunk.login.as_ref()?.user().to_owned()))
}

#[cfg(test)]
mod tests {
    use partyline_sip::auth::{Login, Password};

    use super::*;
    use crate::numbers::NumberFormat;

    const HOME: &str = "sip.carrier.example";

    /// A trunk with an account, a number of its own and these terms.
    fn trunk(change: impl FnOnce(&mut Trunk)) -> Trunk {
        let mut trunk = crate::admission::tests::trunk(1, "192.0.2.0/24", None);
        let login = Login::new("1234567t0", Password::new(b"x".to_vec().into()));
        trunk.login = login.ok().map(std::sync::Arc::new);
        trunk.caller_id = "14165550100".parse().ok();
        trunk.domain = Some(HOME.to_owned());
        trunk.numbers.format = NumberFormat::Plain;
        change(&mut trunk);
        trunk
    }

    fn shown(trunk: &Trunk) -> (String, String, Vec<String>) {
        let presented = present(trunk, "14165550111".parse().ok(), HOME);
        let domain = presented.domain.unwrap_or_default();
        let display = presented.display.unwrap_or_default();
        let headers = presented.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        (display, format!("{}@{domain}", presented.user), headers.collect())
    }

    #[test]
    fn a_caller_is_named_where_the_trunk_looks_for_it() {
        let number = "<sip:14165550111@sip.carrier.example>";
        let cases = [
            (FromUser::Number, IdentityHeader::None, "14165550111", vec![]),
            (
                FromUser::Number,
                IdentityHeader::Asserted,
                "14165550111",
                vec![format!("P-Asserted-Identity: {number}")],
            ),
            (
                FromUser::Account,
                IdentityHeader::Preferred,
                "1234567t0",
                vec![format!("P-Preferred-Identity: {number}")],
            ),
            (
                FromUser::Fixed,
                IdentityHeader::RemoteParty,
                "14165550100",
                vec![format!("Remote-Party-ID: {number};party=calling;screen=yes;privacy=off")],
            ),
            (
                FromUser::Number,
                IdentityHeader::Diversion,
                "14165550111",
                vec![
                    "Diversion: <sip:14165550100@sip.carrier.example>;reason=unconditional;\
                     counter=1;privacy=off"
                        .to_owned(),
                ],
            ),
        ];
        for (from, identity, user, headers) in cases {
            let terms = |trunk: &mut Trunk| {
                trunk.presenting =
                    Presenting { from, identity: Some(identity), ..Presenting::default() };
            };
            let expected = (String::new(), format!("{user}@{HOME}"), headers);
            assert_eq!(shown(&trunk(terms)), expected, "{from:?} {identity:?}");
        }
        let display = trunk(|trunk| {
            trunk.presenting.from = FromUser::Account;
            trunk.presenting.identity = Some(IdentityHeader::FromDisplay);
            trunk.presenting.from_domain = Some("other.example".to_owned());
        });
        let expected = ("14165550111".to_owned(), "1234567t0@other.example".to_owned(), vec![]);
        assert_eq!(shown(&display), expected);
    }

    #[test]
    fn from_and_privacy_are_anonymous_together() {
        let anonymous = |from, identity| {
            shown(&trunk(|trunk| {
                let identity = Some(identity);
                trunk.presenting =
                    Presenting { from, identity, anonymous: true, ..Presenting::default() };
            }))
        };
        let number = "<sip:14165550111@sip.carrier.example>";
        let (display, from, headers) = anonymous(FromUser::Number, IdentityHeader::Asserted);
        assert_eq!((&*display, &*from), ("Anonymous", "anonymous@anonymous.invalid"));
        assert_eq!(headers, [format!("P-Asserted-Identity: {number}"), "Privacy: id".to_owned()]);
        // An account that is checked stays, and shows no number.
        let (display, from, headers) = anonymous(FromUser::Account, IdentityHeader::FromDisplay);
        assert_eq!((&*display, &*from), ("", "1234567t0@sip.carrier.example"));
        assert_eq!(headers, ["Privacy: id"]);
        let (.., headers) = anonymous(FromUser::Number, IdentityHeader::RemoteParty);
        assert!(headers[0].ends_with(";privacy=full"), "{headers:?}");
        let nobody = trunk(|trunk| trunk.caller_id = None);
        let presented = present(&nobody, None, HOME);
        assert_eq!(presented.user, "anonymous");
        assert_eq!(presented.headers, [("Privacy".to_owned(), "id".to_owned())]);
    }

    #[test]
    fn numbers_are_marked_as_such_where_the_trunk_wants_it() {
        let marked = trunk(|trunk| {
            trunk.numbers.user_phone = true;
            trunk.presenting.identity = Some(IdentityHeader::Preferred);
        });
        let presented = present(&marked, None, HOME);
        assert!(presented.is_number);
        assert_eq!(presented.headers[0].1, "<sip:14165550100@sip.carrier.example;user=phone>");
    }
}
