//! The worked examples of the rating specification, by number. Left to the billing issue: 9, 10
//! and 14 with `split`, 15 with `aggregate`, 6 with `grace_ms`.

use partyline_billing::{
    ChargeKind, Date, Decimals, Deck, Header, Invoice, Moment, Money, Party, Period, Plans,
    Rounding, Tally, TaxRate, Unrated, Version, price, quote, rate,
};
use partyline_cdr_record::{AccessKind, CloseReason, Direction, LegRecord, LegState, Origin};
use partyline_model::{Number, Uuid, WallTime};

const HEADER: &str = "deck_id,prefix,name,kind,access_kind,currency,per_min,init_s,inc_s,conn_fee,\
                      min_charge,attempt_fee,tz,eff_from,eff_to,rounding,window\n";

fn deck(rows: &str) -> Deck {
    Deck::parse(&format!("{HEADER}{rows}")).expect("a valid deck")
}

/// A deck with one bridge rate `per_min` `init`/`inc` in `currency`.
fn bridge_in(currency: &str, per_min: &str, init: u32, inc: u32) -> Deck {
    deck(&format!("d,,Bridge,bridge,,{currency},{per_min},{init},{inc},,,,,2020-01-01,,,\n"))
}

fn bridge(per_min: &str, init: u32, inc: u32) -> Deck {
    bridge_in("USD", per_min, init, inc)
}

fn at(text: &str) -> WallTime {
    let timestamp: jiff::Timestamp = text.parse().expect("an instant");
    WallTime::from_micros(timestamp.as_microsecond())
}

fn leg(id: u128, answered: &str, duration_ms: u64) -> LegRecord {
    let origin = Origin { node_id: 1, boot_id: Uuid(1) };
    let answered = at(answered);
    let mut leg = LegRecord::open(origin, Uuid(id), 1, Direction::In, answered);
    leg.state = LegState::Closed;
    leg.access_kind = AccessKind::Local;
    leg.answered_at = Some(answered);
    leg.duration_ms = duration_ms;
    leg.disconnected_at = Some(answered + std::time::Duration::from_millis(duration_ms));
    leg
}

fn call(duration_ms: u64) -> LegRecord {
    leg(7, "2026-11-21T12:00:00Z", duration_ms)
}

fn dialled(number: &str, duration_ms: u64) -> LegRecord {
    let mut leg = call(duration_ms);
    leg.direction = Direction::Out;
    leg.access_kind = AccessKind::Dialout;
    leg.dialed_number = Some(number.parse().expect("a number"));
    leg
}

fn unanswered(mut leg: LegRecord) -> LegRecord {
    leg.answered_at = None;
    leg.duration_ms = 0;
    leg
}

/// Sum of the charges of `leg`, with `decimals` decimals.
fn cost(leg: &LegRecord, deck: &Deck, decimals: u8) -> String {
    let charges = rate(leg, deck).expect("rated");
    charges.iter().map(|c| c.amount).sum::<Money>().to_fixed(Decimals::new(decimals))
}

fn invoice(deck: &Deck, legs: &[LegRecord], month: &str, zone: &str, tax: Option<u32>) -> Invoice {
    let period = Period::new(month.parse().expect("a month"), zone).expect("a period");
    let header = Header {
        number: None,
        issued: Date::constant(2026, 12, 1),
        due: Date::constant(2026, 12, 31),
        period,
        seller: Party::default(),
        buyer: Party::default(),
        taxes: tax
            .map(|basis_points| TaxRate { label: "HST".into(), basis_points })
            .into_iter()
            .collect(),
        notes: Vec::new(),
    };
    Invoice::build(header, legs, &[], deck)
}

#[test]
fn blocks_and_rounding_examples_1_to_4() {
    for (ms, per_min, init, inc, amount) in [
        (65_000, "0.049", 60, 60, "0.0980"),
        (61_000, "0.0300", 6, 6, "0.0330"),
        (32_000, "0.006", 30, 6, "0.0036"),
        (57_000, "0.006", 30, 6, "0.0060"),
        (75_000, "0.006", 30, 6, "0.0078"),
        (100_000, "0.0125", 1, 1, "0.0208"),
    ] {
        assert_eq!(cost(&call(ms), &bridge(per_min, init, inc), 4), amount, "{ms} ms");
    }
}

