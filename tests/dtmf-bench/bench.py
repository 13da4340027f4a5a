#!/usr/bin/env python3
"""Measures our DTMF detector beside spandsp: bench.py [--seeds "4 5"] [--scale 10] [--cost-only]

Draws what is missing of the corpora into target/dtmf-bench, runs both detectors over them, counts
their instructions, writes the tables into docs/dtmf.md (--no-docs: prints them only) and exits with
1 when a mark is missed. At scale 10 a seed has 160 digits in each condition, 3 hours of speech,
1.75 of music and half an hour of duets; at scale 1 everything is a tenth and the sets are too small
for the mark on the seeds' spread. A run that was broken off is taken up where it was.
"""

import argparse
import concurrent.futures
import os
import pickle
import subprocess
import sys

import cost
import report
import score

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "target", "dtmf-bench")
LANES = 8


def corpora(seed, scale):
    """{kind: (folder, command that draws it)}: sizes go with the scale."""
    sizes = {"digits": [scale], "talk": [0.3 * scale], "music": [10.5 * scale, 3 * scale]}
    out = {}
    for kind, amounts in sizes.items():
        folder = os.path.join(OUT, "%s-%d-%g" % (kind, seed, scale))
        maker = os.path.join(HERE, "make_%s.py" % kind)
        out[kind] = folder, [
            *(sys.executable, maker, folder, str(seed)),
            *("%g" % amount for amount in amounts),
        ]
    return out


def draw(seeds, scale):
    """Draws the corpora that are not whole yet, on all cores, without being in anybody's way."""
    missing = [
        (folder, command)
        for seed in seeds
        for folder, command in corpora(seed, scale).values()
        if not os.path.exists(os.path.join(folder, "labels.json"))
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = [pool.submit(subprocess.run, ["nice", *c], check=True) for _, c in missing]
        for one in concurrent.futures.as_completed(drawn):
            one.result()


def scored(folder, name, detector, keep):
    """{category: tally}; what a detector that does not change found is kept beside the corpus."""
    kept = os.path.join(folder, name + ".tallies")
    stamps = [os.path.getmtime(p) for p in (score.__file__, detector[0])]
    if keep and os.path.exists(kept) and os.path.getmtime(kept) > max(stamps):
        with open(kept, "rb") as f:
            return pickle.load(f)
    tallies, strays = score.score(folder, detector)
    with open(os.path.join(folder, name + ".false"), "w") as f:
        f.writelines("%s %s %.0f\n" % (path, digit, at) for path, at, digit in strays)
    if keep:
        with open(kept, "wb") as f:
            pickle.dump(tallies, f)
    return tallies


def measured(args, spandsp):
    """{seed: {detector: {category: tally}}}"""
    draw(args.seeds, args.scale)
    out = {}
    for seed in args.seeds:
        ours, theirs = {}, {}
        for folder, _ in corpora(seed, args.scale).values():
            ours.update(scored(folder, "partyline", args.detector, False))
            theirs.update(scored(folder, "spandsp", [spandsp], True))
        out[seed] = {report.OURS: ours, report.SPANDSP: theirs}
    return out


def costs(args):
    """{detector: {kind: (instructions a second, digits)}}. Where our program's usage names lanes,
    `cost lanes FILE` runs the same sound in LANES calls side by side, counted in `lanes`."""
    programs = {
        cost.SPANDSP: ([os.path.join(OUT, "spandsp", "spandsp_cost")], "run", 1),
        cost.OURS: ([args.cost], "cost::one*", 1),
    }
    if "lanes" in subprocess.run([args.cost], capture_output=True, text=True).stderr:
        programs[cost.LANES] = ([args.cost, "lanes"], "cost::lanes*", LANES)
    return cost.measure(programs, os.path.join(OUT, "cost"))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="210 220 230", help="numbers, separated by spaces")
    parser.add_argument("--scale", type=float, default=10)
    parser.add_argument("--detector", default="target/release/partyline dtmf --list")
    parser.add_argument("--cost", default="target/release/examples/cost")
    parser.add_argument("--cost-only", action="store_true", help="count instructions, nothing else")
    parser.add_argument("--no-docs", action="store_true", help="print the tables only")
    args = parser.parse_args()
    args.seeds = [int(seed) for seed in args.seeds.split()]
    args.detector = args.detector.split()
    args.detector[0] = os.path.join(ROOT, args.detector[0])
    args.cost = os.path.join(ROOT, args.cost)
    return args


def main():
    args = arguments()
    built = os.path.join(OUT, "spandsp")
    subprocess.run([os.path.join(HERE, "spandsp"), built], check=True)
    with open(os.path.join(built, "spandsp_cost.built")) as f:
        how = f.read().strip()
    counted = costs(args)
    print(report.cost_table(counted, how))
    marks = report.cost_marks(counted)
    if not args.cost_only:
        found = measured(args, os.path.join(built, "spandsp_list"))
        marks = report.marks(found, args.scale) + marks
        text = report.document(found, args.scale, counted, how, marks)
        print(text)
        if not args.no_docs:
            report.write(os.path.join(ROOT, "docs", "dtmf.md"), text)
    print(report.marks_table(marks))
    sys.exit(any(not mark.met for mark in marks))


if __name__ == "__main__":
    main()
