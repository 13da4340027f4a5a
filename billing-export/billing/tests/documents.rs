//! What is written of an invoice: the frozen document reads back whole, and each row of the CSV
//! recomputes from itself.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use partyline_billing::{
    Date, Decimals, Deck, Header, Invoice, Money, Party, Period, Rounding, TaxRate, format,
};
use partyline_cdr_record::{
    AccessKind, ConferenceRecord, Direction, LegRecord, LegState, Origin, Presentation,
};
use partyline_model::{AccountId, ConferenceId, Role, Uuid, WallTime};
use proptest::prelude::*;

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(1) };
/// 2026-11-12T15:00:00Z.
const START: i64 = 1_794_495_600_000_000;

/// A call: its length in milliseconds, its access kind or the number dialled, its conference.
#[derive(Clone, Debug)]
struct Call {
    ms: u64,
    out: Option<&'static str>,
    toll_free: bool,
    conf: Option<u128>,
    answered: bool,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let number = prop::sample::select(vec![None, Some("442079460000"), Some("14165550100")]);
    let call = (0..4_000_000_u64, number, any::<bool>(), 0..4_u128, 0..8_u8);
    let call = call.prop_map(|(ms, out, toll_free, conf, answered)| Call {
        ms,
        out,
        toll_free,
        conf: (conf > 0).then_some(conf),
        answered: answered > 0,
    });
    prop::collection::vec(call, 0..40)
}

fn leg(n: usize, call: &Call) -> LegRecord {
    let n = u32::try_from(n).unwrap();
    let at = WallTime::from_micros(START + i64::from(n) * 7_000_000);
    let direction = if call.out.is_some() { Direction::Out } else { Direction::In };
    let mut leg = LegRecord::open(ORIGIN, Uuid(n.into()), n.into(), direction, at);
    leg.state = LegState::Closed;
    leg.conf_id = call.conf.map(Uuid);
    if call.answered {
        leg.answered_at = Some(at);
        leg.duration_ms = call.ms;
    }
    leg.disconnected_at = Some(at + std::time::Duration::from_millis(leg.duration_ms));
    leg.ani = "14165550177".parse().ok();
    leg.ani_presentation = Presentation::Allowed;
    leg.access_code_role = Some(if n % 3 == 0 { Role::Moderator } else { Role::Participant });
    if let Some(number) = call.out {
        leg.dialed_number = number.parse().ok();
    } else {
        leg.access_kind = if call.toll_free { AccessKind::TollFree } else { AccessKind::Local };
        leg.dnis = "18005550199".parse().ok();
    }
    leg
}

fn invoice(calls: &[Call], prices: &[u32; 6], currency: &str, rounding: &str) -> Invoice {
    let [local, toll_free, dialout, distance, fee, least] =
        prices.map(|price| Money::from_e8(i128::from(price)).to_fixed(Decimals::new(8)));
    let head = "deck_id,prefix,name,kind,access_kind,currency,per_min,init_s,inc_s,conn_fee,\
        min_charge,attempt_fee,eff_from,rounding,tax_code\n";
    let deck = format!(
        "{head}d,,=Local,bridge,local,{currency},{local},60,60,,{least},,2020-01-01,{rounding},T1\n\
         d,,\"Toll, free\",bridge,toll_free,{currency},{toll_free},30,6,,,,2020-01-01,{rounding},\n\
         d,,Line,bridge,dialout,{currency},{dialout},1,1,,,,2020-01-01,{rounding},\n\
         d,1,Canada,ld,,{currency},{distance},6,6,{fee},{least},{fee},2020-01-01,{rounding},\n\
         d,44,UK,ld,,{currency},{distance},30,6,{fee},{least},{fee},2020-01-01,{rounding},\n"
    );
    let legs: Vec<_> = calls.iter().enumerate().map(|(n, call)| leg(n, call)).collect();
    let names = ["-Sales", "Board; =1+1", "Zürich 東京"];
    let conference = |(n, name): (u128, &&str)| {
        let at = WallTime::from_micros(START);
        let mut record = ConferenceRecord::open(ORIGIN, Uuid(n), AccountId(1), ConferenceId(1), at);
        record.name = (**name).into();
        record.reference_number = (n == 2).then(|| "M-17".parse().unwrap());
        record
    };
    let conferences: Vec<_> = (1..).zip(&names).map(conference).collect();
    let header = Header {
        number: Some("PL-2026-000042".to_owned()),
        issued: Date::constant(2026, 12, 1),
        due: Date::constant(2026, 12, 31),
        period: Period::new("2026-11".parse().unwrap(), "America/Toronto").unwrap(),
        seller: Party {
            name: "Example Conferencing".to_owned(),
            address: vec!["100 Front Street West".to_owned()],
            tax_id: Some("HST 12345 6789 RT0001".to_owned()),
        },
        buyer: Party { name: "Harbour & Pine".to_owned(), ..Party::default() },
        taxes: vec![TaxRate { label: "HST 13 %".to_owned(), basis_points: 1300 }],
        notes: vec!["Pay by transfer.".to_owned()],
    };
    Invoice::build(header, &legs, &conferences, &Deck::parse(&deck).unwrap())
}

