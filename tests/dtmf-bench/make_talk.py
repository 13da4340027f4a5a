#!/usr/bin/env python3
"""Draws the corpus of speech: make_talk.py OUT SEED HOURS. Nobody presses a key in it.

Half of it is espeak-ng alone in 50 languages and 40 voices; the rest is several talkers at once,
vowels held and hummed, speech through codecs, and the bridge's own prompts at several playback
rates. The moments of all of it that look most like a key are kept besides, as a tape of near
misses.
"""

import glob
import os
import sys

import numpy as np

import falsing
from digits import Corpus
from line import FS, active_norm, codecs, decode, g711, play_rate

PROMPTS = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../dialplans/prompts/*/*.flac"
)
RATES = (0.78, 0.85, 0.92, 1, 1.08, 1.17, 1.27)
LEVELS = (-25, -20, -15, -10)  # dBm0, on active speech
LANGUAGES = """
    en-us en-gb en-gb-scotland en-029 fr-fr fr-be de es es-419 it pt pt-br ru uk pl cs sk sl
    hr sr bg ro hu fi et lv lt sv da nb nl el tr ja ko cmn yue vi hi bn ta ar he fa sw id ms
    ga cy eu ca
""".split()
VARIANTS = """
    f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 klatt klatt2 klatt3 klatt4 croak whisper Alicia
    Andy Annie Gene Lee Michael adam anika aunty belinda grandma grandpa iven linda quincy
    rob steph travis victor Tweaky zac
""".split()
VOWELS = "i: u: A: O: 3: eI oU aI aU u i a o E V".split()  # espeak-ng's names of phonemes
SINGABLE = "m n l w j r".split()


class Speaker:
    """Draws utterances; each is a float array at 8 kHz."""

    def __init__(self, rng):
        self.rng = rng

    def talk(self):
        voice = str(self.rng.choice(LANGUAGES)) + "+" + str(self.rng.choice(VARIANTS))
        text = falsing.babble(self.rng, int(self.rng.integers(3, 9)))
        return falsing.espeak(
            text, voice, int(self.rng.integers(0, 100)), int(self.rng.integers(90, 240))
        )

    def hum(self):
        """Vowels and hums held for up to a second or two, at any pitch: the part of speech that is
        most like tones."""
        rng = self.rng
        words = []
        for _ in range(int(rng.integers(4, 10))):
            vowel = str(rng.choice(VOWELS)).rstrip(":") + ":" * int(rng.integers(1, 12))
            words.append(
                "[["
                + (str(rng.choice(SINGABLE)) if rng.random() < 0.5 else "")
                + "'"
                + vowel
                + "]]"
            )
        voice = "en-us+" + str(rng.choice(VARIANTS))
        return falsing.espeak(
            " ".join(words), voice, int(rng.integers(0, 100)), int(rng.integers(80, 160))
        )

    def crowd(self):
        """Two to four talkers at once, some nearer than others."""
        voices = [
            active_norm(self.talk(), -15 - self.rng.uniform(0, 12))
            for _ in range(int(self.rng.integers(2, 5)))
        ]
        out = np.zeros(max(map(len, voices)))
        for voice in voices:
            out[: len(voice)] += voice
        return out

    def prompts(self):
        """The bridge's prompts without end, at every playback rate."""
        spoken = [decode(path) for path in sorted(glob.glob(PROMPTS))]
        while spoken:
            for rate in self.rng.permutation(RATES):
                for i in self.rng.permutation(len(spoken)):
                    yield play_rate(spoken[i], rate * self.rng.uniform(0.98, 1.02))


def forever(make):
    while True:
        yield make()


def coded(rng):
    """What a mobile or a Web phone does to speech before it comes to G.711."""
    known = [codec for _, codec in codecs()] or [lambda x: x]
    return lambda x: g711(rng, known[int(rng.integers(len(known)))](x))


def plain(rng):
    return lambda x: g711(rng, x)


PARTS = [  # condition, share of the time, source of utterances, what the line does
    ("espeak", 0.50, lambda s: forever(s.talk), plain),
    ("crowd", 0.15, lambda s: forever(s.crowd), plain),
    ("hum", 0.10, lambda s: forever(s.hum), plain),
    ("coded", 0.10, lambda s: forever(s.talk), coded),
    ("prompts", 0.15, lambda s: s.prompts(), plain),
]


def main():
    out, seed, hours = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if not glob.glob(PROMPTS):
        sys.exit("no prompts: " + PROMPTS)
    corpus = Corpus(out)
    heard = []
    for i, (condition, share, source, line) in enumerate(PARTS):
        rng = np.random.default_rng([seed, i])
        said = list(falsing.lasting(source(Speaker(rng)), share * hours * 3600))
        heard += said
        post = line(rng)
        for j, level in enumerate(LEVELS):
            corpus.pack(
                "talkoff_speech",
                "%s%d" % (condition, level),
                falsing.spaced(said[j :: len(LEVELS)], level),
                post,
            )
    rng = np.random.default_rng([seed, len(PARTS)])
    tape, searched, scores = falsing.torture(rng, heard, RATES, int(1500 * hours))
    print("near misses: %d out of %.1f h, score %.2f..%.2f" % (len(tape), searched, *scores))
    corpus.pack("torture_speech", "near", tape, plain(rng))
    corpus.save(seed=seed, hours=hours, kind="talk")


if __name__ == "__main__":
    main()
