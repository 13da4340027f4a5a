//! The watch over a trunk.

mod common;

use common::Counting;
use partyline_model::Time;
use partyline_sip::health::{Health, HealthCheck, HealthOutput, HealthRules, PingConfig};
use partyline_sip::message::{Status, Uri};

/// A watch under virtual time.
struct Watch {
    check: HealthCheck,
    now: Time,
}

impl Watch {
    fn new(rules: HealthRules) -> Self {
        let uri = |text| Uri::parse(text).expect("a URI");
        let ping = PingConfig {
            target: uri("sip:carrier.example"),
            from: uri("sip:bridge.example"),
            contact: uri("sip:bridge.example:5061;transport=tls"),
        };
        let mut check = HealthCheck::new(rules, ping, Box::new(Counting(5)));
        check.start(Time::from_secs(1));
        Self { check, now: Time::from_secs(1) }
    }

    /// How many pings went out, and what changed.
    fn poll(&mut self) -> (usize, Vec<Health>) {
        let (mut pings, mut changes) = (0, Vec::new());
        while let Some(output) = self.check.poll_output() {
            match output {
                HealthOutput::Ping(_) => pings += 1,
                HealthOutput::Changed(health) => changes.push(health),
            }
        }
        (pings, changes)
    }

    /// One ping and how it ends; says what changed.
    fn ping(&mut self, status: Option<u16>) -> Vec<Health> {
        assert_eq!(self.poll(), (1, vec![]), "one ping");
        match status {
            Some(code) => {
                let status = Status::new(code).expect("a status");
                self.check.handle_response(self.now, status);
            }
            None => assert!(self.wait() <= 8.0),
        }
        self.poll().1
    }

    fn wait(&mut self) -> f64 {
        let next = self.check.poll_timeout().expect("it goes on");
        let waited = next.since(self.now);
        self.now = next;
        self.check.handle_timeout(next);
        waited.as_secs_f64()
    }
}

#[test]
fn a_ping_is_an_options_request_with_a_contact_and_without_a_user() {
    let mut watch = Watch::new(HealthRules::default());
    let Some(HealthOutput::Ping(request)) = watch.check.poll_output() else { panic!("a ping") };
    let text = String::from_utf8(request.to_bytes()).expect("text");
    assert!(text.starts_with("OPTIONS sip:carrier.example SIP/2.0\r\n"), "{text}");
    for header in [
        "To: <sip:carrier.example>\r\n",
        "From: <sip:bridge.example>;tag=",
        "Contact: <sip:bridge.example:5061;transport=tls>\r\n",
        "CSeq: 1 OPTIONS\r\n",
    ] {
        assert!(text.contains(header), "{header} in {text}");
    }
}

#[test]
fn whatever_is_answered_but_408_and_503_is_a_sign_of_life() {
    for code in [200, 302, 401, 403, 404, 405, 407, 481, 500, 501, 600] {
        let mut watch = Watch::new(HealthRules::default());
        assert_eq!(watch.check.health(), Health::Unknown);
        assert_eq!(watch.ping(Some(code)), [Health::Up], "{code}");
        let waited = watch.wait();
        assert!((54.0..=60.0).contains(&waited), "{waited}");
    }
    let mut watch = Watch::new(HealthRules::default());
    assert_eq!(watch.ping(Some(100)), [], "nothing yet");
}

#[test]
fn three_in_a_row_take_it_down_and_one_brings_it_up() {
    let mut watch = Watch::new(HealthRules::default());
    assert_eq!(watch.ping(Some(200)), [Health::Up]);
    watch.wait();
    for (status, changes) in [
        (None, vec![]),
        (Some(503), vec![]),
        (Some(200), vec![]), // begins anew
        (None, vec![]),
        (Some(408), vec![]),
        (None, vec![Health::Down]),
        (None, vec![]), // said once
        (Some(404), vec![Health::Up]),
    ] {
        assert_eq!(watch.ping(status), changes, "{status:?}");
        let waited = watch.wait();
        let good = status.is_some_and(|code| ![408, 503].contains(&code));
        let expected = if good { 54.0..=60.0 } else { 9.0..=10.0 };
        assert!(expected.contains(&waited), "after {status:?}: {waited}");
    }
}

#[test]
fn thresholds_are_the_operators() {
    let rules = HealthRules { down_after: 1, up_after: 2, ..HealthRules::default() };
    let mut watch = Watch::new(rules);
    assert_eq!(watch.ping(None), [Health::Down]);
    watch.wait();
    assert_eq!(watch.ping(Some(200)), []);
    assert!(watch.wait() <= 10.0, "the second is asked for soon");
    assert_eq!(watch.ping(None), []);
    watch.wait();
    assert_eq!(watch.ping(Some(200)), [], "the count begins anew");
    watch.wait();
    assert_eq!(watch.ping(Some(200)), [Health::Up]);
}

#[test]
fn an_answer_that_comes_late_counts_and_a_late_time_out_does_not() {
    let rules = HealthRules { down_after: 1, ..HealthRules::default() };
    let mut watch = Watch::new(rules);
    assert_eq!(watch.ping(None), [Health::Down]);
    watch.check.handle_failure(watch.now);
    assert_eq!(watch.poll(), (0, vec![]));
    watch.check.handle_response(watch.now, Status::OK);
    assert_eq!(watch.poll(), (0, vec![Health::Up]));
    watch.check.stop();
    watch.check.handle_response(watch.now, Status::OK);
    assert_eq!(watch.check.poll_timeout(), None, "it is stopped");
}
