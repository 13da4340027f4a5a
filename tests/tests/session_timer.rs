//! Callers whose call is kept alive by session timers (RFC 4028), and one that lost its power.

use std::time::Duration;

use bridge_tests::sim::builder::carrier;
use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{CloseReason, ReleaseBy};
use partyline_control::Trunk;
use partyline_phones::{Answering, Audio, Command, Ending, Event};
use partyline_sip::{Reliability, TimerMode};

fn headers(asked: &str) -> Vec<(String, String)> {
    let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![of("Supported", "timer"), of("Session-Expires", asked)]
}

#[test]
fn caller_that_loses_power_is_found_out_by_the_session_timer() {
    for silent in [false, true] {
        let mut world = World::build().start();
        let [anna] = world.phones(["anna"]);
        let ben = world.phone_with("ben", |phone| phone.headers = headers("90;refresher=uas"));
        world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(40));
        if silent {
            // Without RTP too, as when the phone's own key mutes it: the refresh finds out.
            world.tell(ben, Command::Say(Audio::Nothing)).run_for(secs(20));
        }
        world.tell(ben, Command::Vanish);
        let lived = world.now() - world.call(ben).answered_at.expect("ben was answered");
        world.run_for(secs(90));
        assert_eq!(world.node().calls(), 1, "anna alone is up");
        let records = world.finish();
        let leg = records.leg(world.call_id(ben));
        assert_eq!(leg.close_reason, Some(CloseReason::SessionTimer), "{silent}");
        assert_eq!(leg.release_by, Some(ReleaseBy::System));
        let billed = Duration::from_millis(leg.duration_ms);
        // Charged to the last sound or, each 5 s, RTCP: not to the time when it was found out.
        let within = if silent { secs(6) } else { secs(1) };
        assert!(billed.abs_diff(lived) < within, "{billed:?} of {lived:?}");
    }
}

#[test]
fn callers_whose_sessions_are_refreshed_stay_for_hours() {
    let mut world = World::build().start();
    let anna = world.phone_with("anna", |phone| phone.headers = headers("90;refresher=uas"));
    let ben = world.phone_with("ben", |phone| {
        // Whose INVITE does not say that it takes UPDATE.
        phone.headers = headers("90;refresher=uas");
        phone.says_update = false;
    });
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(2)).skip(secs(4 * 3600));
    world.run_for(secs(2));
    for phone in [anna, ben] {
        assert!(world.is_up(phone));
        let log = world.phone(phone).log();
        let refreshes = log.iter().filter(|entry| entry.event == Event::ReinviteReceived);
        assert!(refreshes.count() > 200, "one in 45 s for four hours");
    }
    world.finish();
}

#[test]
fn each_trunk_has_its_own_session_timers_and_reliable_responses() {
    // Phones call by one trunk, and Dora is called by another.
    let mut world = World::build()
        .trunks(|trunks| {
            let mut phones = Trunk { id: 3, destination: None, ..carrier() };
            phones.extensions.timers.mode = TimerMode::Require;
            phones.extensions.timers.min_se = secs(100);
            phones.extensions.reliability = Reliability::Off;
            trunks[0].extensions.timers.mode = TimerMode::Offer;
            trunks[0].extensions.timers.expires = secs(120);
            trunks.insert(0, phones);
        })
        .start();
    let anna = world.phone_with("anna", |phone| phone.headers = headers("120;refresher=uas"));
    let without = world.phone_with("without", |phone| phone.headers = Vec::new());
    let short = world.phone_with("short", |phone| phone.headers = headers("90;refresher=uas"));
    let reliable = world.phone_with("reliable", |phone| {
        phone.headers = headers("120");
        phone.headers.push(("Require".to_owned(), "100rel".to_owned()));
    });
    let dora = world.callee("dora", "14165550199", |phone| {
        phone.answering = Answering::After(secs(1));
    });
    for (phone, status) in [(without, 421), (short, 422), (reliable, 420)] {
        world.dial(phone).run_for(secs(1));
        assert_eq!(world.ending(phone), Some(Ending::Refused(status)));
    }
    world.join(anna, MODERATOR).run_for(secs(4));
    world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.wait_for("dora answers", secs(10), |world| world.is_up(dora));
    world.run_for(secs(1)).skip(secs(170));
    for (phone, seconds) in [(anna, vec![63, 123, 183]), (dora, vec![75, 135])] {
        let log = world.phone(phone).log();
        let refreshes = log.iter().filter(|entry| entry.event == Event::ReinviteReceived);
        let at: Vec<_> = refreshes.map(|entry| entry.at.as_secs()).collect();
        assert_eq!(at, seconds, "each 60 s");
    }
    world.finish();
}
