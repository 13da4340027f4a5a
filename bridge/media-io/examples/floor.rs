//! What a participant costs: `floor LEGS SECONDS [TALKERS]` puts LEGS legs into one room on one
//! media thread and prints that thread's CPU time per participant-second.
//!
//! Every leg sends and receives a PCMU packet each 20 ms over the loopback interface; TALKERS of
//! them (3 when not given) send a tone and the others silence. Only the media thread is measured,
//! from Linux's `/proc`; the far ends run on another thread. Raise `ulimit -n` to 3 × LEGS.

#![expect(clippy::print_stdout, reason = "the figure is what the program is for")]

use std::env;
use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use partyline_media::{
    AudioLibrary, Clip, Codec, Command, Direction, Event, Formats, InBand, LegConfig, Rtcp,
    Signalling, Worker,
};
use partyline_media_io::{Clock, Config, MediaHandle, MediaThread};
use partyline_model::{LegKey, MixId};

/// Far ends send in this many groups, 1 ms apart.
const GROUPS: usize = 20;
/// What is heard before the measurement begins.
const WARM_UP: Duration = Duration::from_secs(2);
const FIRST_PORT: u16 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = env::args().skip(1).map(|text| text.parse::<usize>());
    let (Some(legs), Some(seconds)) = (numbers.next(), numbers.next()) else {
        return Err("usage: floor LEGS SECONDS [TALKERS]".into());
    };
    let (legs, seconds) = (legs?, u64::try_from(seconds?)?);
    let talkers = numbers.next().transpose()?.unwrap_or(3);

    let library = AudioLibrary::new(Vec::new(), Clip::hold_music());
    let worker = Worker::new(partyline_media::Config::default(), Arc::new(library));
    let mut media =
        MediaThread::spawn(&Config::default(), Clock::start(), worker, Box::new(|| ()))?;
    let phones = dial(&mut media, legs, talkers)?;
    let done = Arc::new(AtomicBool::new(false));
    let heard = Arc::new(AtomicU64::new(0));
    let far_ends = thread::spawn({
        let (done, heard) = (Arc::clone(&done), Arc::clone(&heard));
        move || talk(phones, &done, &heard)
    });

    pause(WARM_UP);
    let (cpu, received, sent) = sample(&media)?;
    let heard_before = heard.load(Ordering::Relaxed);
    for _ in 0..seconds {
        pause(Duration::from_secs(1));
        while media.events.poll().is_some() {}
    }
    let (cpu_after, received_after, sent_after) = sample(&media)?;
    let heard = heard.load(Ordering::Relaxed) - heard_before;
    done.store(true, Ordering::Relaxed);
    far_ends.join().map_err(|_| "the far ends panicked")?;

    let cpu_ms = (cpu_after - cpu).as_secs_f64() * 1_000.0;
    let participant_seconds = legs as f64 * seconds as f64;
    let stats = &media.stats;
    println!(
        "{legs} legs, {talkers} talking: {:.3} CPU-ms per participant-second, {:.3} cores; \
         packets a second: {} in, {} out, {} heard",
        cpu_ms / participant_seconds,
        cpu_ms / 1_000.0 / seconds as f64,
        (received_after - received) / seconds,
        (sent_after - sent) / seconds,
        heard / seconds,
    );
    println!(
        "ticks: {} done, {} late, {} skipped; begun within {:?} µs: {:?}",
        stats.ticks.get(),
        stats.late_ticks(),
        stats.ticks_skipped.get(),
        partyline_media_io::LATENESS_MICROS,
        stats.lateness(),
    );
    media.thread.stop()?;
    Ok(())
}

/// CPU time of the media thread, datagrams received and datagrams sent.
fn sample(media: &MediaHandle) -> Result<(Duration, u64, u64), Box<dyn Error>> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim_end() == "media-0" {
            let schedstat = fs::read_to_string(task.join("schedstat"))?;
            let nanos = schedstat.split(' ').next().ok_or("an empty schedstat")?.parse()?;
            let (received, sent) = (media.stats.received.get(), media.stats.sent.get());
            return Ok((Duration::from_nanos(nanos), received, sent));
        }
    }
    Err("the media thread has ended".into())
}

