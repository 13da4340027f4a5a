//! SUBSCRIBE within a call (RFC 6665 §4.2.1): to the conference that the call is to (RFC 4575), one at
//! a time. What there is to tell, and whether yet, is the node's to know.

use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;

use super::Endpoint;
use super::receive::Request;
use crate::counters::Dropped;
use crate::dialog::State;
use crate::event::{DialogId, Event};
use crate::message::{Headers, Message, Method, Name, Status};
use crate::rate::Rate;
use crate::subscription::{CONFERENCE, CONFERENCE_TYPE, Notice, Package, Stage, SubscriptionId};
use crate::transaction::ServerKey;

/// How long a subscription lasts unless the far end asks for less (RFC 4575 §3.4).
const USUAL: u64 = 3600;
/// The least that is granted (RFC 6665 §4.2.1.1).
const LEAST: u64 = 60;
/// How often a far end may subscribe, or refresh it, within one call: each has it sent all that there
/// is to tell.
const SUBSCRIBES: Rate = Rate { per_second: 1, burst: 5 };
/// The longest `id` of an Event.
const MAX_ID: usize = 64;

impl Endpoint {
    pub(super) fn receive_subscribe(
        &mut self,
        now: Time,
        id: DialogId,
        key: ServerKey,
        request: Request,
    ) {
        let most_unanswered = self.most_unanswered(id);
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        if !matches!(held.state, State::Confirmed(_)) {
            return self.refuse_overlap(&request);
        }
        let asked = match read(&request.message.headers) {
            Ok(asked) => asked,
            Err(status) => return self.refuse_subscription(&request, status),
        };
        if !held.subscribes.take(now, SUBSCRIBES) {
            let (reason, status) = (Dropped::TooOften, Status::SERVICE_UNAVAILABLE);
            return self.refuse(&request.template, reason, status, Some("Too Many Subscriptions"));
        }
        let known = held.subscriptions.iter_mut().find(|one| one.package.is_conference());
        let (subscription, fresh) = match known {
            Some(one) if one.package == asked.package => {
                one.until = now + asked.lasts;
                (one.id, false)
            }
            // One is enough for whoever is in one conference.
            Some(_) => return self.refuse_subscription(&request, Status::FORBIDDEN),
            None if held.unanswered >= most_unanswered => return self.refuse_overlap(&request),
            None => (SubscriptionId(self.next_id()), true),
        };
        self.refresh_target(id, &request);
        self.grant_subscription(now, id, key, &request, asked.lasts);
        if fresh {
            self.subscribe(id, subscription, asked.package, now + asked.lasts);
        } else {
            self.time_subscriptions(id);
        }
        self.emit(Event::Subscribed { dialog: id, subscription });
    }

    fn grant_subscription(
        &mut self,
        now: Time,
        id: DialogId,
        key: ServerKey,
        request: &Request,
        lasts: Duration,
    ) {
        let Some(held) = self.dialogs.get(&id) else { return };
        let tag = held.path.local_tag.clone();
        let contact = self.contact(request.template.flow, request.template.sips);
        let mut message = request.template.respond(Status::OK, &tag);
        message.headers.add(Name::Contact, contact);
        message.headers.add(Name::Expires, lasts.as_secs().to_string());
        let bytes = Bytes::from(message.to_bytes());
        self.keep_answered(now, (key, tag), (request.flow, Status::OK), Some(bytes.clone()));
        self.transmit(request.template.reply.flow, bytes);
    }

    fn refuse_subscription(&mut self, request: &Request, status: Status) {
        self.drop_for(Dropped::NotOffered);
        self.respond_stateless(&request.template, status, |message: &mut Message| {
            if status == Status::BAD_EVENT {
                message.headers.add(Name::AllowEvents, CONFERENCE);
            } else if status == Status::INTERVAL_TOO_BRIEF {
                message.headers.add(Name::MinExpires, LEAST.to_string());
            } else if status == Status::NOT_ACCEPTABLE {
                message.headers.add(Name::Accept, CONFERENCE_TYPE);
            }
        });
    }

    /// Tells a subscriber how the conference is now; nothing, while there is nothing that he may know.
    pub fn tell_subscriber(
        &mut self,
        now: Time,
        dialog: DialogId,
        subscription: SubscriptionId,
        document: Option<Bytes>,
    ) {
        let stage = if document.is_some() { Stage::Active } else { Stage::Pending };
        let notice = Notice { body: document.unwrap_or_default(), stage };
        self.tell(now, dialog, subscription, notice);
    }
}

struct Asked {
    package: Package,
    lasts: Duration,
}

/// What a SUBSCRIBE asks for.
fn read(headers: &Headers) -> Result<Asked, Status> {
    let event = headers.text(&Name::Event).ok_or(Status::BAD_EVENT)?;
    let (package, params) = event.split_once(';').unwrap_or((event, ""));
    if package.trim() != CONFERENCE {
        return Err(Status::BAD_EVENT);
    }
    let mut params = params.split(';').filter_map(|param| param.split_once('='));
    let id = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("id"));
    let id = id.map(|(_, value)| value.trim()).filter(|id| crate::message::scan::is_token(id));
    if id.is_some_and(|id| id.len() > MAX_ID) {
        return Err(Status::BAD_REQUEST);
    }
    let takes = |item: &str| {
        let range = item.split(';').next().unwrap_or(item).trim();
        [CONFERENCE_TYPE, "application/*", "*/*"].iter().any(|r| range.eq_ignore_ascii_case(r))
    };
    if headers.first(&Name::Accept).is_some() && !headers.items(&Name::Accept).any(takes) {
        return Err(Status::NOT_ACCEPTABLE);
    }
    let lasts = match headers.text(&Name::Expires) {
        Some(text) => text.trim().parse::<u32>().map_err(|_| Status::BAD_REQUEST)?.into(),
        None => USUAL,
    };
    if (1..LEAST).contains(&lasts) {
        return Err(Status::INTERVAL_TOO_BRIEF);
    }
    let package = Package::Conference(id.map(Into::into));
    Ok(Asked { package, lasts: Duration::from_secs(lasts.min(USUAL)) })
}

/// The method of it.
pub(super) fn is_subscribe(method: &Method) -> bool {
    *method == Method::SUBSCRIBE
}
