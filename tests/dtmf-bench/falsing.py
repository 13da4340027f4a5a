"""Sound in which nobody presses a key: other signalling tones, synthetic speech, and the near
misses in it."""

import subprocess

import numpy as np
from scipy import signal as sg

from digits import COL, FREQ, KEYS, ROW
from line import FS, active_norm, amp, from_pcm, ms, play_rate, rms_of, sines

# ---------------------------------------------------------------- signalling tones
R1 = [700, 900, 1100, 1300, 1500, 1700]
R2_FORWARD, R2_BACKWARD = [1380, 1500, 1620, 1740, 1860, 1980], [540, 660, 780, 900, 1020, 1140]
FSK = [
    (980, 1180, 300),
    (1650, 1850, 300),
    (1300, 2100, 1200),
    (1200, 2200, 1200),
]  # V.21, V.23, Bell 202
# [(frequencies, on, off)] in milliseconds: ringing, busy, dial tone, information tones, fax, modem
CALL_PROGRESS = [
    [((440, 480), 2000, 100)],
    [((480, 620), 500, 500)],
    [((350, 440), 1500, 100)],
    [((f,), 330, 20) for f in (950, 1400, 1800)],
    [((1100,), 500, 300)],
    [((2100,), 900, 100)],
]


class Signalling:
    """Draws signalling sound piece by piece."""

    def __init__(self, rng):
        self.rng = rng

    def tones(self, level, frequencies, on, off):
        return [sines(self.rng, ms(on), [(f, level) for f in frequencies]), np.zeros(ms(off))]

    def multifrequency(self, level, group, on, off):
        """Ten signals of two frequencies of a group, those left out that a key is made of."""
        out = []
        for _ in range(10):
            a, b = self.rng.choice(group, 2, replace=False)
            apart = [
                min(abs(f / g - 1) for g in grid) > 0.035
                for f, grid in ((min(a, b), ROW), (max(a, b), COL))
            ]
            if any(apart):
                out += self.tones(level, (a, b), on, off)
        return out

    def fsk(self, level):
        rng = self.rng
        space, mark, baud = FSK[int(rng.integers(len(FSK)))]
        bits = rng.integers(0, 2, baud)
        f = np.repeat(np.where(bits, mark, space), int(np.ceil(FS / baud)))[:FS]
        return [amp(level) * np.sin(2 * np.pi * np.cumsum(f) / FS)]

    def draw(self):
        rng = self.rng
        level = rng.uniform(-25, -6)
        row, col = FREQ[KEYS[rng.integers(16)]]
        kind = int(rng.integers(14))
        if kind < 6:
            return [
                y for fs, on, off in CALL_PROGRESS[kind] for y in self.tones(level, fs, on, off)
            ]
        if kind in (6, 7):
            return self.multifrequency(level, R1, 70, 70)
        if kind in (8, 9):
            return self.multifrequency(
                level, [R2_FORWARD, R2_BACKWARD][int(rng.integers(2))], 120, 60
            )
        if kind in (10, 11):
            return self.tones(level, (row if kind == 10 else col,), 200, 50)
        if kind == 12:
            return self.tones(level, rng.choice(ROW, 2, replace=False), 150, 50)
        return self.fsk(level)


def signalling(rng, seconds):
    """Call progress, MF (R1, R2), single DTMF tones, pairs of one group and FSK."""
    source, out, total = Signalling(rng), [], 0
    while total < seconds:
        drawn = source.draw()
        out += drawn
        total += sum(map(len, drawn)) / FS
    return np.concatenate(out)


# ---------------------------------------------------------------- synthetic speech
CONSONANTS = "b d f g h j k l m n p r s t v w y z".split() + ["sh", "ch", "th", "tr", "pl"]
VOWELS = "a e i o u aa ee oo ou ai ow ay".split()
SENTENCES = [
    "are you all in a hurry or may we linger here an hour",
    "we were away a year ago and you owe me an aria",
    "the blue moon is soon to rule the cool lagoon",
    "hear the eerie seagulls wheel over the peaceful sea",
    "no one knows how those old yellow oboes go",
    "each evening we eat green beans and cheese by the sea",
    "i owe you a yoyo and a new ukulele",
    "who knew you would move to peru in june",
    "oh no, oh yes, aha, wow, hello, hello, bye bye",
    "my eyes ache and my ears hear a low hum all day",
    "we really will allow a loan of a million yen a month",
]


def babble(rng, sentences):
    """Text full of vowels, some of it words."""

    def syllable():
        return (
            CONSONANTS[int(rng.integers(len(CONSONANTS)))] + VOWELS[int(rng.integers(len(VOWELS)))]
        )

    def word():
        return "".join(syllable() for _ in range(int(rng.integers(1, 4))))

    out = []
    for _ in range(sentences):
        if rng.random() < 0.4:
            out.append(SENTENCES[int(rng.integers(len(SENTENCES)))] + ".")
        else:
            out.append(" ".join(word() for _ in range(int(rng.integers(4, 9)))) + ".")
    return " ".join(out)


