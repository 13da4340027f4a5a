use std::net::SocketAddr;

use super::*;
use crate::message::Host;

/// A name server that answers at once from what a test wrote down.
#[derive(Default)]
struct Zone {
    records: BTreeMap<Question, Records>,
    asked: Vec<Question>,
    down: bool,
}

impl Zone {
    fn naptr(mut self, domain: &str, records: &[(u16, u16, &str, &str)]) -> Self {
        let record = |&(order, preference, service, replacement): &(u16, u16, &str, &str)| Naptr {
            order,
            preference,
            flags: "S".to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        };
        let records = Records::Naptr(records.iter().map(record).collect());
        self.records.insert(Question::Naptr(domain.into()), records);
        self
    }

    fn srv(mut self, name: &str, records: &[(u16, u16, u16, &str)]) -> Self {
        let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority,
            weight,
            port,
            target: target.to_owned(),
        };
        let records = Records::Srv(records.iter().map(record).collect());
        self.records.insert(Question::Srv(name.into()), records);
        self
    }

    fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        let parsed = addresses.iter().map(|text| text.parse::<IpAddr>().expect("an address"));
        let (v4, v6): (Vec<_>, Vec<_>) = parsed.partition(IpAddr::is_ipv4);
        self.records.insert(Question::A(name.into()), Records::Addresses(v4));
        self.records.insert(Question::Aaaa(name.into()), Records::Addresses(v6));
        self
    }
}

/// Numbers that count up from a seed: fair enough for weights.
struct Dice(u128);

impl IdSource for Dice {
    fn next_u128(&mut self) -> u128 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        self.0 >> 16
    }
}

fn locator(v6: bool) -> Locator<u32> {
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls];
    Locator::new(Abilities { transports, v4: true, v6 }, Box::new(Dice(7)))
}

fn hop(host: &str) -> NextHop {
    let host = Host::parse(host).expect("a host");
    NextHop { host, port: None, transport: None, secure: false }
}

/// Carries questions to the zone until the lookup has come to its end.
fn located(
    locator: &mut Locator<u32>,
    zone: &mut Zone,
    now: Time,
    search: impl Into<Search>,
) -> Vec<String> {
    let text = |t: Target| format!("{} {}", t.transport, t.address);
    found(locator, zone, now, search).targets.into_iter().map(text).collect()
}

fn found(
    locator: &mut Locator<u32>,
    zone: &mut Zone,
    now: Time,
    search: impl Into<Search>,
) -> Found {
    locator.handle_lookup(now, 1, search);
    while let Some(output) = locator.poll_output() {
        match output {
            LocatorOutput::Ask(question) => {
                zone.asked.push(question.clone());
                let empty = match &question {
                    Question::Naptr(_) => Records::Naptr(Vec::new()),
                    Question::Srv(_) => Records::Srv(Vec::new()),
                    Question::A(_) | Question::Aaaa(_) => Records::Addresses(Vec::new()),
                };
                let records = zone.records.get(&question).cloned().unwrap_or(empty);
                let answer = (!zone.down).then_some((records, Duration::from_secs(60)));
                locator.handle_answer(now, question, answer);
            }
            LocatorOutput::Located { key, found } => {
                assert_eq!(key, 1);
                return found;
            }
        }
    }
    panic!("neither a question nor an end");
}

fn once(zone: Zone, hop: NextHop) -> Vec<String> {
    located(&mut locator(false), &mut { zone }, Time::ZERO, hop)
}

#[test]
fn an_address_needs_no_name_server() {
    assert_eq!(once(Zone::default(), hop("192.0.2.1")), ["udp 192.0.2.1:5060"]);
    let tls = NextHop { secure: true, port: Some(5071), ..hop("192.0.2.1") };
    assert_eq!(once(Zone::default(), tls), ["tls 192.0.2.1:5071"]);
    assert_eq!(once(Zone::default(), hop("[2001:db8::1]")), Vec::<String>::new());
}

