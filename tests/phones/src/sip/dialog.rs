//! One end of a dialog (RFC 3261 §12): who, with which tags, over which route, with which number
//! next. Sends nothing and has no timer.

use std::net::{IpAddr, SocketAddr};

use super::message::{Message, Method, parameter, uri_of};

/// What both ends of a call know of it.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// The phone's own address, for Via and Contact.
    own: SocketAddr,
    user: String,
    /// The phone's name-addr without a tag.
    local: String,
    pub(crate) local_tag: String,
    /// The far end's name-addr without a tag.
    remote: String,
    pub(crate) remote_tag: Option<String>,
    target: String,
    routes: Vec<String>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// Where requests go when the route's and the target's hosts are names.
    peer: SocketAddr,
}

/// What a caller knows before he calls.
pub(crate) struct Caller<'a> {
    pub(crate) own: SocketAddr,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    /// Of the Request-URI, each behind its semicolon.
    pub(crate) parameters: &'a str,
    pub(crate) target: SocketAddr,
}

impl Dialog {
    pub(crate) fn calling(caller: &Caller<'_>, call_id: String, tag: String) -> Self {
        let target = format!("sip:{}@{}{}", caller.to, caller.target, caller.parameters);
        Self {
            call_id,
            own: caller.own,
            user: caller.from.to_owned(),
            local: format!("<sip:{}@{}>", caller.from, caller.own.ip()),
            local_tag: tag,
            remote: format!("<{target}>"),
            remote_tag: None,
            target,
            routes: Vec::new(),
            local_cseq: 0,
            remote_cseq: None,
            peer: caller.target,
        }
    }

    /// The callee's end, from the INVITE; `None` when that lacks From, To, CSeq or Contact.
    pub(crate) fn called(
        own: SocketAddr,
        peer: SocketAddr,
        invite: &Message,
        tag: String,
    ) -> Option<Self> {
        let local = invite.header("To")?;
        let remote = invite.header("From")?;
        let (remote_cseq, _) = invite.cseq()?;
        Some(Self {
            call_id: invite.call_id().to_owned(),
            own,
            user: super::message::user_of(local).to_owned(),
            local: without_tag(local),
            local_tag: tag,
            remote: without_tag(remote),
            remote_tag: invite.tag_in_from().map(str::to_owned),
            target: uri_of(invite.header("Contact")?)?.to_owned(),
            routes: invite.record_routes(),
            local_cseq: 0,
            remote_cseq: Some(remote_cseq),
            peer,
        })
    }

    /// Learns tag, target and route from the 2xx to the phone's own INVITE.
    pub(crate) fn confirm(&mut self, response: &Message) {
        self.remote_tag = response.tag_in_to().map(str::to_owned);
        self.routes = response.record_routes();
        self.routes.reverse();
        self.refresh_target(response);
    }

    /// Follows a new Contact, as each target refresh may bring one.
    pub(crate) fn refresh_target(&mut self, message: &Message) {
        if let Some(uri) = message.header("Contact").and_then(uri_of) {
            uri.clone_into(&mut self.target);
        }
    }

    /// Whether a message of the far end belongs here.
    pub(crate) fn owns_request(&self, request: &Message) -> bool {
        request.call_id() == self.call_id
            && request.tag_in_to() == Some(&self.local_tag)
            && request.tag_in_from() == self.remote_tag.as_deref()
    }

    /// Takes a request's number; false when it is out of order (RFC 3261 §12.2.2).
    pub(crate) fn take_cseq(&mut self, number: u32) -> bool {
        let fresh = self.remote_cseq.is_none_or(|last| number > last);
        if fresh {
            self.remote_cseq = Some(number);
        }
        fresh
    }

    /// A request with the dialog's next number.
    pub(crate) fn next_request(&mut self, method: Method, branch: &str) -> Message {
        self.local_cseq += 1;
        let number = self.local_cseq;
        self.request(method, number, branch)
    }

