//! Traced calls as JSON: of each message what a ladder shows, and the redacted text.

use partyline_control::{TraceFilter, Traced, TracedMessage};
use partyline_media_io::Clock;
use partyline_model::{Time, WallTime};
use partyline_sip::message::{Message, Name, StartLine};
use serde_json::{Value, json};

/// Calls that one page has where nobody asks for more, and the most.
const USUAL: usize = 5;
const MOST: usize = 200;

/// What a question in JSON asks for: `{"call_id": …, "from": …, "trunk": …, "last": …}`, each of
/// which may be missing.
pub(super) fn filter(question: &str) -> Option<TraceFilter> {
    let asked: Value = serde_json::from_str(question).ok()?;
    let text = |key| asked[key].as_str().map(str::to_owned);
    let last = asked["last"].as_u64().and_then(|last| usize::try_from(last).ok());
    asked.is_object().then(|| TraceFilter {
        call_id: text("call_id"),
        from: text("from"),
        trunk: text("trunk"),
        last: last.unwrap_or(USUAL).min(MOST),
    })
}

/// The page: an object with the list of calls, the oldest first.
pub(super) fn page(calls: &[Traced], clock: Clock) -> String {
    let calls: Vec<Value> = calls.iter().map(|traced| stamped(traced, clock)).collect();
    json!({ "calls": calls }).to_string()
}

/// A call as a line of JSON.
pub(super) fn line(traced: &Traced, clock: Clock) -> String {
    stamped(traced, clock).to_string()
}

fn stamped(traced: &Traced, clock: Clock) -> Value {
    let stamp = |at: Time| {
        let ago = i64::try_from((clock.now() - at).as_micros()).unwrap_or(i64::MAX);
        WallTime::from_micros(clock.wall().as_micros().saturating_sub(ago))
    };
    call(traced, &stamp)
}

fn call(traced: &Traced, stamp: &dyn Fn(Time) -> WallTime) -> Value {
    let messages = traced.messages.iter().map(|seen| message(seen, stamp));
    json!({
        "kind": traced.kind.name(),
        "call_id": traced.call_id,
        "direction": if traced.is_outbound { "out" } else { "in" },
        "trunk": traced.trunk.as_deref(),
        "caller": traced.caller,
        "user": traced.user,
        "live": traced.is_live,
        "left_out": traced.left_out,
        "messages": messages.collect::<Vec<_>>(),
    })
}

fn message(seen: &TracedMessage, stamp: &dyn Fn(Time) -> WallTime) -> Value {
    let parsed = Message::parse(&seen.octets).ok();
    let header = |name| parsed.as_ref().and_then(|message| message.headers.text(name));
    let start = parsed.as_ref().map(|message| match &message.start {
        StartLine::Request { method, uri } => format!("{method} {uri}"),
        StartLine::Response { status, reason } => format!("{status} {reason}"),
    });
    let body = parsed.as_ref().map(|message| String::from_utf8_lossy(&message.body));
    json!({
        "at": stamp(seen.at).to_string(),
        "direction": if seen.is_sent { "out" } else { "in" },
        "transport": seen.flow.transport.to_string(),
        "local": seen.flow.local.map(|at| at.to_string()),
        "remote": seen.flow.remote.to_string(),
        "repeated": seen.is_repeated,
        "start": start,
        "cseq": header(&Name::CSeq),
        "reason": header(&Name::Reason).or_else(|| header(&Name::Warning)),
        "sdp": body.filter(|body| !body.is_empty()).map(|body| description(&body)),
        "text": String::from_utf8_lossy(&seen.octets),
    })
}

/// A description in one line: `audio 192.0.2.1:4000 RTP/AVP PCMU PCMA telephone-event sendrecv`.
fn description(sdp: &str) -> String {
    let mut said = Vec::new();
    let mut common = "";
    let mut names = std::collections::BTreeMap::new();
    for line in sdp.lines() {
        if let Some(map) = line.strip_prefix("a=rtpmap:")
            && let Some((number, name)) = map.split_once(' ')
        {
            names.insert(number, name.split('/').next().unwrap_or(name));
        }
    }
    let address = |line: &'_ str| line.split(' ').nth(2).map(str::to_owned);
    let lines: Vec<(&str, &str)> =
        sdp.lines().map(|line| line.split_once('=').unwrap_or((line, ""))).collect();
    for (place, &(kind, value)) in lines.iter().enumerate() {
        match kind {
            "c" if said.is_empty() => common = value,
            "m" => {
                // One of its own comes behind the stream.
                let own = lines[place + 1..].iter().take_while(|(kind, _)| *kind != "m");
                let own = own.filter(|(kind, _)| *kind == "c").map(|(_, value)| *value).next();
                let address = address(own.unwrap_or(common)).unwrap_or_default();
                let mut words = value.split(' ');
                let [media, port, proto] = [(); 3].map(|()| words.next().unwrap_or_default());
                said.push(format!("{media} {address}:{port} {proto}"));
                said.extend(words.map(|format| codec(&names, format)));
            }
            "a" if matches!(value, "sendrecv" | "sendonly" | "recvonly" | "inactive") => {
                said.push(value.to_owned());
            }
            "a" if value.starts_with("crypto:") => {
                said.extend(value.split(' ').nth(1).map(str::to_owned));
            }
            _ => {}
        }
    }
    said.join(" ")
}

