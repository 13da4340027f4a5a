//! Identity headers and certificates behind them: nothing is believed that no authority vouches for.

use std::time::Duration;

use partyline_model::{Time, WallTime};
use partyline_stir::{
    Authorities, Call, Certificate, Certificates, Fetched, Inspection, MOST_HEADERS, NoAuthority,
    Rules, Verdict, Want, inspect,
};

/// Takes each line of `data` as a header of one call, and all of it as a certificate.
pub fn sip_identity(data: &[u8]) {
    let at = WallTime::from_micros(1_780_315_200_000_000);
    let text = String::from_utf8_lossy(data);
    let rules = Rules {
        freshness: Duration::from_secs(60),
        hosts: vec!["cr.carrier.example".parse().expect("a host")],
    };
    let number = |text: &str| text.parse().expect("a number");
    let callees = [number("14165550100"), number("4165550100")];
    let call = Call { caller: Some(number("12025550100")), callees: &callees, at };
    match inspect(text.lines(), &call, &rules) {
        Inspection::Done(verdict) => assert!(!matches!(verdict, Verdict::Valid(_))),
        Inspection::Signed(signed) => {
            let mut certificates = Certificates::default();
            assert!((1..=MOST_HEADERS).contains(&signed.places().count()));
            for place in signed.places() {
                assert!(place.to_string().starts_with("https://cr.carrier.example"), "{place}");
                if certificates.want(Time::ZERO, 0, place) == Want::Fetch {
                    let fetched = Fetched { pem: data.to_vec(), max_age: None };
                    certificates.take(Time::ZERO, at, place, Ok(fetched));
                }
            }
            let verdict = signed.verdict(at, |place| certificates.get(Time::ZERO, place));
            assert!(matches!(verdict, Some(Verdict::Invalid(_))), "nobody is believed");
        }
    }
    assert!(Certificate::read(data, &Authorities::default(), at).is_err());
    let added = Authorities::default().add(data);
    assert!(added.is_ok() || added == Err(NoAuthority));
}