fn inputs() -> impl Strategy<Value = (Vec<Call>, [u32; 6], &'static str, &'static str)> {
    let prices = prop::array::uniform6(0..50_000_000_u32);
    let currency = prop::sample::select(vec!["USD", "JPY", "KWD"]);
    let rounding = prop::sample::select(vec!["half_up", "half_even"]);
    (calls(), prices, currency, rounding)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_frozen_document_reads_back_as_all_that_is_printed((calls, prices, currency, rounding) in inputs()) {
        let issued = invoice(&calls, &prices, currency, rounding);
        let document = format::json::invoice(&issued).unwrap();
        let read = format::json::read(&document).unwrap();
        prop_assert_eq!(format::json::invoice(&read).unwrap(), document);
        prop_assert_eq!(format::csv::charges(&read).unwrap(), format::csv::charges(&issued).unwrap());
        prop_assert_eq!(&read.lines, &issued.lines);
        prop_assert_eq!(&read.sessions, &issued.sessions);
        prop_assert_eq!(&read.taxes, &issued.taxes);
        prop_assert_eq!(&read.header.notes, &issued.header.notes);
    }

    #[test]
    fn every_row_recomputes_from_itself_and_the_rows_foot((calls, prices, currency, rounding) in inputs()) {
        let issued = invoice(&calls, &prices, currency, rounding);
        let csv = format::csv::charges(&issued).unwrap();
        let mut reader = csv::Reader::from_reader(&csv[..]);
        let columns = reader.headers().unwrap().clone();
        let mut sum = Money::ZERO;
        for row in reader.records() {
            let row = row.unwrap();
            let cell = |name: &str| &row[columns.iter().position(|column| column == name).unwrap()];
            let money = |name| cell(name).parse::<Money>().unwrap().as_e8();
            let seconds: i128 = cell("billed_s").parse().unwrap();
            // In sixtieths of 1e-8: exact.
            let exact = (money("fee") * 60 + money("per_min") * seconds).max(money("min_charge") * 60);
            let mode = if rounding == "half_up" { Rounding::HalfUp } else { Rounding::HalfEven };
            let step = 60 * 10_i128.pow(8 - u32::from(issued.decimals.for_lines().count()));
            let (whole, rest) = (exact / step, exact % step);
            let up = match (2 * rest).cmp(&step) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Greater => 1,
                std::cmp::Ordering::Equal => i128::from(mode == Rounding::HalfUp || whole % 2 == 1),
            };
            prop_assert_eq!(money("amount"), (whole + up) * step / 60, "{:?}", row);
            prop_assert!(!cell("conference").starts_with(['=', '+', '-', '@']), "{:?}", row);
            prop_assert!(!cell("name").starts_with(['=', '+', '-', '@']), "{:?}", row);
            sum += Money::from_e8(money("amount"));
        }
        prop_assert_eq!(sum + issued.line_rounding, issued.net);
        prop_assert_eq!(issued.lines.iter().map(|line| line.amount).sum::<Money>(), issued.net);
    }
}

#[test]
fn a_document_over_nothing_reads_back_too() {
    let document = format::json::invoice(&invoice(&[], &[0; 6], "USD", "half_up")).unwrap();
    let read = format::json::read(&document).unwrap();
    assert_eq!(format::json::invoice(&read).unwrap(), document);
}

#[test]
fn a_document_of_the_version_before_is_read() {
    let text = include_str!("../../../tests/golden/data-v1/expected/PL-2026-000002.json");
    let read = format::json::read(text.as_bytes()).unwrap();
    assert_eq!(read.header.number.as_deref(), Some("PL-2026-000002"));
    assert_eq!((read.total.to_fixed(read.decimals), read.legs()), ("4.77".to_owned(), 5));
    assert!(read.sessions[0].legs[0].moderator, "it says host");
    let csv = String::from_utf8(format::csv::charges(&read).unwrap()).unwrap();
    assert!(csv.contains(",moderator,") && csv.contains(",demo,0,"), "{csv}");
    for (wrong, what) in [
        (text.replace("partyline-invoice-1", "partyline-invoice-9"), "partyline-invoice-9"),
        (text.replace("\"CAD\"", "\"dollars\""), "a wrong currency"),
        (text.replace("\"host\"", "\"king\""), "a wrong role"),
        (text[..100].to_owned(), "cannot be read"),
    ] {
        let said = format::json::read(wrong.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
    }
}