#[test]
fn a_name_with_a_port_is_looked_up_as_it_is() {
    let zone = Zone::default()
        .srv("_sip._udp.example.com", &[(1, 1, 5080, "other.example.com")])
        .host("example.com", &["192.0.2.1", "192.0.2.2"]);
    let hop = NextHop { port: Some(5070), ..hop("Example.COM") };
    assert_eq!(once(zone, hop), ["udp 192.0.2.1:5070", "udp 192.0.2.2:5070"]);
}

#[test]
fn naptr_says_which_transport_comes_first() {
    let zone = Zone::default()
        .naptr(
            "example.com",
            &[
                (50, 50, "SIP+D2T", "_sip._tcp.example.com"),
                (10, 90, "SIP+D2U", "_sip._udp.example.com"),
                (10, 10, "SIPS+D2T", "_sips._tcp.example.com."),
                (1, 1, "SIP+D2S", "_sip._sctp.example.com"),
            ],
        )
        .srv("_sip._tcp.example.com", &[(0, 0, 5062, "a.example.com")])
        .srv("_sip._udp.example.com", &[(0, 0, 5060, "a.example.com")])
        .srv("_sips._tcp.example.com", &[(0, 0, 5061, "a.example.com.")])
        .host("a.example.com", &["192.0.2.1"]);
    assert_eq!(
        once(zone, hop("example.com")),
        ["tls 192.0.2.1:5061", "udp 192.0.2.1:5060", "tcp 192.0.2.1:5062"]
    );
}

#[test]
fn a_secure_uri_is_never_sent_in_the_open() {
    let zone = || {
        Zone::default()
            .naptr("example.com", &[(1, 1, "SIP+D2U", "_sip._udp.example.com")])
            .srv("_sip._udp.example.com", &[(0, 0, 5060, "a.example.com")])
            .host("a.example.com", &["192.0.2.1"])
            .host("example.com", &["192.0.2.9"])
    };
    let secure = NextHop { secure: true, ..hop("example.com") };
    assert_eq!(once(zone(), secure.clone()), ["tls 192.0.2.9:5061"]);
    let zone = zone().srv("_sips._tcp.example.com", &[(0, 0, 5071, "a.example.com")]);
    assert_eq!(once(zone, secure), ["tls 192.0.2.1:5071"]);
}

#[test]
fn without_naptr_and_srv_the_name_itself_is_the_server() {
    let zone = Zone::default().host("example.com", &["192.0.2.1"]);
    assert_eq!(once(zone, hop("example.com")), ["udp 192.0.2.1:5060"]);
    let zone = Zone::default().host("example.com", &["192.0.2.1"]);
    let tcp = NextHop { transport: Some(Transport::Tcp), ..hop("example.com") };
    assert_eq!(once(zone, tcp), ["tcp 192.0.2.1:5060"]);
    assert_eq!(once(Zone::default(), hop("example.com")), Vec::<String>::new());
}

#[test]
fn a_service_that_is_decidedly_not_there_has_no_server() {
    let zone = Zone::default()
        .srv("_sip._tcp.example.com", &[(0, 0, 0, ".")])
        .host("example.com", &["192.0.2.1"]);
    let tcp = NextHop { transport: Some(Transport::Tcp), ..hop("example.com") };
    assert_eq!(once(zone, tcp), Vec::<String>::new());
}

#[test]
fn priorities_hold_and_weights_share() {
    let mut zone = Zone::default()
        .srv(
            "_sip._udp.example.com",
            &[
                (20, 0, 5060, "last.example.com"),
                (10, 30, 5060, "b.example.com"),
                (10, 10, 5060, "a.example.com"),
                (10, 0, 5060, "none.example.com"),
            ],
        )
        .host("a.example.com", &["192.0.2.1"])
        .host("b.example.com", &["192.0.2.2"])
        .host("none.example.com", &["192.0.2.3"])
        .host("last.example.com", &["192.0.2.9"]);
    let mut locator = locator(false);
    let mut first = BTreeMap::new();
    for _ in 0..4000 {
        let found = located(&mut locator, &mut zone, Time::ZERO, hop("example.com"));
        assert_eq!(found.len(), 4);
        assert_eq!(found[3], "udp 192.0.2.9:5060");
        *first.entry(found[0].clone()).or_insert(0) += 1;
    }
    let share = |address: &str| first.get(&format!("udp {address}:5060")).copied().unwrap_or(0);
    let (a, b, none) = (share("192.0.2.1"), share("192.0.2.2"), share("192.0.2.3"));
    assert!((850..1150).contains(&a), "{first:?}");
    assert!((2700..3150).contains(&b), "{first:?}");
    assert!((20..300).contains(&none), "{first:?}");
}

