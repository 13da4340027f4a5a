"""Instruments for the music corpus: each makes one note at 8 kHz as a float array of about unit
peak.

Every instrument has something that two plain sines have not: harmonics, inharmonic partials,
breath, beating, vibrato, tremolo or a decay. How much of it is drawn for each piece, from hardly
any to plenty.
"""

from dataclasses import dataclass, field

import numpy as np

FS = 8000
TOP = 3900.0  # partials above are left out: they would fold back


@dataclass
class Timbre:
    """How a note sounds; drawn once for a piece, so that an instrument stays itself."""

    partials: list = field(default_factory=lambda: [1.0])  # amplitude of harmonic 1, 2, ...
    ratios: list = None  # frequency ratios of the partials, where they are not 1, 2, 3, ...
    attack: float = 0.02  # seconds
    release: float = 0.05
    decay: float = 0.0  # dB a second for the fundamental; 0: sustained
    damping: float = 0.0  # further dB a second for each higher partial
    vibrato: float = 0.0  # peak deviation, in parts of the frequency
    vibrato_hz: float = 5.5
    vibrato_delay: float = 0.15
    tremolo: float = 0.0  # peak depth, 0..1
    tremolo_hz: float = 5.0
    breath: float = 0.0  # noise, relative to the tone
    detune: tuple = (0.0,)  # one player each, in parts of the frequency
    drift: float = 0.0  # slow random walk of the pitch
    scoop: float = 0.0  # the pitch starts this much below


def wander(rng, n, depth):
    """A slow random curve of about `depth` rms, a few hertz wide."""
    if depth == 0:
        return np.zeros(n)
    knots = max(4, n * 6 // FS + 4)
    curve = np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.standard_normal(knots))
    return depth * curve


def envelope(t, length, timbre):
    """Attack, sustain and release; `length` is the time the key is held."""
    rise = np.minimum(1.0, t / max(timbre.attack, 1e-3))
    fall = np.clip((length + timbre.release - t) / timbre.release, 0.0, 1.0)
    return np.sin(0.5 * np.pi * rise) ** 2 * np.minimum(1.0, fall) ** 1.5


def pitch(rng, timbre, f, t):
    """The frequency in every sample."""
    bend = np.zeros(len(t))
    if timbre.vibrato:
        depth = timbre.vibrato * np.clip((t - timbre.vibrato_delay) / 0.2, 0.0, 1.0)
        rate = timbre.vibrato_hz * rng.uniform(0.93, 1.07)
        bend += depth * np.sin(2 * np.pi * rate * t + rng.uniform(0, 2 * np.pi))
    if timbre.scoop:
        bend -= timbre.scoop * np.exp(-t / 0.04)
    return f * (1.0 + bend + wander(rng, len(t), timbre.drift))


def player(rng, timbre, f, t):
    """One player's note before the envelope."""
    phase = 2 * np.pi * np.cumsum(pitch(rng, timbre, f, t)) / FS + rng.uniform(0, 2 * np.pi)
    out = np.zeros(len(t))
    ratios = timbre.ratios or range(1, len(timbre.partials) + 1)
    margin = 1.0 + timbre.vibrato
    for i, (ratio, amplitude) in enumerate(zip(ratios, timbre.partials)):
        if amplitude == 0 or f * ratio * margin > TOP:
            continue
        tone = amplitude * np.sin(ratio * phase + (rng.uniform(0, 2 * np.pi) if i else 0.0))
        loss = timbre.decay + i * timbre.damping
        out += tone * 10 ** (-loss * t / 20) if loss else tone
    return out


def note(rng, timbre, f, length):
    """A note of `length` seconds at f hertz, its release included."""
    t = np.arange(int((length + timbre.release) * FS)) / FS
    out = (
        sum(player(rng, timbre, f * (1 + d), t) for d in timbre.detune) / len(timbre.detune) ** 0.5
    )
    if timbre.breath:
        hiss = rng.standard_normal(len(t) + 1)
        out += timbre.breath * (hiss[1:] + 0.7 * hiss[:-1])
    if timbre.tremolo:
        rate = 2 * np.pi * timbre.tremolo_hz
        out *= 1.0 - timbre.tremolo * (0.5 + 0.5 * np.sin(rate * t + rng.uniform(0, 2 * np.pi)))
    return out * envelope(t, length, timbre)


