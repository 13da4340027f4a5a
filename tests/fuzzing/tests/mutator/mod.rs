//! A small mutator: changes a seed in a few places, the same way in every run.

/// Values at which lengths and counters break.
const EDGES: [u8; 9] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b' ', b'-', b'9'];

/// Most bytes of what it makes.
const LONGEST: usize = 8_192;

/// The state of a xorshift generator.
pub(crate) struct Mutator(u64);

impl Mutator {
    /// The same name gives the same mutations.
    pub(crate) fn new(name: &str) -> Self {
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) | 1)
    }

    /// `seed` with one to six changes; parts may come from `others`.
    pub(crate) fn mutate(&mut self, seed: &[u8], others: &[&[u8]]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes, others);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, others: &[&[u8]]) {
        let (at, until) = self.range(bytes.len());
        match self.below(8) {
            0 => self
                .each(&mut bytes[at..until.min(at + 1)], |byte, random| byte ^ 1 << (random % 8)),
            1 => self.each(&mut bytes[at..until.min(at + 4)], |_, random| random),
            2 => self.each(&mut bytes[at..until.min(at + 2)], |_, random| {
                EDGES[usize::from(random) % EDGES.len()]
            }),
            3 => self.each(&mut bytes[at..until.min(at + 1)], |byte, random| {
                byte.wrapping_add(random % 5).wrapping_sub(2)
            }),
            4 => drop(bytes.drain(at..until)),
            5 => {
                let copy = bytes[at..until].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            6 => {
                let inserted: Vec<u8> = (0..self.below(8)).map(|_| self.byte()).collect();
                bytes.splice(at..at, inserted);
            }
            _ => {
                let other = others[self.below(others.len())];
                let (from, to) = self.range(other.len());
                bytes.splice(at..until, other[from..to].iter().copied());
            }
        }
    }

    fn each(&mut self, bytes: &mut [u8], change: impl Fn(u8, u8) -> u8) {
        for byte in bytes {
            *byte = change(*byte, self.byte());
        }
    }

    /// A range within `length`, short more often than long.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let at = self.below(length + 1);
        let most = if self.below(4) == 0 { length - at } else { (length - at).min(16) };
        (at, at + self.below(most + 1))
    }

    fn byte(&mut self) -> u8 {
        let [byte, ..] = self.next().to_be_bytes();
        byte
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a length");
        usize::try_from(self.next() % bound).expect("below a length")
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn mutations_differ_from_their_seed_and_are_the_same_in_every_run() {
    let seed = b"INVITE sip:a@b SIP/2.0\r\n".as_slice();
    let make = || {
        let mut mutator = Mutator::new("a target");
        (0..200).map(|_| mutator.mutate(seed, &[seed, b"other"])).collect::<Vec<_>>()
    };
    let made = make();
    assert_eq!(made, make());
    assert!(made.iter().filter(|bytes| **bytes != seed).count() > 150);
}
