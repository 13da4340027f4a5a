//! The frames of a capture file: pcap and pcapng, either byte order, with their times.

use std::fmt;
use std::io::{self, Read};

use partyline_model::WallTime;
use pcap_parser::pcapng::{Block, InterfaceDescriptionBlock};
use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator};
use pcap_parser::{PcapBlockOwned, PcapError, create_reader};

/// Room for the longest frame, and more.
const BUFFER: usize = 1 << 20;
/// The Packet Block, which older programs write (pcapng, appendix A).
const OBSOLETE_PACKET: u32 = 2;
/// The longest block: pcapng has blocks without frames in them, of names or of keys for TLS.
const LONGEST_BLOCK: usize = 1 << 26;
const MICROS: i128 = 1_000_000;

/// Why a capture was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureError {
    /// The file does not begin as pcap or pcapng does.
    NotACapture,
    /// The file ends within a packet, after so many.
    Cut(u64),
    /// What comes after so many packets makes no sense.
    Damaged(u64),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACapture => f.write_str("not a packet capture (pcap or pcapng)"),
            Self::Cut(0) => f.write_str(
                "the capture ends before its first packet is whole; copy it again, or let the \
                 capturing program end by itself",
            ),
            Self::Cut(packets) => write!(
                f,
                "the capture ends within a packet, after {packets} whole ones, which were read; \
                 copy it again, or let the capturing program end by itself"
            ),
            Self::Damaged(packets) => write!(
                f,
                "the capture is damaged after {packets} packets, which were read; copy it again"
            ),
        }
    }
}

impl std::error::Error for CaptureError {}

/// A captured frame.
pub(crate) struct Captured<'a> {
    pub(crate) at: WallTime,
    /// The file has no time of it: `at` means nothing.
    pub(crate) untimed: bool,
    /// The frame's link type in the pcap registry.
    pub(crate) link: i32,
    pub(crate) data: &'a [u8],
}

/// Whether `file` begins as a capture does.
pub(crate) fn is_begun(file: &[u8]) -> bool {
    let Some(magic) = file.first_chunk().map(|magic| u32::from_be_bytes(*magic)) else {
        return false;
    };
    const MAGIC: [u32; 4] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34, 0x0a0d_0d0a];
    MAGIC.contains(&magic) || MAGIC.contains(&magic.swap_bytes())
}

