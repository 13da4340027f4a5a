use super::{Kernel, LANES, Vectors, plain, widest};
use crate::bands::{STEP, TAPS};

/// Everything that vectors can do, with some sound and some numbers.
struct All<'a> {
    sounds: &'a [[i16; TAPS + STEP]; 2],
    numbers: &'a [[f32; LANES]; 3],
}

impl Kernel for All<'_> {
    type Output = [[f32; LANES]; 21];

    #[inline(always)]
    fn run(self, v: impl Vectors) -> Self::Output {
        let [low, high] = [v.split(&self.sounds[0]), v.split(&self.sounds[1])];
        let [a, b, c] = self.numbers.each_ref().map(|numbers| v.load(numbers));
        let ([first, second], [third, fourth]) = (v.sums(a, c), v.sums_of_bands(b));
        let above = f32::from(v.above(b, a));
        let rows = v.transpose([a, b, c, low, a * a, b * b, c * c, high]);
        let singly = [
            low,
            high,
            a * b - c,
            a + b * v.all(0.1) + v.all(3.0),
            v.reversed(c),
            v.all(first) + b,
            v.all(second) + b,
            v.all(third) * a + v.all(fourth),
            v.least(a, b),
            v.most(b, c),
            v.where_above(a, b, c),
            v.behind(0.5, a),
            v.all(v.energy(self.sounds[0].first_chunk().expect("a hop"))),
        ];
        let mut out = singly.into_iter().chain(rows).map(|vector| v.store(vector));
        let mut out: Self::Output = std::array::from_fn(|_| out.next().expect("21 vectors"));
        out[12][0] += above;
        out
    }
}

#[test]
fn all_vectors_agree_to_the_last_bit() {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [.., low, high] = state.to_le_bytes();
        i16::from_le_bytes([low, high])
    };
    let mut seen = [false; 21];
    for round in 0..1_000 {
        let sounds = match round {
            0 => [[i16::MIN; TAPS + STEP]; 2],
            1 => [[i16::MAX; TAPS + STEP]; 2],
            _ => std::array::from_fn(|_| std::array::from_fn(|_| next() >> (round % 12))),
        };
        let numbers = std::array::from_fn(|_| std::array::from_fn(|_| f32::from(next()) / 7.0));
        let all = All { sounds: &sounds, numbers: &numbers };
        let plainly = All { ..all }.run(plain::Plain);
        for (seen, numbers) in seen.iter_mut().zip(&plainly) {
            *seen |= numbers.iter().any(|&x| x != 0.0);
        }
        assert_eq!(widest(All { ..all }), plainly);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(All { ..all }.run(super::sse2::Sse2), plainly);
    }
    assert_eq!(seen, [true; 21], "nothing is compared with nothing");
}
