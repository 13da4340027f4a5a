//! A media thread with real sockets on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use partyline_media::{
    AudioLibrary, Clip, Codec, Command, Direction, Event, Formats, InBand, LegConfig, LegStats,
    Rtcp, Signalling, Worker,
};
use partyline_media_io::{Clock, Config, LONGEST_DATAGRAM, MediaHandle, MediaThread};
use partyline_model::{LegKey, MixId, RecordingId, Time};

const ROOM: MixId = MixId(1);
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn two_legs_hear_each_other_and_not_themselves() {
    let mut node = Node::start();
    let (mut talker, mut listener) = (node.join(LegKey(1)), node.join(LegKey(2)));
    let mut heard = (0, 0);
    node.pace(25, |_| {
        talker.send_tone();
        listener.send_silence();
        heard.0 += talker.receive().iter().filter(|packet| is_loud(packet)).count();
        heard.1 += listener.receive().iter().filter(|packet| is_loud(packet)).count();
    });
    assert_eq!(heard.0, 0, "the talker heard itself");
    assert!((15..=25).contains(&heard.1), "the listener heard {} of 25 frames", heard.1);
    let stats = &node.handle.stats;
    assert!(stats.received.get() >= 48, "{stats:?}");
    assert!(stats.sent.get() >= 40, "{stats:?}");
    assert_eq!((stats.send_errors.get(), stats.unsendable.get()), (0, 0), "{stats:?}");
    assert!(node.calls.load(Ordering::Relaxed) >= 2, "nobody was woken");
}

#[test]
fn a_taken_port_is_reported_and_another_one_works() {
    let mut node = Node::start();
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port() & !1;
    node.send(Command::Open { leg: LegKey(5), port });
    let event = node.next_event();
    assert!(matches!(event, Event::PortTaken { leg: LegKey(5), port: at } if at == port));
    assert_eq!(node.handle.stats.ports_refused.get(), 1);
    node.open(LegKey(5));
}

#[test]
fn a_real_time_priority_is_held_where_it_is_allowed_and_its_refusal_is_told() {
    let config = Config { realtime: Some(1), ..Config::default() };
    let handle = MediaThread::spawn(&config, Clock::start(), worker(), Box::new(|| ())).unwrap();
    let clock = Clock::start();
    let began = || handle.stats.ticks.get() > 0 || clock.now() > Time::ZERO + PATIENCE;
    while !began() {
        std::thread::yield_now();
    }
    let thread = handle.stats.thread().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    // rt_priority and policy, fields 40 and 41 of proc_pid_stat(5); 1 is SCHED_FIFO.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    match handle.stats.realtime().expect("it was asked for") {
        Ok(()) => assert_eq!(fields[37..39], ["1", "1"]),
        Err(why) => {
            assert_eq!(fields[37..39], ["0", "0"]);
            assert!(!why.is_empty());
        }
    }
    assert!(Node::start().handle.stats.realtime().is_none(), "nothing was asked for");
}

#[test]
fn a_closed_leg_says_goodbye_and_gives_its_ports_back() {
    let mut node = Node::start();
    let mut phone = node.join(LegKey(1));
    node.pace(10, |_| phone.send_tone());
    node.send(Command::Close { leg: LegKey(1) });
    let stats = node.wait_for(final_stats);
    assert_eq!((stats.received_packets, stats.dropped.unlatched), (10, 0));
    assert!(phone.receive_rtcp().iter().any(|packet| has_bye(packet)), "no RTCP BYE");
    let near = phone.near.port();
    let again = [near, near + 1].map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)));
    assert!(again.iter().all(Result::is_ok), "{again:?}");
}

