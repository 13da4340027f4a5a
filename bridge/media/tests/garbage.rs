//! Whatever comes from the network, nothing panics and nothing else is harmed.

mod common;

use common::{Bench, address, leg, mu};
use partyline_media::Channel;
use proptest::prelude::*;

/// A datagram that gets past the first checks more often than pure chance would.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let shaped = (
        prop_oneof![Just(0x80_u8), Just(0x90), Just(0xa0), Just(0xb1), any::<u8>()],
        prop_oneof![Just(0_u8), Just(0x80), Just(101), Just(200), Just(201), any::<u8>()],
        any::<u16>(),
        any::<u32>(),
        prop_oneof![Just(1_u32), any::<u32>()],
        proptest::collection::vec(any::<u8>(), 0..600),
    );
    shaped.prop_map(|(first, second, sequence, timestamp, ssrc, payload)| {
        let mut packet = vec![first, second];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(payload);
        packet
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_datagrams_to_one_leg_leave_the_others_talking(
        datagrams in proptest::collection::vec((datagram(), any::<bool>(), 0..30_u64), 1..60),
    ) {
        let mut bench = Bench::with_room(3);
        for (datagram, is_rtcp, wait) in &datagrams {
            let channel = if *is_rtcp { Channel::Rtcp } else { Channel::Rtp };
            bench.now += std::time::Duration::from_millis(*wait);
            bench.worker.handle_packet(bench.now, leg(1), channel, address(leg(1)), &mut datagram.clone());
            if *wait > 10 {
                bench.tick();
            }
        }
        // Long enough for the limiter to come back from whatever was loud.
        bench.pass(60);
        bench.say(&[(2, 8_000), (3, 0)], 10);
        prop_assert_eq!(bench.last(3), mu(8_000));
    }
}
