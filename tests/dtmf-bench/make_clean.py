#!/usr/bin/env python3
"""Draws a corpus that the weights are learnt from besides the bench's: make_clean.py OUT SEED

Key presses that no line has touched, not even G.711, at the edges of what must be heard; and duets
off the keys' frequencies by no more than a key may be, told from one by their harmonics alone.
"""

import sys

import numpy as np

from conformance import Bench
from digits import FREQ, KEYS, Corpus
from line import FS, amp, ms, ulaw
from network import natural

PRESSES = 160  # in a condition
IDLES = (-200, -80, -70, -200, -66, -200)  # dBm0 of the noise on the line; -200 is none
DEVIATIONS = (0, 0.8, 1.5)  # per cent
TAPES, CHORDS = 4, 500  # of duets: files, and chords in each


def as_sent(_, x):
    return x


def ordinary(corpus, rng):
    """Presses as people make them, a third of them short."""
    for i, idle in enumerate(IDLES):
        x, events = natural(rng, PRESSES, idle=idle, short=0.3, low=-24, high=-1).done()
        corpus.put("net_clean", "%d" % i, x, events)


def conforming(corpus, rng):
    """Short presses with each tone as far off its frequency as is said."""
    bench, u = Bench(corpus, rng, PRESSES), rng.uniform
    for off in DEVIATIONS:

        def press(q, k):
            q.add(
                k,
                u(41, 80),
                u(40, 70),
                row_off=off * rng.choice([-1, 1]),
                col_off=off * rng.choice([-1, 1]),
                level=u(-22, -3),
                twist=u(-7, 3.5),
                rise=rng.choice([0, 2, 4]),
            )

        bench.run("q24_clean", "dev%g" % off, press, law=as_sent)

    def edge(q, k):
        s1, s2 = rng.choice([-1, 1], 2)
        row, col = FREQ[k]
        q.add(k, 60, 60, row_off=s1 * (1.5 + 200 / row), col_off=s2 * (1.5 + 200 / col))

    bench.run("q24_clean", "edge", edge, 2 * PRESSES, law=as_sent)


def chord(rng):
    """Two notes near a key's tones, each with its second harmonic and at times its third."""
    u = rng.uniform
    n = ms(u(60, 700))
    t = np.arange(n) / FS
    y = np.zeros(n)
    for hertz, level in zip(FREQ[KEYS[rng.integers(16)]], (0, u(-6, 4))):
        hertz *= 1 + u(-0.013, 0.013)
        partials = [(1, level), (2, level + u(-15, -5))]
        if rng.random() < 0.5:
            partials.append((3, level + u(-15, -5)))
        for number, dbs in partials:
            if number * hertz < 3800:
                y += 10 ** (dbs / 20) * np.sin(2 * np.pi * number * hertz * t + u(0, 2 * np.pi))
    ramp = np.linspace(0, 1, ms(u(2, 25)))
    y[: len(ramp)] *= ramp
    y[-len(ramp) :] *= ramp[::-1]
    return np.concatenate([y * amp(u(-22, -6)), np.zeros(ms(u(20, 120)))])


def duets(corpus, rng):
    for i in range(TAPES):
        x = np.concatenate([chord(rng) for _ in range(CHORDS)])
        corpus.put("talkoff_duet", "%d" % i, x if i % 2 else ulaw(x), [])


def main():
    out, seed = sys.argv[1], int(sys.argv[2])
    corpus = Corpus(out)
    for i, part in enumerate((ordinary, conforming, duets)):
        part(corpus, np.random.default_rng([seed, i]))
    corpus.save(seed=seed, kind="clean")


if __name__ == "__main__":
    main()