#[test]
fn a_leg_that_never_started_gives_its_ports_back() {
    let mut node = Node::start();
    let port = node.open(LegKey(1));
    node.send(Command::Close { leg: LegKey(1) });
    let freed = node.within_patience(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    assert!(freed);
}

#[test]
fn stopping_joins_the_thread_and_frees_its_ports() {
    let mut node = Node::start();
    let port = node.open(LegKey(1));
    let Node { handle, .. } = node;
    assert!(handle.thread.is_running());
    assert_eq!(handle.thread.stop(), Ok(()));
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
}

#[test]
fn garbage_is_dropped_and_harms_nobody() {
    let mut node = Node::start();
    let mut phone = node.join(LegKey(1));
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let rtcp = SocketAddr::new(phone.near.ip(), phone.near.port() + 1);
    node.pace(10, |round| {
        phone.send_tone();
        for to in [phone.near, rtcp] {
            stranger.send_to(&vec![0x80; round * 7], to).unwrap();
            stranger.send_to(&vec![0xff; LONGEST_DATAGRAM + 1 + round], to).unwrap();
        }
    });
    node.send(Command::Close { leg: LegKey(1) });
    assert_eq!(node.wait_for(final_stats).received_packets, 10);
    assert_eq!(node.handle.stats.oversize.get(), 20);
    assert_eq!(node.handle.stats.received.get(), 50);
}

#[test]
fn a_far_end_that_is_gone_does_not_end_the_others() {
    let mut node = Node::start();
    let gone = node.join(LegKey(1));
    let mut phone = node.join(LegKey(2));
    drop(gone);
    let mut heard = 0;
    node.pace(25, |_| {
        phone.send_silence();
        heard += phone.receive().len();
    });
    assert!(heard >= 15, "{heard} packets");
}

#[test]
fn recordings_come_out_frame_by_frame() {
    let mut node = Node::start();
    let mut phone = node.join(LegKey(1));
    node.send(Command::Record { room: ROOM, recording: RecordingId(9) });
    node.pace(25, |_| phone.send_tone());
    let mut loud = 0;
    while let Some(frame) = node.handle.recordings.poll() {
        assert_eq!(frame.recording, RecordingId(9));
        loud += usize::from(frame.samples.iter().any(|&sample| sample.unsigned_abs() > 4_000));
    }
    assert!((15..=27).contains(&loud), "{loud} frames with the tone");
}

#[test]
fn ticks_keep_their_pace() {
    let node = Node::start();
    let (before, ticks) = (node.clock.now(), node.handle.stats.ticks.get());
    node.pace(50, |_| {});
    let passed = (node.clock.now() - before).as_millis();
    let stats = &node.handle.stats;
    let done = stats.ticks.get() + stats.ticks_skipped.get() - ticks;
    let due = u64::try_from(passed / 20).unwrap();
    assert!(done.abs_diff(due) <= 6, "{done} ticks in {passed} ms");
}

/// What a leg's last event holds.
fn final_stats(event: Event) -> Option<Box<LegStats>> {
    if let Event::Stats { stats, .. } = event { Some(stats) } else { None }
}

/// A media thread, and what the rest of a node would do with it.
struct Node {
    handle: MediaHandle,
    clock: Clock,
    calls: Arc<AtomicU64>,
}

impl Node {
    fn start() -> Self {
        let clock = Clock::start();
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        let on_event = Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let handle = MediaThread::spawn(&Config::default(), clock, worker(), on_event).unwrap();
        Self { handle, clock, calls }
    }

    fn send(&mut self, command: Command) {
        assert!(self.handle.commands.send(command).is_ok(), "the ring is full");
    }

    /// Binds ports for `leg` that were free a moment ago.
    fn open(&mut self, leg: LegKey) -> u16 {
        for _ in 0..100 {
            let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port() & !1;
            drop(free);
            self.send(Command::Open { leg, port });
            let event = self.next_event();
            if matches!(event, Event::Opened { leg: opened } if opened == leg) {
                return port;
            }
            assert!(matches!(event, Event::PortTaken { .. }), "another event than the answer");
        }
        panic!("no free pair of ports in 100 attempts");
    }

    /// A phone in [`ROOM`].
    fn join(&mut self, leg: LegKey) -> Phone {
        let port = self.open(leg);
        let phone = Phone::new(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        self.send(Command::Start { leg, config: Box::new(phone.leg_config()) });
        self.send(Command::Join { leg, room: ROOM });
        phone
    }

    fn next_event(&mut self) -> Event {
        self.wait_for(Some)
    }

    /// The first event that `wanted` takes.
    fn wait_for<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let mut found = None;
        let end = self.clock.now() + PATIENCE;
        while found.is_none() {
            assert!(self.clock.now() < end, "nothing came");
            match self.handle.events.poll() {
                Some(event) => found = wanted(event),
                None => pause(Duration::from_millis(1)),
            }
        }
        found.unwrap()
    }

    fn within_patience(&self, mut holds: impl FnMut() -> bool) -> bool {
        let end = self.clock.now() + PATIENCE;
        loop {
            if holds() {
                return true;
            }
            if self.clock.now() > end {
                return false;
            }
            pause(Duration::from_millis(1));
        }
    }

    /// Calls `each` `rounds` times, every 20 ms, and waits two rounds more.
    fn pace(&self, rounds: usize, mut each: impl FnMut(usize)) {
        let mut next: Time = self.clock.now();
        for round in 0..rounds + 2 {
            if round < rounds {
                each(round);
            }
            next += Duration::from_millis(20);
            pause(next - self.clock.now());
        }
    }
}

/// A far end that talks PCMU.
struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    near: SocketAddr,
    sequence: u16,
}