def db(level):
    return 10 ** (level / 20)


def maybe(rng, chance, value):
    return value if rng.random() < chance else 0.0


# ------------------------------------------------------------------ winds
def flute(rng):
    second = db(rng.uniform(-18, -4))
    return Timbre(
        [1, second, second * db(rng.uniform(-10, 0)), db(rng.uniform(-36, -22))],
        attack=rng.uniform(0.02, 0.07),
        breath=db(rng.uniform(-40, -22)),
        vibrato=maybe(rng, 0.6, rng.uniform(0.002, 0.012)),
        tremolo=rng.uniform(0, 0.2),
        drift=0.0007,
    )


def ocarina(rng):
    return Timbre(
        [1, db(rng.uniform(-30, -14)), db(rng.uniform(-30, -14))],
        attack=rng.uniform(0.02, 0.05),
        breath=db(rng.uniform(-42, -26)),
        vibrato=maybe(rng, 0.4, rng.uniform(0.002, 0.01)),
        drift=0.001,
        scoop=maybe(rng, 0.4, 0.01),
    )


def recorder(rng):
    return Timbre(
        [
            1,
            db(rng.uniform(-26, -12)),
            db(rng.uniform(-18, -6)),
            db(-30),
            db(rng.uniform(-34, -22)),
        ],
        attack=rng.uniform(0.01, 0.03),
        breath=db(rng.uniform(-44, -28)),
        drift=0.0005,
    )


def clarinet(rng):
    odd = db(rng.uniform(-16, -4))
    return Timbre(
        [1, db(-32), odd, db(-32), odd * 0.6, db(-36), odd * 0.3],
        attack=rng.uniform(0.02, 0.05),
        vibrato=maybe(rng, 0.3, 0.003),
    )


def pan_pipe(rng):
    return Timbre(
        [1, db(-28), db(rng.uniform(-20, -10)), 0, db(-28)],
        attack=0.03,
        breath=db(rng.uniform(-26, -14)),
        drift=0.0015,
        scoop=0.01,
    )


def whistler(rng):
    return Timbre(
        [1, db(rng.uniform(-34, -20))],
        attack=0.03,
        breath=db(rng.uniform(-34, -20)),
        vibrato=rng.uniform(0.003, 0.02),
        vibrato_delay=0.1,
        drift=0.004,
        scoop=rng.uniform(0.01, 0.05),
    )


def brass(rng):
    tilt = rng.uniform(0.55, 0.85)
    return Timbre(
        [tilt**k for k in range(8)],
        attack=rng.uniform(0.02, 0.06),
        vibrato=maybe(rng, 0.4, 0.004),
        scoop=0.005,
    )


# ------------------------------------------------------------------ organs and synthesisers
def organ_flute(rng):
    return Timbre(
        [1, db(rng.uniform(-26, -10)), db(rng.uniform(-24, -10)), db(-34)],
        attack=0.008,
        release=0.03,
    )


def principal(rng):
    return Timbre(
        [1, 0.7, 0.45, 0.3, 0.2, 0.12],
        attack=0.01,
        release=0.04,
        detune=(0.0, rng.uniform(0.0005, 0.002)),
    )


def drawbar(rng):
    bars = [db(-3 * rng.integers(0, 9)) if rng.random() < 0.7 else 0.0 for _ in range(9)]
    bars[2] = 1.0
    leslie = maybe(rng, 0.5, rng.uniform(0.002, 0.006))
    return Timbre(
        bars,
        ratios=[0.5, 1.5, 1, 2, 3, 4, 5, 6, 8],
        attack=0.004,
        release=0.01,
        vibrato=leslie,
        vibrato_hz=rng.choice([0.8, 6.5]),
        vibrato_delay=0,
        tremolo=25 * leslie,
    )