#[test]
fn both_families_are_found_where_both_are_spoken() {
    let zone = || Zone::default().host("example.com", &["192.0.2.1", "2001:db8::1"]);
    let hop = || NextHop { port: Some(5060), ..hop("example.com") };
    let both = located(&mut locator(true), &mut zone(), Time::ZERO, hop());
    assert_eq!(both, ["udp [2001:db8::1]:5060", "udp 192.0.2.1:5060"]);
    let mut one = zone();
    assert_eq!(located(&mut locator(false), &mut one, Time::ZERO, hop()), ["udp 192.0.2.1:5060"]);
    assert!(!one.asked.contains(&Question::Aaaa("example.com".into())));
}

#[test]
fn answers_hold_for_their_time_and_failures_make_do_with_them() {
    let mut zone = Zone::default().host("example.com", &["192.0.2.1"]);
    let mut locator = locator(false);
    let hop = || NextHop { port: Some(5060), ..hop("example.com") };
    let mut asked = |zone: &mut Zone, secs| {
        let found = located(&mut locator, zone, Time::from_secs(secs), hop());
        (found.len(), std::mem::take(&mut zone.asked).len())
    };
    assert_eq!(asked(&mut zone, 0), (1, 1));
    assert_eq!(asked(&mut zone, 59), (1, 0));
    assert_eq!(asked(&mut zone, 60), (1, 1));
    zone.down = true;
    assert_eq!(asked(&mut zone, 3600), (1, 1), "what was known is better than nothing");
    assert_eq!(asked(&mut zone, 3601), (1, 0), "and is not asked for at once again");
    assert_eq!(asked(&mut zone, 3 * 24 * 3600), (0, 1), "but not for ever");
}

#[test]
fn what_failed_is_tried_last_for_a_while() {
    let mut zone = Zone::default().host("example.com", &["192.0.2.1", "192.0.2.2"]);
    let mut locator = locator(false);
    let hop = || NextHop { port: Some(5060), ..hop("example.com") };
    let address: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
    locator.handle_failed(Time::ZERO, Target { transport: Transport::Udp, address });
    let at = |secs| Time::from_secs(secs);
    let found = located(&mut locator, &mut zone, at(1), hop());
    assert_eq!(found, ["udp 192.0.2.2:5060", "udp 192.0.2.1:5060"]);
    let found = located(&mut locator, &mut zone, at(121), hop());
    assert_eq!(found[0], "udp 192.0.2.1:5060");
}

#[test]
fn who_waits_too_long_gets_what_there_is_and_one_question_serves_all() {
    let mut locator = locator(false);
    let mut asked = 0;
    for key in 0..2000 {
        locator.handle_lookup(Time::ZERO, key, hop("example.com"));
    }
    let mut ended = Vec::new();
    while let Some(output) = locator.poll_output() {
        match output {
            LocatorOutput::Ask(_) => asked += 1,
            LocatorOutput::Located { key, found } => ended.push((key, found.targets.len())),
        }
    }
    assert_eq!((asked, ended.len(), locator.waiting()), (1, 2000 - 1024, 1024));
    assert_eq!(locator.poll_timeout(), Some(Time::from_secs(3)));
    locator.handle_timeout(Time::from_secs(3));
    let late = std::iter::from_fn(|| locator.poll_output()).count();
    assert_eq!((late, locator.waiting(), locator.poll_timeout()), (1024, 0, None));
}

#[test]
fn any_number_of_names_and_records_stays_bounded() {
    let mut locator = locator(false);
    for n in 0..10_000_u32 {
        let name: Box<str> = format!("h{n}.example.com").into();
        let many = (0..200).map(|n| IpAddr::from([192, 0, 2, n])).collect();
        let answer = Some((Records::Addresses(many), Duration::from_secs(u64::from(n))));
        locator.handle_answer(Time::ZERO, Question::A(name.clone()), answer);
        locator.handle_answer(Time::from_secs(1), Question::A(name), None);
    }
    assert_eq!(locator.cache.len(), (4096, 4096));
    let hop = NextHop { port: Some(5060), ..hop("h9999.example.com") };
    let found = located(&mut locator, &mut Zone::default(), Time::from_secs(1), hop);
    assert_eq!(found.len(), MOST_TARGETS);
}

