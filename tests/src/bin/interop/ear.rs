//! A media port of ours under a call that sipp signals: counts what the bridge sends there, and
//! answers each packet with silence, as a phone does.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use partyline_phones::{Codec, RtpPacket};

/// Between two packets of one stretch there is less than this.
const GAP: Duration = Duration::from_millis(500);
/// µ-law and A-law of zero.
const SILENCE: [(Codec, u8); 2] = [(Codec::Pcmu, 0xff), (Codec::Pcma, 0xd5)];

/// A port that listens until it is asked what it heard.
pub(crate) struct Ear {
    port: u16,
    over: Arc<AtomicBool>,
    listening: JoinHandle<Result<Vec<Heard>>>,
}

/// Packets without a gap and with one payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The payload type.
    pub(crate) payload_type: u8,
    /// Packets of 20 ms.
    pub(crate) packets: usize,
    /// Whether silence of the line came before it.
    pub(crate) after_gap: bool,
}

struct Heard {
    at: Instant,
    payload_type: u8,
}

impl Ear {
    /// Opens a port of `address`.
    pub(crate) fn open(address: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let port = socket.local_addr()?.port();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let listening = thread::spawn(move || listen(&socket, &ends));
        Ok(Self { port, over, listening })
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Closes the port and says what came.
    pub(crate) fn close(self) -> Result<Vec<Stretch>> {
        self.over.store(true, Ordering::Relaxed);
        let heard = self.listening.join().map_err(|_| anyhow!("the ear fell off"))??;
        Ok(stretches(&heard))
    }
}

fn listen(socket: &UdpSocket, over: &AtomicBool) -> Result<Vec<Heard>> {
    let mut heard = Vec::new();
    let mut buffer = [0; 2048];
    let mut sequence = 0_u16;
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let Some(packet) = RtpPacket::parse(&buffer[..length]) else { continue };
        heard.push(Heard { at: Instant::now(), payload_type: packet.payload_type });
        let silence = SILENCE.iter().find(|(codec, _)| codec.payload_type() == packet.payload_type);
        let Some((_, octet)) = silence else { continue };
        let answer = RtpPacket {
            marker: sequence == 0,
            payload_type: packet.payload_type,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: 0x0ea4_0ea4,
            payload: &[*octet; 160],
        };
        socket.send_to(&answer.to_bytes(), from)?;
        sequence = sequence.wrapping_add(1);
    }
    Ok(heard)
}

fn stretches(heard: &[Heard]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut before: Option<Instant> = None;
    for &Heard { at, payload_type } in heard {
        let after_gap = before.is_none_or(|before| at - before > GAP);
        before = Some(at);
        match stretches.last_mut() {
            Some(last) if last.payload_type == payload_type && !after_gap => last.packets += 1,
            _ => stretches.push(Stretch { payload_type, packets: 1, after_gap }),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_payload_types_part_stretches() {
        let start = Instant::now();
        let packets = [(0, 0), (20, 0), (600, 0), (620, 8), (640, 8)];
        let heard = packets.map(|(ms, payload_type)| Heard {
            at: start + Duration::from_millis(ms),
            payload_type,
        });
        let found: Vec<_> =
            stretches(&heard).iter().map(|s| (s.payload_type, s.packets, s.after_gap)).collect();
        assert_eq!(found, [(0, 2, true), (0, 1, true), (8, 2, false)]);
    }
}
