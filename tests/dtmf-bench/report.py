"""The tables of docs/dtmf.md, and the marks that the detector has to reach."""

import re
from dataclasses import dataclass

import cost
from score import Tally

OURS, SPANDSP = "partyline", "spandsp"
# What latency is measured on. Many files: the presses of one lie alike in the frames.
CLEAN = ("q24_freq", "q24_level", "q24_twist", "q24_timing", "net_g711_transcode")
BEGIN, END = "<!-- figures: make dtmf-bench writes from here -->", "<!-- to here -->"


@dataclass
class Mark:
    """One thing that was promised, and what was measured."""

    name: str
    wanted: str
    found: str
    met: bool


def total(tallies, *prefixes):
    """One tally of all the categories that begin so."""
    out = Tally()
    for name, t in tallies.items():
        if name.startswith(prefixes):
            out.add(t)
    return out


def over_seeds(found, detector, *prefixes):
    out = Tally()
    for tallies in found.values():
        out.add(total(tallies[detector], *prefixes))
    return out


def category(found, detector, name):
    """One tally of a category in all seeds."""
    out = Tally()
    for tallies in found.values():
        out.add(tallies[detector].get(name, Tally()))
    return out


SPEECH = ("talkoff_synth", "talkoff_speech", "false_")


# ---------------------------------------------------------------- marks
def seed_marks(seed, ours, scale):
    """The marks that every seed has to reach by itself. A small set is one draw of luck: there must
    be no double at all; over a larger one their share is to be the same within half a point."""
    q24, net = total(ours, "q24_"), total(ours, "net_")
    both = total(ours, "q24_", "net_")
    doubled = 100 * both.double / both.accept
    tape, talk = total(ours, "torture_synth"), total(ours, *SPEECH)

    def mark(name, wanted, value, met):
        return Mark("seed %d: %s" % (seed, name), wanted, value, met)

    return [
        mark("Q.24 hits", ">= 97 %", "%.2f %%" % q24.hit_percent(), q24.hit_percent() >= 97),
        mark("network hits", ">= 96 %", "%.2f %%" % net.hit_percent(), net.hit_percent() >= 96),
        (
            mark("doubles", "0", "%d" % both.double, both.double == 0)
            if scale <= 1
            else mark("doubles", "<= 0.5 %", "%.2f %%" % doubled, doubled <= 0.5)
        ),
        mark("wrong digits", "0", "%d" % both.wrong, both.wrong == 0),
        mark("rejects heard", "0", "%d" % both.rejected_heard, both.rejected_heard == 0),
        mark("near misses", "<= 4", "%d" % tape.false, tape.false <= 4),
        mark("talk-off", "0", "%d in %.2f h" % (talk.false, talk.hours), talk.false == 0),
    ]


def spread(found, prefix):
    hits = [total(tallies[OURS], prefix).hit_percent() for tallies in found.values()]
    return max(hits) - min(hits)


def marks(found, scale):
    """All marks of the corpora. The duets have none: they say how far a detector can be driven."""
    out = [m for seed, tallies in found.items() for m in seed_marks(seed, tallies[OURS], scale)]
    ours, theirs = (over_seeds(found, d, "talkoff_music") for d in (OURS, SPANDSP))
    rate, bound = ours.false_an_hour(), theirs.false_an_hour() / 2
    said = "%.2f an hour" % rate
    out.append(Mark("music", "<= 1 an hour", said, rate <= 1))
    out.append(Mark("music", "<= half of spandsp's: %.1f" % bound, said, rate <= bound))
    clean = over_seeds(found, OURS, *CLEAN)
    for quantile, wanted in ((0.5, 40), (0.95, 52)):
        value = clean.latency(quantile)
        name = "report after onset, %g %%" % (100 * quantile)
        out.append(Mark(name, "<= %d ms" % wanted, "%.0f ms" % value, value <= wanted))
    if scale >= 10 and len(found) > 1:
        for name, prefix in (("Q.24", "q24_"), ("network", "net_")):
            value = spread(found, prefix)
            out.append(Mark(name + " between seeds", "<= 0.5", "%.2f" % value, value <= 0.5))
    return out


def cost_marks(counted):
    """The marks of `make dtmf-cost`."""
    out = []
    for name, share in ((cost.OURS, 0.5), (cost.LANES, 0.2)):
        if name in counted:
            value = cost.mixed(counted[name]) / cost.mixed(counted[cost.SPANDSP])
            wanted = "<= %g of spandsp's" % share
            out.append(Mark("instructions, " + name, wanted, "%.2f" % value, value <= share))
    return out


# ---------------------------------------------------------------- tables
def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def pair(form, ours, theirs):
    return [form % value if value == value else "-" for value in (ours, theirs)]