/// The name of a format (RFC 3551 §6 for those that need no map).
fn codec(names: &std::collections::BTreeMap<&str, &str>, format: &str) -> String {
    let known = match format {
        "0" => "PCMU",
        "8" => "PCMA",
        "9" => "G722",
        "18" => "G729",
        other => other,
    };
    names.get(format).copied().unwrap_or(known).to_owned()
}

#[cfg(test)]
mod tests {
    use partyline_control::TraceKind;
    use partyline_sip::Flow;

    use super::*;

    #[test]
    fn the_page_has_of_each_message_what_a_ladder_shows() {
        let octets = "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nReason: SIP;cause=200\r\n\
                      Content-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\n\
                      m=audio 4000 RTP/SAVP 0 96 101\r\na=rtpmap:96 opus/48000/2\r\n\
                      a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:*\r\na=sendonly\r\n";
        let message = TracedMessage {
            at: Time::ZERO,
            is_sent: true,
            flow: Flow::udp(None, "192.0.2.9:5060".parse().unwrap()),
            octets: octets.into(),
            is_repeated: true,
        };
        let traced = Traced {
            kind: TraceKind::Call,
            call_id: "a@b".to_owned(),
            is_outbound: false,
            trunk: Some("line".into()),
            caller: "1001".to_owned(),
            user: Some("anna".to_owned()),
            is_live: true,
            messages: vec![message],
            left_out: 7,
        };
        let page: Value = serde_json::from_str(&page(&[traced], Clock::start())).expect("JSON");
        let call = &page["calls"][0];
        assert_eq!(
            [&call["kind"], &call["call_id"], &call["direction"], &call["trunk"]],
            ["call", "a@b", "in", "line"]
        );
        assert_eq!((&call["live"], &call["left_out"]), (&json!(true), &json!(7)));
        let message = &call["messages"][0];
        assert_eq!([&message["start"], &message["cseq"]], ["200 OK", "1 INVITE"]);
        assert_eq!([&message["direction"], &message["remote"]], ["out", "192.0.2.9:5060"]);
        assert_eq!((&message["local"], &message["repeated"]), (&Value::Null, &json!(true)));
        assert_eq!(
            message["sdp"],
            "audio 192.0.2.1:4000 RTP/SAVP PCMU opus 101 AES_CM_128_HMAC_SHA1_80 sendonly"
        );
        assert_eq!(message["text"], octets);
        assert_eq!(message["reason"], "SIP;cause=200");
    }

    #[test]
    fn a_question_may_leave_everything_out_and_asks_for_no_more_than_there_may_be() {
        let usual = TraceFilter { last: USUAL, ..TraceFilter::default() };
        assert_eq!(filter("{}"), Some(usual));
        assert_eq!(filter("[]"), None);
        assert_eq!(filter("x"), None);
        let asked = filter(r#"{"call_id":"a","from":"b","trunk":"c","last":1000000}"#);
        let text = |text: &str| Some(text.to_owned());
        let (call_id, from, trunk) = (text("a"), text("b"), text("c"));
        assert_eq!(asked, Some(TraceFilter { call_id, from, trunk, last: MOST }));
    }

    #[test]
    fn a_description_without_a_body_or_lines_is_nothing() {
        for text in ["", "x", "m=", "=\n=", "m=audio"] {
            description(text);
        }
        assert_eq!(
            description("c=IN IP4 h\nm=audio 1 RTP/AVP 101\na=rtpmap:101 telephone-event/8000"),
            "audio h:1 RTP/AVP telephone-event"
        );
        assert_eq!(
            description(
                "c=IN IP4 h\nm=audio 1 RTP/AVP 0\nc=IN IP4 i\na=sendrecv\nm=video 2 RTP/AVP 31"
            ),
            "audio i:1 RTP/AVP PCMU sendrecv video h:2 RTP/AVP 31"
        );
    }
}
