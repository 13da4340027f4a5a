//! The same phones on real loopback sockets: a short story from JSON.

#![cfg(feature = "cli")]

use std::net::Ipv4Addr;
use std::path::Path;

use partyline_phones::story::{Story, plan};
use partyline_phones::udp::{Line, RunEnd};

#[test]
fn story_of_two_phones_is_played_over_loopback() {
    let callee = Line::bind(Ipv4Addr::new(127, 0, 9, 3), 0).unwrap();
    let port = callee.sip_address().port();
    // Free again for the story, which binds it by number.
    drop(callee);
    let text = format!(
        r#"{{"target":"127.0.9.3:{port}","limit":12,"phones":[
        {{"name":"ben","address":"127.0.9.3","sip_port":{port},"answering":{{"after":0.1}},"steps":[
            {{"do":"say","tone":1000}},{{"do":"await_incoming","within":3}},
            {{"do":"await_tone","hz":440,"within":4}},{{"do":"await_end","within":5}}]}},
        {{"name":"anna","address":"127.0.9.2","steps":[
            {{"do":"call"}},{{"do":"await_answer","within":3}},{{"do":"say","tone":440,"dbm0":-12}},
            {{"do":"press","keys":"12#"}},{{"do":"await_tone","hz":1000,"within":3}},
            {{"do":"expect_tone","hz":440,"present":false,"for":0.5}},
            {{"do":"hang_up"}},{{"do":"expect_ending","by":"by_us"}}]}}]}}"#
    );
    let story = Story::parse(&text).unwrap();
    let from = Ipv4Addr::new(127, 0, 9, 2);
    let played = plan(&story, None, from, Path::new(".")).unwrap().play().unwrap();
    assert_eq!(played.end, RunEnd::Done);
    for log in &played.logs {
        for outcome in &log.expectations {
            assert!(outcome.met, "{}: {} ({})", log.phone, outcome.what, outcome.detail);
        }
    }
    let [ben, anna] = [&played.logs[0].calls[0], &played.logs[1].calls[0]];
    assert_eq!((ben.ended, anna.ended), (Some("by_them"), Some("by_us")));
    assert_eq!(ben.call_id, anna.call_id);
    assert!(ben.talk_ms.unwrap().abs_diff(anna.talk_ms.unwrap()) < 1000);
    let json = serde_json::to_string(&played.logs[1]).unwrap();
    assert!(!json.contains("12#"), "keys are in the log");
}

#[test]
fn phones_stay_on_loopback() {
    assert!(Line::bind(Ipv4Addr::UNSPECIFIED, 0).is_err());
}
