#!/usr/bin/env python3
"""Draws the corpus of key presses: make_digits.py OUT SEED SCALE

At scale 1 a condition has 16 digits, at scale 10 160. With it come signalling tones, some synthetic
speech and a tape of near misses. The rows of GSM, Opus and G.726 are left out where ffmpeg lacks
the codec.
"""

import sys

import numpy as np

import falsing
from conformance import q24
from digits import Corpus
from line import active_norm, g711, ulaw
from network import network

LANGUAGES = [
    "en-us",
    "en-gb",
    "fr",
    "de",
    "es",
    "it",
    "ru",
    "pt",
    "nl",
    "sv",
    "pl",
    "fi",
    "el",
    "ja",
    "hi",
]
VARIANTS = ["", "+f2", "+f4", "+m3", "+m7", "+klatt", "+whisper", "+croak"]
RATES = (0.78, 0.85, 0.92, 1, 1.08, 1.17, 1.27)


def talkers(rng):
    """A few minutes of speech for talkers beside a digit."""
    said = []
    for i in range(10):
        text = falsing.babble(rng, 3)
        pitch, speed = int(rng.integers(10, 95)), int(rng.integers(110, 190))
        said.append(
            active_norm(falsing.espeak(text, LANGUAGES[i] + VARIANTS[i % 6], pitch, speed), -15)
        )
    return np.concatenate(said)


def speech(rng):
    """Utterances without end."""
    i = 0
    while True:
        text, voice = falsing.babble(rng, 8), LANGUAGES[i % 15] + VARIANTS[i * 3 % 8]
        yield falsing.espeak(text, voice, int(rng.integers(5, 100)), int(rng.integers(100, 200)))
        i += 1


def main():
    out, seed, scale = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    corpus = Corpus(out)
    n = max(4, int(16 * scale))
    q24(corpus, np.random.default_rng(seed), n)
    network(corpus, np.random.default_rng(seed + 1), n, talkers(np.random.default_rng(seed + 100)))
    rng = np.random.default_rng(seed + 2)
    corpus.put("false_signalling_tones", "mix", g711(rng, falsing.signalling(rng, 40 * scale)), [])
    rng = np.random.default_rng(seed + 3)
    talk = falsing.spaced(falsing.lasting(speech(rng), 110 * scale), -15)
    corpus.pack("talkoff_synth", "espeak", talk, ulaw, 120)
    said = (active_norm(y, -15) for y in falsing.lasting(speech(rng), 14400 * min(1, scale)))
    tape, searched, scores = falsing.torture(rng, said, RATES, int(450 * scale))
    print("near misses: %d out of %.1f h, score %.2f..%.2f" % (len(tape), searched, *scores))
    corpus.pack("torture_synth", "espeak", tape, ulaw)
    corpus.save(seed=seed, scale=scale, kind="digits")


if __name__ == "__main__":
    main()
