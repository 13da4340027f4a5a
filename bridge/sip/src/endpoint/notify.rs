//! NOTIFY within a call (RFC 6665 §4.2): the next one goes out when the one before was answered, and
//! says the newest only.
//!
//! A Contact may name anybody. Where nothing of the call was ever heard, and no NOTIFY answered, one is
//! without answer at a time; after one that was not answered no more go there.
//!
//! A subscription ends with its time, with its call, or with a NOTIFY that is refused or not answered
//! (§4.2.2); the call itself goes on (RFC 5057 §5.2).

use bytes::Bytes;
use partyline_model::Time;

use super::outgoing::Purpose;
use super::outside::Outcome;
use super::{Endpoint, Owner};
use crate::event::{DialogId, Event};
use crate::message::{Method, Name};
use crate::subscription::{Notice, Package, Stage, Subscription, SubscriptionId};

/// How many NOTIFYs of a call may be without answer when another subscription begins: the end of one
/// that was over at once leaves its NOTIFY behind, and nothing else counts those.
const MOST_UNANSWERED: usize = 2;

impl Endpoint {
    /// Begins a subscription of the far end of a call; its first NOTIFY is the caller's to send.
    pub(super) fn subscribe(
        &mut self,
        dialog: DialogId,
        id: SubscriptionId,
        package: Package,
        until: Time,
    ) {
        if let Some(held) = self.dialogs.get_mut(&dialog) {
            held.subscriptions.push(Subscription::new(id, package, until));
        }
        self.time_subscriptions(dialog);
    }

    /// Tells a subscriber something, after what he is being told.
    pub(super) fn tell(
        &mut self,
        now: Time,
        dialog: DialogId,
        subscription: SubscriptionId,
        notice: Notice,
    ) {
        let Some(held) = self.dialogs.get_mut(&dialog) else { return };
        let mut all = held.subscriptions.iter_mut();
        let Some(told) = all.find(|one| one.id == subscription) else { return };
        if told.sending.is_some() {
            told.waiting = Some(notice);
        } else {
            self.send_notify(now, dialog, subscription, notice);
        }
    }

    /// How many NOTIFYs of a call may be without answer where it is now.
    pub(super) fn most_unanswered(&self, dialog: DialogId) -> usize {
        let Some(held) = self.dialogs.get(&dialog) else { return 0 };
        let is_wanted = held.answers_at.as_ref() == Some(&held.path.target);
        match (is_wanted || self.leads_home(&held.path), held.is_deaf) {
            (true, _) => MOST_UNANSWERED,
            (false, false) => 1,
            (false, true) => 0,
        }
    }

    /// Whether a NOTIFY has to wait for the answer to another, or is for nobody.
    fn holds_back(&mut self, id: DialogId, subscription: SubscriptionId, notice: &Notice) -> bool {
        let most = self.most_unanswered(id);
        let Some(held) = self.dialogs.get_mut(&id) else { return true };
        if most == MOST_UNANSWERED || held.unanswered < most {
            return false;
        }
        let Some(at) = held.subscriptions.iter().position(|one| one.id == subscription) else {
            return true;
        };
        if most > 0 {
            if let Some(told) = held.subscriptions.get_mut(at) {
                told.waiting = Some(notice.clone());
            }
            self.time_subscriptions(id);
            return true;
        }
        let gone = held.subscriptions.remove(at);
        self.time_subscriptions(id);
        if gone.package.is_conference() && notice.stage != Stage::Gone {
            self.emit(Event::Unsubscribed { dialog: id, subscription });
        }
        true
    }

    fn send_notify(
        &mut self,
        now: Time,
        id: DialogId,
        subscription: SubscriptionId,
        mut notice: Notice,
    ) {
        if self.holds_back(id, subscription, &notice) {
            return;
        }
        let agent = self.config.user_agent.clone();
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let Some(at) = held.subscriptions.iter().position(|one| one.id == subscription) else {
            return;
        };
        let Some(told) = held.subscriptions.get_mut(at) else { return };
        if !notice.stage.is_over() && told.until <= now {
            // It was asked for once, or taken back.
            notice.stage = Stage::TimedOut;
        }
        let (package, state) = (told.package.clone(), told.state(now, notice.stage));
        told.told.clone_from(&notice.body);
        if notice.stage.is_over() {
            held.subscriptions.remove(at);
        }
        // With its call, the node knows without.
        let is_news = package.is_conference() && notice.stage == Stage::TimedOut;
        held.unanswered += 1;
        held.path.next_cseq();
        let path = held.path.clone();
        let carried = self.along(path, Purpose::Notify(id, subscription));
        let request = self.submit(now, carried, Method::NOTIFY, |message| {
            // Which address that is depends on the way.
            message.headers.add(Name::Contact, "");
            message.headers.add(Name::Event, package.event());
            message.headers.add(Name::SubscriptionState, state);
            if let Some(agent) = agent {
                message.headers.add(Name::UserAgent, agent);
            }
            if !notice.body.is_empty() {
                message.set_body(package.content(), notice.body);
            }
        });
        if is_news {
            self.emit(Event::Unsubscribed { dialog: id, subscription });
        }
        let held = self.dialogs.get_mut(&id);
        let mut all = held.into_iter().flat_map(|held| &mut held.subscriptions);
        if let Some(told) = all.find(|one| one.id == subscription) {
            told.sending = Some(request);
        }
        self.time_subscriptions(id);
    }

