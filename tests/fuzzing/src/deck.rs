//! A rate deck: what it says can be charged, and more time never costs less.

use partyline_billing::{Deck, price, quote};
use partyline_cdr_record::AccessKind;
use partyline_model::{Number, WallTime};

/// Reads `data` as a deck and charges by each of its rates.
pub fn deck(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let deck = match Deck::parse(&text) {
        Ok(deck) => deck,
        Err(errors) => {
            assert!(!errors.is_empty(), "refused for nothing");
            let lines = u64::try_from(text.split(['\r', '\n']).count()).expect("a few lines");
            for error in errors {
                assert!((1..=lines.max(1) + 1).contains(&error.line), "{error}");
            }
            return;
        }
    };
    assert!(deck.rates().count() > 0);
    let number: Number = "14165550100".parse().expect("a number");
    for rate in deck.rates() {
        assert!(rate.to.is_none_or(|to| rate.from < to));
        let mut before = None;
        for duration_ms in [0, 1, 999, 6_000, 60_000, 61_001, 86_400_000] {
            let amount = price(rate, &deck, duration_ms).amount;
            assert!(before.is_none_or(|before| before <= amount), "longer is cheaper");
            before = Some(amount);
        }
        for at in [rate.from, rate.to.unwrap_or(rate.from), WallTime::from_micros(0)] {
            look_up(&deck, number, at);
        }
    }
}

fn look_up(deck: &Deck, number: Number, at: WallTime) {
    let rows = [
        deck.bridge(AccessKind::TollFree, at),
        deck.long_distance(number, at),
        deck.feature("recording", at),
    ];
    for row in rows.into_iter().flatten() {
        assert!(row.from <= at && row.to.is_none_or(|to| at < to), "a rate out of its time");
    }
    let [_, distance, _] = rows;
    assert!(distance.is_none_or(|row| number.to_string().starts_with(&*row.prefix)));
    assert!(distance.is_some() || quote(deck, number, at).is_err());
}
