#!/usr/bin/env python3
"""Draws the corpus of music: make_music.py OUT SEED MINUTES DUETS

So many minutes of music as it is heard (`music.py`, talkoff_music) and of duets that do their worst
(`duets.py`, stress_duets). No note of either is a key press, and no moment could pass for one: a
piece in which two notes by themselves make a key by every rule (`bare_pairs`) is played again with
held chords under it, or composed again.
"""

import sys

import numpy as np

import duets
import music
from digits import COL, ROW, Corpus
from falsing import near_misses
from line import FS, active_norm, alaw, ms, ulaw

SECONDS = (12, 45)  # a piece
FILE = 600
ATTEMPTS = 8
KINDS = {  # category: (what composes a piece, its styles)
    "talkoff_music": (music.Music, music.STYLES),
    "stress_duets": (duets.Duet, duets.STYLES),
}


def fit_pair(x):
    """(frequencies, peaks, residue): the two sines near the strongest peaks of the two groups that
    explain x best, and the share of x's power that they leave."""
    bin_hz = FS / 8192
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8192))
    found = []
    for grid in (ROW, COL):
        first, last = int(grid[0] * 0.97 / bin_hz), int(grid[-1] * 1.03 / bin_hz)
        found.append((first + int(np.argmax(spectrum[first:last]))) * bin_hz)
    t = np.arange(len(x)) / FS
    basis = np.concatenate(
        [[np.sin(2 * np.pi * f * t), np.cos(2 * np.pi * f * t)] for f in found]
    ).T
    c, *_ = np.linalg.lstsq(basis, x, rcond=None)
    residue = np.mean((x - basis @ c) ** 2) / max(np.mean(x**2), 1e-9)
    return found, (np.hypot(*c[:2]), np.hypot(*c[2:])), residue


def is_key(x):
    """True when x is a key press as Q.24 and ETSI ES 201 235 describe one: both tones within 1.5 %,
    twist within -8..+4 dB, and everything else 20 dB below them, which is what a sender may add."""
    (row, col), (low, high), residue = fit_pair(x)
    near = all(min(abs(f / g - 1) for g in grid) < 0.015 for f, grid in ((row, ROW), (col, COL)))
    return near and residue < 0.01 and -8 < 20 * np.log10(max(high, 1e-9) / max(low, 1e-9)) < 4


def bare_pairs(x):
    """How often two notes are by themselves and make a key for 40 ms."""
    hits, window = 0, ms(40)
    for at, *_ in near_misses(x, 0.9, 2):
        starts = range(max(0, at - ms(60)), min(len(x) - window, at + ms(60)), ms(10))
        hits += any(is_key(x[s : s + window]) for s in starts)
    return hits


def piece(seed, index, kind, style):
    """(sound or None, attempts used up): the piece of this number."""
    compose, styles = KINDS[kind]
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, index, attempt // 2, list(KINDS).index(kind)])
        composed = compose(rng, styles[style], rng.uniform(*SECONDS))
        y = active_norm(composed.play(-10 if attempt % 2 else None), rng.uniform(-25, -8))
        if not bare_pairs(y):
            return [ulaw, alaw][index % 2](y), attempt
    return None, ATTEMPTS


def pieces(seed, kind, style, seconds, tally):
    """Pieces of a style until they last this long, with 300 ms between them; `tally` counts
    them."""
    total = 0.0
    while total < seconds:
        y, attempts = piece(seed, tally["drawn"], kind, style)
        tally["drawn"] += 1
        tally["again"] += attempts > 0
        tally["dropped"] += y is None
        if y is not None:
            total += len(y) / FS
            yield np.concatenate([y, np.zeros(ms(300))])


def counts():
    return dict(drawn=0, again=0, dropped=0)


def main():
    out, seed = sys.argv[1], int(sys.argv[2])
    minutes = dict(zip(KINDS, map(float, sys.argv[3:])))
    corpus = Corpus(out)
    for kind, length in minutes.items():
        styles = KINDS[kind][1]
        tally = counts()
        shares = sum(style.share for style in styles.values())
        for name, style in styles.items():
            drawn = pieces(seed, kind, name, length * 60 * style.share / shares, tally)
            corpus.pack(kind, name, drawn, lambda x: x, FILE)
        print(kind + ": %(drawn)d pieces, %(again)d played again, %(dropped)d dropped" % tally)
    corpus.save(seed=seed, minutes=minutes, kind="music")


if __name__ == "__main__":
    main()