#[test]
fn nothing_is_billed_for_no_time_example_5() {
    let deck = deck("d,,Bridge,bridge,,USD,0.049,60,60,,0.10,,,2020-01-01,,,\n");
    assert_eq!(cost(&call(0), &deck, 4), "0.0000");
}

#[test]
fn a_started_second_counts_once_example_6() {
    for ms in [1, 400, 999, 1000] {
        assert_eq!(cost(&call(ms), &bridge("0.03", 6, 6), 4), "0.0030", "{ms} ms");
        assert_eq!(cost(&call(ms), &bridge("0.049", 60, 60), 4), "0.0490", "{ms} ms");
    }
    assert_eq!(cost(&call(1001), &bridge("0.06", 1, 1), 4), "0.0020");
}

#[test]
fn attempts_cost_only_the_attempt_fee_example_7() {
    let busy = unanswered(dialled("14165550100", 0));
    let rows = |fee: &str| format!("d,1,Canada,ld,,USD,0.1185,30,6,0.05,,{fee},,2020-01-01,,,\n");
    assert_eq!(cost(&busy, &deck(&rows("")), 4), "0.0000");
    assert_eq!(cost(&busy, &deck(&rows("0.02")), 4), "0.0200");
}

#[test]
fn no_attempt_is_charged_that_was_answered_or_that_we_cut_off() {
    let deck = deck("d,1,Canada,ld,,USD,0.1185,30,6,0.05,,0.02,,2020-01-01,,,\n");
    let attempt = unanswered(dialled("14165550100", 0));
    let crashed = LegRecord { state: LegState::OrphanClosed, ..attempt.clone() };
    assert_eq!(cost(&crashed, &deck, 4), "0.0000", "recovery closed it");
    for reason in [CloseReason::Crash, CloseReason::Internal, CloseReason::Drain] {
        let ours = LegRecord { close_reason: Some(reason), ..attempt.clone() };
        assert_eq!(cost(&ours, &deck, 4), "0.0000", "{reason}");
    }
    assert_eq!(cost(&dialled("14165550100", 0), &deck, 4), "0.0000", "answered for no time");
    for reason in [CloseReason::Normal, CloseReason::NotFound, CloseReason::Transport] {
        let theirs = LegRecord { close_reason: Some(reason), ..attempt.clone() };
        assert_eq!(cost(&theirs, &deck, 4), "0.0200", "{reason}");
    }
}

#[test]
fn a_rate_that_has_ended_is_told_with_the_time_of_the_call() {
    let deck = deck(
        "d,,Bridge,bridge,,USD,0.05,60,60,,,,,2020-01-01,,,\n\
         d,44,UK,ld,,USD,0.02,60,60,,,,,2020-01-01,2026-01-01,,\n\
         d,4420,London,ld,,USD,0.02,60,60,,,,,2020-01-01,2026-06-01,,\n\
         d,49,Germany,ld,,USD,0.02,60,60,,,,,2027-01-01,,,\n",
    );
    let said = |number| rate(&dialled(number, 60_000), &deck).expect_err("no rate").to_string();
    assert_eq!(
        said("442079460000"),
        "the deck has no rate for the number dialled for a call of 2026-11-21T12:00:00.000000Z; \
         the one in line 4 ended at 2026-06-01T00:00:00.000000Z"
    );
    assert!(
        said("4930123456").ends_with("; the one in line 5 begins at 2027-01-01T00:00:00.000000Z")
    );
    assert!(said("818012345678").ends_with("for a call of 2026-11-21T12:00:00.000000Z"));
}

