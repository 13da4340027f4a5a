//! How a media thread is set up.

use std::net::{IpAddr, Ipv4Addr};

/// What one media thread needs to know, besides its worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// Ends the thread's name: `media-0` is the first. One thread per worker.
    pub number: u16,
    /// Where the RTP and RTCP ports are bound: one address, or one of each family.
    pub addresses: Vec<IpAddr>,
    /// The DSCP of what is sent (RFC 2474), 0..=63. 46 is expedited forwarding (RFC 3246).
    pub dscp: u8,
    /// Commands that may wait for the thread's next slot.
    pub commands: usize,
    /// Events that may wait for the control task; as many again are kept by the thread.
    pub events: usize,
    /// Recording frames (20 ms each) that may wait for the writer.
    pub recording_frames: usize,
    /// The core to run on, counted from 0; any core when `None`.
    pub core: Option<usize>,
    /// Real-time priority (`SCHED_FIFO`, sched(7)), 1 to 99; the system's usual one when `None`.
    pub realtime: Option<u8>,
}

impl Default for Config {
    /// Bound to 127.0.0.1, expedited forwarding, room for a second of a thousand legs, any core,
    /// no real-time priority.
    fn default() -> Self {
        Self {
            number: 0,
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            dscp: 46,
            commands: 4_096,
            events: 4_096,
            recording_frames: 4_096,
            core: None,
            realtime: None,
        }
    }
}
