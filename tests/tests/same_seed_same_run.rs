//! The same seed is the same run, byte by byte; another seed is another.

use bridge_tests::sim::{Link, MODERATOR, PARTICIPANT, World, secs};

fn run(seed: u64) -> Vec<u8> {
    let mut world = World::build().seed(seed).link(Link::BAD).keep_log().start();
    let phones = world.phones(["anna", "ben", "carl", "dave"]);
    let [anna, others @ ..] = phones;
    world.join(anna, MODERATOR);
    for phone in others {
        world.join(phone, PARTICIPANT).talk(phone).run_for(secs(1));
    }
    world.press(anna, "*4").run_for(secs(3)).press(anna, "1").run_for(secs(5));
    world.press(anna, "*99").run_for(secs(3)).press(anna, "1").run_for(secs(10));
    world.finish();
    world.log().to_vec()
}

#[test]
fn every_datagram_and_record_comes_again() {
    let (first, second) = (run(42), run(42));
    assert!(first.len() > 1_000_000, "{} bytes of log", first.len());
    let same = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
    let context =
        String::from_utf8_lossy(&first[same.saturating_sub(200)..first.len().min(same + 100)]);
    assert!(first == second, "the runs part at byte {same}: {context}");
    assert!(run(43) != first, "another seed is another run");
}
