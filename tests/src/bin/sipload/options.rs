//! OPTIONS as fast as they are answered: a window of them is out at any time.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_tests::real::checks::{Checks, say};

use crate::echo::Echo;
use crate::place::{DIAL_IN, Place, percentile, pin, processor_time};
use crate::words::Words;

/// Sockets, as an SBC with several ports has.
const SOCKETS: usize = 8;
/// Requests that are out at a time, of each socket.
const WINDOW: usize = 32;
/// A request without an answer for so long is counted as unanswered, and not repeated.
const PATIENCE: Duration = Duration::from_millis(500);
/// What comes before the number of a request in its branch.
const COOKIE: &[u8] = b"z9hG4bK-load-";
const DIGITS: usize = 16;
/// Before what is measured.
const WARM: Duration = Duration::from_secs(1);

pub(crate) fn run(words: &Words, checks: &mut Checks) -> Result<()> {
    let processors = thread::available_parallelism()?.get();
    ensure!(processors >= 2, "a bridge on one processor and a load on another want two of them");
    pin(std::process::id(), 1)?;

    let echo = Echo::start()?;
    pin(echo.id(), 0)?;
    let bare = pour(
        echo.address,
        IpAddr::from([127, 0, 0, 1]),
        words.time.min(Duration::from_secs(5)),
        echo.id(),
    )?;
    drop(echo);
    say(format_args!("      bare echo of the same datagrams: {bare}"));

    let place = Place::new(words, "requests_per_second = 100000\n")?;
    let running = place.start()?;
    pin(running.id(), 0)?;
    pour(place.setup.sip(), place.carrier(), WARM, running.id())?;
    let seen = pour(place.setup.sip(), place.carrier(), words.time, running.id())?;
    say(format_args!("      bridge: {seen}"));
    say(format_args!("      not taken in: {}", place.drops()?));
    running.terminate()?;

    checks.check(
        seen.unanswered == 0,
        "every OPTIONS was answered by 200",
        format_args!("{} not", seen.unanswered),
    );
    checks.check(
        seen.a_second() >= f64::from(words.wanted),
        format_args!("{} OPTIONS a second on one processor", words.wanted),
        format_args!(
            "{:.0}, {:.2} of the bare echo",
            seen.a_second(),
            seen.a_second() / bare.a_second()
        ),
    );
    Ok(())
}

/// What became of one load.
#[derive(Debug)]
struct Seen {
    answered: u64,
    unanswered: u64,
    time: Duration,
    processor: Duration,
    /// From request to answer, sorted.
    took: Vec<Duration>,
}

impl Seen {
    fn a_second(&self) -> f64 {
        self.answered as f64 / self.time.as_secs_f64()
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.0} a second, {} answered, {} not, {:.1} us of processor each, answer p50 {:.2} ms, \
             p99 {:.2} ms",
            self.a_second(),
            self.answered,
            self.unanswered,
            self.processor.as_secs_f64() * 1e6 / self.answered.max(1) as f64,
            percentile(&self.took, 500).as_secs_f64() * 1e3,
            percentile(&self.took, 990).as_secs_f64() * 1e3,
        )
    }
}

/// A request whose number is yet to be written, at each place that has it.
struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Template {
    fn new(local: SocketAddr, to: SocketAddr) -> Self {
        let number = "0".repeat(DIGITS);
        let cookie = String::from_utf8_lossy(COOKIE);
        let bytes = format!(
            "OPTIONS sip:{DIAL_IN}@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={cookie}{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:ping@{local}>;tag={number}\r\nTo: <sip:{DIAL_IN}@{to}>\r\n\
             Call-ID: {number}@{local}\r\nCSeq: 1 OPTIONS\r\nContact: <sip:ping@{local}>\r\n\
             Accept: application/sdp\r\nUser-Agent: sipload\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes();
        let zeros = number.as_bytes();
        let places = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(zeros)).collect();
        Self { bytes, places }
    }

    fn number(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:0DIGITS$}");
        for &place in &self.places {
            self.bytes[place..place + DIGITS].copy_from_slice(digits.as_bytes());
        }
        &self.bytes
    }
}

/// The number of the request that a datagram answers by 200, or is (of an echo).
fn answered(bytes: &[u8]) -> Option<u64> {
    let good = bytes.starts_with(b"SIP/2.0 200 ") || bytes.starts_with(b"OPTIONS ");
    let at = bytes.windows(COOKIE.len()).position(|window| window == COOKIE)? + COOKIE.len();
    let digits = std::str::from_utf8(bytes.get(at..at + DIGITS)?).ok()?;
    good.then(|| digits.parse().ok())?
}

/// One socket and what it waits for.
struct Asker {
    socket: UdpSocket,
    template: Template,
    /// When the request in each place of the window went out; `None` when it was answered.
    out: [Option<(u64, Instant)>; WINDOW],
}

fn pour(to: SocketAddr, from: IpAddr, time: Duration, process: u32) -> Result<Seen> {
    let mut askers = Vec::new();
    for _ in 0..SOCKETS {
        let socket = UdpSocket::bind((from, 0)).context("a socket of the load")?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        let template = Template::new(socket.local_addr()?, to);
        askers.push(Asker { socket, template, out: [None; WINDOW] });
    }
    let (began, before) = (Instant::now(), processor_time(process)?);
    let mut seen =
        Seen { answered: 0, unanswered: 0, time, processor: Duration::ZERO, took: Vec::new() };
    let mut last = 0;
    // What is out when the time is over has its patience.
    while began.elapsed() < time || askers.iter().any(|a| a.out.iter().any(Option::is_some)) {
        let more = began.elapsed() < time;
        for asker in &mut askers {
            asker.turn(more, &mut last, &mut seen)?;
        }
    }
    seen.time = began.elapsed();
    seen.processor = processor_time(process)?.saturating_sub(before);
    seen.took.sort_unstable();
    Ok(seen)
}

impl Asker {
    /// Takes the answers that came, and asks anew where there is room.
    fn turn(&mut self, more: bool, last: &mut u64, seen: &mut Seen) -> Result<()> {
        let mut buffer = [0; 2048];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let number = answered(&buffer[..length]);
                    let found =
                        self.out.iter_mut().find(|out| out.is_some_and(|(n, _)| Some(n) == number));
                    if let Some((_, sent)) = found.and_then(Option::take) {
                        seen.answered += 1;
                        seen.took.push(sent.elapsed());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let now = Instant::now();
        for place in 0..WINDOW {
            if self.out[place].is_some_and(|(_, sent)| now.duration_since(sent) > PATIENCE) {
                self.out[place] = None;
                seen.unanswered += 1;
            }
            if more && self.out[place].is_none() {
                *last += 1;
                if self.socket.send(self.template.number(*last)).is_err() {
                    return Ok(());
                }
                self.out[place] = Some((*last, now));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_number_in_branch_tag_and_call_id() {
        let local: SocketAddr = ([127, 0, 0, 1], 5070).into();
        let mut template = Template::new(local, local);
        assert_eq!(template.places.len(), 3);
        let bytes = template.number(42).to_vec();
        assert_eq!(answered(&bytes), Some(42));
        let text = String::from_utf8(bytes).unwrap();
        let refused =
            text.replace("OPTIONS sip:18005550199@127.0.0.1:5070 SIP/2.0", "SIP/2.0 503 No");
        assert_eq!(answered(refused.as_bytes()), None);
    }
}
