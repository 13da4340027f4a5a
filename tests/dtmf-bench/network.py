"""Key presses as people and phones send them, through what a network does: transcoding, loss with
concealment, slips, talkers and noise beside the digit, echo, clipping, gain control.
"""

import numpy as np

from digits import Seq, drawn
from line import alaw, band, codecs, echo, g711, lose, ms, pink, rms_of, skew, slips, ulaw


def natural(rng, n, idle=-66, short=0.15, low=-22, high=-5):
    """A run of n keys of ordinary lengths; the share `short` of them lasts 45 to 60 ms."""
    q, u = Seq(rng, idle), rng.uniform
    for k in drawn(rng, n):
        duration = u(45, 60) if rng.random() < short else u(65, 180)
        q.add(
            k,
            duration,
            u(50, 200),
            level=u(low, high),
            twist=u(-6, 3),
            row_off=u(-1.2, 1.2),
            col_off=u(-1.2, 1.2),
            rise=rng.choice([0, 0, 2, 5]),
        )
    return q


def held(rng, n, low, high):
    """A run of keys held for .4 to 1.5 s."""
    q, u = Seq(rng, -60), rng.uniform
    for k in drawn(rng, max(8, n // 4)):
        q.add(
            k,
            u(400, 1500),
            u(80, 300),
            level=u(low, high),
            twist=u(-6, 3),
            row_off=u(-1.2, 1.2),
            col_off=u(-1.2, 1.2),
        )
    return q


def excerpt(rng, speech, n):
    i = int(rng.integers(0, max(1, len(speech) - n)))
    y = speech[i : i + n]
    return np.pad(y, (0, n - len(y)))


def talked_over(rng, q, speech, sir):
    """(sound, labels): speech `sir` dB under the mean power of the key presses, measured where it
    is active."""
    x, events = q.done()
    s = excerpt(rng, speech, len(x))
    active = np.abs(s) > 0.1 * np.sqrt(np.mean(s**2))
    gain = np.sqrt(q.mean_power() / np.mean(s[active] ** 2) / 10 ** (sir / 10))
    return x + s * gain, events


def mark_lost(events, lost, need=40):
    """A press of which less than `need` ms in a row survived is nobody's fault: dontcare."""
    for event in events:
        best = run = 0
        for gone in lost[int(event["onset_ms"] * 8) : int(event["offset_ms"] * 8)]:
            run = 0 if gone else run + 1
            best = max(best, run)
        if best < need * 8:
            event["expect"] = "dontcare"
    return events


class Network:
    """The corpus's network part: runs of n keys; `speech` is what talkers say."""

    def __init__(self, corpus, rng, n, speech):
        self.corpus, self.rng, self.n, self.speech = corpus, rng, n, speech

    def put(self, category, condition, x, events):
        self.corpus.put(category, condition, g711(self.rng, x), events)

    def transcoding(self):
        tandems = (
            ("ulaw1", ulaw),
            ("alaw1", alaw),
            ("ulaw_alaw", lambda x: alaw(ulaw(x))),
            ("u_a_u_gain", lambda x: ulaw(0.7 * alaw(1.2 * ulaw(x)))),
            ("a_u_a", lambda x: alaw(ulaw(alaw(x)))),
        )
        for name, tandem in tandems:
            x, events = natural(self.rng, self.n).done()
            self.corpus.put("net_g711_transcode", name, tandem(x), events)
        for name, codec in codecs():
            x, events = natural(self.rng, self.n, short=0.1).done()
            self.corpus.put("net_codec_" + name, "x", ulaw(codec(x)), events)

    def packets(self):
        rng = self.rng
        for concealment in ("zero", "rep"):
            for percent in (1, 3, 5, 10):
                x, events = natural(rng, self.n * (2 if percent < 5 else 1), short=0.05).done()
                y, lost = lose(rng, g711(rng, x), percent / 100, concealment)
                self.corpus.put(
                    "net_loss_%s_%dpct" % (concealment, percent),
                    "burst1",
                    y,
                    mark_lost(events, lost),
                )
        for ppm in (-100, 100):
            x, events = natural(rng, self.n).done()
            x = skew(x, ppm)
            for event in events:
                for edge in ("onset_ms", "offset_ms"):
                    event[edge] = round(event[edge] / (1 + ppm * 1e-6), 2)
            self.put("net_clock_skew", "%+dppm" % ppm, x, events)
        for every in (1.0, 0.4):
            x, events = slips(rng, *natural(rng, self.n).done(), every)
            self.put("net_slips", "every%gs" % every, x, events)

    def levels(self):
        rng, u = self.rng, self.rng.uniform
        for gain in (6, 12, 18):
            x, events = natural(rng, self.n, high=-8, low=-12).done()
            self.put(
                "net_clipping_+%ddB" % gain,
                "x",
                np.clip(x * 10 ** (gain / 20), -24000, 24000),
                events,
            )
        for loss in (10, 15, 20, 25):
            x, events = natural(rng, self.n).done()
            self.put("net_echo", "%ddB" % loss, echo(x, u(20, 60), loss), events)

    def beside(self):
        """Noise, a talker, and three talkers that leak back from the mix with an echo."""
        rng, u = self.rng, self.rng.uniform
        for kind in (pink, band):
            for snr in (15, 10, 5):
                q = natural(rng, self.n, low=-14, high=-8)
                x, events = q.done()
                x = x + kind(rng, len(x), 10 * np.log10(q.mean_power() / rms_of(0) ** 2) - snr)
                self.put("net_noise_%ddB" % snr, kind.__name__, x, events)
        for sir in (20, 15, 10, 5, 0, -5):
            q = natural(rng, self.n, low=-14, high=-8, short=0)
            self.put("net_talker_sir%+d" % sir, "r0", *talked_over(rng, q, self.speech, sir))
        for sir in (15, 10, 5):
            q = natural(rng, self.n, low=-14, high=-8, short=0)
            three = sum(excerpt(rng, self.speech, q.n + 4000) for _ in range(3))
            self.put(
                "net_mixleak_sir%+d" % sir,
                "3talkers",
                *talked_over(rng, q, echo(three, u(30, 80), 12), sir)
            )

    def gain_control(self):
        rng, u = self.rng, self.rng.uniform
        x, events = natural(rng, self.n, short=0).done()
        for event in events:  # a noise suppressor opens late
            a, k = int(event["onset_ms"] * 8), ms(u(10, 30))
            x[a : a + k] *= np.linspace(0, 0.3, k)
        self.put("net_onset_fade", "10-30ms", x, events)
        x, events = natural(rng, self.n, short=0).done()
        for event in events:  # automatic gain turns a long press down
            a, b = int(event["onset_ms"] * 8), int(event["offset_ms"] * 8)
            x[a:b] *= 10 ** (np.linspace(0, -u(6, 10), b - a) / 20)
        self.put("net_agc_ramp", "6-10dB", x, events)

    def together(self):
        rng, u = self.rng, self.rng.uniform
        x, events = talked_over(
            rng, natural(rng, self.n, low=-16, high=-6, short=0), self.speech, 12
        )
        x = echo(x, u(20, 60), 15) + pink(rng, len(x), -45)
        y, lost = lose(rng, alaw(ulaw(x)), 0.02, "rep")
        self.corpus.put("net_combo", "r0", y, mark_lost(events, lost))

    def long_holds(self):
        """Must be one digit each."""
        rng = self.rng
        x, events = held(rng, self.n, -22, -5).done()
        y, _ = lose(rng, g711(rng, x), 0.02, "rep")
        self.corpus.put("net_long_hold_loss2pct", "rep", y, events)
        x, events = talked_over(rng, held(rng, self.n, -14, -8), self.speech, 12)
        self.put("net_long_hold_talker12dB", "x", x, events)


def network(corpus, rng, n, speech):
    """Every condition with about n keys each."""
    net = Network(corpus, rng, n, speech)
    for part in (
        net.transcoding,
        net.packets,
        net.levels,
        net.beside,
        net.gain_control,
        net.together,
        net.long_holds,
    ):
        part()