#[test]
fn a_name_that_has_servers_alone_is_never_taken_for_one_itself() {
    let search = |procedure| Search { procedure, ..hop("example.com").into() };
    let trap = || Zone::default().host("example.com", &["192.0.2.66"]);
    let at = |procedure, zone: Zone| {
        located(&mut locator(false), &mut { zone }, Time::ZERO, search(procedure))
    };
    assert_eq!(at(Procedure::Auto, trap()), ["udp 192.0.2.66:5060"]);
    assert_eq!(at(Procedure::Srv, trap()), Vec::<String>::new());
    let served = || {
        let records = [(1, 1, 5070, "a.example.com")];
        trap().srv("_sip._udp.example.com", &records).host("a.example.com", &["192.0.2.1"])
    };
    for procedure in [Procedure::Auto, Procedure::Srv] {
        assert_eq!(at(procedure, served()), ["udp 192.0.2.1:5070"], "{procedure:?}");
    }
    assert_eq!(at(Procedure::Address, served()), ["udp 192.0.2.66:5060"]);
}

#[test]
fn a_lookup_says_what_it_lacks_and_until_when_it_holds() {
    let mut zone = Zone::default().host("example.com", &["192.0.2.1"]);
    let mut locator = locator(false);
    let hop = || NextHop { port: Some(5060), ..hop("example.com") };
    let mut at = |zone: &mut Zone, secs| {
        let Found { targets, until, fault } =
            found(&mut locator, zone, Time::from_secs(secs), hop());
        (targets.len(), until, fault)
    };
    assert_eq!(at(&mut zone, 0), (1, Time::from_secs(60), None));
    zone.down = true;
    let silent = Some(LookupFault::Silent);
    assert_eq!(at(&mut zone, 61), (1, Time::from_secs(71), silent));
    assert_eq!(at(&mut zone, 62), (1, Time::from_secs(71), silent), "and so it is a moment later");
    zone.down = false;
    zone.records.clear();
    let nothing = Some(LookupFault::Nothing);
    assert_eq!(at(&mut zone, 72), (0, Time::from_secs(102), nothing), "soon asked again");
}

#[test]
fn who_makes_us_ask_too_much_gets_what_is_known_and_takes_nothing_from_others() {
    let mut locator = locator(false);
    let paid = |n: u32| {
        let hop = NextHop { port: Some(5060), ..hop(&format!("h{n}.example.net")) };
        Search { payer: Some(7), ..hop.into() }
    };
    let mut asked = 0;
    let mut ended = 0;
    for n in 0..1000 {
        locator.handle_lookup(Time::ZERO, n, paid(n));
    }
    while let Some(output) = locator.poll_output() {
        match output {
            LocatorOutput::Ask(_) => asked += 1,
            LocatorOutput::Located { found, .. } => {
                assert_eq!((found.targets.len(), found.fault), (0, Some(LookupFault::Silent)));
                ended += 1;
            }
        }
    }
    assert_eq!((asked, ended, locator.refused()), (128, 872, 872), "half of the room");
    locator.handle_lookup(Time::ZERO, 1, NextHop { port: Some(5060), ..hop("own.example.com") });
    assert!(matches!(locator.poll_output(), Some(LocatorOutput::Ask(_))));
    let mut slowly = 0;
    for n in 1000..2000_u32 {
        let question = Question::A(format!("h{n}.example.net").into());
        locator.handle_answer(
            Time::ZERO,
            Question::A(format!("h{}.example.net", n - 1000).into()),
            None,
        );
        locator.handle_lookup(Time::ZERO, n, paid(n));
        while let Some(output) = locator.poll_output() {
            slowly += u32::from(output == LocatorOutput::Ask(question.clone()));
        }
    }
    assert!((100..=172).contains(&slowly), "{slowly} beside 128: a burst of 300");
}