/// Opens and starts `legs` legs in one room and gives their far ends.
fn dial(
    media: &mut MediaHandle,
    legs: usize,
    talkers: usize,
) -> Result<Vec<Phone>, Box<dyn Error>> {
    let mut ports = (FIRST_PORT..u16::MAX - 1).step_by(2);
    let mut phones = Vec::new();
    while phones.len() < legs {
        let leg = LegKey(u32::try_from(phones.len())?);
        let port = ports.next().ok_or("no ports left")?;
        send(media, Command::Open { leg, port })?;
        let opened = loop {
            match media.events.poll() {
                Some(Event::Opened { .. }) => break true,
                Some(Event::PortTaken { .. }) => break false,
                Some(_) => {}
                None => pause(Duration::from_millis(1)),
            }
        };
        if opened {
            let phone = Phone::new(port, phones.len() < talkers)?;
            send(media, Command::Start { leg, config: Box::new(phone.leg_config()?) })?;
            send(media, Command::Join { leg, room: MixId(1) })?;
            phones.push(phone);
        }
    }
    Ok(phones)
}

fn send(media: &mut MediaHandle, command: Command) -> Result<(), Box<dyn Error>> {
    media.commands.send(command).map_err(|_| "the command ring is full".into())
}

/// Sends each phone's packet every 20 ms and counts what it receives, until `done`.
fn talk(mut phones: Vec<Phone>, done: &AtomicBool, heard: &AtomicU64) {
    let clock = Clock::start();
    let mut next = clock.now();
    let mut buffer = [0; 2048];
    for group in (0..GROUPS).cycle() {
        if done.load(Ordering::Relaxed) {
            return;
        }
        for phone in phones.iter_mut().skip(group).step_by(GROUPS) {
            phone.send();
            while phone.socket.recv(&mut buffer).is_ok() {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        }
        next += Duration::from_millis(1);
        pause(next - clock.now());
    }
}

/// A far end that talks PCMU.
struct Phone {
    socket: UdpSocket,
    packet: Vec<u8>,
    sequence: u16,
    timestamp: u32,
}

impl Phone {
    fn new(port: u16, talks: bool) -> Result<Self, Box<dyn Error>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        // Version 2, payload type 0, and the port for an SSRC; then 500 Hz, or silence.
        let mut packet = vec![0x80; 12];
        packet[1] = 0;
        packet[8..12].copy_from_slice(&u32::from(port).to_be_bytes());
        let tone = |n| if n / 8 % 2 == 0 { 0x90 } else { 0x10 };
        packet.extend((0..160).map(|n| if talks { tone(n) } else { 0xff }));
        Ok(Self { socket, packet, sequence: 1, timestamp: 1 })
    }

    fn send(&mut self) {
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        // A packet that the kernel refuses is missed in the printed rates.
        self.socket.send(&self.packet).ok();
    }

    fn leg_config(&self) -> Result<LegConfig, Box<dyn Error>> {
        let remote = self.socket.local_addr()?;
        Ok(LegConfig {
            codec: Codec::Pcmu,
            send_payload_type: 0,
            receive: Formats::new(0, Codec::Pcmu),
            telephone_event: None,
            remote,
            networks: Box::default(),
            signalling: Signalling::Acknowledged,
            rtcp: Rtcp::To(SocketAddr::new(remote.ip(), remote.port() ^ 1)),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            in_band: InBand::Off,
            srtp: None,
            dtls: false,
            ssrc: 1,
            first_sequence: 1,
            first_timestamp: 1,
            cname: (*b"partyline").into(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "real sockets in real time")]
fn pause(time: Duration) {
    thread::sleep(time);
}
