"""Audio that other programs decode: commands of wav.scp by a shell, and by ffmpeg what libsndfile does not know."""

import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from sre import SreError
from sre.io.place import split_channel
from sre.io.promise import AudioError

FFMPEG_SUFFIXES = {
    *(".m4a", ".m4b", ".m4v", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".opus", ".webm", ".weba", ".mka", ".mkv"),
    *(".wma", ".wmv", ".asf", ".amr", ".awb", ".avi", ".flv", ".ts", ".mpg", ".mpeg", ".spx"),
    *(".ac3", ".eac3", ".ape", ".wv", ".tta", ".mpc", ".ra", ".rm", ".dts"),
}
TOLD = {".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".opus", ".webm", ".weba", ".mka"}  # whose header promises a length
INSTALL = "install it (apt-get install ffmpeg, or pip install imageio-ffmpeg)"
DURATION = re.compile(r"^(?:\[info\])?\s*Duration: (\d+):(\d+):(\d+\.\d+)", re.MULTILINE)  # as ffmpeg says it
ERROR = re.compile(r"^(?:\[\S+ @ \w+\] )*\[(?:error|fatal)\] (.*)$", re.MULTILINE)
CORRUPT = re.compile(r"^(?:\[\S+ @ \w+\] )*\[warning\] (Packet corrupt|corrupt input packet).*$", re.MULTILINE)
Decoded = tuple[bytes, float]  # a WAV, and the seconds that the header promised, or nan
OPTIONS = ("-hide_banner", "-nostdin", "-nostats", "-v", "level+info")
SMALL = 4 << 20  # bytes; the samples of larger files are not held together
SHOWN = 300  # characters of a message
GRACE_S = 5  # for the end of a command that was killed


def by_ffmpeg(location: str) -> bool:
    """Whether a file is decoded by ffmpeg, by its suffix."""
    return os.path.splitext(split_channel(location)[0])[1].lower() in FFMPEG_SUFFIXES


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg: the system's, else that of the package imageio-ffmpeg; None where there is neither."""
    if (found := shutil.which("ffmpeg")) is not None:
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # RuntimeError: a package without its program
        return None


def need_ffmpeg(location: str) -> str:
    """Return the path of ffmpeg, which a file needs. Raises SreError where there is none."""
    if (found := find_ffmpeg()) is None:
        raise SreError(f"{location}: ffmpeg is needed for this format; {INSTALL}, or convert the file to wav or flac")
    return found


def of_ffmpeg_at_once(locations: Sequence[str]) -> dict[str, Decoded]:
    """Return what `of_ffmpeg` does of those files that one process decodes together without a word.

    Small files cost more to start a process for than to decode. What is not among the result, as where one of the files
    is damaged, is for `of_ffmpeg`.
    """
    told = [at for at in dict.fromkeys(locations) if os.path.splitext(at)[1].lower() in TOLD]
    files = [at for at in told if os.path.isfile(at) and os.path.getsize(at) < SMALL]
    ffmpeg = find_ffmpeg()
    if len(files) < 2 or ffmpeg is None:
        return {}
    inputs = [word for at in files for word in ("-i", f"file:{at}")]
    with tempfile.TemporaryDirectory() as folder:
        made = [os.path.join(folder, str(number)) for number in range(len(files))]
        outputs = [["-map", f"{n}:a", "-f", "wav", "-acodec", "pcm_s16le", path] for n, path in enumerate(made)]
        status, _, messages = _run([ffmpeg, *OPTIONS, *inputs, *chain.from_iterable(outputs)], None)
        parts = re.split(r"^\[info\] Input #", messages, flags=re.MULTILINE)[1:]
        if status != 0 or ERROR.search(messages) or CORRUPT.search(messages) or len(parts) != len(files):
            return {}
        samples = [Path(path).read_bytes() for path in made]
        return dict(zip(files, zip(samples, map(_promised_s, parts), strict=True), strict=True))


def of_ffmpeg(location: str) -> Decoded:
    """Return a file as ffmpeg decodes it, a WAV of 16 bits, and the seconds that its header promises, or nan.

    Raises AudioError with ffmpeg's message where it fails, and where it says that a file is damaged that promises no
    length.
    """
    ffmpeg = need_ffmpeg(location)
    status, data, messages = _run(
        [ffmpeg, *OPTIONS, "-i", f"file:{location}", "-f", "wav", "-acodec", "pcm_s16le", "-"], None
    )
    wrong = ERROR.search(messages) or CORRUPT.search(messages)
    if status != 0 or not data:
        raise AudioError(f"ffmpeg: {_shown(wrong[1] if wrong else messages) or f'exit status {status}'}")
    promised_s = _promised_s(messages)
    if wrong and math.isnan(promised_s):
        raise AudioError(f"truncated or damaged: ffmpeg: {_shown(wrong[1])}")
    return data, promised_s


def _promised_s(messages: str) -> float:
    """Return the seconds that a file's header promises, by what ffmpeg says of it; nan where it does not."""
    told = DURATION.search(messages)
    if told is None or "Estimating duration" in messages or "Video:" in messages:  # of which it may be the length
        return math.nan
    return 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3])


def of_command(command: str, timeout_s: float) -> bytes:
    """Return what a command writes, run by a shell in a process group of its own.

    Raises AudioError with the last line of its stderr where it fails, writes nothing, or takes longer than timeout_s:
    then it is killed with all processes that it started.
    """
    try:
        status, data, messages = _run(command, timeout_s)
    except subprocess.TimeoutExpired:
        raise AudioError(
            f"the command took longer than audio.pipe_timeout_s ({timeout_s:g} s) and was killed; mend it, or set more"
        ) from None
    last = _shown(messages.rpartition("\n")[2])
    if status != 0:
        raise AudioError(f"the command failed: {last or f'exit status {status}'}")
    if not data:
        raise AudioError(f"the command wrote nothing {last}".rstrip())
    return data


def _shown(message: str) -> str:
    return message.strip()[-SHOWN:].rstrip(".")


def _run(command: str | list[str], timeout_s: float | None) -> tuple[int, bytes, str]:
    """Return a command's exit status, what it wrote, and its messages. An exception kills all that it started."""
    with subprocess.Popen(
        command,
        shell=isinstance(command, str),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as process:
        try:
            data, messages = process.communicate(timeout=timeout_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=GRACE_S)  # one that has left the group may hold the pipes
            raise
    return process.returncode, data, messages.decode(errors="replace").strip()
