//! Datagrams that IP sent in pieces (RFC 791 §3.2, RFC 8200 §4.5), put together again.
//!
//! An INVITE with many headers is longer than a frame. What is missing is counted and never
//! guessed; memory is bounded, whatever a capture holds. Checksums are not looked at.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use etherparse::IpNumber;
use partyline_model::WallTime;

/// Datagrams that are put together at a time.
const WAITING: usize = 64;
/// The pieces of one are not further apart than this: 30 s, as hosts wait.
const PATIENCE: i64 = 30_000_000;
/// What a datagram may hold, and as much again in pieces that overlap.
const MOST: usize = 2 * 65_535;

/// Which datagram a piece is of: source, destination, protocol, identification.
pub(crate) type Whole = (IpAddr, IpAddr, IpNumber, u32);

/// A piece of a UDP datagram, or of a tunnel's packet.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) of: Whole,
    /// Octets before it.
    pub(crate) offset: usize,
    /// Whether others follow.
    pub(crate) more: bool,
    pub(crate) payload: &'a [u8],
}

/// Pieces of one datagram.
struct Held {
    of: Whole,
    began: WallTime,
    frames: u64,
    octets: usize,
    /// By their offsets.
    pieces: BTreeMap<usize, Vec<u8>>,
    /// How long the datagram is, once its last piece came.
    length: Option<usize>,
    /// The datagram was given; what comes of it again is a copy from another interface.
    given: bool,
}

/// Datagrams of which pieces are still missing.
#[derive(Default)]
pub(crate) struct Fragments {
    held: VecDeque<Held>,
    left_out: u64,
}

impl Fragments {
    /// Takes a piece; gives what the datagram carries, the UDP header included, when that is the last one.
    pub(crate) fn handle(&mut self, at: WallTime, piece: &Piece<'_>) -> Option<Vec<u8>> {
        let index = self.find(at, piece.of);
        let held = self.held.get_mut(index)?;
        if held.given {
            return None;
        }
        held.frames += 1;
        held.octets += piece.payload.len();
        held.pieces.insert(piece.offset, piece.payload.to_vec());
        if !piece.more {
            held.length = Some(piece.offset + piece.payload.len());
        }
        if held.octets > MOST {
            self.drop(index);
            return None;
        }
        let whole = held.whole()?;
        held.given = true;
        held.pieces.clear();
        Some(whole)
    }

    /// Frames that hold pieces of datagrams that never became whole.
    pub(crate) fn left_out(mut self) -> u64 {
        while !self.held.is_empty() {
            self.drop(0);
        }
        self.left_out
    }

    /// The place of a datagram, made when it is a new one.
    fn find(&mut self, at: WallTime, of: Whole) -> usize {
        if let Some(index) = self.held.iter().position(|held| held.of == of) {
            let apart = at.as_micros().saturating_sub(self.held[index].began.as_micros());
            if apart <= PATIENCE {
                return index;
            }
            // The number is used again.
            self.drop(index);
        }
        if self.held.len() == WAITING {
            self.drop(0);
        }
        self.held.push_back(Held {
            of,
            began: at,
            frames: 0,
            octets: 0,
            pieces: BTreeMap::new(),
            length: None,
            given: false,
        });
        self.held.len() - 1
    }

    fn drop(&mut self, index: usize) {
        let held = self.held.remove(index);
        self.left_out += held.filter(|held| !held.given).map_or(0, |held| held.frames);
    }
}

impl Held {
    fn whole(&self) -> Option<Vec<u8>> {
        let length = self.length?;
        let mut whole = Vec::with_capacity(length);
        for (&offset, piece) in &self.pieces {
            let known = whole.len().checked_sub(offset)?;
            whole.extend_from_slice(piece.get(known..).unwrap_or_default());
        }
        (whole.len() == length).then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> WallTime {
        WallTime::from_micros(ms * 1_000)
    }

    fn of(id: u32) -> Whole {
        ("192.0.2.1".parse().unwrap(), "198.51.100.7".parse().unwrap(), IpNumber::UDP, id)
    }

    fn piece(id: u32, offset: usize, more: bool, payload: &[u8]) -> Piece<'_> {
        Piece { of: of(id), offset, more, payload }
    }

    #[test]
    fn pieces_in_any_order_make_the_datagram_once() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.handle(at(0), &piece(1, 16, false, b"end")), None);
        assert_eq!(fragments.handle(at(0), &piece(2, 0, true, b"another.")), None);
        assert_eq!(fragments.handle(at(1), &piece(1, 0, true, b"begin...")), None);
        assert_eq!(fragments.handle(at(1), &piece(1, 0, true, b"begin...")), None);
        let whole = fragments.handle(at(2), &piece(1, 8, true, b"middle.."));
        assert_eq!(whole.as_deref(), Some(&b"begin...middle..end"[..]));
        // The copy of a second interface.
        assert_eq!(fragments.handle(at(3), &piece(1, 16, false, b"end")), None);
        assert_eq!(fragments.left_out(), 1);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(fragments.handle(at(0), &piece(1, 0, true, b"old half")), None);
        assert_eq!(fragments.handle(at(31_000), &piece(1, 8, false, b"new end")), None);
        let whole = fragments.handle(at(31_001), &piece(1, 0, true, b"new half"));
        assert_eq!(whole.as_deref(), Some(&b"new halfnew end"[..]));
        assert_eq!(fragments.left_out(), 1);
    }

    #[test]
    fn memory_is_bounded_and_what_was_given_up_is_counted() {
        let mut fragments = Fragments::default();
        for id in 0..1_000 {
            assert_eq!(fragments.handle(at(0), &piece(id, 8, true, b"piece")), None);
        }
        assert_eq!(fragments.held.len(), WAITING);
        for n in 0..100 {
            assert_eq!(fragments.handle(at(0), &piece(1_000, 8 * n, true, &[0; 9_000])), None);
        }
        assert!(fragments.held.iter().all(|held| held.octets <= MOST));
        assert_eq!(fragments.left_out(), 1_100);
    }

    proptest! {
        #[test]
        fn a_datagram_is_whole_or_is_not_given(
            cuts in proptest::collection::btree_set(1_usize..200, 0..6),
            order in any::<prop::sample::Index>(), missing: Option<prop::sample::Index>,
        ) {
            let datagram: Vec<u8> = (0..200).collect();
            let bounds: Vec<usize> = [0].into_iter().chain(cuts).chain([200]).collect();
            let mut pieces: Vec<Piece<'_>> = bounds
                .windows(2)
                .map(|b| piece(7, b[0], b[1] < 200, &datagram[b[0]..b[1]]))
                .collect();
            let turn = order.index(pieces.len());
            pieces.rotate_left(turn);
            if let Some(missing) = missing {
                pieces.remove(missing.index(pieces.len()));
            }
            let mut fragments = Fragments::default();
            let given: Vec<Vec<u8>> =
                pieces.iter().filter_map(|piece| fragments.handle(at(0), piece)).collect();
            if missing.is_none() {
                prop_assert_eq!(given, [datagram]);
                prop_assert_eq!(fragments.left_out(), 0);
            } else {
                prop_assert!(given.is_empty());
                prop_assert_eq!(fragments.left_out(), pieces.len() as u64);
            }
        }
    }
}
