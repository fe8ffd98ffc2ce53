"""Generate the noises and rooms of recipe `mini`, in the layouts of MUSAN and RIRS_NOISES.

python -m local.make_mini_noises data/mini_noises --seed 1 --num-workers 2

Writes OUT_DIR/musan/{noise,music,speech}, OUT_DIR/RIRS_NOISES/{simulated_rirs,pointsource_noises} and, last of all,
OUT_DIR/MADE, which says that all of it is there. The speech is of voices that recipe mini neither trains on
nor tests. The bytes depend on the seed and on the constants of local/mini_*.py alone.
"""

import importlib.util
import io
import shutil
from pathlib import Path

import numpy as np
import soundfile

from local import mini_rooms, mini_speech
from local.make_mini_corpus import Speaker, make_speakers
from local.mini_rooms import SIDES_M, draw_place, draw_room, response
from local.mini_speech import SAMPLE_RATE, make_voices
from sre import SreError
from sre.cli.arguments import Parser, output_folder, processes, seed
from sre.io.atomic import atomic_output, locked, sha256_text
from sre.io.text import read_text
from sre.machine.log import run, say

VERSION = 1  # raise it when the code makes other bytes from the same constants
MADE_BY = "made by local.make_mini_noises, version"
SPEAKERS_OF_MINI = 60  # the voices before are those of the corpus; a male variant comes back after 72 speakers
VOICES, UTTERANCES = 12, 4  # the male ones of these are taken
NUM_NOISES, NUM_PIECES, NUM_POINTS, SECONDS = 16, 12, 6, 10.0
NUM_ROOMS, NUM_PLACES = 6, 6  # rooms of each size, and places in each
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 5, 9), (2, 5, 9), (0, 4, 7, 11))  # semitones
SALT = {"noise": 1, "music": 2, "point": 3, "room": 4}
LEVEL = 0.1  # rms of full scale


def noise(draw: np.random.Generator, seconds: float) -> np.ndarray:
    """Return (S,) float64: coloured noise that swells, at times with a hum or with knocks."""
    samples = round(seconds * SAMPLE_RATE)
    hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    slope, low, high = draw.uniform(-9, 0), draw.uniform(20, 300), draw.uniform(1500, 8000)
    shape = np.maximum(hz, 20.0) ** (slope / 6) / np.sqrt((1 + (low / np.maximum(hz, 1)) ** 4) * (1 + (hz / high) ** 8))
    wave = np.fft.irfft(np.fft.rfft(draw.standard_normal(samples)) * shape, samples)
    times = np.arange(samples) / SAMPLE_RATE
    wave *= 1 + draw.uniform(0, 0.9) * np.sin(2 * np.pi * (draw.uniform(0.1, 4) * times + draw.random()))
    wave /= wave.std()
    if draw.random() < 0.4:
        hum = sum(np.sin(2 * np.pi * 50 * k * times + draw.uniform(0, 6)) / k for k in range(1, 12))
        wave += draw.uniform(0.3, 2) * hum
    if draw.random() < 0.4:
        knock = np.exp(-np.arange(1600) / draw.uniform(50, 400)) * draw.standard_normal(1600)
        for at in draw.integers(0, samples - 1600, draw.integers(3, 20)):
            wave[at : at + 1600] += draw.uniform(3, 10) * knock
    return wave


def music(draw: np.random.Generator, seconds: float) -> np.ndarray:
    """Return (S,) float64: chords of plucked or bowed tones, one a beat."""
    samples, beat = round(seconds * SAMPLE_RATE), round(draw.uniform(0.25, 0.7) * SAMPLE_RATE)
    key, partials, decay_s = draw.uniform(80, 250), int(draw.integers(4, 14)), draw.uniform(0.15, 2)
    wave, times = np.zeros(samples + 4 * beat), np.arange(3 * beat) / SAMPLE_RATE
    envelope = np.minimum(times / draw.uniform(0.005, 0.1), 1) * np.exp(-times / decay_s)
    envelope *= np.linspace(1, 0, len(times))
    for start in range(0, samples, beat):
        for step in CHORDS[draw.integers(len(CHORDS))]:
            hz = key * 2 ** ((step + 12 * draw.integers(0, 2)) / 12)
            tone = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, partials) if hz * k < SAMPLE_RATE / 2)
            wave[start : start + len(times)] += draw.uniform(0.3, 1) * envelope * tone
    return wave[:samples]


def write_sound(path: Path, wave: np.ndarray, peak: float = 0.95, level: float | None = LEVEL) -> None:
    """Write (S,) as a WAV of 16 bits, at an rms of full scale, or at the peak where it has none or is beyond it."""
    gain = peak / np.abs(wave).max() if level is None else min(level / wave.std(), peak / np.abs(wave).max())
    content = io.BytesIO()  # libsndfile does not say that a disk is full
    soundfile.write(content, np.rint(wave * gain * 32767).astype(np.int16), SAMPLE_RATE, format="WAV")
    with atomic_output(path, "wb") as file:
        file.write(content.getbuffer())


