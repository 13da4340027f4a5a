//! A SIP message: what is read can be written, and reads the same again.

use partyline_model::Digit;
use partyline_sip::message::{Envelope, Message, NameAddr, Uri, Via};

/// Reads `data` as a datagram, then what was made of it as the wire has it.
pub fn sip_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let envelope = Envelope::read(&message);
    let sound = message.fault.is_none();
    assert!(sound || message.fault.is_some_and(|fault| fault.status().code() >= 400));
    parts(&message);

    let bytes = message.to_bytes();
    let again = Message::parse(&bytes).expect("what was read can be written and read");
    if let Some(pin) = &again.pin {
        // A masked passcode reads back as the mask.
        assert!(pin.digits().map(Digit::to_char).eq(['*']), "a passcode was written out");
    }
    if sound {
        assert_eq!(again.fault, None);
        assert_eq!(again.start, message.start);
        assert_eq!(again.body, message.body);
        assert_eq!(again.headers, message.headers, "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(Envelope::read(&again).is_ok(), envelope.is_ok());
        assert_eq!(again.to_bytes(), bytes, "writing is settled after one round");
    }
}

/// The grammars within header fields, on whatever stands there.
fn parts(message: &Message) {
    for (name, value) in message.headers.iter() {
        for item in message.headers.items(name).chain([value.as_str()]) {
            if let Ok(uri) = Uri::parse(item) {
                let written = uri.to_string();
                let again = Uri::parse(&written).expect("a written URI reads back");
                assert_eq!(again.to_string(), written);
                assert_eq!(again.user(), uri.user());
            }
            if let Ok(via) = Via::parse(item) {
                let written = via.to_string();
                let again = Via::parse(&written).expect("a written Via reads back");
                assert_eq!(again.to_string(), written);
                assert_eq!(again.branch(), via.branch());
            }
            if let Ok(address) = NameAddr::parse(item) {
                let uri = address.uri.to_string();
                assert!(Uri::parse(&uri).is_ok(), "{uri}");
                assert!(address.tag().is_none_or(|tag| item.contains(tag)));
            }
        }
    }
}