#[test]
fn the_longest_prefix_decides_example_8() {
    let rows = [("44", "0.0120"), ("447", "0.0450"), ("44791", "0.1900"), ("4479110", "0.0450")];
    let mut text = String::from("d,,Bridge,bridge,,USD,0,1,1,,,,,2020-01-01,,,\n");
    for (prefix, per_min) in rows {
        text += &format!("d,{prefix},UK,ld,,USD,{per_min},1,1,,,,,2020-01-01,,,\n");
    }
    let deck = deck(&text);
    for (number, prefix, amount) in [
        ("442079460000", "44", "0.0250"),
        ("447700900123", "447", "0.0938"),
        ("447912000000", "44791", "0.3958"),
        ("447911012345", "4479110", "0.0938"),
    ] {
        let leg = dialled(number, 125_000);
        assert_eq!(cost(&leg, &deck, 4), amount, "{number}");
        assert_eq!(&*rate(&leg, &deck).expect("rated")[1].prefix, prefix);
    }
}

#[test]
fn the_rate_at_the_answer_holds_example_9() {
    let deck = deck(
        "d,,Bridge,bridge,,USD,0.05,60,60,,,,,2020-01-01,2026-04-01 00:00,,\n\
         d,,Bridge,bridge,,USD,0.06,60,60,,,,,2026-04-01 00:00,,,\n",
    );
    assert_eq!(cost(&leg(1, "2026-03-31T23:50:00Z", 1_200_000), &deck, 4), "1.0000");
    assert_eq!(cost(&leg(1, "2026-04-01T00:00:00Z", 1_200_000), &deck, 4), "1.2000");
}

#[test]
fn changes_of_the_clocks_change_no_price_examples_11_12_23() {
    // The wall clock's jumps are in the stamps only; the duration is monotonic.
    let deck_05 = bridge("0.05", 60, 60);
    let mut spring = leg(1, "2026-03-08T06:30:00Z", 3_600_000);
    spring.clock_skew_ms = 0;
    assert_eq!(cost(&spring, &deck_05, 4), "3.0000");
    assert_eq!(cost(&leg(1, "2026-11-01T05:30:00Z", 2_400_000), &deck_05, 4), "2.0000");
    let mut stepped = leg(1, "2026-11-21T12:00:00Z", 300_000);
    stepped.clock_skew_ms = -90_000;
    assert_eq!(cost(&stepped, &bridge("0.045", 60, 60), 4), "0.2250");
}

#[test]
fn the_month_of_the_end_bills_at_the_rate_of_the_answer_example_13() {
    let rows = |zone: &str| {
        format!(
            "d,,Bridge,bridge,,USD,0.049,60,60,,,,{zone},2020-01-01,2026-02-01,,\n\
             d,,Bridge,bridge,,USD,0.098,60,60,,,,{zone},2026-02-01,,,\n"
        )
    };
    let call = [leg(1, "2026-02-01T04:58:30Z", 480_000)];
    let local = deck(&rows("America/Toronto"));
    let utc = deck(&rows("UTC"));
    assert_eq!(cost(&call[0], &local, 4), "0.3920", "January's deck, by the zone of the deck");
    assert_eq!(cost(&call[0], &utc, 4), "0.7840", "February's, which began at 00:00Z");
    let zone = "America/Toronto";
    assert_eq!(invoice(&local, &call, "2026-02", zone, None).sessions.len(), 1);
    assert_eq!(invoice(&local, &call, "2026-01", zone, None).sessions.len(), 0);
}

#[test]
fn each_leg_is_rounded_up_by_itself_example_15() {
    let deck = bridge("0.045", 60, 60);
    let legs: Vec<_> = [65_000, 600_000, 1_801_000].into_iter().map(call).collect();
    let sum: Money =
        legs.iter().flat_map(|l| rate(l, &deck).expect("rated")).map(|c| c.amount).sum();
    assert_eq!(sum.to_fixed(Decimals::new(4)), "1.9350");
}

#[test]
fn a_dial_out_costs_bridge_and_distance_example_16() {
    let deck = deck(
        "d,,Dial-out,bridge,dialout,USD,0.045,60,60,,,,,2020-01-01,,,\n\
         d,1,Canada,ld,,USD,0.1185,30,6,0.05,0.10,,,2020-01-01,,,\n\
         d,49,Germany,ld,,USD,0.0090,30,6,,0.05,,,2020-01-01,,,\n",
    );
    let leg = dialled("14165550100", 754_000);
    let charges = rate(&leg, &deck).expect("rated");
    let shown: Vec<_> =
        charges.iter().map(|c| (c.kind, c.amount.to_fixed(Decimals::new(4)))).collect();
    assert_eq!(
        shown,
        [(ChargeKind::Bridge, "0.5850".into()), (ChargeKind::LongDistance, "1.5431".into())]
    );
    let short = rate(&dialled("4930123456", 5_000), &deck).expect("rated");
    assert_eq!(short[1].amount.to_fixed(Decimals::new(4)), "0.0500", "the minimum");
}

