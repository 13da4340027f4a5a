"""Music as callers on hold and in rooms hear it, with notes of its tune on the DTMF frequencies.

A piece is tuned as a whole, in equal temperament. It is at concert pitch, or transposed so that a
key of its scale is exactly one of the eight frequencies; in half of those it is the one that brings
the most other keys within 1.5 % of the grid. All others lie where the temperament puts them, and it
puts one within 3 % of each of the eight. Tunes lie in and below the octaves of the two groups,
second voices go in thirds, sixths and octaves, and nearly all pieces have an accompaniment.
Instruments whose tone is nearly a sine lead as often as the others of their kind of music, not
more.
"""

import numpy as np

import timbre as T
from digits import COL, ROW
from piece import Piece, Style

GRID = np.array(ROW + COL)
TEMPERED = 2 ** (1 / 12)

EVERYDAY = [
    *[T.piano, T.electric_piano, T.guitar, T.singer, T.violin, T.strings, T.brass, T.clarinet],
    *[T.flute, T.accordion, T.choir, T.principal, T.square_lead, T.sine_lead, T.vibraphone],
]

STYLES = {
    "hold": Style(EVERYDAY, arpeggio=0.5, drums=0.7, bpm=(80, 125), reverb=0.6, share=3),
    "pop": Style(
        [T.singer, T.singer, T.guitar, T.electric_piano, T.square_lead, T.sine_lead],
        arpeggio=0.5,
        drums=0.95,
        bpm=(75, 140),
        share=3,
    ),
    "jazz": Style(
        [T.brass, T.brass, T.clarinet, T.flute, T.vibraphone, T.piano, T.guitar],
        drums=0.8,
        bpm=(70, 180),
        beats=(0.33, 0.67, 0.5, 1, 1, 2),
        share=2,
    ),
    "keyboard": Style(
        [T.piano, T.piano, T.piano, T.electric_piano],
        chords=0.4,
        arpeggio=0.5,
        drums=0.2,
        share=2,
    ),
    "orchestra": Style(
        [T.violin, T.strings, T.strings, T.flute, T.clarinet, T.brass, T.choir],
        duet=0.6,
        drums=0.1,
        reverb=0.9,
        beats=(0.5, 0.5, 1, 1, 2, 4),
        bpm=(60, 130),
        share=2,
    ),
    "folk": Style(
        [T.violin, T.accordion, T.guitar, T.singer, T.recorder, T.ocarina, T.pan_pipe, T.whistler],
        arpeggio=0.4,
        drums=0.3,
        bpm=(80, 160),
    ),
    "organ": Style(
        [T.principal, T.principal, T.drawbar, T.organ_flute],
        chords=0.5,
        reverb=0.9,
        drums=0.1,
        beats=(0.5, 1, 1, 2, 4),
    ),
    "plucked": Style([T.guitar, T.guitar, T.harp], arpeggio=0.7, drums=0.3),
    "mallets": Style(
        [T.marimba, T.vibraphone, T.steel_drum, T.music_box, T.bell, T.glass],
        arpeggio=0.4,
        bpm=(80, 150),
        beats=(0.25, 0.5, 0.5, 1, 1, 2),
        reverb=0.7,
    ),
    "synth": Style(
        [T.square_lead, T.brass, T.strings, T.triangle_lead, T.sine_lead, T.fm_bell],
        arpeggio=0.6,
        drums=0.8,
        bpm=(90, 170),
        beats=(0.25, 0.25, 0.5, 0.5, 1, 2),
    ),
}
STEPS = {2: 0.45, 5: 0.35, 7: 0.2}  # of the scale: a third, a sixth, an octave


def concert_pitch(rng, scale):
    """The frequency of key 69 for a piece on these keys."""
    pitch = 440.0 * (1 + rng.uniform(-0.01, 0.01))
    hertz = pitch * TEMPERED ** (np.array(scale) - 69.0)
    off = np.log(GRID[:, None] / hertz)  # what moves a key onto a grid frequency
    nearest = off[np.arange(len(GRID)), np.argmin(np.abs(off), 1)]
    kind = rng.random()
    if kind < 0.25:
        return pitch
    if kind < 0.65:
        return pitch * np.exp(rng.choice(nearest))
    on_grid = [np.sum(np.abs(off - move).min(0) < 0.015) for move in nearest]
    return pitch * np.exp(nearest[int(np.argmax(on_grid))])


class Music(Piece):
    """A piece as musicians play it."""

    BALANCE = (-9, 2)
    ARPEGGIO = [T.guitar, T.guitar, T.piano, T.piano, T.harp, T.electric_piano, T.music_box]
    HIGH_ARPEGGIO = 0.1
    VOICINGS = ((50, 66), (55, 70), (57, 74))

    def __init__(self, rng, style, seconds):
        super().__init__(rng, style, seconds)
        self.pitch = concert_pitch(rng, self.keys(72, 93))
        self.steps = int(rng.choice(list(STEPS), p=list(STEPS.values())))
        self.above = rng.random() < 0.2

    def hertz(self, key):
        return self.pitch * TEMPERED ** (key - 69)

    def compass(self):
        choices = [(64, 79), (67, 84), (72, 84), (72, 89), (77, 93)]
        return choices[self.rng.choice(5, p=[0.2, 0.35, 0.2, 0.15, 0.1])]

    def partner(self, key):
        """A third, a sixth or an octave away in the scale: one of them through the piece, now and
        then another."""
        rng = self.rng
        steps = self.steps if rng.random() < 0.85 else int(rng.choice(list(STEPS)))
        if self.above:
            return self.keys(key, key + 14)[steps]
        return self.keys(key - 14, key)[-1 - steps]
