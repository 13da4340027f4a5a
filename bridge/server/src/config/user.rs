//! Users that register with the bridge: telephones without a PBX.

use std::path::PathBuf;

use partyline_dialplan::Plan;
use partyline_model::Number;
use partyline_sip::Realm;
use partyline_sip::auth::Ha1;

use super::Config;
use super::document::{Findings, Walk};
use super::login;
use super::raw::RawConfig;

/// A user's section.
pub(super) struct RawUser {
    pub(super) name: String,
    pub(super) trunk: String,
    pub(super) number: Option<Number>,
    pub(super) password_file: PathBuf,
    pub(super) max_bindings: u32,
}

impl Default for RawUser {
    fn default() -> Self {
        Self {
            name: String::new(),
            trunk: String::new(),
            number: None,
            password_file: PathBuf::new(),
            max_bindings: 5,
        }
    }
}

impl RawUser {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.required("name", &mut self.name, |name| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            let rule = "expected letters, digits, '-', '_' and '.': what the telephone is told as \
                        its user name";
            let fits = !name.is_empty() && name.len() <= 64 && name.bytes().all(fits);
            if fits { Ok(()) } else { Err(rule) }
        });
        walk.required("trunk", &mut self.trunk, |_| Ok(()));
        walk.required("number", &mut self.number, |_| Ok(()));
        walk.required("password_file", &mut self.password_file, |_| Ok(()));
        walk.checked("max_bindings", &mut self.max_bindings, |most| {
            if (1..=20).contains(most) { Ok(()) } else { Err("expected 1 to 20") }
        });
    }
}

/// Notes what of users cannot work.
pub(super) fn check(raw: &RawConfig, findings: &Findings<'_>) {
    let plan = Plan::nanp();
    for (index, user) in raw.users.iter().enumerate() {
        let add = |key: &str, message: String| {
            let path = format!("user[{index}].{key}");
            findings.add_at(&path, format!("{path}: {message}"));
        };
        let earlier = &raw.users[..index];
        if earlier.iter().any(|other| other.name == user.name) {
            add("name", format!("another user is called {:?} already", user.name));
        }
        if earlier.iter().any(|other| other.number == user.number) {
            add("number", "another user has this number already".to_owned());
        }
        if user.number.is_some_and(|number| plan.is_emergency(number.as_str())) {
            let message = "calls for help have this number; give the user one of his own";
            add("number", message.to_owned());
        }
        match raw.trunks.iter().find(|trunk| trunk.name == user.trunk) {
            None => add("trunk", format!("there is no [[trunk]] called {:?}", user.trunk)),
            Some(trunk) if trunk.destination.is_some() || trunk.account.register => {
                let message = "users belong to a trunk without destination and registration, whose \
                               sources are the networks that they may come from";
                add("trunk", message.to_owned());
            }
            Some(_) => {}
        }
    }
}

/// A user who registers with the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserConfig {
    pub(crate) name: String,
    /// The place of his trunk among all.
    pub(crate) trunk: usize,
    pub(crate) number: Number,
    pub(crate) password_file: PathBuf,
    pub(crate) max_bindings: usize,
    /// What his telephone is asked for.
    pub(crate) realm: Realm,
}

impl UserConfig {
    pub(super) fn of(raw: &RawConfig, user: &RawUser) -> Option<Self> {
        let trunk = raw.trunks.iter().position(|trunk| trunk.name == user.trunk)?;
        let at = raw.trunks.get(trunk)?;
        Some(Self {
            name: user.name.clone(),
            trunk,
            number: user.number?,
            password_file: user.password_file.clone(),
            max_bindings: usize::try_from(user.max_bindings).unwrap_or(1),
            realm: Realm {
                name: at.realm().into(),
                hashes: at.digest.0.iter().map(|digest| digest.0).collect(),
                nat_keep_alive: Some(at.nat_keep_alive.0).filter(|every| !every.is_zero()),
            },
        })
    }

    /// Reads the password.
    ///
    /// # Errors
    /// Which file of which user cannot be used, and why; never what is in it.
    pub(crate) fn read(&self) -> anyhow::Result<Ha1> {
        let password = login::read_password(&self.password_file, || format!("user {}", self.name))?;
        Ok(Ha1::of(&self.name, &self.realm.name, &password))
    }
}

impl Config {
    /// Who registers with the bridge.
    pub(crate) fn users(&self) -> &[UserConfig] {
        &self.users
    }
}

#[cfg(test)]
mod tests {
    use partyline_sip::auth::Hash;

    use super::*;

    const PHONES: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                          [[trunk]]\nname = \"phones\"\nsources = [\"192.0.2.0/24\"]\n\
                          domain = \"phones.example\"\n\
                          [[trunk]]\nname = \"carrier\"\nsources = [\"198.51.100.0/24\"]\n\
                          destination = \"198.51.100.1:5060\"\n";

    fn user(name: &str, trunk: &str, number: &str) -> String {
        format!(
            "[[user]]\nname = \"{name}\"\ntrunk = \"{trunk}\"\nnumber = \"{number}\"\n\
             password_file = \"nowhere/{name}\"\n"
        )
    }

    #[test]
    fn users_belong_to_a_trunk_of_telephones() {
        let text = PHONES.to_owned() + &user("anna", "phones", "14165550130");
        let config = Config::parse(&text).expect("no fault");
        let anna = &config.users()[0];
        assert_eq!((anna.trunk, anna.max_bindings, &*anna.realm.name), (0, 5, "phones.example"));
        assert_eq!(anna.realm.hashes, [Hash::Md5], "what every telephone knows");
        let error = anna.read().err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.starts_with("user anna: password_file nowhere/anna"), "{error}");
        assert!(Config::parse(config.effective()).is_ok(), "{}", config.effective());
    }

    #[test]
    fn users_are_asked_by_the_algorithms_of_their_trunk_in_its_order() {
        let asked = |digest: &str| {
            let domain = "domain = \"phones.example\"\n";
            let text = PHONES.replace(domain, &format!("{domain}digest = {digest}\n"));
            let config = Config::parse(&(text + &user("anna", "phones", "14165550130")));
            config.expect("no fault").users()[0].realm.hashes.clone()
        };
        assert_eq!(asked("[\"sha-256\", \"md5\"]"), [Hash::Sha256, Hash::Md5]);
        assert_eq!(asked("[\"sha-256\"]"), [Hash::Sha256]);
    }

    #[test]
    fn what_no_telephone_could_use_is_a_fault() {
        let anna = user("anna", "phones", "14165550130");
        for (users, key, what) in [
            (user("anna", "nowhere", "14165550130"), "user[0].trunk", "no [[trunk]]"),
            (user("anna", "carrier", "14165550130"), "user[0].trunk", "without destination"),
            (user("an na", "phones", "14165550130"), "name", "expected letters"),
            (anna.clone() + &user("anna", "phones", "14165550131"), "user[1].name", "already"),
            (anna.clone() + &user("ben", "phones", "14165550130"), "user[1].number", "already"),
            (user("ben", "phones", "911"), "user[0].number", "calls for help"),
            (anna + "max_bindings = 0\n", "max_bindings", "1 to 20"),
        ] {
            let problems = Config::parse(&(PHONES.to_owned() + &users)).expect_err("a fault");
            let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(text.contains(key) && text.contains(what), "{key}: {text}");
        }
    }
}
