"""What the detector looks at in a corpus, and what each look ought to be taken for.

A look is a row of the example `looks`. It speaks for a key when it lies within a press and shows
that press's key; against one when it shows another key, when it touches what must be rejected, and
everywhere in a file without labels, where nobody presses a key. Everything else says nothing and is
left out: looks between two presses, at the edge of one, or at a press that need not be heard.
"""

import collections
import json
import os
import subprocess
import tempfile
import wave
from dataclasses import dataclass

import numpy as np

KINDS = 6  # lengths of looks; the shortest, 0, only raises a suspicion
CODES = {key: code for code, key in enumerate("0123456789*#ABCD")}
COLUMNS = 19  # of a row: file, first and last millisecond, kind, code, 14 features

HOP = 5  # milliseconds from a look to the next
CLUSTER = 40  # hops that make one false digit at most
INSIDE = 10  # milliseconds by which a look may begin before a press and still be one at it
LATE = 5  # by which it may end behind it
# The shortest looks are for what comes before a key is sure: one speaks for the key as soon as it
# holds so many milliseconds of the press, whatever was before, and must not reach behind it.
HALF_HEARD = 16
SHORT_LATE = 2
# The first length to report a key learns from the looks that end so soon after the press began.
FIRST, SOON = 1, 35

# The first that a category begins with says what the file belongs to.
GROUPS = (
    ("torture_real", "near-recorded-speech"),
    ("torture_music", "near-recorded-music"),
    ("torture", "near-speech"),
    ("talkoff_realspeech", "recorded-speech"),
    ("talkoff_realmusic", "recorded-music"),
    ("talkoff_music", "music"),
    ("stress_duets", "stress"),
    ("talkoff_duet", "duets"),
    ("", "speech"),
)


@dataclass
class Sound:
    """A file of a corpus."""

    path: str
    group: str
    seconds: float
    events: list


@dataclass
class Looks:
    """Looks that say something, all arrays of the same length."""

    features: np.ndarray
    kind: np.ndarray
    right: np.ndarray  # whether it speaks for a key
    press: np.ndarray  # number of the press among all; without meaning where not right
    cluster: np.ndarray  # which 200 ms of which file, the file's number times SPAN
    group: np.ndarray  # of the file, an index into `groups`
    groups: list
    presses: int  # that must be heard, whether any look is at them or not
    seconds: dict  # group: length of its files


SPAN = 1_000_000


def sounds(folder):
    """The files of a corpus, or of a folder of recordings: WAV at 8 kHz, 16 bit, mono, in which
    nobody presses a key. Those are music where the folder's name says so, else speech."""
    if os.path.exists(os.path.join(folder, "labels.json")):
        with open(os.path.join(folder, "labels.json")) as f:
            files = json.load(f)["files"]
        return [labelled(folder, file) for file in files]
    music = "music" in os.path.basename(os.path.abspath(folder))
    group = "recorded-music" if music else "recorded-speech"
    names = sorted(name for name in os.listdir(folder) if name.endswith(".wav"))
    if not names:
        raise SystemExit("%s: neither labels.json nor *.wav" % folder)
    paths = [os.path.abspath(os.path.join(folder, name)) for name in names]
    return [Sound(path, group, duration(path), []) for path in paths]


def labelled(folder, file):
    group = next(group for prefix, group in GROUPS if file["category"].startswith(prefix))
    path = os.path.abspath(os.path.join(folder, file["path"]))
    return Sound(path, "digits" if file["events"] else group, file["duration_s"], file["events"])


def duration(path):
    """Seconds that a recording lasts."""
    with wave.open(path) as w:
        if (w.getframerate(), w.getsampwidth(), w.getnchannels()) != (8000, 2, 1):
            raise SystemExit("%s: not 8 kHz, 16 bit, mono" % path)
        return w.getnframes() / 8000


def taken(program, files):
    """The rows that the example writes for the files."""
    with tempfile.TemporaryDirectory() as folder:
        names, out = os.path.join(folder, "list"), os.path.join(folder, "rows")
        with open(names, "w") as f:
            f.writelines(sound.path + "\n" for sound in files)
        subprocess.run([program, names, out], check=True)
        return np.fromfile(out, "<f4").reshape(-1, COLUMNS)


class Presses:
    """All labels of all files on one line of time."""

    FILE = 1e7  # milliseconds of that line that a file has

    def __init__(self, files):
        flat = sorted(
            (i, e["onset_ms"], e["offset_ms"], CODES[e["digit"]], e["expect"])
            for i, sound in enumerate(files)
            for e in sound.events
        )
        self.file, self.onset, self.offset, self.code = (
            np.array([event[i] for event in flat], float) for i in range(4)
        )
        expect = np.array([event[4] for event in flat], str)
        self.accept, self.reject, self.dontcare = (
            expect == what for what in ("accept", "reject", "dontcare")
        )
        self.begins = self.file * self.FILE + self.onset

    def last_before(self, file, time, side="right"):
        """(number of the last press that began by then, whether that is one of this file)"""
        if not len(self.begins):
            return np.zeros(len(file), int), np.zeros(len(file), bool)
        number = np.searchsorted(self.begins, file * self.FILE + time, side) - 1
        return np.maximum(number, 0), (number >= 0) & (self.file[np.maximum(number, 0)] == file)


def label(rows, files):
    """(1 for a key, -1 against one, 0 says nothing; number of the press) for each row."""
    file, start, end, kind, code = rows[:, :5].T.astype(float)
    presses = Presses(files)
    short = kind == 0
    empty = np.array([not sound.events for sound in files])[file.astype(int)]
    labels = np.where(empty, -1, 0)
    press, here = presses.last_before(file, np.where(short, end - HALF_HEARD, start + INSIDE))
    if not len(presses.begins):
        return labels, press
    inside = here & (end <= presses.offset[press] + np.where(short, SHORT_LATE, LATE))
    right = presses.accept[press] & (presses.code[press] == code)
    meant = np.where(presses.dontcare[press], 0, np.where(right, 1, -1))
    labels[inside] = meant[inside]
    # A later look there is right, but not what this length is for.
    labels[(labels > 0) & (kind == FIRST) & (end > presses.onset[press] + SOON)] = 0
    other, here = presses.last_before(file, end, "left")
    touches = here & presses.reject[other] & (start < presses.offset[other])
    labels[touches & ~short] = -1
    return labels, press


def read(program, folders):
    """The looks at the corpora that say something."""
    files = [sound for folder in folders for sound in sounds(folder)]
    rows = taken(program, files)
    return chosen(rows, files)


def chosen(rows, files):
    """The rows that say something."""
    labels, press = label(rows, files)
    says = labels != 0
    rows, labels, press = rows[says], labels[says], press[says]
    file = rows[:, 0].astype(np.int64)
    hop = (rows[:, 2] / HOP).astype(np.int64) - 1
    groups = sorted({sound.group for sound in files})
    numbers = np.array([groups.index(sound.group) for sound in files])
    seconds = collections.Counter()
    for sound in files:
        seconds[sound.group] += sound.seconds
    return Looks(
        features=rows[:, 5:].astype(float),
        kind=rows[:, 3].astype(int),
        right=labels > 0,
        press=press,
        cluster=file * SPAN + hop // CLUSTER,
        group=numbers[file],
        groups=groups,
        presses=sum(e["expect"] == "accept" for sound in files for e in sound.events),
        seconds=dict(seconds),
    )