def totals_table(found):
    """The figures of all seeds, ours and spandsp's."""
    heads = ["", *("seed %d %s" % (seed, d) for seed in found for d in (OURS, SPANDSP))]
    lines = [
        ("Q.24 hits, %", "%.2f", lambda t: total(t, "q24_").hit_percent()),
        ("network hits, %", "%.2f", lambda t: total(t, "net_").hit_percent()),
        ("digits reported twice", "%d", lambda t: total(t, "q24_", "net_").double),
        ("wrong digits", "%d", lambda t: total(t, "q24_", "net_").wrong),
        ("signals to reject, heard", "%d", lambda t: total(t, "q24_").rejected_heard),
        ("near misses heard", "%d", lambda t: total(t, "torture_synth").false),
        (
            "near misses of the speech corpus heard",
            "%d",
            lambda t: total(t, "torture_speech").false,
        ),
        ("speech and signalling tones, hours", "%.2f", lambda t: total(t, *SPEECH).hours),
        ("false digits in them", "%d", lambda t: total(t, *SPEECH).false),
        ("music, hours", "%.2f", lambda t: total(t, "talkoff_music").hours),
        ("false digits in music", "%d", lambda t: total(t, "talkoff_music").false),
        ("an hour", "%.1f", lambda t: total(t, "talkoff_music").false_an_hour()),
        ("duets, hours", "%.2f", lambda t: total(t, "stress_duets").hours),
        (
            "false digits in duets, an hour",
            "%.1f",
            lambda t: total(t, "stress_duets").false_an_hour(),
        ),
        (
            "report after onset, clean lines, 50 %, ms",
            "%.0f",
            lambda t: total(t, *CLEAN).latency(0.5),
        ),
        ("95 %, ms", "%.0f", lambda t: total(t, *CLEAN).latency(0.95)),
    ]
    rows = []
    for name, form, value in lines:
        cells = [pair(form, *(value(t[d]) for d in (OURS, SPANDSP))) for t in found.values()]
        rows.append([name, *(cell for both in cells for cell in both)])
    return table(heads, rows)


def categories_table(found):
    """Hits and false digits in each category, all seeds together."""
    names = sorted({name for t in found.values() for name in t[OURS]})
    rows = []
    for name in names:
        both = [category(found, d, name) for d in (OURS, SPANDSP)]
        ours, theirs = both
        rows.append(
            [
                "`%s`" % name,
                "%d" % ours.accept if ours.accept else "-",
                *pair("%.2f", ours.hit_percent(), theirs.hit_percent()),
                *("%d" % t.double for t in both),
                *("%d" % (t.false + t.rejected_heard + t.wrong) for t in both),
            ]
        )
    heads = ["category", "digits", "hit %", "spandsp", "twice", "spandsp", "false", "spandsp"]
    return table(heads, rows)


def weakest_table(found, below=97, most=12):
    """The categories in which the fewest presses are heard."""
    rows = []
    for name in {name for t in found.values() for name in t[OURS]}:
        ours, theirs = (category(found, d, name) for d in (OURS, SPANDSP))
        if ours.hit_percent() < below:
            rows.append((ours.hit_percent(), name, theirs.hit_percent()))
    return table(
        ["category", "hit %", "spandsp"],
        [["`%s`" % name, *pair("%.2f", mine, its)] for mine, name, its in sorted(rows)[:most]],
    )


def cost_table(counted, how):
    """Instructions for a second and an hour of audio of each kind."""
    kinds = [*counted[cost.SPANDSP], "mix"]
    rows = []
    for name, values in counted.items():
        per_second = [values[kind][0] for kind in kinds[:-1]] + [cost.mixed(values)]
        rows.append([name, *("%.0f k" % (v / 1e3) for v in per_second)])
        rows.append([name + ", an hour", *("%.2f G" % (v * 3600 / 1e9) for v in per_second)])
        if name != cost.SPANDSP:
            theirs = counted[cost.SPANDSP]
            base = [theirs[kind][0] for kind in kinds[:-1]] + [cost.mixed(theirs)]
            ratios = ["%.2f" % (v / b) for v, b in zip(per_second, base)]
            rows.append([name + " to spandsp", *ratios])
    parts = ", ".join("%d of %s" % (n, kind) for kind, n in cost.MIX.items())
    return table(["instructions", *kinds], rows) + "\n%s. The mix: %s.\n" % (
        how,
        parts,
    )


def marks_table(found):
    rows = [[m.name, m.wanted, m.found, "yes" if m.met else "**no**"] for m in found]
    return table(["mark", "wanted", "found", "met"], rows)


# ---------------------------------------------------------------- the document
def document(found, scale, counted, how, reached):
    """What stands between the markers."""
    seeds = " ".join(map(str, found))
    parts = [
        'Seeds %s at scale %g: `make dtmf-bench SEEDS="%s" SCALE=%g`.\n'
        % (seeds, scale, seeds, scale),
        "### Totals\n",
        totals_table(found),
        "### Cost\n",
        cost_table(counted, how),
        "### Marks\n",
        marks_table(reached),
        "### Weakest categories, all seeds together\n",
        weakest_table(found),
        "### Categories, all seeds together\n",
        "`false` counts reports on no label, of another digit and of signals to reject.\n",
        categories_table(found),
    ]
    return "\n".join(parts)


def write(path, text):
    """Puts the text between the markers of the document, which must be there."""
    with open(path) as f:
        old = f.read()
    new, count = re.subn(
        re.escape(BEGIN) + ".*?" + re.escape(END),
        lambda _: BEGIN + "\n\n" + text + "\n" + END,
        old,
        flags=re.S,
    )
    if count != 1:
        raise SystemExit("%s has no place for the figures" % path)
    with open(path, "w") as f:
        f.write(new)
