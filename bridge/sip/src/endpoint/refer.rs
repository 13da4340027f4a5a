//! REFER within a call (RFC 3515): read, put to the node, answered, and what comes of it told.
//!
//! Whether somebody may be called for it is the node's to know. Not here: REFER outside of a call, and
//! any method but INVITE to whom it names.

use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;

use super::Endpoint;
use super::receive::Request;
use super::respond::Template;
use crate::command::{CommandError, Rejection};
use crate::counters::Dropped;
use crate::dialog::State;
use crate::event::{DialogId, Event, Referral};
use crate::message::{Headers, Name, NameAddr, Scheme, Status};
use crate::rate::Pace;
use crate::subscription::{Notice, Package, Stage, SubscriptionId};
use crate::transaction::ServerKey;

/// How many calls a far end may ask for at once within one call.
const MOST: usize = 4;
/// How often a far end may ask for one within one call: whether it is told of it or not, each may write
/// a record.
const REFERRALS: Pace = Pace { every: Duration::from_secs(5), burst: 4 };
/// How long the far end is told at the most what becomes of one: all trunks have been tried by then.
const LASTS: Duration = Duration::from_secs(300);
/// The longest Refer-To and Referred-By, in octets.
const MAX_OCTETS: usize = 1024;

/// A REFER that waits for the node's decision.
#[derive(Debug)]
pub(crate) struct Asking {
    key: ServerKey,
    template: Template,
    cseq: u32,
    wants_news: bool,
}

impl Endpoint {
    pub(super) fn receive_refer(
        &mut self,
        now: Time,
        id: DialogId,
        key: ServerKey,
        request: Request,
    ) {
        let Some(held) = self.dialogs.get(&id) else { return };
        if held.asking.as_ref().is_some_and(|waits| waits.key == key) {
            return self.drop_for(Dropped::Repeated);
        }
        if !matches!(held.state, State::Confirmed(_)) || held.asking.is_some() {
            return self.refuse_overlap(&request);
        }
        let referral = match read(&request.message.headers) {
            Ok(referral) => referral,
            Err((status, phrase)) => {
                let reason = Dropped::MalformedRequest;
                return self.refuse(&request.template, reason, status, Some(phrase));
            }
        };
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let referrals = held.subscriptions.iter().filter(|one| !one.package.is_conference());
        if referrals.count() >= MOST || !held.referrals.take(now, REFERRALS) {
            let (reason, status) = (Dropped::TooOften, Status::SERVICE_UNAVAILABLE);
            return self.refuse(&request.template, reason, status, Some("Too Many Referrals"));
        }
        self.refresh_target(id, &request);
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        held.asking = Some(Box::new(Asking {
            key,
            cseq: request.envelope.cseq.number,
            wants_news: referral.wants_news,
            template: request.template,
        }));
        self.emit(Event::Refer { dialog: id, referral: Box::new(referral) });
    }

    /// Agrees to call whom the far end has named: 202, and a NOTIFY that it is tried, unless the far
    /// end wants no news (RFC 4488); `None` then.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] when no REFER waits.
    pub fn accept_refer(
        &mut self,
        now: Time,
        dialog: DialogId,
    ) -> Result<Option<SubscriptionId>, CommandError> {
        let held = self.dialog(dialog)?;
        let waits = held.asking.take().ok_or(CommandError::WrongState)?;
        let first = !std::mem::replace(&mut held.has_referred, true);
        let contact = self.contact(waits.template.flow, waits.template.sips);
        self.respond_for_good(
            now,
            dialog,
            (&waits.key, &waits.template),
            Status::ACCEPTED,
            |message| {
                message.headers.add(Name::Contact, contact);
                if !waits.wants_news {
                    message.headers.add(Name::ReferSub, "false");
                }
            },
        );
        if !waits.wants_news {
            return Ok(None);
        }
        let package = Package::Refer(Some(waits.cseq).filter(|_| !first));
        let id = SubscriptionId(self.next_id());
        self.subscribe(dialog, id, package, now + LASTS);
        self.tell_referrer(now, dialog, id, Status::TRYING);
        Ok(Some(id))
    }

    /// Declines to call whom the far end has named.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] when no REFER waits.
    pub fn reject_refer(
        &mut self,
        now: Time,
        dialog: DialogId,
        rejection: impl Into<Rejection>,
    ) -> Result<(), CommandError> {
        let waits = self.dialog(dialog)?.asking.take().ok_or(CommandError::WrongState)?;
        let (rejection, agent) = (rejection.into(), self.agent());
        let status = rejection.failure();
        self.drop_for(Dropped::Declined);
        self.respond_for_good(now, dialog, (&waits.key, &waits.template), status, |message| {
            rejection.dress(status, &agent, message);
        });
        Ok(())
    }

    /// Tells the far end how far the call is that it asked for; the subscription is over with a final
    /// status.
    pub fn tell_referrer(
        &mut self,
        now: Time,
        dialog: DialogId,
        subscription: SubscriptionId,
        status: Status,
    ) {
        let body = Bytes::from(format!("SIP/2.0 {status} {}\r\n", status.reason_phrase()));
        let stage = if status.is_provisional() { Stage::Active } else { Stage::Gone };
        self.tell(now, dialog, subscription, Notice { body, stage });
    }
}

/// What a REFER asks for (RFC 3515 §2.1, RFC 4488 §4, RFC 3892 §2.1).
fn read(headers: &Headers) -> Result<Referral, (Status, &'static str)> {
    let bad = |phrase| (Status::BAD_REQUEST, phrase);
    let mut named = headers.all(&Name::ReferTo);
    let (Some(to), None) = (named.next(), named.next()) else {
        return Err(bad("One Refer-To Is Needed"));
    };
    let to = Some(to.as_str()).filter(|to| to.len() <= MAX_OCTETS);
    let to = to.and_then(|to| NameAddr::parse(to).ok()).ok_or(bad("Malformed Refer-To"))?;
    if to.uri.scheme() == Scheme::Foreign {
        return Err((
            Status::UNSUPPORTED_URI_SCHEME,
            Status::UNSUPPORTED_URI_SCHEME.reason_phrase(),
        ));
    }
    // The far end of another call of his is to have that call with us instead (RFC 5589 §7). He would
    // be asked nothing, and neither would who is called: that is for who calls in to do.
    if [Name::Replaces, Name::Join].iter().any(|name| to.uri.has_header(name.as_str())) {
        return Err((Status::DECLINE, "No Call Is Taken Over By REFER"));
    }
    let is_invite = |method: &str| method.eq_ignore_ascii_case("INVITE");
    if to.uri.has_headers() || !to.uri.parameter("method").is_none_or(is_invite) {
        return Err((Status::DECLINE, "Nothing But A Call Is Referred To"));
    }
    let sub = headers.text(&Name::ReferSub).map(|text| text.split(';').next().unwrap_or(text));
    let by = headers.text(&Name::ReferredBy).filter(|by| by.len() <= MAX_OCTETS);
    let by = by.and_then(|by| NameAddr::parse(by).ok());
    Ok(Referral {
        to: to.uri,
        referred_by: by.map(|by| by.uri),
        wants_news: sub.is_none_or(|sub| !sub.trim().eq_ignore_ascii_case("false")),
    })
}
