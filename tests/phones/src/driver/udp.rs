//! Phones on real UDP sockets: three sockets a phone, all phones in one thread.
//!
//! Traffic leaves for 127.0.0.0/8 only; anything else is counted and dropped, for test phones must
//! not call the world by mistake.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::clock::Clock;
use super::switchboard::{Packet, PhoneId, Switchboard};
use crate::phone::{Command, Phone, Port};

/// Sockets of a phone.
const PORTS: [Port; 3] = [Port::Sip, Port::Rtp, Port::Rtcp];
/// Readiness events taken at once.
const EVENTS: usize = 256;
/// Largest UDP payload.
const MAX_DATAGRAM: usize = 65_535;
/// Tries to find an even port with a free odd one above it.
const PAIR_TRIES: usize = 64;

/// The three bound sockets of a phone that is yet to be made.
#[derive(Debug)]
pub struct Line {
    sip: StdSocket,
    rtp: StdSocket,
    rtcp: StdSocket,
    sip_address: SocketAddr,
    rtp_address: SocketAddr,
}

impl Line {
    /// Binds on a loopback address. `sip_port` 0 takes a free one; the RTP pair is always free
    /// ports, RTP on the even one.
    ///
    /// # Errors
    /// When the address is not in 127.0.0.0/8, or a port is taken.
    pub fn bind(ip: Ipv4Addr, sip_port: u16) -> io::Result<Self> {
        if !ip.is_loopback() {
            return Err(io::Error::other("test phones live in 127.0.0.0/8"));
        }
        let sip = StdSocket::bind((ip, sip_port))?;
        let (rtp, rtcp) = bind_pair(ip)?;
        let (sip_address, rtp_address) = (sip.local_addr()?, rtp.local_addr()?);
        Ok(Self { sip, rtp, rtcp, sip_address, rtp_address })
    }

    /// For [`crate::PhoneConfig::sip_address`].
    #[must_use]
    pub fn sip_address(&self) -> SocketAddr {
        self.sip_address
    }

    /// For [`crate::PhoneConfig::rtp_address`].
    #[must_use]
    pub fn rtp_address(&self) -> SocketAddr {
        self.rtp_address
    }
}

/// Sockets of an even port and the one above it, for RTP and RTCP (RFC 3550 §11).
///
/// # Errors
///
/// When no socket can be bound, or no such pair is free.
pub fn bind_pair(ip: Ipv4Addr) -> io::Result<(StdSocket, StdSocket)> {
    for _ in 0..PAIR_TRIES {
        let rtp = StdSocket::bind((ip, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && let Some(above) = port.checked_add(1)
            && let Ok(rtcp) = StdSocket::bind((ip, above))
        {
            return Ok((rtp, rtcp));
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free pair of RTP and RTCP ports"))
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All stories are over and no message waits for an answer.
    Done,
    /// The time was up first.
    TimeUp,
}

/// Datagrams that did not go where they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Addressed outside of 127.0.0.0/8, or to another family.
    pub not_loopback: u64,
    /// Refused by the system: a full buffer, a closed port.
    pub by_system: u64,
}

/// Carries phones over real sockets.
pub struct UdpDriver {
    board: Switchboard,
    sockets: Vec<(UdpSocket, SocketAddr)>,
    poll: Poll,
    buffer: Vec<u8>,
    clock: Clock,
    dropped: Dropped,
    /// How late the phones were at most since this was last asked.
    late: Duration,
}

impl UdpDriver {
    /// One without phones; its time starts here.
    ///
    /// # Errors
    /// When the system gives no readiness queue.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            board: Switchboard::new(),
            sockets: Vec::new(),
            poll: Poll::new()?,
            buffer: vec![0; MAX_DATAGRAM],
            clock: Clock::start(),
            dropped: Dropped::default(),
            late: Duration::ZERO,
        })
    }

    /// Takes in a phone whose config bears the line's addresses.
    ///
    /// # Errors
    /// When the system refuses to watch the sockets.
    pub fn add(&mut self, line: Line, phone: Phone) -> io::Result<PhoneId> {
        for socket in [line.sip, line.rtp, line.rtcp] {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            let mut socket = UdpSocket::from_std(socket);
            let token = Token(self.sockets.len());
            self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
            self.sockets.push((socket, address));
        }
        Ok(self.board.add(phone))
    }

    /// The phones.
    #[must_use]
    pub fn board(&self) -> &Switchboard {
        &self.board
    }

    /// Time since this driver was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// When this driver was made, since 1970.
    #[must_use]
    pub fn started_unix(&self) -> Duration {
        self.clock.unix()
    }

    /// What was dropped so far.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// How late this driver did what was due, at worst since this was last asked: the machine had
    /// no time for it.
    pub fn take_late(&mut self) -> Duration {
        std::mem::take(&mut self.late)
    }

    /// Gives one phone an order.
    pub fn command(&mut self, id: PhoneId, command: Command) {
        self.board.command(self.clock.now(), id, command);
        self.send_all();
    }

    /// Carries datagrams until all phones are done or `limit` (since this driver was made) is past;
    /// stories that are unfinished then are noted as failed.
    ///
    /// # Errors
    /// When waiting for sockets fails.
    pub fn run(&mut self, limit: Duration) -> io::Result<RunEnd> {
        let end = self.carry(limit)?;
        if end == RunEnd::TimeUp {
            self.board.give_up_stories(self.clock.now());
        }
        Ok(end)
    }

    /// Carries datagrams until all phones are done or `until` (since this driver was made) is past;
    /// stories that are unfinished then can go on.
    ///
    /// # Errors
    /// When waiting for sockets fails.
    pub fn carry(&mut self, until: Duration) -> io::Result<RunEnd> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = self.clock.now();
            self.board.handle_timeout(now);
            self.send_all();
            if self.board.is_done() {
                return Ok(RunEnd::Done);
            }
            if now >= until {
                return Ok(RunEnd::TimeUp);
            }
            let next = self.board.poll_timeout().unwrap_or(until).min(until);
            self.wait(&mut events, next.saturating_sub(self.clock.now()))?;
            self.late = self.late.max(self.clock.now().saturating_sub(next));
        }
    }

    fn wait(&mut self, events: &mut Events, time: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(time)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in events.iter() {
            self.receive(event.token().0);
        }
        Ok(())
    }

    /// Takes all that a socket holds: readiness is told once.
    fn receive(&mut self, place: usize) {
        while let Some((socket, to)) = self.sockets.get(place) {
            match socket.recv_from(&mut self.buffer) {
                Ok((length, source)) => {
                    let bytes = &self.buffer[..length];
                    self.board.deliver(self.clock.now(), *to, source, bytes);
                    self.send_all();
                }
                // An earlier datagram met a closed port: the next may be good.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    self.dropped.by_system += 1;
                }
                Err(_) => return,
            }
        }
    }

    fn send_all(&mut self) {
        while let Some(packet) = self.board.poll_transmit() {
            self.send(&packet);
        }
    }

    fn send(&mut self, packet: &Packet) {
        let IpAddr::V4(ip) = packet.to.ip() else {
            self.dropped.not_loopback += 1;
            return;
        };
        if !ip.is_loopback() {
            self.dropped.not_loopback += 1;
            return;
        }
        let port = PORTS.iter().position(|&port| port == packet.port).unwrap_or(0);
        let Some((socket, _)) = self.sockets.get(packet.phone.index() * PORTS.len() + port) else {
            return;
        };
        if socket.send_to(&packet.bytes, packet.to).is_err() {
            self.dropped.by_system += 1;
        }
    }
}
