"""Q.24: what a receiver has to accept and to reject by ITU-T Q.23 and Q.24 (the AT&T column), with
the edges of ETSI ES 201 235-3 and of the usual receiver chips (1.5 % + 2 Hz). Everything goes
through G.711.
"""

import numpy as np

from digits import FREQ, Seq, drawn
from line import awgn, band, echo, g711, sines

SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


class Bench:
    """Puts runs of n keys into a corpus; every run is one condition."""

    def __init__(self, corpus, rng, n):
        self.corpus, self.rng, self.n = corpus, rng, n

    def run(self, category, condition, press, n=None, line=None, law=g711):
        """`press(seq, key)` presses a key of the run; `line(x)` is added to or done to the
        sound."""
        q = Seq(self.rng)
        for key in drawn(self.rng, n or self.n):
            press(q, key)
        x, events = q.done()
        if line:
            x = line(x)
        self.corpus.put(category, condition, law(self.rng, x), events)


def frequency(b):
    for d in (0, 0.5, 1.0, 1.5):
        category = "q24_freq_1.5pct_both" if d == 1.5 else "q24_freq_le1pct"
        for s1, s2 in SIGNS if d else ((1, 1),):
            b.run(
                category,
                "dev%+.1f%+.1f" % (s1 * d, s2 * d),
                lambda q, k: q.add(k, 50, 50, row_off=s1 * d, col_off=s2 * d),
            )
    one = Bench(b.corpus, np.random.default_rng(int(b.rng.integers(1 << 30))), 2 * b.n)
    for which in ("row", "col"):

        def press(q, k):
            s = one.rng.choice([-1.5, 1.5])
            q.add(k, 50, 50, row_off=s * (which == "row"), col_off=s * (which == "col"))

        one.run("q24_freq_1.5pct_one", which, press)

    def edge(q, k):
        s1, s2 = b.rng.choice([-1, 1], 2)
        row, col = FREQ[k]
        q.add(k, 50, 50, row_off=s1 * (1.5 + 200 / row), col_off=s2 * (1.5 + 200 / col))

    b.run("q24_freq_edge_1.5pct+2Hz", "mix", edge, 2 * b.n)


def frequency_off(b):
    for d in (2.5, 3.0):

        def press(q, k):
            w = b.rng.integers(2)
            q.add(
                k,
                60,
                60,
                "dontcare",
                row_off=w * d * b.rng.choice([-1, 1]),
                col_off=(1 - w) * d * b.rng.choice([-1, 1]),
            )

        b.run("q24_freq_dontcare", "dev%.1f" % d, press)
    for d in (3.5, 4.0):
        for which in ("row", "col", "both"):

            def press(q, k):
                s1, s2 = b.rng.choice([-1, 1], 2)
                q.add(
                    k,
                    80,
                    60,
                    "reject",
                    row_off=(which != "col") * d * s1,
                    col_off=(which != "row") * d * s2,
                )

            b.run("q24_freq_reject", "%s%.1f" % (which, d), press)


def level_and_twist(b):
    u = b.rng.uniform
    for t in range(-8, 5):
        b.run(
            "q24_twist_edge_-8_+4" if t in (-8, 4) else "q24_twist_-7..+3",
            "%+d" % t,
            lambda q, k: q.add(
                k, 50, 50, level=u(-14, -6), twist=t, row_off=u(-1, 1), col_off=u(-1, 1)
            ),
        )
    for t in (-12, -10, 6, 8):
        b.run(
            "q24_twist_dontcare",
            "%+d" % t,
            lambda q, k: q.add(k, 50, 50, "dontcare", level=-8, twist=t),
        )
    for l in (0, -1, -2, -3, -6, -10, -15, -20, -22, -24, -25):
        b.run(
            "q24_level_accept",
            "%+d" % l,
            lambda q, k: q.add(k, 50, 50, level=l, row_off=u(-1, 1), col_off=u(-1, 1)),
        )
    for l in (-29, -32, -36, -40):
        b.run(
            "q24_level_low_dontcare", "%+d" % l, lambda q, k: q.add(k, 60, 60, "dontcare", level=l)
        )
    b.run(
        "q24_level_reject_-55",
        "x",
        lambda q, k: q.add(k, 100, 60, "reject", level=-55),
        law=lambda _, x: x,
    )


