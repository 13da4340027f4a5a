"""Levels, codecs and everything that a telephone line does to sound.

Signals are float arrays at 8 kHz in units of 16-bit samples. A full-scale sine (peak 32767) is
+3.14 dBm0, the A-law overload point (ITU-T G.711). Random draws come from the generator handed in,
in a fixed order: a seed gives the same corpus on every machine that has the same codecs.
"""

import os
import subprocess
import tempfile
import wave

import numpy as np
from scipy import signal as sg

FS = 8000


def amp(dbm0):
    """Peak of a sine of this level."""
    return 32767.0 * 10 ** ((dbm0 - 3.14) / 20)


def rms_of(dbm0):
    """RMS of a signal of this power."""
    return amp(dbm0) / np.sqrt(2)


def ms(time):
    """Samples in so many milliseconds."""
    return int(round(time * FS / 1000))


# ---------------------------------------------------------------- files
def quantized(x):
    return np.clip(np.round(x), -32768, 32767).astype(np.int32)


def pcm(x):
    return quantized(x).astype("<i2").tobytes()


def from_pcm(raw):
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<i2").astype(float)


def write_wav(path, x):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(FS)
        w.writeframes(pcm(x))


def decode(path):
    """Any file that ffmpeg reads, as 8 kHz mono."""
    return from_pcm(ffmpeg(["-i", path, "-ar", "8000", "-ac", "1", "-f", "s16le", "-"]))


# ---------------------------------------------------------------- codecs
def ulaw(x):
    x = quantized(x)
    m = np.minimum(np.abs(x), 32635) + 132
    e = np.floor(np.log2(m)).astype(np.int32) - 7
    mantissa = (m >> (e + 3)) & 15
    y = (((mantissa << 3) + 132) << e) - 132
    return np.where(x < 0, -y, y).astype(float)


def alaw(x):
    x = quantized(x)
    m = np.minimum(np.abs(x), 32767)
    e = np.maximum(np.floor(np.log2(np.maximum(m, 1))).astype(np.int32) - 7, 0)
    mantissa = np.where(e > 0, (m >> (e + 3)) & 15, (m >> 4) & 15)
    segment = ((mantissa << 4) + 0x108) << np.maximum(e - 1, 0)
    y = np.where(e > 0, segment, (mantissa << 4) + 8)
    return np.where(x < 0, -y, y).astype(float)


def g711(rng, x):
    """One of the two laws, drawn."""
    return [ulaw, alaw][int(rng.integers(2))](x)


def ffmpeg(args, data=None):
    command = (
        ["ffmpeg", "-v", "error", "-nostdin", "-y"]
        if data is None
        else ["ffmpeg", "-v", "error", "-y"]
    )
    return subprocess.run(command + args, input=data, stdout=subprocess.PIPE, check=True).stdout


def through(x, encoder, container, reading=()):
    """There and back through an ffmpeg encoder; `reading` are options that the decoder needs."""
    with tempfile.TemporaryDirectory() as folder:
        coded = os.path.join(folder, "coded")
        raw = ["-f", "s16le", "-ar", "8000", "-ac", "1", "-i", "-", "-ar", "8000"]
        ffmpeg(raw + encoder + ["-f", container, coded], pcm(x))
        y = from_pcm(ffmpeg([*reading, "-i", coded, "-ar", "8000", "-ac", "1", "-f", "s16le", "-"]))
    y = y[: len(x)]
    return np.pad(y, (0, len(x) - len(y)))


def gsm(x):
    return through(x, ["-c:a", "libgsm"], "gsm", ["-f", "gsm"])


def opus12(x):
    return through(
        x, ["-c:a", "libopus", "-b:a", "12k", "-application", "voip", "-vbr", "off"], "ogg"
    )


def g726_32(x):
    reading = ["-f", "g726le", "-code_size", "4", "-ar", "8000"]
    return through(x, ["-c:a", "g726le", "-b:a", "32k"], "g726le", reading)