def write_noises(out_dir: Path, seed: int) -> None:
    """Write the noises, the music, and the point source noises with their list."""
    musan, point = out_dir / "musan", out_dir / "RIRS_NOISES/pointsource_noises"
    for number in range(NUM_NOISES):
        draw = np.random.default_rng([seed, SALT["noise"], number])
        write_sound(musan / f"noise/synthetic/noise-synthetic-{number:04d}.wav", noise(draw, SECONDS))
    for number in range(NUM_PIECES):
        draw = np.random.default_rng([seed, SALT["music"], number])
        write_sound(musan / f"music/synthetic/music-synthetic-{number:04d}.wav", music(draw, SECONDS))
    for number in range(NUM_POINTS):
        draw = np.random.default_rng([seed, SALT["point"], number])
        write_sound(point / f"noise-point-{number:04d}.wav", noise(draw, draw.uniform(1, 5)))
    names = [f"noise-point-{number:04d}" for number in range(NUM_POINTS)]
    with atomic_output(point / "noise_list") as file:
        file.writelines(f"--noise-id {name} RIRS_NOISES/pointsource_noises/{name}.wav\n" for name in names)


def write_rooms(out_dir: Path, seed: int) -> None:
    """Write the room impulse responses of each size, with their rir_list."""
    for number, size in enumerate(SIDES_M):
        folder, lines = f"simulated_rirs/{size}room", list[str]()
        for index in range(NUM_ROOMS):
            draw = np.random.default_rng([seed, SALT["room"], number, index])
            room, name = draw_room(size, draw), f"Room{index + 1:03d}"
            for place in range(NUM_PLACES):
                wave = response(room, draw_place(room, draw), draw_place(room, draw))
                path = f"{folder}/{name}/{name}-{place + 1:05d}.wav"
                write_sound(out_dir / "RIRS_NOISES" / path, wave, level=None)
                lines.append(f"--rir-id {size}-{name}-{place + 1:05d} --room-id {size}-{name} RIRS_NOISES/{path}\n")
        with atomic_output(out_dir / "RIRS_NOISES" / folder / "rir_list") as file:
            file.writelines(lines)


def make_noises(out_dir: Path, seed: int, num_workers: int) -> None:
    """Make all of it, unless it is there.

    Raises SreError for a folder with other things in it, or a missing espeakng_loader.
    """
    constants = {
        name: value for part in (mini_speech, mini_rooms) for name, value in vars(part).items() if name.isupper()
    }
    numbers = NUM_NOISES, NUM_PIECES, NUM_POINTS, SECONDS, NUM_ROOMS, NUM_PLACES, VOICES, UTTERANCES
    header = (
        f"{MADE_BY} {VERSION}, constants {sha256_text(repr((sorted(constants.items()), numbers)))[:16]}, seed {seed}\n"
    )
    with locked(out_dir / ".lock"):
        made = out_dir / "MADE"
        if made.exists() and read_text(made) == header:
            say(f"{out_dir}: complete, left as it is")
            return
        if importlib.util.find_spec("espeakng_loader") is None:
            raise SreError("espeakng_loader, which speaks the babble, is missing: pip install -e '.[demo]'")
        names = {path.name for path in out_dir.iterdir() if not path.name.startswith(".")}
        if names - {"MADE", "musan", "RIRS_NOISES"} or (made.exists() and not read_text(made).startswith(MADE_BY)):
            raise SreError(f"{out_dir}: holds what this program has not made; give an empty folder or a new name")
        made.unlink(missing_ok=True)
        for name in ("musan", "RIRS_NOISES"):
            if (out_dir / name).exists():
                shutil.rmtree(out_dir / name)
        write_noises(out_dir, seed)
        write_rooms(out_dir, seed)
        voices = list(enumerate(make_voices(seed, SPEAKERS_OF_MINI + VOICES)))[SPEAKERS_OF_MINI:]
        speakers = [Speaker("speech", number, voice, UTTERANCES) for number, voice in voices if voice.sex == "M"]
        make_speakers(out_dir / "musan", seed, speakers, num_workers)
        with atomic_output(made) as file:
            file.write(header)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("out_dir", type=output_folder, help="of the noises; empty, or an earlier one")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of every draw (default: 1)")
    parser.add_argument("--num-workers", "--nj", type=processes, default=2, metavar="N", help="processes (default: 2)")
    args = parser.parse_args(argv)
    make_noises(args.out_dir, args.seed, args.num_workers)


if __name__ == "__main__":
    run(main)
