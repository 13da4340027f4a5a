"""Key presses with labels, and the files of a corpus.

Level is that of the stronger tone; twist is the high group's level minus the low group's, in dB. A
label is digit, onset_ms, offset_ms and what is expected of a detector: accept, reject or dontcare.
"""

import json
import os

import numpy as np

from line import FS, amp, awgn, ms, write_wav

ROW = [697.0, 770.0, 852.0, 941.0]
COL = [1209.0, 1336.0, 1477.0, 1633.0]
KEYS = "123A456B789C*0#D"
FREQ = {k: (ROW[i // 4], COL[i % 4]) for i, k in enumerate(KEYS)}


def tone(key, duration, phases, level=-10.0, twist=0.0, row_off=0.0, col_off=0.0, rise=0.0):
    """A key press of so many milliseconds; `row_off` and `col_off` are in per cent of the
    frequency."""
    n = ms(duration)
    t = np.arange(n) / FS
    row, col = FREQ[key]
    low, high = (level, level + twist) if twist < 0 else (level - twist, level)
    y = amp(low) * np.sin(2 * np.pi * row * (1 + row_off / 100) * t + phases[0]) + amp(
        high
    ) * np.sin(2 * np.pi * col * (1 + col_off / 100) * t + phases[1])
    r = ms(rise)
    if r > 1 and n > 2 * r:
        w = 0.5 - 0.5 * np.cos(np.pi * (np.arange(r) + 0.5) / r)
        y[:r] *= w
        y[-r:] *= w[::-1]
    return y


def drawn(rng, n):
    """n keys: every sixteen of them are all the keys, shuffled."""
    keys = ""
    while len(keys) < n:
        keys += "".join(rng.permutation(list(KEYS)))
    return keys[:n]


class Seq:
    """A run of key presses under one condition."""

    def __init__(self, rng, idle=-200):
        self.rng, self.idle = rng, idle
        self.parts, self.n, self.events = [], 0, []
        self.gap(rng.uniform(250, 330))

    def gap(self, time):
        n = ms(time)
        self.parts.append(np.zeros(n))
        self.n += n

    def add(self, key, duration, gap, expect="accept", hole=None, **how):
        """Presses a key; `hole` silences so many milliseconds in its middle."""
        y = tone(key, duration, self.rng.uniform(0, 6.28, 2), **how)
        if hole:
            a = ms(duration / 2 - hole / 2)
            y[a : a + ms(hole)] = 0
        onset, offset = round(self.n / 8, 2), round((self.n + len(y)) / 8, 2)
        self.events.append(dict(digit=key, onset_ms=onset, offset_ms=offset, expect=expect))
        self.parts.append(y)
        self.n += len(y)
        self.gap(gap)

    def done(self):
        """(sound, labels)"""
        self.gap(400)
        x = np.concatenate(self.parts)
        if self.idle > -100:
            x = x + awgn(self.rng, len(x), self.idle)
        return x, self.events

    def mean_power(self):
        """Of the key presses, gaps left out; in squared sample units."""
        x = np.concatenate(self.parts)
        return max(np.sum(x**2) / max(1, np.sum(np.abs(x) > 0)), 1.0)


class Corpus:
    """WAV files in OUT/wav, and labels.json, which is written last: where it is, the corpus is
    whole."""

    def __init__(self, root):
        self.root, self.files, self.names = root, [], set()
        os.makedirs(os.path.join(root, "wav"), exist_ok=True)

    def put(self, category, condition, x, events):
        name = "wav/%s__%s.wav" % (category, condition)
        while name in self.names:
            name = name[:-4] + "_.wav"
        self.names.add(name)
        write_wav(os.path.join(self.root, name), x)
        seconds = round(len(x) / FS, 3)
        self.files.append(
            dict(path=name, category=category, cond=condition, duration_s=seconds, events=events)
        )

    def pack(self, category, condition, pieces, post, max_s=600):
        """Joins pieces to files of about max_s without a label; `post` is what the line does to
        each file."""
        pieces = list(pieces)
        buffer, n, index = [], 0, 0
        for i, piece in enumerate(pieces):
            buffer.append(piece)
            n += len(piece)
            if n >= max_s * FS or i == len(pieces) - 1:
                self.put(category, "%s_%03d" % (condition, index), post(np.concatenate(buffer)), [])
                buffer, n, index = [], 0, index + 1

    def save(self, **meta):
        path = os.path.join(self.root, "labels.json")
        with open(path + ".part", "w") as f:
            json.dump(
                dict(format="dtmf-bench-1", fs=FS, **meta, files=self.files),
                f,
                separators=(",", ":"),
            )
        os.replace(path + ".part", path)
        hours = sum(f["duration_s"] for f in self.files) / 3600
        labels = sum(len(f["events"]) for f in self.files)
        print("%s: %d files, %.2f h, %d labels" % (self.root, len(self.files), hours, labels))
