"""Music at its worst: duets of nearly pure tones on both groups of the DTMF frequencies at once.

Each of the eight frequencies is within 3 % of a note of the equally tempered scale, so any tune can
be moved onto them: each key that is that near is given a frequency of its own once, exactly on the
grid or up to 3 % off it, whatever that does to the intervals. Where the tune lies in one group's
octave, the second voice is often in the other's, and in many pieces nothing else sounds. Nobody
plays like this; it says how far a detector can be driven.
"""

import numpy as np

import timbre as T
from digits import COL, ROW
from piece import Piece, Style

GRID = np.array(ROW + COL)
LOW, HIGH = (77, 82), (86, 92)  # MIDI keys in whose range the two groups lie


class Tuning:
    """The frequency of each key in one piece, drawn key by key."""

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


SPARSE = dict(backing=0.5, bass=0.4, arpeggio=0.2, drums=0.2, under=(4, 22))


def sparse(leads, **parts):
    """A style whose accompaniment is often missing and soft."""
    return Style(leads, **{**SPARSE, **parts})


STYLES = {
    "hold": sparse(
        T.SUSTAINED + T.STRUCK,
        backing=1,
        bass=0.9,
        drums=0.7,
        arpeggio=0.4,
        bpm=(80, 125),
        under=(2, 16),
    ),
    "winds": sparse(
        [T.flute, T.ocarina, T.recorder, T.clarinet, T.pan_pipe],
        duet=0.6,
        backing=0.5,
        bpm=(60, 130),
    ),
    "organ": sparse(
        [T.organ_flute, T.drawbar, T.principal],
        duet=0.5,
        chords=0.5,
        backing=0.3,
        bass=0.7,
        beats=(0.5, 1, 1, 2, 4),
        reverb=0.8,
    ),
    "plucked": sparse(
        [T.harp, T.guitar, T.piano, T.electric_piano], duet=0.5, arpeggio=0.7, reverb=0.4
    ),
    "bells": sparse(
        [T.music_box, T.bell, T.fm_bell, T.vibraphone, T.glass],
        duet=0.5,
        backing=0.6,
        beats=(0.25, 0.5, 0.5, 1, 1, 2),
        reverb=0.6,
    ),
    "mallets": sparse(
        [T.marimba, T.vibraphone, T.steel_drum, T.music_box],
        duet=0.5,
        drums=0.4,
        arpeggio=0.5,
        bpm=(90, 170),
        beats=(0.25, 0.25, 0.5, 0.5, 1),
    ),
    "synth": sparse(
        [T.sine_lead, T.triangle_lead, T.square_lead],
        duet=0.5,
        backing=0.7,
        drums=0.6,
        arpeggio=0.6,
        bpm=(90, 180),
        beats=(0.25, 0.25, 0.5, 0.5, 1, 2),
    ),
    "ensemble": sparse(
        [T.strings, T.choir, T.brass, T.accordion, T.flute],
        duet=0.6,
        chords=0.3,
        backing=0.8,
        bass=0.8,
        under=(0, 12),
    ),
    "hollow": sparse(
        T.HOLLOW,
        duet=0.8,
        backing=0.35,
        bass=0.3,
        arpeggio=0.1,
        drums=0.05,
        beats=(0.25, 0.5, 0.5, 1, 2),
        under=(10, 24),
    ),
    "phrases": sparse(
        T.HOLLOW + T.STRUCK,
        duet=0.6,
        backing=0.3,
        bass=0.2,
        bpm=(100, 200),
        beats=(0.25, 0.25, 0.25, 0.5),
        gap=(0.2, 0.6),
    ),
}


class Duet(Piece):
    """A piece whose two voices are on the two groups."""

    def __init__(self, rng, style, seconds):
        super().__init__(rng, style, seconds)
        self.tuning = Tuning(rng)

    def hertz(self, key):
        return self.tuning.hertz(key)

    def compass(self):
        choices = [LOW, HIGH, (65, 84), (72, 93), (60, 80)]
        return choices[self.rng.choice(5, p=[0.45, 0.2, 0.1, 0.15, 0.1])]

    def partner(self, key):
        """Often in the other group's range when the lead is in one, else a third to a ninth
        below."""
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