def accordion(rng):
    wet = rng.uniform(0.003, 0.009)
    return Timbre(
        [1, 0.6, 0.5, 0.3, 0.25, 0.15], attack=0.03, detune=(0.0, wet, -wet)[: rng.integers(2, 4)]
    )


def triangle_lead(rng):
    return Timbre(
        [1, 0, 1 / 9, 0, 1 / 25, 0, 1 / 49],
        attack=0.005,
        vibrato=maybe(rng, 0.5, 0.004),
        detune=(0.0, rng.uniform(0.0005, 0.004)),
    )


def square_lead(rng):
    return Timbre(
        [1, 0, 1 / 3, 0, 1 / 5, 0, 1 / 7],
        attack=0.003,
        release=0.02,
        vibrato=maybe(rng, 0.4, 0.004),
    )


def sine_lead(rng):
    return Timbre(
        [1, db(rng.uniform(-26, -16)), db(-30)],
        attack=0.005,
        vibrato=rng.uniform(0.002, 0.015),
        vibrato_delay=rng.uniform(0, 0.3),
        scoop=maybe(rng, 0.5, 0.03),
    )


def pad(rng):
    tilt = rng.uniform(0.3, 0.7)
    return Timbre(
        [tilt**k for k in range(6)],
        attack=0.15,
        release=0.25,
        detune=(0.0, 0.004, -0.003),
        tremolo=rng.uniform(0, 0.3),
        tremolo_hz=rng.uniform(0.3, 4),
    )


def strings(rng):
    return Timbre(
        [1 / k**1.2 for k in range(1, 9)],
        attack=0.08,
        release=0.12,
        vibrato=0.005,
        detune=tuple(rng.uniform(-0.005, 0.005, 3)),
        drift=0.001,
    )


def choir(rng):
    return Timbre(
        [1, rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.6), rng.uniform(0.05, 0.3), 0.1],
        attack=0.1,
        release=0.15,
        vibrato=0.008,
        detune=tuple(rng.uniform(-0.006, 0.006, 3)),
        drift=0.003,
        breath=db(-34),
    )


def violin(rng):
    return Timbre(
        [k ** -rng.uniform(0.9, 1.5) for k in range(1, 7)],
        attack=rng.uniform(0.03, 0.09),
        vibrato=rng.uniform(0.002, 0.007),
        drift=0.001,
        scoop=maybe(rng, 0.3, 0.01),
    )


def singer(rng):
    return Timbre(
        [1, rng.uniform(0.2, 0.9), rng.uniform(0.05, 0.5), rng.uniform(0.03, 0.3), 0.05],
        attack=rng.uniform(0.04, 0.1),
        vibrato=rng.uniform(0.003, 0.012),
        vibrato_delay=rng.uniform(0.1, 0.4),
        breath=db(rng.uniform(-36, -26)),
        drift=0.003,
        scoop=rng.uniform(0.005, 0.03),
    )


# ------------------------------------------------------------------ struck and plucked
def piano(rng):
    stretch = rng.uniform(1e-4, 6e-4)
    partials = [db(-5 * k) for k in range(8)]
    return Timbre(
        partials,
        ratios=[k * (1 + stretch * k * k) ** 0.5 for k in range(1, 9)],
        attack=0.003,
        release=0.08,
        decay=rng.uniform(12, 30),
        damping=rng.uniform(6, 14),
        detune=(0.0, rng.uniform(0.0002, 0.001)),
    )


def electric_piano(rng):
    return Timbre(
        [1, db(rng.uniform(-24, -8)), db(rng.uniform(-30, -16)), db(rng.uniform(-26, -12))],
        ratios=[1, 2, 3, 7.1],
        attack=0.003,
        release=0.06,
        decay=rng.uniform(6, 18),
        damping=rng.uniform(10, 40),
        tremolo=maybe(rng, 0.5, 0.4),
        tremolo_hz=rng.uniform(3, 7),
    )


def harp(rng):
    return Timbre(
        [db(-rng.uniform(4, 9) * k) for k in range(6)],
        attack=0.002,
        release=0.1,
        decay=rng.uniform(15, 40),
        damping=rng.uniform(10, 25),
    )