/// Gives every frame of a capture, in the order of the file.
pub(crate) fn read(
    mut file: impl Read + Send,
    give: &mut impl FnMut(Captured<'_>),
) -> Result<(), CaptureError> {
    let mut begin = Vec::new();
    let read = file.by_ref().take(4).read_to_end(&mut begin);
    if read.is_err() || !is_begun(&begin) {
        return Err(CaptureError::NotACapture);
    }
    let file = Filled(begin.chain(file));
    // The parser knows a header by its length, too: what is wrong with this one is that it ends.
    let mut reader = create_reader(BUFFER, file).map_err(|_| CaptureError::Cut(0))?;
    let (mut clocks, mut packets) = (Clocks::default(), 0);
    loop {
        match reader.next() {
            Ok((length, block)) => {
                if let Some(frame) = clocks.handle(&block) {
                    packets += 1;
                    give(frame);
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => {
                let before = reader.data().len();
                let refilled = reader.refill().is_ok();
                // The reader's own end of file is told by its next answer; anything else that
                // brings nothing would go on for ever.
                if !refilled || (reader.data().len() == before && !is_at_end(&mut *reader)) {
                    return Err(CaptureError::Damaged(packets));
                }
            }
            Err(PcapError::BufferTooSmall) => {
                if !clocks.make_room(&mut *reader) {
                    return Err(CaptureError::Damaged(packets));
                }
            }
            Err(PcapError::UnexpectedEof) => return Err(CaptureError::Cut(packets)),
            Err(_) => return Err(CaptureError::Damaged(packets)),
        }
    }
}

/// Reads as much as is asked for while there is anything: pipes give what they have.
struct Filled<R>(R);

impl<R: Read> Read for Filled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What came before it is given first; the error comes again.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

fn is_at_end(reader: &mut dyn PcapReaderIterator) -> bool {
    matches!(reader.next(), Err(PcapError::Eof | PcapError::UnexpectedEof))
}

/// What the headers say about the frames that follow.
#[derive(Default)]
struct Clocks {
    interfaces: Vec<Interface>,
    /// Of the section of a pcapng file; `None` in pcap, whose frames always fit.
    big_endian: Option<bool>,
}

#[derive(Clone, Copy)]
struct Interface {
    link: i32,
    /// Units of time in a second.
    resolution: i128,
    /// Added to every time, in seconds.
    offset: i64,
}

impl Clocks {
    /// Makes room for a block that is longer than the buffer, if any program writes such.
    fn make_room(&self, reader: &mut dyn PcapReaderIterator) -> bool {
        let Some(big_endian) = self.big_endian else { return false };
        let Some(length) = reader.data().get(4..8).and_then(|octets| octets.try_into().ok()) else {
            return false;
        };
        let length =
            if big_endian { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) };
        // The reader wants more room than the block takes.
        let room = usize::try_from(length).ok().filter(|&length| length <= LONGEST_BLOCK);
        room.is_some_and(|length| reader.grow(length + BUFFER))
    }

    /// Takes a block; gives the frame in it.
    fn handle<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Option<Captured<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution =
                    if header.is_nanosecond_precision() { 1_000 * MICROS } else { MICROS };
                // Bits above the link type tell of checksums at the ends of frames.
                let link = header.network.0 & 0xffff;
                self.interfaces = vec![Interface { link, resolution, offset: 0 }];
                None
            }
            PcapBlockOwned::Legacy(frame) => {
                let interface = self.interfaces.first()?;
                let units = i128::from(frame.ts_sec) * interface.resolution;
                Some(interface.frame(units + i128::from(frame.ts_usec), frame.data))
            }
            PcapBlockOwned::NG(Block::SectionHeader(section)) => {
                self.big_endian = Some(section.big_endian());
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                self.interfaces.push(Interface::new(interface));
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(frame)) => {
                let interface = self.interfaces.get(usize::try_from(frame.if_id).ok()?)?;
                let units = i128::from(frame.ts_high) << 32 | i128::from(frame.ts_low);
                Some(interface.frame(units, frame.packet_data()))
            }
            PcapBlockOwned::NG(Block::SimplePacket(frame)) => {
                let frame = self.interfaces.first()?.frame(0, frame.packet_data());
                Some(Captured { untimed: true, ..frame })
            }
            PcapBlockOwned::NG(Block::Unknown(block)) => {
                self.obsolete_packet(block.block_type, block.data)
            }
            PcapBlockOwned::NG(_) => None,
        }
    }
}

impl Clocks {
    /// The frame in a block of a type that the parser does not know, if it is the Packet Block.
    fn obsolete_packet<'a>(&self, kind: u32, body: &'a [u8]) -> Option<Captured<'a>> {
        let big_endian = self.big_endian?;
        // The parser reads the type as little-endian in either section.
        let kind = if big_endian { kind.swap_bytes() } else { kind };
        if kind != OBSOLETE_PACKET {
            return None;
        }
        let word = |at: usize| {
            let word = body.get(at..at + 4)?.try_into().ok()?;
            Some(if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
        };
        // The interface is half a word, a count of drops the other half.
        let interface = if big_endian { word(0)? >> 16 } else { word(0)? & 0xffff };
        let interface = self.interfaces.get(usize::try_from(interface).ok()?)?;
        let units = i128::from(word(4)?) << 32 | i128::from(word(8)?);
        let data = body.get(20..)?.get(..usize::try_from(word(12)?).ok()?)?;
        Some(interface.frame(units, data))
    }
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>) -> Self {
        // Bit 7 tells powers of two from powers of ten (pcapng, section 4.2, if_tsresol).
        let power = u32::from(block.if_tsresol & 0x7f);
        let base: i128 = if block.if_tsresol & 0x80 == 0 { 10 } else { 2 };
        let resolution = base.checked_pow(power).unwrap_or(i128::MAX);
        Self { link: block.linktype.0, resolution, offset: block.if_tsoffset }
    }

    fn frame<'a>(&self, units: i128, data: &'a [u8]) -> Captured<'a> {
        // At most 2^64 units, of which a million to the second fit.
        let micros = units.saturating_mul(MICROS) / self.resolution;
        let micros = micros + i128::from(self.offset) * MICROS;
        let at = WallTime::from_micros(i64::try_from(micros).unwrap_or(0));
        Captured { at, untimed: false, link: self.link, data }
    }
}
