#!/usr/bin/env python3
"""Scores a detector on a corpus: score.py CORPUS [--cond] [--only PREFIX,..] [--false] --
DETECTOR...

The detector is called once with a list file of WAV paths behind its arguments, and prints a line
`PATH DIGIT ONSET_MS REPORT_MS` for each key press it hears, in any order. ONSET_MS is where it
thinks that the press began (a detector that does not know says when it reported), REPORT_MS when it
could have told anybody. A report belongs to a label when its onset is from 30 ms before the press
to 120 ms behind it. Without --false the table is printed, with it every report that belongs to no
label.
"""

import argparse
import collections
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field

EARLY, LATE = 30, 120  # milliseconds around a label


@dataclass
class Tally:
    """What a detector did in one category or a group of them."""

    accept: int = 0  # labels that must be reported
    hit: int = 0
    double: int = 0  # further reports of a label that was hit
    wrong: int = 0  # reports of another digit on a label
    reject: int = 0  # labels that must not be reported
    rejected_heard: int = 0
    dontcare: int = 0
    dontcare_hit: int = 0
    false: int = 0  # reports on no label
    hours: float = 0.0
    latencies: list = field(default_factory=list)

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def hit_percent(self):
        return 100 * self.hit / self.accept if self.accept else float("nan")

    def false_an_hour(self):
        return self.false / self.hours if self.hours else float("nan")

    def latency(self, quantile):
        values = sorted(self.latencies)
        if not values:
            return float("nan")
        return values[min(len(values) - 1, int(quantile * len(values)))]


def assign(events, reports):
    """([(hits, wrong, latency)] for each label, reports that belong to none). A report goes to a
    label of its digit that has none yet, first to one that it lies within."""
    hits, wrong, latency = [0] * len(events), [0] * len(events), [None] * len(events)
    stray = []
    for onset, digit, told in sorted(reports):
        around = [
            i
            for i, e in enumerate(events)
            if e["onset_ms"] - EARLY <= onset <= e["offset_ms"] + LATE
        ]
        same = [i for i in around if events[i]["digit"] == digit]
        free = [i for i in same if not hits[i]]
        if free:
            within = [
                i for i in free if events[i]["onset_ms"] - 5 <= onset <= events[i]["offset_ms"] + 35
            ]
            i = (within or free)[0]
            hits[i] += 1
            latency[i] = told - events[i]["onset_ms"]
        elif same:
            hits[same[0]] += 1
        elif around:
            wrong[min(around, key=lambda i: abs(onset - events[i]["onset_ms"] - 30))] += 1
        else:
            stray.append((onset, digit))
    return list(zip(hits, wrong, latency)), stray


def tally(file, reports):
    """(tally of one file, stray reports)"""
    outcome, stray = assign(file["events"], reports)
    t = Tally(false=len(stray), hours=file["duration_s"] / 3600)
    for event, (hits, wrong, latency) in zip(file["events"], outcome):
        if event["expect"] == "accept":
            t.accept += 1
            t.hit += hits > 0
            t.double += max(0, hits - 1)
            t.wrong += wrong
            t.latencies += [latency] if latency is not None else []
        elif event["expect"] == "reject":
            t.reject += 1
            t.rejected_heard += hits + wrong > 0
        else:
            t.dontcare += 1
            t.dontcare_hit += hits > 0
    return t, stray


def run(detector, paths):
    """{path: [(onset, digit, told)]}"""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
        names.write("".join(path + "\n" for path in paths))
        names.flush()
        out = subprocess.run([*detector, names.name], stdout=subprocess.PIPE, text=True)
    if out.returncode:
        raise SystemExit("%s: exit %d" % (" ".join(detector), out.returncode))
    reports = collections.defaultdict(list)
    for line in out.stdout.splitlines():
        path, digit, onset, told = line.rsplit(None, 3)
        reports[path].append((float(onset), digit, float(told)))
    unknown = set(reports) - set(paths)
    if unknown:
        raise SystemExit("%s names a file not asked for: %s" % (detector[0], min(unknown)))
    return reports


def labels(corpus, only=()):
    """The corpus's files, each with its absolute path."""
    with open(os.path.join(corpus, "labels.json")) as f:
        files = json.load(f)["files"]
    for file in files:
        file["abs"] = os.path.abspath(os.path.join(corpus, file["path"]))
    return [f for f in files if not only or f["category"].startswith(tuple(only))]


def score(corpus, detector, only=(), conditions=False):
    """({category: tally}, [(file, onset, digit)] of stray reports)"""
    files = labels(corpus, only)
    reports = run(detector, [f["abs"] for f in files])
    tallies, strays = {}, []
    for f in files:
        t, stray = tally(f, reports.get(f["abs"], []))
        strays += [(f["path"], onset, digit) for onset, digit in stray]
        for key in [f["category"]] + [f["category"] + "/" + f["cond"]] * conditions:
            tallies.setdefault(key, Tally()).add(t)
    return tallies, strays


COLUMNS = "%-34s %6s %7s %6s %6s %9s %7s %7s %8s %6s %6s"


def row(name, t):
    def ratio(part, whole):
        return "%d/%d" % (part, whole) if whole else "-"

    def number(value, form):
        return form % value if value == value else "-"

    return COLUMNS % (
        name,
        t.accept or "-",
        number(t.hit_percent(), "%.2f"),
        t.double,
        t.wrong,
        ratio(t.rejected_heard, t.reject),
        number(100 * t.dontcare_hit / t.dontcare if t.dontcare else float("nan"), "%.1f"),
        t.false,
        number(t.false_an_hour(), "%.1f"),
        number(t.latency(0.5), "%.0f"),
        number(t.latency(0.95), "%.0f"),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--cond", action="store_true", help="a row for each condition")
    parser.add_argument("--only", default="", help="categories that begin so, separated by commas")
    parser.add_argument("--false", action="store_true", help="list the reports on no label")
    parser.add_argument("detector", nargs="+", help="behind --")
    args = parser.parse_args()
    only = [prefix for prefix in args.only.split(",") if prefix]
    tallies, strays = score(args.corpus, args.detector, only, args.cond)
    if args.false:
        for path, onset, digit in strays:
            print(path, digit, "%.0f" % onset)
        return
    heads = "category digits hit% double wrong rejects grey% false false/h lat50 lat95".split()
    print(COLUMNS % tuple(heads))
    for name in sorted(tallies):
        print(row(name, tallies[name]))
    for prefix in ("q24_", "net_", "talkoff_", "torture_", "stress_"):
        total = Tally()
        for name, t in tallies.items():
            if name.startswith(prefix) and "/" not in name:
                total.add(t)
        if total.hours:
            print(row("TOTAL " + prefix, total))


if __name__ == "__main__":
    main()
