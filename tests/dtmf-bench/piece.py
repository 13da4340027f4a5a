"""A piece of music: a key, a chord progression, a tempo, a tune over it and an accompaniment.

How its notes are tuned and which voices lead is left to the two kinds of pieces: `music.py`, which
plays as musicians do, and `duets.py`, which does its worst.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal as sg

import timbre as T
from line import FS

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = [
    (0, 5, 3, 4),
    (0, 3, 4, 0),
    (0, 4, 5, 3),
    (0, 3, 0, 4),
    (1, 4, 0, 5),
    (0, 2, 3, 4),
    (5, 3, 0, 4),
    (0, 0, 3, 4, 0, 5, 1, 4),
]


@dataclass
class Style:
    """What a kind of music is made of. Chances are of a part being there at all."""

    leads: list
    duet: float = 0.5  # a second voice goes with the lead
    chords: float = 0.0  # the lead plays whole chords
    backing: float = 0.9
    bass: float = 0.9
    arpeggio: float = 0.3
    drums: float = 0.5
    beats: tuple = (0.25, 0.5, 0.5, 1, 1, 2, 4)  # note lengths
    bpm: tuple = (70, 150)
    reverb: float = 0.5
    gap: tuple = (0.0, 0.3)  # part of a note's time that is silent
    under: tuple = (3, 14)  # dB by which the accompaniment is softer
    share: int = 1  # of the minutes, beside the other styles


class Piece:
    """One piece: composed at construction, played by `play`. A kind of piece says which frequency a
    key has, where the tune lies and what goes with it."""

    BALANCE = (-8, 6)  # dB of the second voice above the first
    ARPEGGIO = T.STRUCK  # who plays the arpeggio
    HIGH_ARPEGGIO = 0.3  # chance that it is in the high group's octave
    VOICINGS = ((50, 66),)  # keys that the accompaniment's chords lie in

    def __init__(self, rng, style, seconds):
        self.rng, self.style, self.seconds = rng, style, seconds
        self.beat = 60 / rng.uniform(*style.bpm)
        self.scale = MAJOR if rng.random() < 0.65 else MINOR
        self.tonic = int(rng.integers(0, 12))
        self.chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
        self.mix = np.zeros(int((seconds + 3) * FS))

    # -------------------------------------------------------------- the kind of piece
    def hertz(self, key):
        """The frequency of a key."""
        raise NotImplementedError

    def compass(self):
        """The lowest and highest key of the tune."""
        raise NotImplementedError

    def partner(self, key):
        """The key that a second voice plays with this one."""
        raise NotImplementedError

    # -------------------------------------------------------------- harmony
    def keys(self, low, high, degrees=range(7)):
        """The keys of the scale's `degrees` within low..high."""
        classes = {(self.tonic + self.scale[d % 7]) % 12 for d in degrees}
        return [k for k in range(low, high + 1) if k % 12 in classes]

    def chord(self, at):
        """Degrees of the chord that sounds at a time: one chord for four beats."""
        root = self.chords[int(at / (4 * self.beat)) % len(self.chords)]
        return (root, root + 2, root + 4)

    # -------------------------------------------------------------- playing
    def put(self, instrument, key, at, length, level):
        sound = level * T.note(self.rng, instrument, self.hertz(key), length)
        start = int(at * FS)
        end = min(len(self.mix), start + len(sound))
        if start < end:
            self.mix[start:end] += sound[: end - start]

    def melody(self):
        """[(key, at, length)]: a walk over the scale in phrases with rests; chord keys on the
        beat."""
        rng, style = self.rng, self.style
        low, high = self.compass()
        scale = self.keys(low - 2, high + 2)
        here, at, out = int(rng.integers(len(scale))), rng.uniform(0.1, 0.5), []
        shape = rng.uniform(*style.gap)
        rhythm = rng.choice(style.beats, rng.integers(3, 9))
        while at < self.seconds:
            for beats in rhythm:
                length = max(0.06, min(2.0, beats * self.beat))
                here = int(
                    np.clip(here + rng.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3]), 0, len(scale) - 1)
                )
                key = scale[here]
                if rng.random() < 0.4:
                    fits = self.keys(low - 2, high + 2, self.chord(at))
                    key = min(fits, key=lambda k: abs(k - key)) if fits else key
                out.append((key, at, max(0.05, length * (1 - shape))))
                at += length
            if rng.random() < 0.3:
                at += self.beat * rng.choice([0.5, 1, 2])
        return out

    def lead(self):
        """The melody, its second voice and, in some pieces, a full chord below it."""
        rng, style = self.rng, self.style
        first = style.leads[rng.integers(len(style.leads))](rng)
        other = first if rng.random() < 0.6 else style.leads[rng.integers(len(style.leads))](rng)
        duet, chords = rng.random() < style.duet, rng.random() < style.chords
        balance = T.db(rng.uniform(*self.BALANCE))
        for key, at, length in self.melody():
            level = T.db(rng.uniform(-4, 0))
            self.put(first, key, at, length, level)
            if duet and rng.random() < 0.7:
                late = rng.choice([0.0, 0.0, rng.uniform(0, 0.03)])
                self.put(
                    other, self.partner(key), at + late, max(0.05, length - late), level * balance
                )
            if chords:
                for k in self.keys(key - 12, key - 3, self.chord(at)):
                    self.put(first, k, at, length, level * 0.6)

    def accompany(self, level):
        """Pad or comping chords, bass, arpeggio and drums, each with its chance."""
        rng, style = self.rng, self.style
        bar = 4 * self.beat
        bars = np.arange(0, self.seconds, bar)
        if rng.random() < style.backing:
            player = T.BACKING[rng.integers(len(T.BACKING))](rng)
            steps = int(rng.choice([1, 1, 2, 4]))
            low, high = self.VOICINGS[rng.integers(len(self.VOICINGS))]
            for at in bars:
                for step in range(steps):
                    for key in self.keys(low, high, self.chord(at)):
                        self.put(
                            player, key, at + step * bar / steps, bar / steps * 0.95, level * 0.5
                        )
        if rng.random() < style.bass:
            player = T.guitar(rng) if rng.random() < 0.5 else T.clarinet(rng)
            for at in bars:
                for step in (0, 2):
                    key = self.keys(36, 48, self.chord(at)[step // 2 : step // 2 + 1])[0]
                    self.put(player, key, at + step * self.beat, 1.8 * self.beat, level)
        if rng.random() < style.arpeggio:
            player = self.ARPEGGIO[rng.integers(len(self.ARPEGGIO))](rng)
            step = max(0.06, self.beat / int(rng.choice([2, 3, 4])))
            where = (74, 92) if rng.random() < self.HIGH_ARPEGGIO else (60, 78)
            for i, at in enumerate(np.arange(0, self.seconds, step)):
                notes = self.keys(*where, self.chord(at))
                self.put(player, notes[i % len(notes)], at, step, level * 0.8)
        if rng.random() < style.drums:
            self.drums(level)

    def drums(self, level):
        rng = self.rng
        for i, at in enumerate(np.arange(0, self.seconds, self.beat / 2)):
            for kind, due in (("kick", i % 4 == 0), ("snare", i % 4 == 2), ("hat", True)):
                if due:
                    sound = (
                        T.drum(rng, kind)
                        * level
                        * (1.5, 0.8, 0.3)[("kick", "snare", "hat").index(kind)]
                    )
                    start = int(at * FS)
                    self.mix[start : start + len(sound)] += sound[: len(self.mix) - start]

    def play(self, support=None):
        """The whole piece at any level. `support` is the least loudness of the accompaniment, in
        dB."""
        rng, style = self.rng, self.style
        under = -rng.uniform(*style.under)
        self.lead()
        if support is not None:
            self.drone(T.db(support))
        self.accompany(T.db(under))
        y = self.mix
        if rng.random() < style.reverb:
            y = reverb(rng, y)
        if rng.random() < 0.5:
            y = sg.sosfilt(sg.butter(3, [300, 3400], "band", fs=FS, output="sos"), y)
        return y[: int(self.seconds * FS)]

    def drone(self, level):
        """Held chords under everything."""
        player = T.pad(self.rng)
        bar = 4 * self.beat
        for at in np.arange(0, self.seconds, bar):
            for key in self.keys(52, 67, self.chord(at)):
                self.put(player, key, at, bar, level * 0.6)


def reverb(rng, x):
    """A room: noise that decays by 60 dB in .3 to 2 s, 6 to 18 dB under the direct sound."""
    length = rng.uniform(0.3, 2.0)
    t = np.arange(int(length * FS)) / FS
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / length)
    tail[: int(rng.uniform(0.005, 0.03) * FS)] = 0
    tail *= T.db(-rng.uniform(6, 18)) / np.sqrt(np.sum(tail**2))
    return x + sg.fftconvolve(x, tail)[: len(x)]
