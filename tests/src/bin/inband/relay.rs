//! A UDP relay that loses packets: every call's sound goes through it both ways, and what comes
//! from the caller may not arrive.
//!
//! It looks at RTP as far as it must: a packet is passed on whole or not at all, in the order in
//! which it came. RTCP ends here. It keeps what it passed on, for another listener.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bridge_tests::sim::dice::Dice;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use partyline_phones::{RtpPacket, udp};

/// How often it is looked whether the relay is still wanted.
const GLANCE: Duration = Duration::from_millis(50);
/// Readiness events taken at once.
const EVENTS: usize = 256;
/// Largest datagram that is passed on: an RTP packet of 20 ms has 172 octets.
const MAX_DATAGRAM: usize = 2048;
/// In how many parts a share is thrown.
const PARTS: u64 = 1_000_000;

/// What went from one caller towards the bridge.
#[derive(Default)]
pub(crate) struct Crossing {
    /// Timestamp of the first packet, whether it arrived or not.
    pub(crate) begins: Option<u32>,
    /// Timestamp and payload of those that were passed on, in their order.
    pub(crate) passed: Vec<(u32, Vec<u8>)>,
    /// Packets that were lost on purpose.
    pub(crate) dropped: u64,
    /// Packets that came before the bridge had said where it is.
    pub(crate) early: u64,
}

struct Call {
    socket: UdpSocket,
    /// Keeps the port: RTCP comes to it and ends.
    _rtcp: StdSocket,
    phone: SocketAddr,
    bridge: Option<SocketAddr>,
    dice: Dice,
    crossing: Crossing,
}

/// A relay whose calls are yet to be made.
pub(crate) struct Relay {
    ip: Ipv4Addr,
    poll: Poll,
    calls: Vec<Call>,
    /// Of [`PARTS`], how many are lost.
    lost_parts: f64,
}

/// A relay at work.
pub(crate) struct AtWork {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Vec<Crossing>>>,
}

impl Relay {
    /// One on `ip` that loses `percent` of the packets that callers send, each by its own throw.
    pub(crate) fn new(ip: Ipv4Addr, percent: f64) -> Result<Self> {
        let lost_parts = percent / 100.0 * PARTS as f64;
        Ok(Self { ip, poll: Poll::new()?, calls: Vec::new(), lost_parts })
    }

    /// Takes a caller in; the address that stands for it.
    pub(crate) fn add(&mut self, phone: SocketAddr, dice: Dice) -> Result<SocketAddr> {
        let (rtp, rtcp) = udp::bind_pair(self.ip)?;
        rtp.set_nonblocking(true)?;
        let address = rtp.local_addr()?;
        let mut socket = UdpSocket::from_std(rtp);
        let token = Token(self.calls.len());
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        let crossing = Crossing::default();
        self.calls.push(Call { socket, _rtcp: rtcp, phone, bridge: None, dice, crossing });
        Ok(address)
    }

    /// Begins.
    pub(crate) fn start(self) -> AtWork {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || self.run(&told));
        AtWork { stop, thread }
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<Vec<Crossing>> {
        let mut events = Events::with_capacity(EVENTS);
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(GLANCE)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                if let Some(call) = self.calls.get_mut(event.token().0) {
                    call.carry(self.lost_parts);
                }
            }
        }
        // What was sent before the end counts, even if nobody has looked at it yet.
        self.calls.iter_mut().for_each(|call| call.carry(self.lost_parts));
        Ok(self.calls.into_iter().map(|call| call.crossing).collect())
    }
}

impl AtWork {
    /// Ends it; what it passed on of each call, in the order of [`Relay::add`].
    pub(crate) fn finish(self) -> Result<Vec<Crossing>> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join().map_err(|_| anyhow!("the relay's thread panicked"))?;
        ended.context("the relay cannot wait for its sockets")
    }
}

impl Call {
    /// Takes all that the socket holds: readiness is told once.
    fn carry(&mut self, lost_parts: f64) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, source)) => self.pass(&buffer[..length], source, lost_parts),
                // An earlier datagram met a closed port: the next may be good.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => return,
            }
        }
    }

    fn pass(&mut self, bytes: &[u8], source: SocketAddr, lost_parts: f64) {
        let Some(packet) = RtpPacket::parse(bytes) else { return };
        if source != self.phone {
            self.bridge = Some(source);
            // Nothing depends on what the caller hears.
            self.socket.send_to(bytes, self.phone).map(drop).unwrap_or_default();
            return;
        }
        self.crossing.begins.get_or_insert(packet.timestamp);
        let is_lost = (self.dice.below(PARTS) as f64) < lost_parts;
        match self.bridge {
            None => self.crossing.early += 1,
            Some(_) if is_lost => self.crossing.dropped += 1,
            Some(bridge) => {
                if self.socket.send_to(bytes, bridge).is_ok() {
                    self.crossing.passed.push((packet.timestamp, packet.payload.to_vec()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

    fn packet(sequence: u16) -> Vec<u8> {
        let timestamp = u32::from(sequence) * 160;
        let (marker, payload_type, ssrc, payload) = (false, 0, 9, &[0xFF; 160][..]);
        RtpPacket { marker, payload_type, sequence, timestamp, ssrc, payload }.to_bytes()
    }

    /// Sends `count` packets through a relay; their sequence numbers at the far end.
    fn through(percent: f64, count: u16) -> (Vec<u16>, Crossing) {
        let ends = [StdSocket::bind((LOCAL, 0)).unwrap(), StdSocket::bind((LOCAL, 0)).unwrap()];
        let [phone, bridge] = &ends;
        for end in &ends {
            end.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        }
        let mut relay = Relay::new(LOCAL, percent).unwrap();
        let address = relay.add(phone.local_addr().unwrap(), Dice::new(1, 1)).unwrap();
        let at_work = relay.start();
        let mut buffer = [0; 500];
        bridge.send_to(&packet(0), address).unwrap();
        phone.recv_from(&mut buffer).unwrap();
        let mut arrived = Vec::new();
        for sequence in 1..=count {
            phone.send_to(&packet(sequence), address).unwrap();
            // In steps, so that no buffer overflows: one lost here would be blamed on the relay.
            if sequence % 50 == 0 {
                bridge.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                while let Ok((length, _)) = bridge.recv_from(&mut buffer) {
                    arrived.push(RtpPacket::parse(&buffer[..length]).unwrap().sequence);
                }
            }
        }
        (arrived, at_work.finish().unwrap().remove(0))
    }

    #[test]
    fn relay_without_loss_passes_everything_in_its_order() {
        let (arrived, crossing) = through(0.0, 100);
        assert_eq!(arrived, (1..=100).collect::<Vec<_>>());
        assert_eq!((crossing.dropped, crossing.early, crossing.passed.len()), (0, 0, 100));
    }

    #[test]
    fn relay_loses_its_share_and_knows_what() {
        let (arrived, crossing) = through(30.0, 1000);
        let kept: Vec<_> = crossing.passed.iter().map(|(time, _)| time / 160).collect();
        assert_eq!(arrived.iter().map(|&s| u32::from(s)).collect::<Vec<_>>(), kept);
        assert!((250..350).contains(&crossing.dropped), "{} lost", crossing.dropped);
        assert_eq!(crossing.passed.len(), 1000 - usize::try_from(crossing.dropped).unwrap());
    }
}
