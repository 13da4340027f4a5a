//! The messages of RFC 4475, each with the verdict of a user agent that takes calls.

mod common;

use std::fs;
use std::path::Path;

use common::{PEER, Ua};

/// What comes of a message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// A call that is offered.
    Call,
    /// An answer with this first line (status and method).
    Answer(&'static str),
    /// Nothing: a response to nobody.
    Dropped,
}

use Verdict::{Answer, Call, Dropped};

/// File, verdict. REGISTER and MESSAGE are not offered here, which is said for the valid ones too.
const VERDICTS: [(&str, Verdict); 49] = [
    // 3.1.1: valid.
    // Well formed in every odd way, and within a dialog that does not exist here.
    ("TC_WSINV", Answer("481 INVITE")),
    ("TC_INTMETH", Answer("501 !interesting-Method0123456789_*+`.%indeed'~")),
    ("TC_ESC01_V", Call),
    ("TC_ESCNULL_V", Answer("405 REGISTER")),
    ("TC_ESC02_V", Answer("501 RE%47IST%45R")),
    ("TC_LWSDISP_V", Answer("200 OPTIONS")),
    ("TC_LONGREQ_V", Call),
    ("TC_DBLREQ", Answer("405 REGISTER")),
    ("TC_SEMIURI_V", Answer("200 OPTIONS")),
    ("TC_TRANSPORTS_V", Answer("200 OPTIONS")),
    ("TC_MPART01", Answer("405 MESSAGE")),
    ("TC_UNREASON_V", Dropped),
    ("TC_NOREASON_V", Dropped),
    // 3.1.2: invalid.
    ("TC_BADINV01_I", Answer("400 INVITE")),
    ("TC_CLERR_I", Answer("400 INVITE")),
    ("TC_NCL_I", Answer("400 INVITE")),
    ("TC_SCALAR02_V", Answer("400 REGISTER")),
    ("TC_SCALARLG_V", Dropped),
    ("TC_QUOTBAL_I", Answer("400 INVITE")),
    ("TC_LTGTRURI_I", Answer("400 INVITE")),
    ("TC_LWSRURI_I", Answer("400 INVITE")),
    ("TC_LWSSTART_V", Answer("400 INVITE")),
    ("TC_TRWS_I", Answer("400 OPTIONS")),
    ("TC_ESCRURI_V", Answer("400 INVITE")),
    // A date in another zone than GMT is of no use, and nothing here reads it.
    ("TC_BADDATE_V", Call),
    ("TC_REGBADCT_I", Answer("405 REGISTER")),
    ("TC_BADASPEC_I", Answer("200 OPTIONS")),
    ("TC_BADDN_I", Answer("400 OPTIONS")),
    ("TC_BADVERS_V", Answer("505 OPTIONS")),
    ("TC_MISMATCH01_V", Answer("400 INVITE")),
    ("TC_MISMATCH02_V", Answer("400 INVITE")),
    ("TC_BIGCODE_V", Dropped),
    // 3.2 to 3.4: above the parser.
    ("TC_BADBRANCH_V", Answer("200 OPTIONS")),
    ("TC_INSUF_I", Answer("400 INVITE")),
    ("TC_UNKSCM_V", Answer("416 OPTIONS")),
    ("TC_NOVELSC_V", Answer("416 OPTIONS")),
    ("TC_UNKSM2_V", Answer("405 REGISTER")),
    ("TC_BEXT01_V", Answer("420 OPTIONS")),
    ("TC_INVUT_V", Answer("415 INVITE")),
    ("TC_REGAUT01_V", Answer("405 REGISTER")),
    ("TC_MULTI01_I", Answer("400 INVITE")),
    ("TC_MCL01_I", Answer("400 OPTIONS")),
    ("TC_BCAST_V", Dropped),
    ("TC_ZEROMF_V", Answer("200 OPTIONS")),
    ("TC_CPARAM01_V", Answer("405 REGISTER")),
    ("TC_CPARAM02_V", Answer("405 REGISTER")),
    ("TC_REGESCRT_V", Answer("405 REGISTER")),
    ("TC_SDP01_V", Answer("406 INVITE")),
    ("TC_INV2543_I", Call),
];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/rfc4475"))
}

#[test]
fn every_torture_message_meets_its_verdict() {
    let mut wrong = Vec::new();
    for (name, verdict) in &VERDICTS {
        let bytes = fs::read(folder().join(format!("{name}.dat"))).expect("the message is there");
        let mut ua = Ua::new();
        let out = ua.feed_bytes(PEER, &bytes);
        let sent: Vec<_> =
            out.sent.iter().map(|t| String::from_utf8_lossy(&t.payload).into_owned()).collect();
        let met = match verdict {
            Call => out.events.len() == 1 && sent.len() == 1 && sent[0].starts_with("SIP/2.0 100 "),
            Dropped => out.events.is_empty() && sent.is_empty(),
            Answer(line) => {
                let status = line.split(' ').next().unwrap_or_default();
                out.events.is_empty()
                    && sent.len() == 1
                    && sent[0].starts_with(&format!("SIP/2.0 {status} "))
            }
        };
        if !met {
            wrong.push(format!("{name}: {verdict:?} but {sent:?} {:?}", out.events));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_names_every_message() {
    let mut files: Vec<_> = fs::read_dir(folder())
        .expect("the folder is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".dat").map(str::to_owned))
        .collect();
    let mut named: Vec<_> = VERDICTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    files.sort();
    named.sort();
    assert_eq!(files, named);
}

/// Every prefix, and every message with one byte changed.
#[test]
fn damaged_torture_messages_do_not_panic() {
    for (name, _) in &VERDICTS {
        let bytes = fs::read(folder().join(format!("{name}.dat"))).expect("the message is there");
        let mut ua = Ua::new();
        for end in (0..bytes.len()).step_by(3) {
            ua.endpoint.handle_datagram(
                ua.now,
                common::addr(PEER),
                common::addr(common::US),
                &bytes[..end],
            );
            let mut damaged = bytes.clone();
            damaged[end] ^= 0x15;
            ua.endpoint.handle_datagram(
                ua.now,
                common::addr(PEER),
                common::addr(common::US),
                &damaged,
            );
        }
        ua.drain();
        ua.secs(40);
    }
}
