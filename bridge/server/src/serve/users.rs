//! Users that register with the bridge, for its start, `/users` and `/metrics`.

use std::collections::BTreeMap;

use partyline_control::{Member, Node, UserStatus};
use partyline_media_io::Clock;
use partyline_model::{IdSource, WallTime};
use partyline_sip::registrar::RegistrarLimits;
use partyline_sip::{User, UserCounts, Users};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::config::Config;

/// Tells a node its users.
///
/// # Errors
/// Which password file cannot be used.
pub(super) fn introduce(
    node: &mut Node,
    config: &Config,
    random: &mut dyn IdSource,
) -> anyhow::Result<()> {
    if config.users().is_empty() {
        return Ok(());
    }
    let trunks = &config.control.trunks;
    let (mut realms, mut users, mut members) = (BTreeMap::new(), Vec::new(), Vec::new());
    for user in config.users() {
        let Some(trunk) = trunks.get(user.trunk) else { continue };
        realms.insert(trunk.id, user.realm.clone());
        users.push(User {
            name: user.name.as_str().into(),
            trunk: trunk.id,
            ha1: user.read()?,
            most_bindings: user.max_bindings,
        });
        let member = Member { number: user.number, trunk: user.trunk };
        members.push((user.name.as_str().into(), member));
    }
    let mut key = Zeroizing::new([0; 32]);
    for half in key.chunks_exact_mut(16) {
        half.copy_from_slice(&random.next_u128().to_be_bytes());
    }
    node.set_users(Users::new(realms, users, RegistrarLimits::default(), key), members);
    Ok(())
}

/// The users at a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct UserSample {
    pub(super) users: Vec<(UserStatus, Vec<WallTime>)>,
    /// `None` where there are none.
    pub(super) counts: Option<UserCounts>,
}

impl UserSample {
    /// Every user of the node.
    pub(super) fn of(node: &Node, clock: Clock) -> Self {
        let (now, wall) = (clock.now(), clock.wall());
        let with_ends = |user: UserStatus| {
            let ends = user.bindings.iter().map(|binding| wall + (binding.until - now));
            let ends = ends.collect();
            (user, ends)
        };
        let users = node.user_states().into_iter().map(with_ends).collect();
        Self { users, counts: node.user_counts() }
    }

    /// Bindings of all users.
    pub(super) fn bindings(&self) -> usize {
        self.users.iter().map(|(user, _)| user.bindings.len()).sum()
    }

    /// What became of requests, by the names of metrics.
    pub(super) fn results(&self) -> Option<[(&'static str, u64); 5]> {
        let UserCounts { known, asked, stale, wrong, unheard } = self.counts?;
        Some([
            ("known", known),
            ("asked", asked),
            ("stale", stale),
            ("wrong", wrong),
            ("unheard", unheard),
        ])
    }
}

/// The page: an object with the list of all users, by name.
pub(super) fn page(sample: &UserSample) -> String {
    let user = |(user, ends): &(UserStatus, Vec<WallTime>)| {
        let bindings = user.bindings.iter().zip(ends).map(|(binding, until)| {
            json!({
                "contact": binding.contact,
                "transport": binding.transport.to_string(),
                "remote": binding.remote.to_string(),
                "until": until.to_string(),
            })
        });
        json!({
            "name": user.name,
            "number": user.number.to_string(),
            "trunk": user.trunk,
            "bindings": bindings.collect::<Vec<_>>(),
        })
    };
    let users: Vec<Value> = sample.users.iter().map(user).collect();
    json!({ "users": users }).to_string()
}
