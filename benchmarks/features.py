"""Speed of fbank on one thread beside torchaudio's and kaldi-native-fbank's, and how far each is from Kaldi.

python -m benchmarks.features --corpus ../shared/corpora/LibriSpeech --reference ../shared/reference/kaldi-features
    --out benchmarks/features.md    # a minute

All make 80 bands of the same waves, without dither, an utterance a call; "list" is ours for all utterances in a call,
as steps.make_features does it. A repeat times each in turn; a ratio is the median of the ratios within repeats.

Distances are on the reference, which Kaldi made, and on fricatives. For these Kaldi's operations are written out here
as in its sources, in float32: sums in order, mel bands by their own dot products, and its FFT, which is that of
sre.features.srfft. Fricatives are made, noise above 5 kHz at full scale with a floor 60 dB below, and spoken: of 200
files the 20 loudest pieces of 0.1 s that have most of their energy above 4 kHz.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from scipy.signal import butter, sosfilt

from benchmarks.scoring import ROOT
from sre.cli.arguments import Parser, input_folder, output_file
from sre.machine.log import run

RATE, BANDS, REPEATS, SECONDS = 16_000, 80, 9, {2: 30, 8: 8, 60: 1}  # SECONDS: length of an utterance: their number
Maker = Callable[[np.ndarray], np.ndarray]  # (S,) on int16's scale -> (T, BANDS)


def ours(exact: bool = True) -> Maker:
    from sre.features.extractor import extractor_of
    from sre.features.types import FbankOptions

    extractor = extractor_of(FbankOptions(exact=exact))
    return lambda wave: extractor([wave])[0].numpy()


def torchaudio_fbank() -> Maker:
    from torchaudio.compliance.kaldi import fbank

    def make(wave: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return fbank(torch.from_numpy(wave)[None], num_mel_bins=BANDS, dither=0.0, sample_frequency=RATE).numpy()

    return make


def native_fbank() -> Maker:
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither, options.frame_opts.samp_freq, options.mel_opts.num_bins = 0.0, RATE, BANDS

    def make(wave: np.ndarray) -> np.ndarray:
        made = kaldi_native_fbank.OnlineFbank(options)
        made.accept_waveform(RATE, wave)
        made.input_finished()
        return np.stack([made.get_frame(frame) for frame in range(made.num_frames_ready)])

    return make


def kaldi_operations() -> Maker:
    """Kaldi's arithmetic in Kaldi's order (feature-window.cc, feature-fbank.cc), window by window, in float32."""
    from sre.features.kaldi_banks import mel_banks, window_shape
    from sre.features.srfft import SplitRadixRealFFT
    from sre.features.types import FbankOptions

    options, one = FbankOptions(), np.float32
    window, banks = window_shape(options).float().numpy(), mel_banks(options).float().numpy()
    fft = SplitRadixRealFFT(options.padded, torch.device("cpu"))
    support = [np.nonzero(band)[0][[0, -1]] for band in banks.T]

    def make(wave: np.ndarray) -> np.ndarray:
        rows = []
        for t in range(options.num_frames(len(wave))):
            x = wave[t * options.shift :][: options.window].astype(one)
            x = x - np.add.accumulate(x)[-1] / one(options.window)
            x = np.concatenate([x[:1] - one(0.97) * x[:1], x[1:] - one(0.97) * x[:-1]]) * window
            power = fft.power(torch.from_numpy(x)[:, None]).numpy()[:, 0]
            products = (power[a : b + 1] * band[a : b + 1] for (a, b), band in zip(support, banks.T, strict=True))
            rows.append([np.add.accumulate(product)[-1] for product in products])
        return np.log(np.maximum(np.array(rows, one), np.finfo(one).eps))

    return make


def noisy_waves(seconds: float, count: int, seed: int = 0) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.normal(0, 1000, int(seconds * RATE)).astype(np.float32) for _ in range(count)]


def speeds() -> list[str]:
    from sre.features.extractor import extractor_of
    from sre.features.types import FbankOptions

    exact, fast = ours(), ours(exact=False)
    together, fast_together = (extractor_of(FbankOptions(exact=which)) for which in (True, False))

    def alone(make: Maker) -> Callable[[list[np.ndarray]], object]:
        return lambda waves: [make(wave) for wave in waves]

    makers: dict[str, Callable[[list[np.ndarray]], object]] = {
        "torchaudio.compliance.kaldi": alone(torchaudio_fbank()),
        "kaldi-native-fbank": alone(native_fbank()),
        "ours": alone(exact),
        "ours, list": together,
        "ours, exact: false": alone(fast),
        "ours, exact: false, list": fast_together,
    }
    cells: dict[str, list[str]] = {name: [] for name in makers}
    for seconds, count in SECONDS.items():
        waves = noisy_waves(seconds, count)
        took: dict[str, list[float]] = {name: [] for name in makers}
        for repeat in range(REPEATS + 1):
            for name, make in makers.items():
                begun = time.process_time()
                make(waves)
                if repeat:  # the first warms up
                    took[name].append(time.process_time() - begun)
        for name, times in took.items():
            ratio = statistics.median(np.divide(took["torchaudio.compliance.kaldi"], times))
            cells[name].append(f"{seconds * count / statistics.median(times):,.0f} | {ratio:.2f}x")
    columns = [head for seconds in SECONDS for head in (f"{seconds} s", "")]
    rule = "|---" * (len(columns) + 1) + "|"
    lines = [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    head = f"| audio seconds a CPU second, utterances of | {' | '.join(columns)} |"
    return [head, rule, *lines, "", "The ratios are to torchaudio."]


def fricatives(corpus: Path) -> dict[str, list[np.ndarray]]:
    import soundfile

    above = butter(8, 4000, "highpass", fs=RATE, output="sos")
    made = [sosfilt(butter(20, 5000, "highpass", fs=RATE, output="sos"), wave) for wave in noisy_waves(2, 5)]
    floors = noisy_waves(2, 5, seed=1)  # of the same level before the filter
    made = [wave + 1e-3 * floor for wave, floor in zip(made, floors, strict=True)]
    made = [np.round(wave * (32767 / np.abs(wave).max())).astype(np.float32) for wave in made]
    pieces: list[tuple[float, np.ndarray]] = []
    for path in sorted(corpus.rglob("*.flac"))[:200]:
        wave = soundfile.read(path, dtype="int16")[0].astype(np.float32)
        wave = wave[: len(wave) // 1600 * 1600].reshape(-1, 1600)
        high = np.square(sosfilt(above, wave)).mean(axis=1)
        best = np.argmax(high * (high > 0.5 * np.square(wave).mean(axis=1)))
        pieces.append((high[best], wave[best]))
    loudest = sorted(pieces, key=lambda piece: -piece[0])[:20]
    return {"made fricatives": made, "spoken fricatives": [wave for _, wave in loudest]}


def reference(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    import kaldiio
    import soundfile

    table = dict(line.split() for line in (folder / "wav.scp").read_text().splitlines())
    waves = {utt: soundfile.read(folder / path, dtype="int16")[0].astype(np.float32) for utt, path in table.items()}
    kaldi = dict(kaldiio.load_ark(str(folder / "fbank80.ark")))
    return [waves[utt] for utt in kaldi], list(kaldi.values())


def greatest(make: Maker, waves: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> str:
    return f"{max(np.abs(make(wave) - right).max() for wave, right in zip(waves, expected, strict=True)):.1e}"


def distances(corpus: Path, folder: Path) -> list[str]:
    columns = {"reference": reference(folder)}
    kaldi = kaldi_operations()
    columns |= {name: (waves, [kaldi(wave) for wave in waves]) for name, waves in fricatives(corpus).items()}
    spans = [
        f"{10 / np.log(10) * max(np.ptp(one, axis=1).max() for one in columns[name][1]):.0f} dB of the {name}"
        for name in columns
    ]
    makers = {
        "Kaldi's operations, written out": kaldi,
        "ours": ours(),
        "ours, exact: false": ours(exact=False),
        "torchaudio.compliance.kaldi": torchaudio_fbank(),
        "kaldi-native-fbank": native_fbank(),
    }
    lines = [
        f"| {name} | {' | '.join(greatest(make, *column) for column in columns.values())} |"
        for name, make in makers.items()
    ]
    return [
        f"| greatest difference of a log energy | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
        *lines,
        "",
        f"Between the bands of one frame there are up to {', '.join(spans)}.",
    ]


def frontends(folder: Path) -> list[str]:
    """Other toolkits' front-ends beside their packages, which tests/features/oracles.py calls in float64."""
    from sre.cli.configs import schema
    from sre.config.resolve import resolve_features
    from sre.features.extractor import extractor_of
    from sre.features.types import options_of
    from tests.features.oracles import ORACLES

    columns = {"reference": reference(folder)[0], "noise": [np.round(wave) for wave in noisy_waves(2, 3)]}
    lines = [f"| greatest difference to its package | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, (kind, given, oracle) in ORACLES.items():
        extractor = extractor_of(options_of(resolve_features(schema(), {"type": kind, **given}, RATE, kind)))
        cells = (
            greatest(lambda wave, made=extractor: made([wave])[0].numpy(), waves, [of(oracle, wave) for wave in waves])
            for waves in columns.values()
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def of(oracle: Callable[[np.ndarray], torch.Tensor], wave: np.ndarray) -> np.ndarray:
    return oracle(wave.astype(float) / 32768).numpy()


def machine() -> str:
    model = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "torchaudio", "kaldi-native-fbank"))
    return f"{time.strftime('%Y-%m-%d')}, {model}, {len(os.sched_getaffinity(0))} cores, one thread, {packages}"


def main() -> None:
    shared = ROOT / "../shared"
    parser = Parser(description=__doc__)
    corpora = {
        "--corpus": (shared / "corpora/LibriSpeech", "FLAC files of speech at 16 kHz"),
        "--reference": (shared / "reference/kaldi-features", "wav.scp, and fbank80.ark of Kaldi's"),
    }
    for name, (folder, text) in corpora.items():
        parser.add_argument(name, type=input_folder, default=folder, help=f"{text} (default: of ../shared)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args()
    torch.set_num_threads(1)
    report = ["# Features", "", f"`python -m benchmarks.features {' '.join(sys.argv[1:])}`: {machine()}", ""]
    text = (
        "\n".join([*report, *speeds(), "", *distances(args.corpus, args.reference), "", *frontends(args.reference)])
        + "\n"
    )
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
