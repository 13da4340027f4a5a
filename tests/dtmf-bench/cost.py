"""What the detectors cost: instructions for a second of audio, counted by callgrind.

Instructions and not time: they are the same on a busy machine. Counted is what happens inside of
one function of either program, in which the detector is all there is; reading the file is left out.
"""

import os
import subprocess

import numpy as np

import falsing
import make_music
from line import FS, active_norm, awgn, pcm, ulaw
from make_digits import speech
from network import natural

SEED = 7
SECONDS = 60  # of each kind
LINE_NOISE = -62  # dBm0, under everything
SPANDSP, OURS, LANES = "spandsp", "partyline", "partyline, 8 in lanes"
MIX = {"speech": 2, "digits": 1, "idle": 1}  # parts of the call by which the marks go


def sounds():
    """{kind: a minute of it}: what a detector hears in a conference."""
    rng = np.random.default_rng(SEED)
    said = np.concatenate(list(falsing.spaced(falsing.lasting(speech(rng), SECONDS), -18)))
    keyed, _ = natural(rng, 8 * SECONDS).done()
    played = make_music.pieces(SEED, "talkoff_music", "hold", SECONDS, make_music.counts())
    tune = active_norm(np.concatenate(list(played)), -18)
    kinds = dict(speech=said, digits=keyed, idle=np.zeros(SECONDS * FS), music=tune)
    out = {}
    for kind, x in kinds.items():
        x = x[: SECONDS * FS]
        out[kind] = ulaw(x + awgn(rng, len(x), LINE_NOISE))
    return out


def instructions(program, function, sound, scratch):
    """Executed inside of `function`, for the whole sound; `program` is a command that takes a
    file."""
    counts = os.path.join(scratch, "callgrind.out")
    command = ["valgrind", "--tool=callgrind", "--toggle-collect=" + function]
    command += ["--callgrind-out-file=" + counts, *program, sound]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise SystemExit("%s: %s" % (" ".join(command), run.stderr))
    with open(counts) as f:
        total = [int(line.split()[1]) for line in f if line.startswith(("summary:", "totals:"))]
    if not total or not total[0]:
        raise SystemExit("callgrind saw no call of %s in %s" % (function, program[0]))
    return total[0], int(run.stdout.split()[0])


def measure(programs, scratch):
    """{program: {kind: (instructions a second, digits heard)}} for {program: (command, function,
    calls)}; a program that runs several calls at once is charged per call."""
    os.makedirs(scratch, exist_ok=True)
    out = {name: {} for name in programs}
    for kind, x in sounds().items():
        path = os.path.join(scratch, kind + ".raw")
        with open(path, "wb") as f:
            f.write(pcm(x))
        for name, (command, function, calls) in programs.items():
            count, digits = instructions(command, function, path, scratch)
            out[name][kind] = (count * FS / len(x) / calls, digits // calls)
    return out


def mixed(kinds):
    """Instructions for a second of the mix."""
    return sum(kinds[kind][0] * parts for kind, parts in MIX.items()) / sum(MIX.values())