impl Phone {
    fn new(near: SocketAddr) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self { rtp: socket(), rtcp: socket(), near, sequence: 100 }
    }

    fn leg_config(&self) -> LegConfig {
        LegConfig {
            codec: Codec::Pcmu,
            send_payload_type: 0,
            receive: Formats::new(0, Codec::Pcmu),
            telephone_event: None,
            remote: self.rtp.local_addr().unwrap(),
            networks: Box::default(),
            signalling: Signalling::Acknowledged,
            rtcp: Rtcp::To(self.rtcp.local_addr().unwrap()),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            in_band: InBand::Off,
            srtp: None,
            dtls: false,
            ssrc: 0x1234_5678,
            first_sequence: 1,
            first_timestamp: 1,
            cname: (*b"partyline").into(),
        }
    }

    /// A square wave of 500 Hz.
    fn send_tone(&mut self) {
        self.send(|n| if n / 8 % 2 == 0 { 0x90 } else { 0x10 });
    }

    fn send_silence(&mut self) {
        self.send(|_| 0xff);
    }

    fn send(&mut self, sample: impl Fn(usize) -> u8) {
        let timestamp = u32::from(self.sequence) * 160;
        let mut packet = vec![0x80, 0];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(u32::from(self.near.port()).to_be_bytes());
        packet.extend((0..160).map(sample));
        self.sequence += 1;
        self.rtp.send_to(&packet, self.near).unwrap();
    }

    fn receive(&self) -> Vec<Vec<u8>> {
        drain(&self.rtp)
    }

    fn receive_rtcp(&self) -> Vec<Vec<u8>> {
        drain(&self.rtcp)
    }
}

fn drain(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut buffer = [0; 2048];
    while let Ok(length) = socket.recv(&mut buffer) {
        packets.push(buffer[..length].to_vec());
    }
    packets
}

/// Whether most of an RTP packet's PCMU samples are in the upper half of the scale's steps.
fn is_loud(packet: &[u8]) -> bool {
    let loud = packet[12..].iter().filter(|&&sample| !sample & 0x70 >= 0x40).count();
    packet.len() == 172 && loud > 120
}

/// Whether a compound RTCP packet holds a BYE (RFC 3550 §6.6).
fn has_bye(mut compound: &[u8]) -> bool {
    while let [_, kind, high, low, ..] = *compound {
        if kind == 203 {
            return true;
        }
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        compound = compound.get(length..).unwrap_or_default();
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "real sockets in real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn worker() -> Worker {
    Worker::new(partyline_media::Config::default(), Arc::new(library()))
}

/// Nothing to play.
fn library() -> AudioLibrary {
    AudioLibrary::new(Vec::new(), Clip::new(8_000, Vec::new()).unwrap())
}
