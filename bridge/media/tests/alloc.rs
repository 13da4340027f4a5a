//! The packet path allocates nothing once the legs are up, encrypted or not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::{EVENT_TYPE, ROOM, Stream, address, config, leg, queue, rtp};
use partyline_media::{
    AudioLibrary, Channel, Clip, Command, Config, Event, Frame, InBand, LegConfig, Sink, SrtpKey,
    SrtpKeys, SrtpSuite, Worker,
};
use partyline_model::{LegKey, PlaybackId, RecordingId, Time};
use partyline_srtp::{MAX_TRAILER, Protector};

thread_local! {
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Counting;

// SAFETY: hands every request on to the system's allocator unchanged.
#[expect(unsafe_code, reason = "a counting allocator is an allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNTED.with(|counted| counted.set(counted.get().map(|n| n + 1)));
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    COUNTED.with(|counted| counted.set(Some(0)));
    work();
    COUNTED.with(|counted| counted.take()).unwrap_or(u64::MAX)
}

struct Nowhere;

impl Sink for Nowhere {
    fn send(&mut self, _: LegKey, _: Channel, _: SocketAddr, payload: &[u8]) {
        black_box(payload);
    }

    fn record(&mut self, _: RecordingId, frame: &Frame) {
        black_box(frame);
    }
}

fn worker_with(legs: u32) -> Worker {
    let clip = || Clip::new(8_000, vec![2_000; 4_000]).unwrap();
    let library = AudioLibrary::new(vec![clip()], clip());
    let mut worker = Worker::new(Config::default(), Arc::new(library));
    for number in 1..=legs {
        let srtp = key(number).map(|theirs| {
            let ours = SrtpKey::new(theirs.suite(), &vec![9; theirs.octets().len()]).unwrap();
            Box::new(SrtpKeys { ours, theirs })
        });
        let config = LegConfig { in_band: InBand::On, srtp, ..config(leg(number)) };
        let leg = leg(number);
        worker.handle_command(Time::ZERO, Command::Start { leg, config: Box::new(config) });
        worker.handle_command(Time::ZERO, Command::Join { leg, room: ROOM });
    }
    let recording = RecordingId(1);
    worker.handle_command(Time::ZERO, Command::Record { room: ROOM, recording });
    worker
}

/// The key of every other leg's far end, of each suite in turn.
fn key(number: u32) -> Option<SrtpKey> {
    let suite = SrtpSuite::ALL[usize::try_from(number / 2).unwrap() % SrtpSuite::ALL.len()];
    let master = vec![7; suite.master_len()];
    number.is_multiple_of(2).then(|| SrtpKey::new(suite, &master).unwrap())
}

/// A packet of leg `number` in tick `n`: sound, a key now and then, a loss, junk.
fn packet(number: u32, n: u16) -> Vec<u8> {
    let stream = Stream { sequence: n, timestamp: u32::from(n) * 160, ssrc: number };
    match (n + u16::try_from(number).unwrap()) % 17 {
        0 => vec![0x80; usize::from(n) % 40],
        1 => rtp(EVENT_TYPE, true, stream, &[5, 0x80, 1, 0]),
        2 => rtp(0, false, Stream { ssrc: 99, ..stream }, &[0x55; 160]),
        3 => rtp(8, false, stream, &[0x55; 160]),
        4 => rtp(0, false, stream, &[0x55; 1_600]),
        _ => rtp(0, false, stream, &[u8::try_from(n % 200).unwrap(); 160]),
    }
}

#[test]
fn packets_and_ticks_allocate_nothing() {
    const LEGS: u32 = 10;
    let mut worker = worker_with(LEGS);
    let mut now = Time::ZERO;
    let mut digits = 0;
    let mut senders: Vec<_> =
        (1..=LEGS).map(|number| key(number).map(|key| Protector::new(&key))).collect();
    for n in 1..1_000_u16 {
        let packets = (1..=LEGS).map(|number| {
            let mut packet = packet(number, n);
            if let Some(sender) = &mut senders[usize::try_from(number - 1).unwrap()] {
                let plain = packet.len();
                packet.resize(plain + MAX_TRAILER, 0);
                // What cannot be protected comes as it is.
                let len = sender.protect_rtp(&mut packet, plain).unwrap_or(plain);
                packet.truncate(len);
            }
            (leg(number), packet)
        });
        let mut packets: Vec<_> = packets.collect();
        if n % 100 == 0 {
            let items = queue(&[0, 0]);
            worker.handle_command(now, Command::PlayRoom { room: ROOM, items });
            let (leg, playback) = (leg(3), PlaybackId(1));
            worker.handle_command(now, Command::Play { leg, playback, items });
            worker.handle_command(now, Command::Music { leg, on: n % 200 == 0 });
        }
        let count = allocations(|| {
            for (leg, packet) in &mut packets {
                worker.handle_packet(now, *leg, Channel::Rtcp, address(*leg), packet);
                worker.handle_packet(now, *leg, Channel::Rtp, address(*leg), packet);
            }
            now += Duration::from_millis(20);
            worker.tick(now, &mut Nowhere);
            while let Some(event) = worker.poll_event() {
                digits += u32::from(matches!(event, Event::Digit { .. }));
            }
        });
        assert_eq!(count, 0, "in tick {n}");
    }
    assert!(digits > 200, "keys were pressed: {digits}");
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}