    /// A NOTIFY was answered, or will not be.
    pub(super) fn notified(
        &mut self,
        now: Time,
        dialog: DialogId,
        subscription: SubscriptionId,
        outcome: &Outcome,
    ) {
        let is_home = self.dialogs.get(&dialog).is_some_and(|held| self.leads_home(&held.path));
        let Some(held) = self.dialogs.get_mut(&dialog) else { return };
        held.unanswered = held.unanswered.saturating_sub(1);
        match outcome {
            Outcome::Response(..) => held.answers_at = Some(held.path.target.clone()),
            Outcome::Nothing(_) => {
                held.is_deaf |= !is_home;
                held.answers_at = None;
            }
        }
        let mut all = held.subscriptions.iter_mut();
        if let Some(told) = all.find(|one| one.id == subscription) {
            told.sending = None;
            if !outcome.status().is_success() {
                let watched = told.package.is_conference();
                held.subscriptions.retain(|one| one.id != subscription);
                self.time_subscriptions(dialog);
                if watched && self.dialog(dialog).is_ok() {
                    self.emit(Event::Unsubscribed { dialog, subscription });
                }
            }
        }
        self.tell_waiting(now, dialog);
    }

    /// What waited for an answer to another NOTIFY is sent, or dropped where none will come.
    fn tell_waiting(&mut self, now: Time, dialog: DialogId) {
        for id in self.ids_of_waiting(dialog) {
            let held = self.dialogs.get_mut(&dialog);
            let mut all = held.into_iter().flat_map(|held| &mut held.subscriptions);
            let told = all.find(|one| one.id == id);
            if let Some(notice) = told.and_then(|told| told.waiting.take()) {
                self.send_notify(now, dialog, id, notice);
            }
        }
    }

    /// The subscriptions that have something to say, and await no answer of their own.
    fn ids_of_waiting(&self, dialog: DialogId) -> Vec<SubscriptionId> {
        let held = self.dialogs.get(&dialog);
        let all = held.into_iter().flat_map(|held| &held.subscriptions);
        all.filter(|one| one.waiting.is_some() && one.sending.is_none()).map(|one| one.id).collect()
    }

    /// The call is over: every subscriber is told so, with what he was told last.
    pub(super) fn end_subscriptions(&mut self, now: Time, dialog: DialogId) {
        for (id, body) in self.subscriptions_of(dialog, |_| true) {
            self.send_notify(now, dialog, id, Notice { body, stage: Stage::Gone });
        }
    }

    /// Some subscription's time is up; who is being told something is told that after it.
    pub(super) fn subscriptions_timeout(&mut self, now: Time, dialog: DialogId) {
        for (id, body) in self.subscriptions_of(dialog, |one| one.until <= now && !one.is_ending())
        {
            self.tell(now, dialog, id, Notice { body, stage: Stage::TimedOut });
        }
        self.time_subscriptions(dialog);
    }

    /// Some subscriptions of a call, and the newest that there is to say to each.
    fn subscriptions_of(
        &self,
        dialog: DialogId,
        which: impl Fn(&Subscription) -> bool,
    ) -> Vec<(SubscriptionId, Bytes)> {
        let held = self.dialogs.get(&dialog);
        let all = held.into_iter().flat_map(|held| &held.subscriptions);
        let newest = |one: &Subscription| {
            let body = one.waiting.as_ref().map_or(&one.told, |notice| &notice.body);
            (one.id, body.clone())
        };
        all.filter(|one| which(one)).map(newest).collect()
    }

    pub(super) fn time_subscriptions(&mut self, dialog: DialogId) {
        let held = self.dialogs.get(&dialog);
        let all = held.into_iter().flat_map(|held| &held.subscriptions);
        let next = all.filter(|one| !one.is_ending()).map(|one| one.until).min();
        self.timers.set(Owner::Subscriptions(dialog), next);
    }
}