def timing(b):
    u = b.rng.uniform
    for on, off in ((40, 40), (42, 41), (45, 40), (50, 43), (60, 40)):
        b.run(
            "q24_timing_accept",
            "%d_%d" % (on, off),
            lambda q, k: q.add(
                k,
                on + u(0, 0.8),
                off + u(0, 0.8),
                row_off=u(-1.5, 1.5),
                col_off=u(-1.5, 1.5),
                level=u(-20, -5),
                twist=u(-6, 3),
            ),
            2 * b.n,
        )

    def again(q, k):
        for _ in range(4):
            q.add(k, 45 + u(0, 3), 40 + u(0, 3))

    b.run("q24_timing_repeat_key", "45_40", again, b.n // 2)
    for on in (10, 15, 20, 22.9):
        b.run(
            "q24_timing_reject_short",
            "%g" % on,
            lambda q, k: q.add(k, on, 60 + u(0, 13), "reject", level=u(-15, -4)),
        )
    for on in (26, 30, 35):
        b.run(
            "q24_timing_dontcare", "%g" % on, lambda q, k: q.add(k, on, 60 + u(0, 13), "dontcare")
        )
    for hole in (2, 5, 10):
        b.run(
            "q24_interruption",
            "%dms" % hole,
            lambda q, k: q.add(k, 2 * 45 + hole + u(0, 30), 60, hole=hole),
        )


def disturbed(b):
    rng, u = b.rng, b.rng.uniform
    for snr in (24, 20, 18, 15, 12, 9, 6):
        for kind in (awgn, band):
            b.run(
                "q24_noise_ge15dB" if snr >= 15 else "q24_noise_%ddB" % snr,
                "%s%d" % (kind.__name__, snr),
                lambda q, k: q.add(k, 50, 50, level=-12),
                line=lambda x: x + kind(rng, len(x), -12 + 3.01 - snr),
            )
    for f0 in (50, 60):
        for rel in (10, 0):
            hum = [(f0, -14 - rel), (3 * f0, -24 - rel), (5 * f0, -34 - rel)]
            b.run(
                "q24_hum_shr%ddB" % rel,
                "%d" % f0,
                lambda q, k: q.add(k, 50, 50, level=-14, twist=u(-5, 3)),
                line=lambda x: x + sines(rng, len(x), hum),
            )
    for name, tones in (("us", (350, 440)), ("eu", (425,))):
        for rel in (15, 10, 5, 0, -5):
            each = -12 - rel - (3 if len(tones) > 1 else 0)
            b.run(
                "q24_dialtone_sdr%s" % ("5-15" if rel >= 5 else "0_-5"),
                "%s_%+d" % (name, rel),
                lambda q, k: q.add(
                    k, 60, 60, level=-12, twist=u(-4, 2), row_off=u(-1, 1), col_off=u(-1, 1)
                ),
                line=lambda x: x + sines(rng, len(x), [(f, each) for f in tones]),
            )
    for delay in (5, 20, 40, 60):
        for loss in (25, 15, 10):
            b.run(
                "q24_echo",
                "%dms_%ddB" % (delay, loss),
                lambda q, k: q.add(
                    k, 60, 70, level=u(-14, -5), twist=u(-5, 3), row_off=u(-1, 1), col_off=u(-1, 1)
                ),
                line=lambda x: echo(x, delay, loss),
            )


def q24(corpus, rng, n):
    """Every condition with n keys each."""
    b = Bench(corpus, rng, n)
    for part in (frequency, frequency_off, level_and_twist, timing, disturbed):
        part(b)
