"""The rooms of the embedded corpus: impulse responses of shoebox rooms by the image-source method.

J. Allen, D. Berkley, Image method for efficiently simulating small-room acoustics, JASA 65, 1979.
"""

from dataclasses import dataclass

import numpy as np

SPEED_OF_SOUND = 343.0  # m/s
SAMPLE_RATE = 16000
FINER = 8  # times the sample rate, at which delays are rounded
LONGEST_S = 1.0
LOW_CUT_HZ = 100.0
WALL_M = 0.5  # least distance of a source or microphone from a wall
HEIGHT_M = (2.0, 5.0)
ABSORPTION = (0.2, 0.8)  # share of the energy that a wall takes, as in Kaldi's simulated rooms
SIDES_M = {"small": (1.5, 10.0), "medium": (10.0, 30.0), "large": (30.0, 50.0)}  # those of Kaldi's, from 1 m on


@dataclass(frozen=True)
class Room:
    """A room of (length, width, height) in m, whose walls all take the same share of the energy."""

    size: tuple[float, float, float]
    absorption: float

    @property
    def decay_s(self) -> float:
        """The time in which the reverberation falls by 60 dB, after Eyring."""
        x, y, z = self.size
        surface = 2 * (x * y + y * z + z * x)
        return float(24 * np.log(10) / SPEED_OF_SOUND * x * y * z / (-surface * np.log1p(-self.absorption)))


def draw_room(size: str, draw: np.random.Generator) -> Room:
    """Draw a small, medium or large room."""
    length, width = (draw.uniform(*SIDES_M[size]) for _ in range(2))
    return Room((length, width, draw.uniform(*HEIGHT_M)), draw.uniform(*ABSORPTION))


def draw_place(room: Room, draw: np.random.Generator) -> np.ndarray:
    """Draw a place (3,) in m, not too near a wall."""
    return draw.uniform(WALL_M, np.array(room.size) - WALL_M)


def response(room: Room, source: np.ndarray, microphone: np.ndarray) -> np.ndarray:
    """Return the impulse response (R,) float64 at 16 kHz from a source to a microphone, both (3,) in m.

    It is as long as the reverberation takes to fall by 60 dB, at most a second after the direct path. An image after n
    reflections, at a distance of d m, adds (1 - absorption)^(n/2) / (4 pi d) at the time d / c. All of these are
    positive: what they sum up to at the lowest frequencies is in no real room, and is filtered off, as in the paper.
    """
    from scipy.signal import resample_poly  # a second, which --help need not wait for

    farthest = float(np.linalg.norm(source - microphone)) + SPEED_OF_SOUND * min(room.decay_s, LONGEST_S)
    axes = [_images(*axis, farthest) for axis in zip(room.size, source, microphone, strict=True)]
    along, reflections = [of_axis for of_axis, _ in axes], [counts for _, counts in axes]
    squares = along[0][:, None, None] ** 2 + along[1][:, None] ** 2 + along[2] ** 2
    distances, near = np.sqrt(squares), squares <= farthest**2
    counts = (reflections[0][:, None, None] + reflections[1][:, None] + reflections[2])[near]
    gains = (1 - room.absorption) ** (counts / 2) / (4 * np.pi * distances[near])
    places = np.rint(distances[near] / SPEED_OF_SOUND * SAMPLE_RATE * FINER).astype(np.int64)
    return without_lowest(FINER * resample_poly(np.bincount(places, gains), 1, FINER))


def without_lowest(wave: np.ndarray) -> np.ndarray:
    """Return (R,) without what is below LOW_CUT_HZ."""
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(2, LOW_CUT_HZ, "highpass", fs=SAMPLE_RATE, output="sos"), wave)


def _images(size: float, source: float, microphone: float, farthest: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the images of a source are along one axis (m), and after how many reflections each is heard."""
    periods = np.arange(-int(farthest / (2 * size)) - 1, int(farthest / (2 * size)) + 2)
    even, odd = 2 * periods * size + source, 2 * periods * size - source
    counts = np.concatenate([2 * np.abs(periods), np.abs(periods) + np.abs(periods - 1)])
    return np.concatenate([even, odd]) - microphone, counts


if __name__ == "__main__":
    raise SystemExit(
        "local.mini_rooms is no command but the rooms of local.make_mini_noises;"
        " run python -m local.make_mini_noises --help"
    )
