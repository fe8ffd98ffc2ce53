"""How far estimates of the SNR are from the SNR at which noise was added to speech.

    python -m benchmarks.snr LIBRISPEECH_PART NOISES --out benchmarks/snr.md

LIBRISPEECH_PART is a folder of FLAC files, NOISES one of wav files (MUSAN's layout). Each utterance is mixed with one
noise at each SNR, then left whole or cut to 2 or 1 s from its middle. Read speech has noise of its own, so above 20 dB
no estimate can be right of all utterances. Cells: mean ± standard deviation of the estimates.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from scipy.special import ndtri
from scipy.stats import gamma

from sre.augment.noise import mix
from sre.cli.arguments import Parser, input_folder, output_file
from sre.features.snr import LEAST, MOST, estimate_snr

SNRS = (-5, 0, 5, 10, 15, 20)
LENGTHS = (None, 2.0, 1.0)
Method = Callable[[np.ndarray, int], float]


@cache
def wada_table() -> tuple[np.ndarray, np.ndarray]:
    """Return ln E|x| - E ln|x| of speech, gamma distributed with shape 0.4, in Gaussian noise, and the SNRs in dB."""
    speech = gamma.ppf((np.arange(4000) + 0.5) / 4000, 0.4)
    speech /= np.sqrt(np.square(speech).mean())
    noise, snrs, found = ndtri((np.arange(801) + 0.5) / 801), np.arange(-20, 61, 2.0), []
    for snr in snrs:
        both = np.abs(speech[:, None] + 10 ** (-snr / 20) * noise)
        found.append(np.log(both.mean()) - np.log(np.maximum(both, 1e-10)).mean())
    return np.array(found), snrs


def wada_snr(wave: np.ndarray, sample_rate: int) -> float:
    """Return the estimate of C. Kim and R. Stern, Interspeech 2008, in dB."""
    size = np.maximum(np.abs(wave.astype(np.float64) - wave.mean()), 1e-10)
    return float(np.clip(np.interp(np.log(size.mean()) - np.log(size).mean(), *wada_table()), LEAST, MOST))


def estimates(method: Method, files: list[Path], noises: list[np.ndarray], seconds: float | None, snr: float) -> list:
    """Return the estimates of the files, of each with one noise at an SNR; not of silence."""
    found = []
    for number, file in enumerate(files):
        wave, rate = soundfile.read(file, dtype="float32")
        mixed = mix(wave * 32768, np.resize(noises[number % len(noises)], len(wave)), snr)
        if mixed is None:  # as long as the utterance the noise is silent
            continue
        if seconds:
            start = max((len(wave) - round(seconds * rate)) // 2, 0)
            mixed = mixed[start : start + round(seconds * rate)]
        found.append(method(mixed, rate))
    return found


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("speech", type=input_folder, help="folder of FLAC files")
    parser.add_argument("noises", type=input_folder, help="folder of wav files")
    parser.add_argument("--out", type=output_file, required=True, help="the table, Markdown")
    args = parser.parse_args()
    files = sorted(args.speech.rglob("*.flac"))
    noises = [32768 * soundfile.read(file, dtype="float32")[0] for file in sorted(args.noises.rglob("*.wav"))]
    lines = ["# Estimates of the SNR", "", f"`python -m benchmarks.snr LibriSpeech/{args.speech.name} NOISES`:"]
    lines += [f"{len(files)} utterances, {len(noises)} noises. dB, mean ± standard deviation of the estimates.", ""]
    lines.append("| method | length | " + " | ".join(f"{snr} dB" for snr in SNRS) + " | error (rms) | correlation |")
    lines.append("|---|--:|" + "--:|" * (len(SNRS) + 2))
    for name, method in (("quietest frames (ours)", estimate_snr), ("WADA-SNR", wada_snr)):
        for seconds in LENGTHS:
            values = np.array([estimates(method, files, noises, seconds, snr) for snr in SNRS])  # (K, N)
            cells = [f"{row.mean():.1f} ± {row.std():.1f}" for row in values]
            truth = np.repeat(SNRS, values.shape[1])
            cells.append(f"{np.sqrt(np.mean((truth - values.ravel()) ** 2)):.1f}")
            cells.append(f"{np.corrcoef(truth, values.ravel())[0, 1]:.3f}")
            lines.append(f"| {name} | {f'{seconds:g} s' if seconds else 'whole'} | " + " | ".join(cells) + " |")
    print("\n".join(lines))
    args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