    /// A request with a given number: the ACK bears its INVITE's.
    pub(crate) fn request(&self, method: Method, number: u32, branch: &str) -> Message {
        let remote_tag = self.remote_tag.as_ref().map(|tag| format!(";tag={tag}"));
        let name = method.name().to_owned();
        let mut request = Message::request(method, &self.target)
            .with("Via", format!("SIP/2.0/UDP {};branch={branch};rport", self.own))
            .with("Max-Forwards", "70");
        for route in &self.routes {
            request = request.with("Route", route.clone());
        }
        request
            .with("From", format!("{};tag={}", self.local, self.local_tag))
            .with("To", format!("{}{}", self.remote, remote_tag.unwrap_or_default()))
            .with("Call-ID", self.call_id.clone())
            .with("CSeq", format!("{number} {name}"))
            .with("Contact", self.contact())
            .with("User-Agent", "partyline-phone")
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.own)
    }

    /// Where the dialog's requests go: the first route, else the target (RFC 3261 §8.1.2).
    pub(crate) fn next_hop(&self) -> SocketAddr {
        let uri = self.routes.first().and_then(|route| uri_of(route)).unwrap_or(&self.target);
        address_of(uri).unwrap_or(self.peer)
    }
}

fn without_tag(value: &str) -> String {
    match value.rsplit_once('>') {
        Some((before, _)) => format!("{before}>"),
        None => format!("<{}>", value.split(';').next().unwrap_or("").trim()),
    }
}

/// The address of a URI whose host is one; names are not looked up.
pub(crate) fn address_of(uri: &str) -> Option<SocketAddr> {
    let rest = uri.split_once(':')?.1;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next()?;
    let bare = || host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 5060));
    host.parse().ok().or_else(bare)
}

/// Where a response goes: to where the request came from, at the Via's port unless `rport` asks
/// for the source's (RFC 3261 §18.2.2, RFC 3581 §4).
pub(crate) fn response_address(request: &Message, source: SocketAddr) -> SocketAddr {
    let via = request.via().unwrap_or("");
    if parameter(via, "rport").is_some() {
        return source;
    }
    let sent_by = via.split_whitespace().nth(1).unwrap_or("").split(';').next().unwrap_or("");
    let port = sent_by.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(5060);
    SocketAddr::new(source.ip(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_uris() {
        let cases = [
            ("sip:anna@127.0.0.1:5071;transport=udp", Some("127.0.0.1:5071")),
            ("sip:127.0.0.1", Some("127.0.0.1:5060")),
            ("sip:anna@bridge.example", None),
            ("nonsense", None),
        ];
        for (uri, address) in cases {
            assert_eq!(address_of(uri), address.map(|text| text.parse().unwrap()), "{uri}");
        }
    }

    #[test]
    fn route_of_the_answer_is_followed_backwards() {
        let own: SocketAddr = "127.0.0.2:5060".parse().unwrap();
        let target = "127.0.0.1:5060".parse().unwrap();
        let caller = Caller { own, from: "anna", to: "100", parameters: "", target };
        let mut dialog = Dialog::calling(&caller, "id".into(), "a".into());
        let invite = dialog.next_request(Method::Invite, "b");
        let answer = Message::response(&invite, 200, Some("t"))
            .with("Contact", "<sip:100@127.0.0.8:5060>")
            .with("Record-Route", "<sip:127.0.0.7;lr>, <sip:127.0.0.6;lr>");
        dialog.confirm(&answer);
        assert_eq!(dialog.next_hop(), "127.0.0.6:5060".parse().unwrap());
        let bye = dialog.next_request(Method::Bye, "c");
        let routes: Vec<&str> = bye.headers("Route").collect();
        assert_eq!(routes, ["<sip:127.0.0.6;lr>", "<sip:127.0.0.7;lr>"]);
        assert_eq!(bye.cseq(), Some((2, Method::Bye)));
    }
}