def works(codec):
    """True where this machine's ffmpeg has the codec."""
    try:
        codec(np.zeros(1600))
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def codecs():
    """[(name, function)] of the codecs besides G.711 that this machine has."""
    return [(f.__name__, f) for f in (gsm, opus12, g726_32) if works(f)]


# ---------------------------------------------------------------- noise and tones
def awgn(rng, n, dbm0):
    return rng.standard_normal(n) * rms_of(dbm0)


def band(rng, n, dbm0):
    """Noise of the telephone band."""
    sos = sg.butter(4, [300, 3400], "band", fs=FS, output="sos")
    s = sg.sosfilt(sos, rng.standard_normal(n + 800))[800:]
    return s / np.sqrt(np.mean(s**2)) * rms_of(dbm0)


def pink(rng, n, dbm0):
    f = np.fft.rfft(rng.standard_normal(n))
    f /= np.sqrt(np.maximum(np.arange(len(f)), n * 60 / FS))
    s = np.fft.irfft(f, n)
    return s / np.sqrt(np.mean(s**2)) * rms_of(dbm0)


def sines(rng, n, tones):
    """The sum of [(hertz, dbm0)] at phases drawn."""
    t = np.arange(n) / FS
    y = np.zeros(n)
    for f, level in tones:
        y += amp(level) * np.sin(2 * np.pi * f * t + rng.uniform(0, 6.28))
    return y


# ---------------------------------------------------------------- impairments
def echo(x, delay_ms, loss_db):
    d = ms(delay_ms)
    y = x.copy()
    y[d:] += x[:-d] * 10 ** (-loss_db / 20)
    return y


def lose(rng, x, chance, concealment, frame=160):
    """(sound, mask of lost samples): 20 ms frames go missing; "zero" leaves a hole, "rep" repeats
    the last good frame, 6 dB softer each further time, and falls silent after five."""
    y = x.copy()
    lost = np.zeros(len(x), bool)
    last = np.zeros(frame)
    run = 0
    for i in range(0, len(x) - frame + 1, frame):
        if rng.random() < chance:
            run += 1
            lost[i : i + frame] = True
            y[i : i + frame] = 0 if concealment == "zero" else last * 0.5 ** (run - 1) * (run < 6)
        else:
            run = 0
            last = x[i : i + frame]
    return y, lost


def skew(x, ppm):
    """The sound as a clock hears it that is off by so many parts in a million."""
    n = len(x)
    t = np.arange(n) * (1 + ppm * 1e-6)
    return np.interp(np.minimum(t, n - 1), np.arange(n), x)


def slips(rng, x, events, every_s):
    """Jitter-buffer slips: 1..80 samples left out or played twice at random instants; labels move
    along."""
    out, pos, shift, marks = [], 0, 0, []
    n = len(x)
    while True:
        following = pos + int(rng.exponential(every_s) * FS) + 400
        if following >= n - 200:
            out.append(x[pos:])
            break
        k = int(rng.integers(1, 81))
        out.append(x[pos:following])
        if rng.random() < 0.5:
            pos = following + k
            shift -= k
        else:
            pos = following - k
            shift += k
        marks.append((following, shift))
    for event in events:
        for edge in ("onset_ms", "offset_ms"):
            moved = [s for at, s in marks if at <= event[edge] * 8]
            event[edge] = round(event[edge] + (moved[-1] if moved else 0) / 8, 2)
    return np.concatenate(out), events


def play_rate(x, rate):
    """The sound played faster or slower, its pitch moving along."""
    n = int(len(x) / rate)
    return np.interp(np.arange(n) * rate, np.arange(len(x)), x)


def active_norm(x, dbm0):
    """The sound at this level, measured where it is not silent."""
    frames = x[: len(x) // 160 * 160].reshape(-1, 160)
    power = np.mean(frames**2, 1)
    if len(power) == 0 or power.max() < 1:
        return x
    active = power > power.max() * 1e-3
    return x * rms_of(dbm0) / np.sqrt(np.mean(power[active]))