def guitar(rng):
    pluck = rng.uniform(0.1, 0.35)
    return Timbre(
        [abs(np.sin(np.pi * k * pluck)) / k for k in range(1, 10)],
        attack=0.002,
        release=0.05,
        decay=rng.uniform(10, 30),
        damping=rng.uniform(8, 20),
    )


def vibraphone(rng):
    return Timbre(
        [1, db(rng.uniform(-20, -10)), db(-26)],
        ratios=[1, 3.98, 9.5],
        attack=0.003,
        release=0.1,
        decay=rng.uniform(4, 12),
        damping=30,
        tremolo=rng.uniform(0.2, 0.7),
        tremolo_hz=rng.uniform(3, 7),
    )


def marimba(rng):
    return Timbre(
        [1, db(rng.uniform(-16, -6)), db(-20)],
        ratios=[1, 3.95, 9.2],
        attack=0.002,
        release=0.05,
        decay=rng.uniform(35, 90),
        damping=60,
    )


def music_box(rng):
    return Timbre(
        [1, db(rng.uniform(-22, -8)), db(rng.uniform(-24, -12))],
        ratios=[1, rng.uniform(2.5, 3.2), 6.2],
        attack=0.002,
        release=0.2,
        decay=rng.uniform(12, 35),
        damping=25,
    )


def bell(rng):
    return Timbre(
        [0.5, 1, 0.6, 0.5, 0.4, 0.25],
        ratios=[0.5, 1, 1.19, 1.5, 2, 2.67],
        attack=0.002,
        release=0.4,
        decay=rng.uniform(6, 20),
        damping=8,
        detune=(0.0, rng.uniform(0.0005, 0.003)),
    )


def fm_bell(rng):
    side, depth = rng.choice([1.4, 2.0, 3.5, 2.76]), rng.uniform(0.15, 0.6)
    ratios = [1, 1 + side, abs(1 - side) or 2, 1 + 2 * side]
    return Timbre(
        [1, depth, depth * 0.8, depth * depth],
        ratios=ratios,
        attack=0.002,
        release=0.3,
        decay=rng.uniform(8, 25),
        damping=15,
    )


def glass(rng):
    return Timbre(
        [1, db(rng.uniform(-26, -14)), db(-30)],
        ratios=[1, 2.32, 4.25],
        attack=0.1,
        release=0.25,
        tremolo=rng.uniform(0.1, 0.5),
        tremolo_hz=rng.uniform(2, 6),
        detune=(0.0, rng.uniform(0.0005, 0.003)),
    )


def steel_drum(rng):
    return Timbre(
        [1, rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.4), 0.1],
        ratios=[1, 2.0, 3.0, 4.1],
        attack=0.005,
        release=0.15,
        decay=rng.uniform(15, 40),
        damping=12,
        detune=(0.0, 0.002),
    )


def drum(rng, kind):
    """Kick, snare or hat; unpitched, a quarter of a second at most."""
    t = np.arange(FS // 4) / FS
    if kind == "kick":
        return np.sin(2 * np.pi * (55 * t + 12 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.07)
    hiss = rng.standard_normal(len(t))
    if kind == "snare":
        return (0.6 * hiss + 0.5 * np.sin(2 * np.pi * 190 * t)) * np.exp(-t / 0.05)
    return np.diff(hiss, prepend=0.0) * np.exp(-t / 0.02)


SUSTAINED = [
    flute,
    ocarina,
    recorder,
    clarinet,
    pan_pipe,
    organ_flute,
    drawbar,
    accordion,
    triangle_lead,
    sine_lead,
    strings,
    choir,
    brass,
    principal,
    square_lead,
    whistler,
]
HOLLOW = [
    flute,
    ocarina,
    recorder,
    clarinet,
    organ_flute,
    triangle_lead,
    sine_lead,
    glass,
]  # the nearest to sines
STRUCK = [
    piano,
    electric_piano,
    harp,
    guitar,
    vibraphone,
    marimba,
    music_box,
    bell,
    fm_bell,
    steel_drum,
]
BACKING = [pad, strings, organ_flute, piano, electric_piano, guitar, choir, principal]
