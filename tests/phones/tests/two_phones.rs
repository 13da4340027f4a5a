//! Two phones talk to each other over a network of this test, on a virtual clock.

mod net;

use std::time::Duration;

use net::{Net, Rule, ear, phone_config, secs};
use partyline_phones::{
    Answering, Audio, Codec, Command, DigitMode, Ending, Event, Faults, Input, Offer, Phone,
    PhoneConfig, Port, Script, Signs, sine,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn call_is_answered_heard_both_ways_and_ended_by_bye() {
    let (mut net, anna, ben) = pair(|_| {});
    net.run_script(ben, Script::new().hum(1000.0));
    let story = Script::new().call().until_answered(secs(2)).hum(440.0).hears(1000.0, secs(2));
    net.run_script(anna, story.hang_up().until_over(secs(1)));
    net.run(secs(10));
    let (anna, ben) = (net.phone(anna), net.phone(ben));
    assert_eq!(failed(anna), [""; 0]);
    assert!(ben.hears_tone(440.0, MS * 400, MS * 2100));
    assert!(ben.lacks_tone(1000.0, MS * 400, MS * 2100));
    let (calling, called) = (anna.call().unwrap(), ben.call().unwrap());
    assert_eq!(calling.call_id, called.call_id);
    assert_eq!((calling.ending, called.ending), (Some(Ending::ByUs), Some(Ending::ByThem)));
    let apart = calling.talk_time().unwrap().abs_diff(called.talk_time().unwrap());
    assert!(apart < MS * 100, "{apart:?}");
}

#[test]
fn late_offer_carries_audio_both_ways() {
    let (mut net, anna, ben) = pair(|config| {
        config.offer = Offer::Late;
        config.codec = Codec::Pcma;
    });
    net.run_script(ben, Script::new().hum(1000.0));
    let story = Script::new().hum(440.0).call().until_answered(secs(2)).hears(1000.0, secs(1));
    net.run_script(anna, story.hang_up());
    net.run(secs(5));
    assert_eq!(failed(net.phone(anna)), [""; 0]);
    assert!(net.phone(ben).hears_tone(440.0, MS * 400, MS * 1100));
}

#[test]
fn each_lost_message_is_repeated_until_the_call_stands_and_falls() {
    for lost in ["INVITE ", "200:INVITE", "ACK ", "BYE ", "200:BYE"] {
        let (mut net, anna, ben) = pair(|_| {});
        net.rule(Rule::LoseFirst(lost.to_owned(), 2));
        let story = Script::new().call().until_answered(secs(10)).wait(secs(4)).hang_up();
        net.run_script(anna, story.until_over(secs(1)));
        net.run(secs(60));
        assert_eq!(net.lost(), 2, "{lost}");
        for (name, id, ending) in [("anna", anna, Ending::ByUs), ("ben", ben, Ending::ByThem)] {
            let phone = net.phone(id);
            assert_eq!(phone.calls().len(), 1, "{lost} {name}");
            assert_eq!(phone.call().unwrap().ending, Some(ending), "{lost} {name}");
            assert!(phone.is_done(), "{lost} {name}");
        }
        assert!(has(net.phone(ben), &Event::AckReceived), "{lost}");
        assert!(has(net.phone(anna), &Event::ByeAnswered { status: 200 }), "{lost}");
    }
}

#[test]
fn call_to_nobody_times_out_after_thirty_two_seconds() {
    let (mut net, anna, _) = pair(|_| {});
    net.rule(Rule::LoseFirst("INVITE ".to_owned(), usize::MAX));
    net.command(anna, Command::Call);
    net.run(secs(60));
    let call = net.phone(anna).call().unwrap();
    assert_eq!((call.ending, call.ended_at), (Some(Ending::TimedOut), Some(secs(32))));
    assert_eq!(net.lost(), 7, "the first and six repeats of timer A");
}

#[test]
fn callee_whose_answer_is_never_acknowledged_hangs_up() {
    let (mut net, anna, ben) =
        pair(|config| config.faults = Faults { no_ack: true, ..Faults::default() });
    net.command(anna, Command::Call);
    net.run(secs(60));
    assert_eq!(net.phone(ben).call().unwrap().ending, Some(Ending::NoAck));
    assert_eq!(net.phone(anna).call().unwrap().ending, Some(Ending::ByThem));
}

#[test]
fn caller_without_bye_leaves_the_other_in_the_call() {
    let (mut net, anna, ben) =
        pair(|config| config.faults = Faults { no_bye: true, ..Faults::default() });
    net.run_script(anna, Script::new().call().until_answered(secs(1)).wait(secs(1)).hang_up());
    net.run(secs(5));
    assert_eq!(net.phone(anna).call().unwrap().ending, Some(Ending::Vanished));
    assert!(net.phone(ben).is_up());
    assert!(net.phone(ben).coverage(secs(3), secs(4)) < 0.01);
}

#[test]
fn cancel_ends_ringing_at_both_ends() {
    for lost in ["", "CANCEL ", "487:INVITE", "ACK "] {
        let (mut net, anna, ben) = pair(|config| config.answering = Answering::RingForever);
        net.rule(Rule::LoseFirst(lost.to_owned(), usize::from(!lost.is_empty())));
        net.command(anna, Command::Call);
        net.run(secs(2));
        net.command(anna, Command::Cancel);
        net.run(secs(40));
        for id in [anna, ben] {
            assert_eq!(net.phone(id).call().unwrap().ending, Some(Ending::Cancelled), "{lost}");
            assert!(net.phone(id).is_done(), "{lost}");
        }
    }
}

#[test]
fn answer_that_crosses_the_cancel_is_hung_up() {
    let (mut net, anna, ben) = pair(|config| config.answering = Answering::After(MS * 500));
    net.command(anna, Command::Call);
    net.run(MS * 505);
    net.command(anna, Command::Cancel);
    net.run(secs(5));
    assert_eq!(net.phone(anna).call().unwrap().ending, Some(Ending::ByUs));
    assert_eq!(net.phone(ben).call().unwrap().ending, Some(Ending::ByThem));
    assert!(net.phone(ben).call().unwrap().answered_at.is_some());
}

#[test]
fn rejected_call_shows_its_status_and_busy_phone_says_486() {
    let reject = Answering::Reject { after: secs(1), status: 480 };
    let (mut net, anna, ben) = pair(|config| config.answering = reject);
    let story = Script::new().call().until_over(secs(3));
    net.run_script(anna, story.then(partyline_phones::Step::ExpectStatus(480)));
    net.run(MS * 500);
    let carl = net.add(phone_config("carl", 4));
    net.command(carl, Command::Call);
    net.run(secs(40));
    assert_eq!(failed(net.phone(anna)), [""; 0]);
    assert_eq!(net.phone(carl).call().unwrap().ending, Some(Ending::Refused(486)));
    assert_eq!(net.phone(ben).calls().len(), 1);
}

#[test]
fn hold_stops_audio_both_ways_and_resume_brings_it_back() {
    let (mut net, anna, ben) = pair(|_| {});
    net.command(ben, Command::Say(Audio::Tone { hz: 1000.0, dbm0: -18.0 }));
    net.command(anna, Command::Say(Audio::Tone { hz: 440.0, dbm0: -18.0 }));
    net.command(anna, Command::Call);
    net.run(secs(2));
    net.command(anna, Command::Hold);
    net.run(secs(4));
    net.command(anna, Command::Resume);
    net.run(secs(6));
    let (anna, ben) = (net.phone(anna), net.phone(ben));
    for (phone, hz) in [(anna, 1000.0), (ben, 440.0)] {
        assert!(phone.hears_tone(hz, secs(1), MS * 1900));
        assert!(phone.silent(MS * 2200, MS * 3900));
        assert!(phone.hears_tone(hz, MS * 4300, MS * 5900));
    }
    assert!(has(ben, &Event::ReinviteReceived));
}

#[test]
fn keys_arrive_in_each_mode_once_and_in_order() {
    for mode in [DigitMode::Rfc4733, DigitMode::Info, DigitMode::InBand] {
        let (mut net, anna, ben) = pair(|config| config.digit_mode = mode);
        let story = Script::new().hum(440.0).call().until_answered(secs(1)).wait(MS * 300);
        net.run_script(anna, story.press("159#*0D22").wait(MS * 500).hang_up());
        net.run(secs(10));
        let wire = net.wire_to(ben);
        let found = match mode {
            DigitMode::Rfc4733 => ear::events(&wire),
            DigitMode::Info => ear::infos(&wire),
            DigitMode::InBand => ear::tones(net.phone(ben).heard(MS * 100, secs(9))),
            DigitMode::Mixed(_) => unreachable!("has a test of its own"),
        };
        assert_eq!(found, "159#*0D22", "{mode:?}");
        assert!(has(net.phone(anna), &Event::KeysSent { count: 9 }), "{mode:?}");
        if mode == DigitMode::Rfc4733 {
            assert_eq!(ear::end_packets(&wire), 27, "three for each key");
        }
    }
}

#[test]
fn keys_arrive_by_each_of_several_signs() {
    let all = Signs { event: true, tone: true, info: true };
    let (mut net, anna, ben) = pair(|config| config.digit_mode = DigitMode::Mixed(all));
    let story = Script::new().hum(440.0).call().until_answered(secs(1)).wait(MS * 300);
    net.run_script(anna, story.press("159#*0D22").wait(MS * 500).hang_up());
    net.run(secs(10));
    let wire = net.wire_to(ben);
    let tones = ear::tones(net.phone(ben).heard(MS * 100, secs(9)));
    assert_eq!([ear::events(&wire), ear::infos(&wire), tones], ["159#*0D22"; 3]);
}

#[test]
fn keys_survive_the_loss_of_their_info() {
    let (mut net, anna, ben) = pair(|config| config.digit_mode = DigitMode::Info);
    net.rule(Rule::LoseFirst("INFO ".to_owned(), 1));
    net.run_script(anna, Script::new().call().until_answered(secs(1)).press("12").wait(secs(1)));
    net.run(secs(5));
    assert_eq!(ear::infos(&net.wire_to(ben)), "12");
}

#[test]
fn phone_falls_back_to_tones_when_events_are_not_agreed() {
    let (mut net, anna, ben) = pair(|_| {});
    net.rule(Rule::Replace("telephone-event".to_owned(), "telephone-avent".to_owned()));
    net.run_script(anna, Script::new().call().until_answered(secs(1)).press("7"));
    net.run(secs(3));
    assert!(ear::events(&net.wire_to(ben)).is_empty());
    assert_eq!(ear::tones(net.phone(ben).heard(Duration::ZERO, secs(2))), "7");
}

#[test]
fn story_waits_for_prompt_tone_and_marks() {
    let prompt = chirp();
    let (mut net, anna, ben) = pair(|_| {});
    let speak = Script::new()
        .then(partyline_phones::Step::AwaitIncoming(secs(3)))
        .wait(secs(1))
        .say(Audio::Samples(prompt.clone().into()))
        .wait(secs(2))
        .hum(1000.0)
        .then(partyline_phones::Step::AwaitMark("heard all".into(), secs(5)))
        .hang_up();
    net.run_script(ben, speak);
    let listen = Script::new().call().until_prompt("welcome", &prompt, secs(4));
    let listen = listen.until_tone(1000.0, secs(2));
    let listen = listen.then(partyline_phones::Step::Mark("heard all".into()));
    net.run_script(anna, listen.until_over(secs(1)));
    net.run(secs(20));
    for id in [anna, ben] {
        assert_eq!(failed(net.phone(id)), [""; 0]);
    }
    assert_eq!(net.phone(anna).call().unwrap().ending, Some(Ending::ByThem));
    let start = net.phone(anna).heard_prompt(
        &partyline_phones::analysis::Prompt::new(&prompt),
        Duration::ZERO,
        secs(4),
    );
    let off = start.unwrap().abs_diff(MS * 1020);
    assert!(off < MS * 30, "{start:?}");
}

#[test]
fn failed_steps_are_told_and_the_story_goes_on() {
    let (mut net, anna, ben) = pair(|_| {});
    let story = Script::new().press("1").call().until_answered(secs(1)).until_tone(900.0, secs(1));
    let story = story.lacks(900.0, secs(1)).hears(900.0, secs(1)).hang_up().until_over(secs(1));
    net.run_script(anna, story);
    net.run(secs(10));
    let told = failed(net.phone(anna));
    assert_eq!(told, ["press 1 keys", "hear 900 Hz within 1s", "hears 900 Hz for 1s"]);
    assert_eq!(net.phone(ben).call().unwrap().ending, Some(Ending::ByThem));
}

#[test]
fn a_step_that_fails_is_tried_again_as_often_as_it_may() {
    let (mut net, anna, ben) = pair(|_| {});
    net.run_script(ben, Script::new().wait(secs(3)).hum(1000.0));
    let tries = |hz| move |script: Script| script.press("1").until_tone(hz, secs(1));
    let story = Script::new().call().until_answered(secs(1)).attempt(4, tries(1000.0));
    net.run_script(anna, story.attempt(2, tries(900.0)).wait(secs(1)).hang_up());
    net.run(secs(15));
    let phone = net.phone(anna);
    let repeated: Vec<_> = phone.repeats().iter().map(|repeat| repeat.what.as_str()).collect();
    let [first @ .., last] = &repeated[..] else { panic!("nothing was tried again") };
    assert!(matches!(first.len(), 1..=3), "{repeated:?}");
    assert!(first.iter().all(|what| *what == "hear 1000 Hz within 1s"), "{repeated:?}");
    assert_eq!((*last, failed(phone)), ("hear 900 Hz within 1s", vec!["hear 900 Hz within 1s"]));
    // Each try presses its key.
    let keys = phone.log().iter().filter(|entry| matches!(entry.event, Event::KeysSent { .. }));
    assert_eq!(keys.count(), repeated.len() + 2);
    assert_eq!(phone.call().unwrap().ending, Some(Ending::ByUs), "the story went on");
}

#[test]
fn packets_that_come_a_quarter_of_a_second_late_are_heard() {
    let (mut net, anna, ben) = pair(|_| {});
    net.rule(Rule::DelaySound { from: MS * 500, by: MS * 250 });
    net.run_script(ben, Script::new().wait(secs(1)).hum(1000.0));
    let story = Script::new().call().until_answered(secs(1)).until_tone(1000.0, secs(5));
    net.run_script(anna, story.hang_up());
    net.run(secs(10));
    assert_eq!(failed(net.phone(anna)), [""; 0]);
}

#[test]
fn absence_is_not_proved_by_missing_audio() {
    let (mut net, anna, ben) = pair(|_| {});
    net.command(ben, Command::Say(Audio::Nothing));
    net.run_script(anna, Script::new().call().until_answered(secs(1)).lacks(900.0, secs(1)));
    net.run(secs(4));
    assert_eq!(failed(net.phone(anna)), ["lacks 900 Hz for 1s"]);
}

#[test]
fn garbage_on_every_port_harms_nothing() {
    let (mut net, anna, ben) = pair(|_| {});
    net.run_script(anna, Script::new().call().until_answered(secs(1)).hears(1000.0, secs(2)));
    net.command(ben, Command::Say(Audio::Tone { hz: 1000.0, dbm0: -10.0 }));
    net.rule(Rule::Garbage { seed: 7 });
    net.run(secs(4));
    assert_eq!(failed(net.phone(anna)), [""; 0]);
    assert!(net.phone(anna).unreadable() > 0);
    assert!(net.phone(anna).received().garbage > 0);
}

#[test]
fn tone_level_is_heard_within_a_decibel_of_what_was_said() {
    let (mut net, anna, ben) = pair(|_| {});
    net.command(anna, Command::Say(Audio::Tone { hz: 697.0, dbm0: -13.0 }));
    net.command(anna, Command::Call);
    net.run(secs(3));
    let heard = net.phone(ben).heard(secs(1), secs(2));
    let level = partyline_phones::analysis::tone_level(heard, 697.0);
    assert!((level + 13.0).abs() < 1.0, "{level}");
}

#[test]
fn no_timer_is_in_the_past_and_same_seed_gives_same_bytes() {
    let run = || {
        let (mut net, anna, _) = pair(|_| {});
        net.run_script(anna, Script::new().call().until_answered(secs(1)).press("12").hang_up());
        net.run(secs(5));
        net.everything()
    };
    assert_eq!(run(), run());
}

#[test]
fn out_of_call_requests_get_an_answer() {
    let config = phone_config("anna", 2);
    let source = "127.0.0.9:5060".parse().unwrap();
    for (method, status) in [("OPTIONS", 200), ("BYE", 481), ("MESSAGE", 405)] {
        let mut phone = Phone::new(config.clone());
        let request = format!(
            "{method} sip:anna@127.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bK1\r\n\
             From: <sip:x@y>;tag=1\r\nTo: <sip:anna@127.0.0.2>;tag=2\r\nCall-ID: 1\r\n\
             CSeq: 1 {method}\r\n\r\n"
        );
        let bytes = request.as_bytes();
        let input = || Input::Datagram { port: Port::Sip, source, bytes };
        phone.handle(secs(1), input());
        let answer = phone.poll_output().unwrap();
        assert!(answer.bytes.starts_with(format!("SIP/2.0 {status} ").as_bytes()), "{method}");
        // The repeat gets the same octets.
        phone.handle(secs(2), input());
        assert_eq!(phone.poll_output(), Some(answer));
    }
}

/// Anna, who calls, and Ben, who is called; `change` goes to both.
fn pair(
    change: impl Fn(&mut PhoneConfig),
) -> (Net, partyline_phones::PhoneId, partyline_phones::PhoneId) {
    let mut net = Net::new();
    let ids = [("anna", 2), ("ben", 3)].map(|(name, host)| {
        let mut config = phone_config(name, host);
        change(&mut config);
        net.add(config)
    });
    (net, ids[0], ids[1])
}

/// A second and a half that is like nothing else: a rising tone, in syllables of 50 ms.
fn chirp() -> Vec<i16> {
    let parts = (0..30).map(|part| sine(300.0 + 60.0 * f64::from(part * 7 % 30), -12.0, 400));
    parts.flatten().collect()
}

fn has(phone: &Phone, event: &Event) -> bool {
    phone.log().iter().any(|entry| entry.event == *event)
}

fn failed(phone: &Phone) -> Vec<&str> {
    let failed = phone.outcomes().iter().filter(|outcome| !outcome.met);
    failed.map(|outcome| outcome.what.as_str()).collect()
}
