//! Users that register with us: their numbers, and where they are called.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use partyline_model::{Number, Time};
use partyline_sip::auth::Ha1;
use partyline_sip::{Destination, Dial, Extensions, Transport, UserCounts, Users};

use crate::call_map::Dialling;
use crate::identity;
use crate::node::Node;

/// What is known of users besides their passwords.
#[derive(Debug, Default)]
pub(crate) struct Members {
    numbers: BTreeMap<Box<str>, Member>,
}

/// A user as the node knows him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number that his calls show, and that reaches him.
    pub number: Number,
    /// The place of his trunk among all.
    pub trunk: usize,
}

/// A user as he is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserStatus {
    /// The name that the user registers by.
    pub name: String,
    /// As records show his calls.
    pub number: Number,
    /// The trunk that he belongs to.
    pub trunk: String,
    /// Where he can be reached, the place that he likes best first.
    pub bindings: Vec<UserBinding>,
}

/// A place where a user can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserBinding {
    /// The Contact that he gave.
    pub contact: String,
    /// The way that his REGISTER came.
    pub transport: Transport,
    /// The address that it came from.
    pub remote: SocketAddr,
    /// When the binding ends unless it is renewed.
    pub until: Time,
}

impl Node {
    /// Says which users register with us, and what is known of each.
    pub fn set_users(
        &mut self,
        users: Users,
        members: impl IntoIterator<Item = (Box<str>, Member)>,
    ) {
        self.members = Members { numbers: members.into_iter().collect() };
        self.endpoint.set_users(users);
    }

    /// The password of a user is another; where he is registered he is called still.
    pub fn set_user_ha1(&mut self, name: &str, ha1: Ha1) {
        if let Some(users) = self.endpoint.users_mut() {
            users.set_ha1(name, ha1);
        }
    }

    /// Every user as he is now, by name.
    pub fn user_states(&self) -> Vec<UserStatus> {
        let Some(users) = self.endpoint.users() else { return Vec::new() };
        let binding = |binding: &partyline_sip::registrar::Binding<partyline_sip::Flow>| {
            let (transport, remote) = (binding.flow.transport, binding.flow.remote);
            UserBinding {
                contact: binding.contact.to_string(),
                transport,
                remote,
                until: binding.until,
            }
        };
        let members = self.members.numbers.iter().map(|(name, member)| (&**name, member));
        let status = |(name, member): (&str, &Member)| UserStatus {
            name: name.to_owned(),
            number: member.number,
            trunk: self
                .config
                .trunks
                .get(member.trunk)
                .map_or_else(String::new, |t| t.name.clone()),
            bindings: users.bindings(name).into_iter().map(binding).collect(),
        };
        members.map(status).collect()
    }

    /// What became of requests of users; `None` where there are no users.
    pub fn user_counts(&self) -> Option<UserCounts> {
        self.endpoint.users().map(Users::counts)
    }

    /// The number of a user, whatever his telephone says.
    pub(crate) fn number_of_user(&self, name: &str) -> Option<Number> {
        self.members.numbers.get(name).map(|member| member.number)
    }

    /// The place of the trunk that a user belongs to.
    pub(crate) fn trunk_of_user(&self, name: &str) -> Option<usize> {
        self.members.numbers.get(name).map(|member| member.trunk)
    }

    /// The name and the trunk's place of the user with a number, if he can be reached now.
    pub(crate) fn user_at(&self, number: Number) -> Option<(&str, usize)> {
        let users = self.endpoint.users()?;
        let mut all = self.members.numbers.iter();
        let (name, member) = all.find(|(_, member)| member.number == number)?;
        (!users.bindings(name).is_empty()).then_some((name, member.trunk))
    }

    /// The INVITE for a user, to the place that he likes best; the offer is still empty.
    pub(crate) fn invitation_to_user(&self, now: Time, dialling: &Dialling) -> Option<Dial> {
        let (name, place) = self.user_at(dialling.number)?;
        let trunk = self.config.trunks.get(place).filter(|_| place == dialling.trunk)?;
        let bindings = self.endpoint.users()?.bindings(name);
        let binding = bindings.first()?;
        let home = binding.flow.remote.to_string();
        let caller = identity::present(trunk, dialling.caller_id, &home);
        Some(Dial {
            // By the way that his REGISTER came, through whatever NAT lies between.
            destination: Destination::Flows(vec![binding.flow]),
            request_uri: binding.contact.to_string(),
            from_user: caller.user,
            from_domain: caller.domain,
            from_is_phone: caller.is_number && trunk.numbers.user_phone,
            from_display: caller.display,
            to: None,
            routes: binding.path.clone(),
            offer: Bytes::new(),
            headers: caller.headers,
            // Whoever registers has proved who he is.
            extensions: Some(Extensions { takeovers: true, ..trunk.extensions }),
            login: None,
            patience: Some(trunk.routing.patience),
            has_alternative: self.next_trunk(now, dialling).is_some(),
        })
    }
}