#[test]
fn features_are_priced_like_time_example_17() {
    let deck = deck(
        "d,,recording,feature,,USD,0.01,60,60,,,,,2020-01-01,,,\n\
         d,,transcript,feature,,USD,0,60,0,2.50,,,,2020-01-01,,,\n",
    );
    let now = at("2026-11-21T12:00:00Z");
    let amount = |name| price(deck.feature(name, now).expect("a rate"), &deck, 1_832_000).amount;
    assert_eq!(amount("recording").to_fixed(Decimals::new(4)), "0.3100");
    assert_eq!(amount("transcript").to_fixed(Decimals::new(4)), "2.5000");
}

#[test]
fn decks_that_round_differently_give_one_sum_whichever_call_came_last() {
    let mut plans = Plans::new(1);
    for (plan, rounding) in [(1, "half_even"), (2, "half_up")] {
        let row = format!("d,,Bridge,bridge,,USD,0.0025,60,60,,,,,2020-01-01,,{rounding},\n");
        plans.add(Version {
            plan,
            version: 1,
            since: at("2020-01-01T00:00:00Z"),
            deck: deck(&row),
        });
    }
    for order in [[1, 2], [2, 1], [2, 2]] {
        let header = invoice(&bridge("1", 60, 60), &[], "2026-11", "UTC", None).header;
        let mut tally = Tally::new(header.period.clone(), &plans);
        for (id, plan) in (1..).zip(order) {
            let call = leg(id, "2026-11-21T12:00:00Z", 60_000);
            tally.add(&LegRecord { rate_context: plan, ..call });
        }
        let usd = partyline_billing::currency("USD").expect("known");
        let invoice = tally.invoice(header, usd, &std::collections::BTreeMap::new());
        assert_eq!(invoice.net.to_fixed(invoice.decimals), "0.01", "{order:?}");
    }
}

#[test]
fn yen_are_rounded_on_the_line_not_on_the_call_example_18() {
    let deck = bridge_in("JPY", "7.5", 60, 60);
    let legs: Vec<_> = [61_000, 130_000, 59_000].into_iter().map(call).collect();
    let invoice = invoice(&deck, &legs, "2026-11", "Asia/Tokyo", None);
    assert_eq!(invoice.net.to_fixed(invoice.decimals), "45");
}

#[test]
fn dinars_have_three_decimals_example_19() {
    let deck = bridge_in("KWD", "0.0135", 6, 6);
    assert_eq!(cost(&call(754_000), &deck, 5), "0.17010");
    let invoice = invoice(&deck, &[call(754_000)], "2026-11", "UTC", None);
    assert_eq!(invoice.total.to_fixed(invoice.decimals), "0.170");
}

/// Three access kinds, so that each is its own line: 10.125, 20.335 and 5.005.
fn three_lines(rounding: &str) -> (Deck, Vec<LegRecord>) {
    let row = |access: &str, fee: &str| {
        format!("d,,{access},bridge,{access},USD,0,60,60,{fee},,,,2020-01-01,,{rounding},\n")
    };
    let deck = deck(&(row("local", "10.125") + &row("toll_free", "20.335") + &row("sip", "5.005")));
    let kinds = [AccessKind::Local, AccessKind::TollFree, AccessKind::Sip];
    let legs = kinds.map(|access_kind| LegRecord { access_kind, ..call(1_000) });
    (deck, legs.to_vec())
}

