//! What the calls cost, reckoned a second time: from the records and the deck's file, by the
//! published rules (rounding up to blocks, one rounding to a line's precision, one to cents), with
//! no code of the rater.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bridge_tests::real::records::Leg;

/// The deck's file, as the bridge carries it.
const DECK: &str = include_str!("../../../../bridge/server/config/demo-deck.csv");
/// Money is reckoned in this part of a unit.
const PARTS: i128 = 100_000_000;
/// A charge is rounded to a hundredth of a cent, a line to a cent.
const CHARGE: i128 = PARTS / 10_000;
const LINE: i128 = PARTS / 100;

/// A row of the deck.
struct Rate {
    kind: String,
    access: String,
    prefix: String,
    name: String,
    per_minute: i128,
    fee: i128,
    first_s: i128,
    next_s: i128,
}

/// The total of `legs` in cents.
pub(crate) fn total_cents(legs: &[Leg]) -> Result<i128> {
    let deck = deck()?;
    let mut lines = BTreeMap::<(&str, &str, i128, i128), i128>::new();
    for leg in legs.iter().filter(|leg| leg.is_answered()) {
        for rate in rates_of(leg, &deck)? {
            let line = (&*rate.kind, &*rate.name, rate.per_minute, rate.fee);
            *lines.entry(line).or_default() += charge(rate, i128::from(leg.duration_ms()));
        }
    }
    Ok(lines.values().map(|&sum| rounded(sum, 1, LINE) / LINE).sum())
}

/// A leg costs time on the bridge; a call out costs the way to its number too.
fn rates_of<'d>(leg: &Leg, deck: &'d [Rate]) -> Result<Vec<&'d Rate>> {
    let out = leg.text("direction") == "out";
    let access = if out { "dialout" } else { leg.text("access_kind") };
    let bridge = deck.iter().find(|rate| rate.kind == "bridge" && rate.access == access);
    let mut rates = vec![bridge.with_context(|| format!("no bridge rate for {access}"))?];
    if out {
        let number = leg.text("dialed_number");
        ensure!(number.bytes().all(|byte| byte.is_ascii_digit()), "the number is not in full");
        let way = deck.iter().filter(|rate| rate.kind == "ld" && number.starts_with(&rate.prefix));
        rates.push(way.max_by_key(|rate| rate.prefix.len()).context("no rate for the number")?);
    }
    Ok(rates)
}

/// Price of a leg that lasted `ms`, rounded half up to a hundredth of a cent.
fn charge(rate: &Rate, ms: i128) -> i128 {
    let seconds = (ms + 999) / 1000;
    let billed = if seconds == 0 {
        return 0;
    } else if seconds <= rate.first_s {
        rate.first_s
    } else {
        rate.first_s + (seconds - rate.first_s + rate.next_s - 1) / rate.next_s * rate.next_s
    };
    rounded(rate.fee * 60 + rate.per_minute * billed, 60, CHARGE)
}

/// `amount / over`, rounded half up to a multiple of `step`.
fn rounded(amount: i128, over: i128, step: i128) -> i128 {
    (2 * amount + over * step) / (2 * over * step) * step
}

fn deck() -> Result<Vec<Rate>> {
    let mut rows = DECK.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let columns = rows.next().context("an empty deck")?;
    rows.map(|row| {
        let cell = |name: &str| {
            let place = columns.iter().position(|&column| column == name);
            place.and_then(|place| row.get(place).copied()).unwrap_or_default()
        };
        Ok(Rate {
            kind: cell("kind").to_owned(),
            access: cell("access_kind").to_owned(),
            prefix: cell("prefix").to_owned(),
            name: cell("name").to_owned(),
            per_minute: money(cell("per_min"))?,
            fee: money(cell("conn_fee"))?,
            first_s: cell("init_s").parse()?,
            next_s: cell("inc_s").parse()?,
        })
    })
    .collect()
}

/// An amount of the deck; an empty cell is nothing.
fn money(text: &str) -> Result<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    ensure!(fraction.len() <= 8, "{text}: more than eight decimals");
    let number = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse::<i128>() };
    Ok(number(whole)? * PARTS + number(&format!("{fraction:0<8}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_minute: &str, fee: &str, first_s: i128, next_s: i128) -> Rate {
        let text = String::new;
        let (per_minute, fee) = (money(per_minute).unwrap(), money(fee).unwrap());
        let (kind, access, prefix, name) = (text(), text(), text(), text());
        Rate { kind, access, prefix, name, per_minute, fee, first_s, next_s }
    }

    #[test]
    fn worked_examples_come_out() {
        let cost = |rate: &Rate, ms| charge(rate, ms) / CHARGE;
        assert_eq!(cost(&rate("0.049", "", 60, 60), 65_000), 980);
        assert_eq!(cost(&rate("0.0300", "", 6, 6), 61_000), 330);
        assert_eq!(cost(&rate("0.0125", "", 1, 1), 100_000), 208);
        assert_eq!(cost(&rate("0.1185", "0.05", 30, 6), 754_000), 15_431);
        assert_eq!(cost(&rate("0.049", "", 60, 60), 0), 0);
        assert_eq!(cost(&rate("0.006", "", 30, 6), 1), 30);
    }

    #[test]
    fn ties_are_rounded_up() {
        assert_eq!(rounded(145 * LINE / 10, 1, LINE) / LINE, 15);
        assert_eq!(rounded(144 * LINE / 10, 1, LINE) / LINE, 14);
    }

    #[test]
    fn a_call_out_is_charged_for_the_bridge_and_for_the_way() {
        let line = r#"{"leg_id":"1","direction":"out","access_kind":"dialout",
            "dialed_number":"14165550123","answered_at":"2026-11-01T00:00:00Z","duration_ms":31000}"#;
        let leg = Leg::parse(line).unwrap();
        // 60 s at 0.0390, and 36 s at 0.0120: 0.0390 and 0.0072, each on a line of its own.
        assert_eq!(total_cents(&[leg]).unwrap(), 4 + 1);
    }
}
