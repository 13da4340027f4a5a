//! A packet's place in its stream: the index that its sequence number stands for, and whether it
//! was there before (RFC 3711 §3.3.1, §3.3.2, Appendix A).

/// How many packets behind the newest one may still come. RFC 3711 §3.3.2 asks for 64.
const WINDOW: u64 = 128;
/// The first index that has no number any more: the key is used up (RFC 3711 §9.2).
const END_OF_RTP: u64 = 1 << 48;

/// The indices received of one stream: the highest, and which of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    highest: u64,
    /// Bit n stands for `highest - n`.
    seen: u128,
}

impl Window {
    /// A stream whose first packet was `index`.
    pub(crate) const fn starting(index: u64) -> Self {
        Self { highest: index, seen: 1 }
    }

    /// Whether `index` was received, or is too old to know.
    pub(crate) fn has(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => false,
            Some(behind) if behind >= WINDOW => true,
            Some(behind) => self.seen >> behind & 1 == 1,
        }
    }

    /// Notes an index that passed authentication.
    pub(crate) fn note(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            None => {
                let behind = self.highest - index;
                self.seen |= if behind < WINDOW { 1 << behind } else { 0 };
            }
            Some(ahead) => {
                self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
                self.highest = index;
            }
        }
    }

    /// The index that `sequence` most likely stands for; `None` before the first or after the last
    /// there can be.
    pub(crate) fn guess(&self, sequence: u16) -> Option<u64> {
        guess(self.highest, sequence)
    }

    /// How often the sequence number has gone round.
    pub(crate) const fn rollovers(&self) -> u64 {
        self.highest >> 16
    }
}

/// The index with this sequence number that is nearest to `highest`.
pub(crate) fn guess(highest: u64, sequence: u16) -> Option<u64> {
    let [.., high, low] = highest.to_be_bytes();
    let distance = sequence.wrapping_sub(u16::from_be_bytes([high, low])).cast_signed();
    let index = highest.checked_add_signed(i64::from(distance))?;
    (index < END_OF_RTP).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Appendix A of RFC 3711, in its own terms.
    fn appendix_a(highest: u64, sequence: u16) -> i64 {
        let (roc, last) =
            (i64::try_from(highest >> 16).unwrap(), i64::try_from(highest & 0xffff).unwrap());
        let seq = i64::from(sequence);
        let v = if last < 32_768 {
            if seq - last > 32_768 { roc - 1 } else { roc }
        } else if last - 32_768 > seq {
            roc + 1
        } else {
            roc
        };
        seq + v * 65_536
    }

    proptest! {
        #[test]
        fn the_index_is_that_of_appendix_a(highest in 0..END_OF_RTP, sequence: u16) {
            // At half a round both answers are as near, and neither packet is believed.
            let half = i64::from(u16::try_from(highest & 0xffff).unwrap()) - i64::from(sequence);
            prop_assume!(half.abs() != 32_768);
            let wanted = appendix_a(highest, sequence);
            let wanted = u64::try_from(wanted).ok().filter(|&index| index < END_OF_RTP);
            prop_assert_eq!(guess(highest, sequence), wanted);
        }

        #[test]
        fn every_index_passes_once(indices in proptest::collection::vec(0u64..600, 1..200)) {
            let mut window = Window::starting(indices[0]);
            let mut received = std::collections::BTreeSet::from([indices[0]]);
            for &index in &indices[1..] {
                let highest = *received.last().unwrap();
                let wanted = received.contains(&index) || index + WINDOW <= highest;
                prop_assert_eq!(window.has(index), wanted, "{} after {}", index, highest);
                if !wanted {
                    window.note(index);
                    received.insert(index);
                }
            }
        }
    }

    #[test]
    fn a_sequence_number_goes_round_in_both_directions() {
        assert_eq!(guess(65_535, 0), Some(65_536));
        assert_eq!(guess(65_536, 65_535), Some(65_535));
        assert_eq!(guess(2, 65_535), None);
        assert_eq!(guess(END_OF_RTP - 1, 0), None);
    }
}
