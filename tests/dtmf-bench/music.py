"""Composes and plays pieces whose notes lie on or near the DTMF frequencies.

A piece has a key, a chord progression, a tempo and voices. A note of the equally tempered scale is
never more than 3 % away from the grid frequency that it is nearest to, so any tune can be moved
onto the grid: each key of the piece's scale is given a frequency once, exactly on the grid or up to
3 % off it. Where a voice sits in the high group's octave and another in the low group's, they sound
tone pairs.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal as sg

import timbre as T
from digits import COL, ROW
from line import FS

GRID = np.array(ROW + COL)
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
LOW, HIGH = (77, 82), (86, 92)  # MIDI keys in whose range the two groups lie


class Tuning:
    """The frequency of each key in one piece."""

    def __init__(self, rng):
        self.rng = rng
        self.concert = 440.0 * (1 + rng.uniform(-0.02, 0.02))
        self.moved = rng.random() < 0.6  # the others are tuned as a band tunes
        self.exact = rng.uniform(0.3, 0.8)  # how many moved keys are exactly on the grid
        self.known = {}

    def hertz(self, key):
        if key not in self.known:
            f = self.concert * 2 ** ((key - 69) / 12)
            self.known[key] = self.near(f) if self.moved else f
        return self.known[key]

    def near(self, f):
        """f moved to the grid, to a half or a third of it (so that a harmonic is on the grid), or
        left."""
        part = 1 if f > 650 else int(self.rng.choice([1, 2, 3]))
        target = GRID[np.argmin(np.abs(np.log(GRID / (part * f))))] / part
        if abs(target / f - 1) > 0.031:
            return f
        off = self.rng.uniform(-0.003, 0.003) if self.rng.random() < 0.3 else 0.0
        return target * (
            1 + (off if self.rng.random() < self.exact else self.rng.uniform(-0.03, 0.03))
        )


@dataclass
class Style:
    """What a kind of music is made of. Chances are of a part being there at all."""

    leads: list
    duet: float = 0.5  # a second voice goes with the lead, a third to a ninth away
    chords: float = 0.0  # the lead plays whole chords
    backing: float = 0.5
    bass: float = 0.4
    arpeggio: float = 0.2
    drums: float = 0.2
    beats: tuple = (0.25, 0.5, 0.5, 1, 1, 2, 4)  # note lengths
    bpm: tuple = (70, 150)
    reverb: float = 0.5
    gap: tuple = (0.0, 0.3)  # part of a note's time that is silent
    under: tuple = (4, 22)  # dB by which the accompaniment is softer


STYLES = {
    "hold": Style(
        T.SUSTAINED + T.STRUCK,
        backing=1,
        bass=0.9,
        drums=0.7,
        arpeggio=0.4,
        bpm=(80, 125),
        under=(2, 16),
    ),
    "winds": Style(
        [T.flute, T.ocarina, T.recorder, T.clarinet, T.pan_pipe],
        duet=0.6,
        backing=0.5,
        bpm=(60, 130),
    ),
    "organ": Style(
        [T.organ_flute, T.drawbar, T.principal],
        duet=0.5,
        chords=0.5,
        backing=0.3,
        bass=0.7,
        beats=(0.5, 1, 1, 2, 4),
        reverb=0.8,
    ),
    "plucked": Style(
        [T.harp, T.guitar, T.piano, T.electric_piano], duet=0.5, arpeggio=0.7, reverb=0.4
    ),
    "bells": Style(
        [T.music_box, T.bell, T.fm_bell, T.vibraphone, T.glass],
        duet=0.5,
        backing=0.6,
        beats=(0.25, 0.5, 0.5, 1, 1, 2),
        reverb=0.6,
    ),
    "mallets": Style(
        [T.marimba, T.vibraphone, T.steel_drum, T.music_box],
        duet=0.5,
        drums=0.4,
        arpeggio=0.5,
        bpm=(90, 170),
        beats=(0.25, 0.25, 0.5, 0.5, 1),
    ),
    "synth": Style(
        [T.sine_lead, T.triangle_lead, T.square_lead],
        duet=0.5,
        backing=0.7,
        drums=0.6,
        arpeggio=0.6,
        bpm=(90, 180),
        beats=(0.25, 0.25, 0.5, 0.5, 1, 2),
    ),
    "ensemble": Style(
        [T.strings, T.choir, T.brass, T.accordion, T.flute],
        duet=0.6,
        chords=0.3,
        backing=0.8,
        bass=0.8,
        under=(0, 12),
    ),
    "hollow": Style(
        T.HOLLOW,
        duet=0.8,
        backing=0.35,
        bass=0.3,
        arpeggio=0.1,
        drums=0.05,
        beats=(0.25, 0.5, 0.5, 1, 2),
        under=(10, 24),
    ),
    "phrases": Style(
        T.HOLLOW + T.STRUCK,
        duet=0.6,
        backing=0.3,
        bass=0.2,
        bpm=(100, 200),
        beats=(0.25, 0.25, 0.25, 0.5),
        gap=(0.2, 0.6),
    ),
}


class Piece:
    """One piece: composed at construction, played by `play`."""

    def __init__(self, rng, style, seconds):
        self.rng, self.style, self.seconds = rng, style, seconds
        self.tuning = Tuning(rng)
        self.beat = 60 / rng.uniform(*style.bpm)
        self.scale = MAJOR if rng.random() < 0.65 else MINOR
        self.tonic = int(rng.integers(0, 12))
        self.chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
        self.mix = np.zeros(int((seconds + 3) * FS))

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
        f = self.tuning.hertz(key)
        sound = level * T.note(self.rng, instrument, f, length)
        start = int(at * FS)
        end = min(len(self.mix), start + len(sound))
        if start < end:
            self.mix[start:end] += sound[: end - start]

    def melody(self):
        """[(key, at, length)]: a walk over the scale in phrases with rests; chord keys on the
        beat."""
        rng, style = self.rng, self.style
        low, high = [LOW, HIGH, (65, 84), (72, 93), (60, 80)][
            rng.choice(5, p=[0.45, 0.2, 0.1, 0.15, 0.1])
        ]
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

    def partner(self, key):
        """The key that a second voice plays with this one: often in the other group's range
        when the lead is in one."""
        rng = self.rng
        if rng.random() < 0.65:
            choice = self.keys(key - 10, key - 3)
        elif LOW[0] - 1 <= key <= LOW[1] + 1:
            choice = self.keys(HIGH[0] - 1, HIGH[1] + 1)
        elif HIGH[0] - 1 <= key <= HIGH[1] + 1:
            choice = self.keys(LOW[0] - 1, LOW[1] + 1)
        else:
            choice = self.keys(key - 10, key - 3)
        return int(rng.choice(choice)) if choice else key - 12

    def lead(self):
        """The melody, its second voice and, in some pieces, a full chord below it."""
        rng, style = self.rng, self.style
        first = style.leads[rng.integers(len(style.leads))](rng)
        other = first if rng.random() < 0.6 else style.leads[rng.integers(len(style.leads))](rng)
        duet, chords = rng.random() < style.duet, rng.random() < style.chords
        balance = T.db(rng.uniform(-8, 6))
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
            for at in bars:
                for step in range(steps):
                    for key in self.keys(50, 66, self.chord(at)):
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
            player = T.STRUCK[rng.integers(len(T.STRUCK))](rng)
            step = max(0.06, self.beat / int(rng.choice([2, 3, 4])))
            for i, at in enumerate(np.arange(0, self.seconds, step)):
                notes = self.keys(*((60, 78) if rng.random() < 0.7 else (74, 92)), self.chord(at))
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