#[test]
fn the_net_is_the_sum_of_printed_lines_examples_20_21() {
    for (rounding, net) in [("half_up", "35.48"), ("half_even", "35.46")] {
        let (deck, legs) = three_lines(rounding);
        let invoice = invoice(&deck, &legs, "2026-11", "UTC", None);
        assert_eq!(invoice.net.to_fixed(invoice.decimals), net, "{rounding}");
    }
    let (deck, legs) = three_lines("half_up");
    let invoice = invoice(&deck, &legs, "2026-11", "UTC", Some(1300));
    assert_eq!(invoice.taxes[0].amount.to_fixed(invoice.decimals), "4.61");
    assert_eq!(invoice.total.to_fixed(invoice.decimals), "40.09");
    assert_eq!((-invoice.total).to_fixed(invoice.decimals), "-40.09");
    let exact: Money = invoice.references.iter().map(|r| r.amount).sum();
    assert_eq!(exact + invoice.line_rounding, invoice.net, "references foot to the net");
}

#[test]
fn ten_thousand_small_calls_lose_no_cent_example_22() {
    let deck = bridge("0.006", 30, 6);
    let legs: Vec<_> = (0..10_000).map(|n| leg(n, "2026-11-21T12:00:00Z", 32_000)).collect();
    let invoice = invoice(&deck, &legs, "2026-11", "UTC", None);
    assert_eq!(invoice.total.to_fixed(invoice.decimals), "36.00");
    assert_eq!(invoice.lines[0].legs, 10_000);
}

#[test]
fn what_recovery_closed_is_billed_to_the_last_tick_example_24() {
    let mut orphan = call(1_234_567);
    orphan.state = LegState::OrphanClosed;
    orphan.q850 = Some(41);
    assert_eq!(cost(&orphan, &bridge("0.045", 60, 60), 4), "0.9450");
}

#[test]
fn increments_follow_the_first_block_example_25() {
    assert_eq!(rate(&call(21_000), &bridge("0.06", 20, 6)).expect("rated")[0].billed_seconds, 26);
}

#[test]
fn a_call_is_rounded_once_example_26() {
    assert_eq!(cost(&call(754_000), &bridge("0.00319496", 1, 1), 4), "0.0401");
}

#[test]
fn a_reference_number_costs_nothing() {
    let mut with = call(65_000);
    with.reference_number = Some("MATTER-2025-0017".parse().expect("a reference"));
    let deck = bridge("0.049", 60, 60);
    assert_eq!(rate(&with, &deck), rate(&call(65_000), &deck));
}

#[test]
fn a_leg_without_a_rate_is_held_not_given_away() {
    let deck = deck("d,,Toll free,bridge,toll_free,USD,0.05,60,60,,,,,2020-01-01,,,\n");
    let local = call(65_000);
    let moment = Moment { at: at("2026-11-21T12:00:00Z"), lapsed: None };
    let why = Unrated::NoBridgeRate(AccessKind::Local, moment);
    assert_eq!(rate(&local, &deck), Err(why.clone()));
    let invoice = invoice(&deck, &[local], "2026-11", "UTC", None);
    assert_eq!(invoice.suspense, [(Uuid(7), why)]);
    assert_eq!(invoice.total, Money::ZERO);
}

#[test]
fn the_call_path_can_ask_for_a_price() {
    let deck = deck(
        "d,,Dial-out,bridge,dialout,USD,0.045,60,60,,,,,2020-01-01,,,\n\
         d,1,Canada,ld,,USD,0.0755,30,6,,,,,2020-01-01,,,\n",
    );
    let now = at("2026-11-21T12:00:00Z");
    let number = |text: &str| text.parse::<Number>().expect("a number");
    assert_eq!(quote(&deck, number("14165550100"), now), Ok("0.1205".parse().expect("money")));
    let unknown = quote(&deck, number("4930123456"), now);
    assert!(matches!(unknown, Err(Unrated::NoDestination(_))), "{unknown:?}");
}

#[test]
fn numbers_are_masked_but_for_country_area_and_end() {
    let shown = |text: &str| partyline_billing::masked(text.parse().expect("a number"));
    assert_eq!(shown("14165550100"), "1416•••••00");
    assert_eq!(shown("4420"), "••20");
    assert_eq!(shown("20"), "20");
}