def espeak(text, voice, pitch, speed):
    """espeak-ng's speech at 8 kHz."""
    command = [
        "espeak-ng",
        "-v",
        voice,
        "-p",
        str(pitch),
        "-s",
        str(speed),
        "-a",
        "100",
        "--stdout",
    ]
    raw = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return sg.resample_poly(from_pcm(raw[raw.find(b"data") + 8 :]), 160, 441)


# ---------------------------------------------------------------- near misses
WINDOW, HOP = 200, 80
TAPER = np.hamming(WINDOW)
PROBES = np.array([f * o for f in ROW + COL for o in (0.975, 1.0, 1.025)])
KERNEL = TAPER[:, None] * np.exp(-2j * np.pi * np.outer(np.arange(WINDOW), PROBES / FS))
KERNEL = np.concatenate([KERNEL.real, KERNEL.imag], 1).astype(np.float32)


def looks(x):
    """(key or -1, fraction of the power in its two tones, power) for each 10 ms of x. A permissive
    test that knows no detector: a 25 ms window, 4 % of tolerance, twist of 10 dB, half of the power
    in two tones."""
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    total = ((frames * frames) @ (TAPER**2).astype(np.float32)) / np.sum(TAPER**2)
    c = frames @ KERNEL
    power = (2 * (c[:, :24] ** 2 + c[:, 24:] ** 2) / TAPER.sum() ** 2).reshape(-1, 8, 3).max(2)
    rows, cols = power[:, :4], power[:, 4:]
    low, high = rows.max(1), cols.max(1)
    fraction = (low + high) / np.maximum(total, 1)
    alike = (total > rms_of(-38) ** 2) & (low < 10 * high) & (high < 10 * low)
    return np.where(alike, rows.argmax(1) * 4 + cols.argmax(1), -1), fraction, total


def near_misses(x, least=0.5, run=3):
    """[(sample, score, power)]: where `run` successive looks are one key with at least this
    fraction of the power; of those within a quarter of a second the best."""
    x = np.asarray(x, np.float32)
    out = []
    step = HOP * 20000
    for start in range(0, max(1, len(x) - WINDOW), step):
        part = x[start : start + step + WINDOW + run * HOP]
        if len(part) < WINDOW + run * HOP:
            break
        key, fraction, total = looks(part)
        key = np.where(fraction > least, key, -1)
        n = len(key) - run + 1
        same = np.all([(key[j : n + j] == key[:n]) & (key[:n] >= 0) for j in range(run)], axis=0)
        score = np.min([fraction[j : n + j] for j in range(run)], axis=0)
        last = -(10**9)
        for i in np.flatnonzero(same):
            found = (
                start + i * HOP + (WINDOW + (run - 1) * HOP) // 2,
                float(score[i]),
                float(total[i]),
            )
            if (i - last) * HOP >= FS * 0.25:
                out.append(found)
                last = i
            elif found[1] > out[-1][1]:
                out[-1] = found
    return out


def torture(rng, source, rates, count):
    """(fragments, hours searched, least and best score): the `count` nearest misses of a source
    played at several rates, cut out with 300 ms on either side, each at a level drawn."""
    best, searched, around = [], 0, ms(300)
    for x in source:
        for rate in rates:
            y = x if rate == 1 else play_rate(x, rate)
            searched += len(y) / FS / 3600
            for at, score, power in near_misses(y):
                best.append((score, y[max(0, at - around) : at + around].astype(np.float32), power))
        if len(best) > 4 * count:
            best = sorted(best, key=lambda t: -t[0])[:count]
    best = sorted(best, key=lambda t: -t[0])[:count]
    fade = np.linspace(0, 1, ms(10))
    tape = []
    for i in rng.permutation(len(best)):
        _, y, power = best[i]
        y = y.astype(float) * (rms_of(rng.uniform(-22, -8)) / np.sqrt(power))
        y[: len(fade)] *= fade
        y[-len(fade) :] *= fade[::-1]
        tape += [np.concatenate([y, np.zeros(ms(80))])]
    return tape, searched, ((best[-1][0], best[0][0]) if best else (0, 0))


def spaced(pieces, dbm0):
    """Each piece at a level, with 200 ms of silence behind it."""
    for piece in pieces:
        yield np.concatenate([active_norm(np.asarray(piece, float), dbm0), np.zeros(ms(200))])


def lasting(source, seconds):
    """Pieces of a source until they last this long."""
    total = 0.0
    for piece in source:
        yield piece
        total += len(piece) / FS
        if total >= seconds:
            return
