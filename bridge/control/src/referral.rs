//! REFER from a leg's telephone: whom it names is put to the conference core, and what comes of that
//! back to the telephone. Who may is the core's to know.

use std::collections::BTreeMap;

use partyline_conference::{Input, Invitation, InvitationNews, NotInvited};
use partyline_model::Time;
use partyline_sip::message::{Status, Uri};
use partyline_sip::{DialogId, Referral, Rejection, SubscriptionId};

use crate::node::{Node, or_ended};

/// Requests to call somebody that are not settled.
#[derive(Debug, Default)]
pub(crate) struct Referrals {
    last: u64,
    open: BTreeMap<u64, Open>,
}

/// One of them, and what tells its telephone of it: nothing, where it wants no news.
#[derive(Clone, Copy, Debug)]
struct Open {
    dialog: DialogId,
    news: Option<SubscriptionId>,
}

impl Node {
    /// The telephone of a leg asks to call somebody.
    pub(crate) fn referred(&mut self, now: Time, dialog: DialogId, referral: &Referral) {
        let Some(call) = self.calls.by_dialog(dialog) else {
            return self.reject_referral(now, dialog, (Status::NO_SUCH_DIALOG, "no such call"));
        };
        self.referrals.last += 1;
        let request = self.referrals.last;
        self.referrals.open.insert(request, Open { dialog, news: None });
        let invitation = Box::new(Invitation { request, number: number_of(&referral.to) });
        self.bridge.handle(now, Input::Invite { call, invitation });
    }

    /// What has come of a request.
    pub(crate) fn referral_news(&mut self, now: Time, request: u64, news: InvitationNews) {
        let Some(&Open { dialog, news: told }) = self.referrals.open.get(&request) else { return };
        match news {
            InvitationNews::Refused(why) => {
                self.referrals.open.remove(&request);
                self.reject_referral(now, dialog, refusal(why));
            }
            InvitationNews::Placed => {
                let accepted = self.endpoint.accept_refer(now, dialog);
                let told = or_ended(&mut self.command_errors, accepted).flatten();
                self.referrals.open.insert(request, Open { dialog, news: told });
            }
            InvitationNews::Ringing => self.tell_referrer(now, dialog, told, Status::RINGING),
            InvitationNews::Joined => {
                self.referrals.open.remove(&request);
                self.tell_referrer(now, dialog, told, Status::OK);
            }
            InvitationNews::Failed(code) => {
                self.referrals.open.remove(&request);
                let status = Status::new(code.get()).filter(|status| status.code() >= 300);
                let status = status.unwrap_or(Status::REQUEST_TERMINATED);
                self.tell_referrer(now, dialog, told, status);
            }
        }
    }

    fn tell_referrer(
        &mut self,
        now: Time,
        dialog: DialogId,
        told: Option<SubscriptionId>,
        status: Status,
    ) {
        if let Some(told) = told {
            self.endpoint.tell_referrer(now, dialog, told, status);
        }
    }

    fn reject_referral(&mut self, now: Time, dialog: DialogId, (status, why): (Status, &str)) {
        // 399: miscellaneous, for people (RFC 3261 §20.43).
        let warning = Some((399, why.to_owned()));
        let rejection = Rejection { warning, ..Rejection::new(status) };
        let rejected = self.endpoint.reject_refer(now, dialog, rejection);
        or_ended(&mut self.command_errors, rejected);
    }
}

/// The number that a URI names, as somebody would dial it; nothing where it names none.
fn number_of(uri: &Uri) -> String {
    let is_number = |form: &String| {
        let digits = form.strip_prefix('+').unwrap_or(form);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    uri.subscribers().find(is_number).unwrap_or_default()
}

const fn refusal(why: NotInvited) -> (Status, &'static str) {
    match why {
        NotInvited::Role => (Status::FORBIDDEN, "only a moderator may have somebody called"),
        NotInvited::State => (Status::FORBIDDEN, "only within a conference that runs"),
        NotInvited::Barred => (Status::FORBIDDEN, "the account may not call this number"),
        NotInvited::Limit => (Status::BUSY_HERE, "as many are called as may be at once"),
        NotInvited::Full => (Status::BUSY_HERE, "the conference is full"),
        NotInvited::NoNumber => (Status::NOT_FOUND, "this is no telephone number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_whatever_uri_names_it() {
        let cases = [
            ("sip:+14165550199@bridge.example", "+14165550199"),
            ("sip:4165550199;npdi@192.0.2.1;user=phone", "4165550199"),
            ("tel:+1-416-555-0199", "+14165550199"),
            ("tel:5550199;phone-context=+1416", "+14165550199"),
            ("sip:%2B14165550199@h", "+14165550199"),
            ("sip:ann@h", ""),
            ("sip:h", ""),
            ("sip:*6@h", ""),
        ];
        for (uri, number) in cases {
            assert_eq!(number_of(&Uri::parse(uri).expect("a URI")), number, "{uri}");
        }
    }
}
