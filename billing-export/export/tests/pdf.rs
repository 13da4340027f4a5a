//! The PDF as a file: its structure, its pages, its determinism. How it looks is looked at.

use std::time::Duration;

use partyline_billing::{Date, Deck, Header, Invoice, Party, Period, TaxRate};
use partyline_cdr_record::{
    AccessKind, ConferenceRecord, ConferenceState, Direction, LegRecord, LegState, Origin,
    Presentation,
};
use partyline_model::{AccountId, ConferenceId, Role, Uuid, WallTime};

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(1) };
/// 2026-11-12T15:00:00Z.
const START: WallTime = WallTime::from_micros(1_794_495_600_000_000);

fn deck() -> Deck {
    let text = "deck_id,prefix,name,kind,access_kind,currency,per_min,init_s,inc_s,conn_fee,tz,eff_from\n\
                retail-2026,,Local dial-in,bridge,local,USD,0.0390,60,60,,America/Toronto,2026-01-01\n\
                retail-2026,,Toll-free dial-in,bridge,toll_free,USD,0.0590,60,60,,America/Toronto,2026-01-01\n\
                retail-2026,,Dialled-out line,bridge,dialout,USD,0.0390,60,60,,America/Toronto,2026-01-01\n\
                retail-2026,44,United Kingdom,ld,,USD,0.0210,30,6,0.05,America/Toronto,2026-01-01\n";
    Deck::parse(text).expect("a deck")
}

fn leg(n: u32, conf: u128) -> LegRecord {
    let invited = START + Duration::from_secs(u64::from(n) * 7);
    let direction = if n % 9 == 8 { Direction::Out } else { Direction::In };
    let mut leg = LegRecord::open(ORIGIN, Uuid(u128::from(n)), n.into(), direction, invited);
    leg.state = LegState::Closed;
    leg.conf_id = Some(Uuid(conf));
    leg.duration_ms = 61_000 * u64::from(n % 50 + 1);
    leg.answered_at = Some(invited + Duration::from_millis(320));
    leg.disconnected_at = leg.answered_at.map(|at| at + Duration::from_millis(leg.duration_ms));
    leg.ani = format!("1416555{:04}", n % 10_000).parse().ok();
    leg.ani_presentation =
        if n % 11 == 3 { Presentation::Restricted } else { Presentation::Allowed };
    leg.access_kind = if n % 4 == 1 { AccessKind::TollFree } else { AccessKind::Local };
    leg.access_code_role =
        Some(if n.is_multiple_of(10) { Role::Moderator } else { Role::Participant });
    if direction == Direction::Out {
        leg.access_kind = AccessKind::Dialout;
        leg.dialed_number = "442079460000".parse().ok();
    }
    leg
}

fn conference(n: u128, reference: Option<&str>) -> ConferenceRecord {
    let started = START + Duration::from_secs(600 * u64::try_from(n).expect("small"));
    let mut record =
        ConferenceRecord::open(ORIGIN, Uuid(n), AccountId(1), ConferenceId(1), started);
    record.state = ConferenceState::Closed;
    record.name = "Weekly claims review".into();
    record.reference_number = reference.map(|r| r.parse().expect("a reference"));
    record
}

fn invoice(legs: u32) -> Invoice {
    let legs: Vec<_> = (0..legs).map(|n| leg(n, u128::from(n % 5))).collect();
    let conferences: Vec<_> =
        (0..5).map(|n| conference(n, (n % 2 == 0).then_some("MATTER-2026-0017"))).collect();
    let header = Header {
        number: Some("PL-2026-000042".to_owned()),
        issued: Date::constant(2026, 12, 1),
        due: Date::constant(2026, 12, 31),
        period: Period::new("2026-11".parse().expect("a month"), "America/Toronto").expect("zone"),
        seller: Party {
            name: "Example Conferencing Inc.".to_owned(),
            address: vec!["100 Front Street West".to_owned(), "Toronto ON  M5J 1E3".to_owned()],
            tax_id: Some("HST 12345 6789 RT0001".to_owned()),
        },
        buyer: Party {
            name: "Harbour & Pine LLP".to_owned(),
            address: vec!["Accounts payable".to_owned(), "1 Water Street, Halifax".to_owned()],
            tax_id: None,
        },
        taxes: vec![TaxRate { label: "HST 13 %".to_owned(), basis_points: 1300 }],
        notes: vec!["Pay by transfer to account 000-111, quoting the invoice number.".to_owned()],
    };
    Invoice::build(header, &legs, &conferences, &deck())
}

#[test]
fn the_same_invoice_gives_the_same_bytes() {
    let first = partyline_export::invoice(&invoice(40)).expect("a PDF").bytes;
    let second = partyline_export::invoice(&invoice(40)).expect("a PDF").bytes;
    assert!(first.starts_with(b"%PDF-") && first == second);
    // For people who look: cargo test -p partyline-export, then open the file.
    let shown = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("invoice.pdf");
    std::fs::write(shown, first).expect("a writable target folder");
}

#[test]
fn pages_grow_with_the_calls_and_an_empty_month_has_one() {
    let pages = |legs| {
        let pdf = partyline_export::invoice(&invoice(legs)).expect("a PDF").bytes;
        let text = String::from_utf8_lossy(&pdf).into_owned();
        text.matches("/Type/Page").count() - text.matches("/Type/Pages").count()
    };
    assert_eq!(pages(0), 1);
    assert!((2..=4).contains(&pages(40)), "{} pages for 40 legs", pages(40));
    assert!(pages(400) > 2 * pages(100));
}

#[test]
fn five_hundred_legs_stay_under_two_hundred_kilobytes() {
    let pdf = partyline_export::invoice(&invoice(500)).expect("a PDF").bytes;
    assert!(pdf.len() < 200 * 1024, "{} bytes", pdf.len());
}

#[test]
fn over_two_thousand_legs_are_a_summary_of_few_pages() {
    let pages = |legs| {
        let pdf = partyline_export::invoice(&invoice(legs)).expect("a PDF").bytes;
        let text = String::from_utf8_lossy(&pdf).into_owned();
        (text.matches("/Type/Page").count() - text.matches("/Type/Pages").count(), pdf.len())
    };
    let legs = u32::try_from(partyline_billing::MOST_PRINTED_LEGS).expect("some thousands");
    let (summary, octets) = pages(legs + 1);
    assert!(summary <= 3 && octets < 100 * 1024, "{summary} pages, {octets} octets");
    assert!(pages(200).0 > summary, "fewer legs are printed one by one");
}

#[test]
fn names_in_other_scripts_are_printed_and_told_when_no_font_has_them() {
    let mut invoice = invoice(10);
    invoice.header.buyer.name = "東京会議株式会社".to_owned();
    invoice.sessions[0].name = "会議室".to_owned();
    let printed = partyline_export::invoice(&invoice).expect("a PDF");
    assert!(printed.transliterated.is_empty(), "{:?}", printed.transliterated);
    let has = |bytes: &[u8], name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    assert!(has(&printed.bytes, b"DroidSansFallback"), "its glyphs are embedded");
    assert!(printed.bytes.len() < 200 * 1024, "only those: {} octets", printed.bytes.len());
    let shown = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("names.pdf");
    std::fs::write(shown, &printed.bytes).expect("a writable target folder");

    invoice.header.buyer.name = "شركة المؤتمرات".to_owned();
    let printed = partyline_export::invoice(&invoice).expect("a PDF");
    let told: Vec<_> = printed.transliterated.iter().map(String::as_str).collect();
    assert_eq!(told, ["شركة المؤتمرات"]);
}