#[test]
fn machine_formats_carry_every_charge() {
    let deck = bridge("0.049", 60, 60);
    let mut invited = call(65_000);
    invited.ani = Some("14165550100".parse().expect("a number"));
    invited.ani_presentation = partyline_cdr_record::Presentation::Allowed;
    let invoice = invoice(&deck, &[invited], "2026-11", "America/Toronto", None);
    let csv = String::from_utf8(partyline_billing::format::csv::charges(&invoice).expect("csv"))
        .expect("UTF-8");
    let rows: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(rows.len(), 3, "header, one charge, end: {csv}");
    assert!(
        rows[1].ends_with(",120,0.04900000,0.00000000,0.0980,USD,0.00000000,d,1,"),
        "{}",
        rows[1]
    );
    assert!(rows[1].contains(",1416•••••00,") && !csv.contains("14165550100"));
    let json = partyline_billing::format::json::invoice(&invoice).expect("JSON");
    let json = String::from_utf8(json).expect("UTF-8");
    assert!(json.contains("\"total\": \"0.10\"") && !json.contains("14165550100"));
}

mod decks {
    use super::{HEADER, at};
    use partyline_billing::{Deck, DeckReason};

    fn first_fault(rows: &str) -> (u64, &'static str, String) {
        let errors = Deck::parse(&format!("{HEADER}{rows}")).expect_err("a faulty deck");
        (errors[0].line, errors[0].column, errors[0].reason.to_string())
    }

    #[test]
    fn two_rows_that_could_both_claim_a_leg_are_refused() {
        let row = "d,44,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,,,\n";
        let (line, _, reason) = first_fault(&row.repeat(2));
        assert_eq!(line, 3);
        assert!(reason.contains("line 2"), "{reason}");
    }

    #[test]
    fn a_row_may_follow_another_in_time() {
        let rows = "d,44,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,2021-01-01,,\n\
                    d,44,UK,ld,,USD,0.02,1,1,,,,,2021-01-01,,,\n";
        assert!(Deck::parse(&format!("{HEADER}{rows}")).is_ok());
    }

    #[test]
    fn every_bad_cell_is_named_with_its_line() {
        for (rows, column) in [
            ("d,44x,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,,,\n", "prefix"),
            ("d,44,UK,toll,,USD,0.01,1,1,,,,,2020-01-01,,,\n", "kind"),
            ("d,44,UK,ld,,USX,0.01,1,1,,,,,2020-01-01,,,\n", "currency"),
            ("d,44,UK,ld,,USD,-0.01,1,1,,,,,2020-01-01,,,\n", "per_min"),
            ("d,44,UK,ld,,USD,,1,1,,,,,2020-01-01,,,\n", "per_min"),
            ("d,44,UK,ld,,USD,0.01,0,0,,,,,2020-01-01,,,\n", "inc_s"),
            ("d,44,UK,ld,,USD,0.01,1.5,1,,,,,2020-01-01,,,\n", "init_s"),
            ("d,44,UK,ld,,USD,0.01,1,1,,,,Mars/X,2020-01-01,,,\n", "tz"),
            ("d,44,UK,ld,,USD,0.01,1,1,,,,,soon,,,\n", "eff_from"),
            ("d,44,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,2019-01-01,,\n", "eff_to"),
            ("d,44,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,,bankers,\n", "rounding"),
            ("d,44,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,,,peak\n", "window"),
            ("d,44,UK,ld,ftp,USD,0.01,1,1,,,,,2020-01-01,,,\n", "access_kind"),
        ] {
            let (line, named, reason) = first_fault(rows);
            assert_eq!((line, named), (2, column), "{reason}");
        }
    }

    #[test]
    fn lines_are_those_of_an_editor_whatever_ends_them() {
        let rows = "d,44,\"UK\nand Man\",ld,,USD,0.01,1,1,,,,,2020-01-01,,,\n\n\
                    d,45x,DK,ld,,USD,0.01,1,1,,,,,2020-01-01,,,\nd,46\nd,44,UK,ld,,USD,0.01,1,1,,,,,\
                    2020-01-01,,,\n";
        let text = format!("\u{feff}{HEADER}{rows}");
        for end in ["\n", "\r\n", "\r"] {
            let errors = Deck::parse(&text.replace('\n', end)).expect_err("faults");
            let lines: Vec<_> = errors.iter().map(|e| (e.line, e.column)).collect();
            assert_eq!(lines, [(5, "prefix"), (6, ""), (7, "")], "{end:?}: {errors:?}");
            assert_eq!(errors[2].reason, DeckReason::Overlap { with: 2 });
        }
    }

