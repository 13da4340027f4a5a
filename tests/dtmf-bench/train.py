#!/usr/bin/env python3
"""Learns the detector's weights: train.py [--draw] [--out FILE] CORPUS...

CORPUS is a folder with labels.json as the makers write it, or one of recordings (WAV, 8 kHz,
16 bit, mono) in which nobody presses a key. --draw adds the corpora that the bench can make, drawn
into target/dtmf-bench where they are missing. Runs the example `looks` on all of it, learns
(`fit.py`) from what it writes (`looks.py`), and writes dtmf/src/weights/table.rs.
"""

import argparse
import concurrent.futures
import os
import subprocess
import sys

import bench
import fit
from looks import KINDS, read

TABLE = os.path.join(bench.ROOT, "dtmf", "src", "weights", "table.rs")

# How many missed presses a false digit is as bad as. An hour of recorded speech is what calls are
# made of; a tape of near misses is many hours condensed, and much composed music does its worst.
WORTH = {
    "digits": 6,
    "speech": 25,
    "near-speech": 5,
    "music": 3,
    "stress": 1.5,
    "duets": 3,
    "recorded-speech": 40,
    "recorded-music": 40,
    "near-recorded-speech": 9,
    "near-recorded-music": 8,
}
TALK = ("speech", "recorded-speech")  # what may not be suspected often

# (kind, seed) of the bench's corpora, none of which the bench measures by default.
DRAWN = (("digits", 21), ("digits", 22), ("talk", 1), ("music", 1), ("music", 2), ("music", 3))
SCALE = 10
CLEAN_SEED = 77

HEAD = """\
//! The weights, as `tests/dtmf-bench/train.py` writes them: not to be edited by hand.

#![allow(clippy::approx_constant, reason = "a weight may happen to be near a constant")]

use super::{OF_LOOK, OF_RESIDUAL, Weights};
use crate::look::LENGTHS;

/// Least and greatest value of each feature that the weights were learnt from.
pub(super) static RANGES: ([[f32; 2]; OF_LOOK], [[f32; 2]; OF_RESIDUAL]) = (%s, %s);

pub(super) static WEIGHTS: [Weights; LENGTHS.len()] = [%s];
"""
WEIGHTS = "Weights { bias: %.3f, look: %s, residual: %s, most: %.3f }"


def drawn():
    """The folders of the corpora that the bench makes; those that are missing are drawn first."""
    made = [bench.corpora(seed, SCALE)[kind] for kind, seed in DRAWN]
    clean = os.path.join(bench.OUT, "clean-%d" % CLEAN_SEED)
    maker = os.path.join(bench.HERE, "make_clean.py")
    made.append((clean, [sys.executable, maker, clean, str(CLEAN_SEED)]))
    missing = [
        command
        for folder, command in made
        if not os.path.exists(os.path.join(folder, "labels.json"))
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda c: subprocess.run(["nice", *c], check=True), missing):
            pass
    return [folder for folder, _ in made]


def array(pairs):
    return "[%s]" % ", ".join("[%.3f, %.3f]" % tuple(pair) for pair in pairs)


def table(model):
    """The model as Rust; rustfmt lays it out."""
    kinds = []
    for kind in range(KINDS):
        each = list(zip(model.weights[kind][: fit.FEATURES], model.weights[kind][fit.FEATURES :]))
        # A thousandth for what rounding the weights may add.
        most = model.most[kind] + 0.001
        kinds.append(
            WEIGHTS % (model.bias[kind], array(each[: fit.LOOK]), array(each[fit.LOOK :]), most)
        )
    bounds = array(model.ranges[: fit.LOOK]), array(model.ranges[fit.LOOK :])
    return HEAD % (*bounds, ", ".join(kinds))


def write(path, text):
    """Writes the table beside its place first: nothing that does not format takes it."""
    part = path + ".part"
    with open(part, "w") as f:
        f.write(text)
    config = os.path.join(bench.ROOT, "rustfmt.toml")
    subprocess.run(["rustfmt", "--edition", "2024", "--config-path", config, part], check=True)
    os.replace(part, path)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="*", help="folders of corpora or of recordings")
    parser.add_argument("--draw", action="store_true", help="learn from the bench's corpora too")
    parser.add_argument("--out", default=TABLE)
    parser.add_argument("--looks", default="target/release/examples/looks")
    parser.add_argument(
        "--worth", action="append", default=[], metavar="GROUP=NUMBER", help="of a false digit"
    )
    args = parser.parse_args()
    args.worth = dict(pair.split("=") for pair in args.worth)
    unknown = set(args.worth) - set(WORTH)
    if unknown:
        parser.error("no such group: " + ", ".join(sorted(unknown)))
    if not args.corpus and not args.draw:
        parser.error("nothing to learn from")
    return args


def main():
    args = arguments()
    folders = (drawn() if args.draw else []) + args.corpus
    looks = read(os.path.join(bench.ROOT, args.looks), folders)
    hours = ", ".join("%s %.1f" % (group, s / 3600) for group, s in sorted(looks.seconds.items()))
    print("%d looks at %d presses; hours: %s" % (len(looks.kind), looks.presses, hours))
    worth = {**WORTH, **{group: float(number) for group, number in args.worth.items()}}
    write(args.out, table(fit.model(looks, worth, TALK)))


if __name__ == "__main__":
    main()
