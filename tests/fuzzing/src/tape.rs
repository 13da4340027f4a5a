//! Reads a state machine's inputs off a string of bytes, from the front.
//!
//! Every string of bytes is a sequence of inputs, and a change of one byte changes little of what
//! follows: what a fuzzer needs to get anywhere, and what seeds can be written in by hand.

/// A string of bytes that is read once. Behind its end it is all zeros.
pub(crate) struct Tape<'a> {
    left: &'a [u8],
}

impl<'a> Tape<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// So many bytes, or as many as there are.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, left) = self.left.split_at(length.min(self.left.len()));
        self.left = left;
        taken
    }

    /// A byte says how many.
    pub(crate) fn chunk(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.take(length)
    }

    /// Two bytes say how many.
    pub(crate) fn long_chunk(&mut self) -> &'a [u8] {
        let length = usize::from(self.u16());
        self.take(length)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}

#[cfg(test)]
mod tests {
    use super::Tape;

    #[test]
    fn a_tape_gives_its_bytes_in_order_and_zeros_behind_its_end() {
        let mut tape = Tape::new(&[1, 2, 0, 2, 8, 9, 7, 5]);
        assert_eq!((tape.byte(), tape.u16()), (1, 2));
        assert_eq!(tape.chunk(), [8, 9]);
        assert!(tape.long_chunk().is_empty());
        assert!(tape.is_at_end());
        assert_eq!((tape.u32(), tape.u64()), (0, 0));
    }
}