    #[test]
    fn cells_that_no_charge_would_use_are_named() {
        let text = "d,,rec,feature,,USD,0.01,60,60,,,,,2020-01-01,,,\n\
                    d,44,UK,bridge,,USD,0.01,60,60,,,0.02,,2020-01-01,,,\n\
                    d,45,DK,ld,local,USD,0.01,60,60,,,0.02,,2020-01-01,,,\n\
                    d,46,SE,ld,,USD,0.01,60,60,,,0.02,,2020-01-01,,,\n\
                    d,,All,bridge,local,USD,0.01,60,60,,,,,2020-01-01,,,\n";
        let deck = Deck::parse(&format!("{HEADER}{text}")).expect("a deck that was stored before");
        let found: Vec<_> = deck.uncharged().into_iter().map(|e| (e.line, e.column)).collect();
        let expected = [(2, "kind"), (3, "prefix"), (3, "attempt_fee"), (4, "access_kind")];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_would_earn_nothing_without_a_word_is_refused() {
        let faults = |text: &str| -> Vec<_> {
            let errors = Deck::accept(text).err().unwrap_or_default();
            errors.iter().map(ToString::to_string).collect()
        };
        let row = "d,44,UK,ld,USD,0.01,2020-01-01";
        let deck = |header: &str, row: &str| {
            format!("deck_id,prefix,name,kind,currency,per_min,eff_from{header}\n{row}\n")
        };
        assert_eq!(faults(&deck("", row)), Vec::<String>::new());
        assert_eq!(faults(&deck(",,", &format!("{row},,"))), Vec::<String>::new(), "spreadsheets");
        for (header, cell) in [(",Conn_Fee", ",0.05"), (",con_fee", ",0.05"), (",minimum", ",1")] {
            let found = faults(&deck(header, &format!("{row}{cell}")));
            let name = &header[1..];
            let said = format!("line 1: unknown column {name:?}; known: deck_id, prefix");
            assert!(found.len() == 1 && found[0].starts_with(&said), "{found:?}");
        }
        let found = faults(&deck(",per_min", &format!("{row},9")));
        assert_eq!(found, ["line 1, per_min: the header has this column twice"]);
        let found =
            faults(&deck("", "d,44,UK,ld,USD,0.01,2020-01-01").replace("per_min", "Per_Min"));
        assert_eq!(found.len(), 2, "one unknown and one that lacks: {found:?}");
        let found = faults(&deck("", &row.replace("d,44", ",44")));
        assert!(found.len() == 1 && found[0].starts_with("line 2, deck_id: must not"), "{found:?}");
        let found = faults(&deck("", &row.replace(",44", ",0044")));
        assert!(found.len() == 1 && found[0].starts_with("line 2, prefix: begins"), "{found:?}");
        // What was stored before these rules goes on pricing calls.
        let stored = deck(",minimum", &format!("{row},1")).replace(",44", ",0044");
        assert!(Deck::parse(&stored).is_ok());
    }

    #[test]
    fn a_price_that_changes_tenfold_is_named() {
        let deck = |rows: &str| Deck::parse(&format!("{HEADER}{rows}")).expect("a deck");
        let old = deck(
            "d,,Bridge,bridge,,USD,0.05,60,60,,,,,2020-01-01,,,\n\
             d,44,UK,ld,,USD,0.02,60,60,0.05,,,,2020-01-01,,,\n\
             d,4479,UK mobile,ld,,USD,0.30,60,60,,,,,2020-01-01,,,\n",
        );
        let now = at("2026-11-21T12:00:00Z");
        let jumps = |rows: &str| -> Vec<_> {
            let jumps = old.jumps(&deck(rows), now, None).into_iter();
            jumps.map(|jump| jump.to_string()).collect()
        };
        let bridge = "d,,Bridge,bridge,,USD,0.05,60,60,,,,,2020-01-01,,,\n";
        let uk = "d,44,UK,ld,,USD,0.02,60,60,0.05,,,,2020-01-01,,,\n";
        let mobile = "d,4479,UK mobile,ld,,USD,0.30,60,60,,,,,2020-01-01,,,\n";
        assert!(jumps(&[bridge, uk, mobile].concat()).is_empty(), "nothing changed");
        let up = "d,,Bridge,bridge,local,USD,0.50,60,60,,,,,2020-01-01,,,\n";
        let said = jumps(&[up, uk, mobile].concat());
        assert_eq!(said, ["line 2, per_min of \"Bridge\": 0.05 becomes 0.50"]);
        let less = "d,,Bridge,bridge,,USD,0.45,60,60,0.20,,,,2020-01-01,,,\n";
        assert!(jumps(&[less, uk, mobile].concat()).is_empty(), "less than tenfold, and a new fee");
        let free = "d,44,UK,ld,,USD,0,60,60,0.05,,,,2020-01-01,,,\n";
        assert_eq!(jumps(&[bridge, free, mobile].concat()).len(), 1, "free of a sudden");
        assert_eq!(
            jumps(&[bridge, uk].concat()),
            ["line 3, per_min of \"UK\": 0.30 becomes 0.02"],
            "a row that went"
        );
        let over = "d,,Bridge,bridge,,USD,5,60,60,,,,,2020-01-01,2026-01-01,,\n\
                    d,,Bridge,bridge,,USD,0.05,60,60,,,,,2026-01-01,,,\n";
        assert!(jumps(&[over, uk, mobile].concat()).is_empty(), "not in force any more");
        let planned = "d,,Bridge,bridge,,USD,0.05,60,60,,,,,2020-01-01,2027-01-01,,\n\
                       d,,Bridge,bridge,,USD,5,60,60,,,,,2027-01-01,,,\n";
        assert_eq!(jumps(&[planned, uk, mobile].concat()).len(), 1, "from next year on");
        let day = "d,,Bridge,bridge,,USD,0.05,86400,60,,,,,2020-01-01,,,\n";
        assert_eq!(
            jumps(&[day, uk, mobile].concat()),
            ["line 2, 10 minutes of \"Bridge\": 0.50 becomes 72.00"],
        );
        for row in [
            "d,,Bridge,bridge,,USD,0.05,60,86400,,,,,2020-01-01,,,\n",
            "d,,Bridge,bridge,,USD,0.05,60,60,1000,,,,2020-01-01,,,\n",
            "d,,Bridge,bridge,,USD,0.05,60,60,,1000,,,2020-01-01,,,\n",
        ] {
            assert_eq!(jumps(&[row, uk, mobile].concat()).len(), 1, "{row}");
        }
        let tried = "d,44,UK,ld,,USD,0.02,60,60,0.05,,1000,,2020-01-01,,,\n";
        assert_eq!(jumps(&[bridge, tried, mobile].concat()).len(), 1, "an attempt for 1000");
    }

    #[test]
    fn a_local_time_that_the_clocks_skip_or_repeat_is_refused() {
        for time in ["2026-03-08 02:30", "2026-11-01 01:30"] {
            let row = format!("d,44,UK,ld,,USD,0.01,1,1,,,,America/Toronto,{time},,,\n");
            assert_eq!(first_fault(&row).1, "eff_from", "{time}");
        }
    }

    #[test]
    fn one_deck_has_one_currency() {
        let rows = "d,44,UK,ld,,USD,0.01,1,1,,,,,2020-01-01,,,\n\
                    d,45,DK,ld,,EUR,0.01,1,1,,,,,2020-01-01,,,\n";
        assert_eq!(first_fault(rows).1, "currency");
    }

    #[test]
    fn an_empty_or_headless_deck_says_so() {
        assert_eq!(Deck::parse(HEADER).expect_err("empty")[0].reason, DeckReason::Empty);
        let error = &Deck::parse("a,b\n1,2\n").expect_err("no header")[0];
        assert_eq!((error.column, &error.reason), ("deck_id", &DeckReason::MissingColumn));
    }
}

#[test]
fn half_even_is_kept_for_accounts_that_ask_for_it() {
    assert_eq!(three_lines("half_even").0.rounding(), Rounding::HalfEven);
}
