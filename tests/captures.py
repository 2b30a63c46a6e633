"""Captures of pictures made for a test."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.capture import Capture, CaptureKind, Line, capture_frames
from livecassi.drivers import Frame

HEIGHT, WIDTH = 96, 128
DARK_DN = 48.0
EXPOSURE_US = 10_000.0


def mask_picture(seed: int = 0, feature: int = 2) -> NDArray[np.float64]:
    """A random mask `(96, 128)`, closed 0.02, open 1."""
    open_places = np.random.default_rng(seed).random((HEIGHT // feature, WIDTH // feature)) > 0.5
    return 0.02 + 0.98 * np.kron(open_places, np.ones((feature, feature)))


def noisy_frames(
    picture: NDArray[np.float64] | float,
    count: int,
    *,
    moved: int = 0,
    seed: int = 0,
    noise: float = 5.0,
    exposure_us: float = EXPOSURE_US,
    gain_db: float = 0.0,
    temperature_c: float | None = None,
) -> Iterator[Frame]:
    """12-bit frames of a picture in DN; the second half is moved by so many columns."""
    rng = np.random.default_rng([seed, 7])
    wide = np.broadcast_to(np.asarray(picture, float), (HEIGHT, WIDTH))
    for index in range(count):
        now = np.roll(wide, moved if index >= count // 2 else 0, axis=1)
        pixels = np.clip(np.round(now + rng.normal(0, noise, now.shape)), 0, 4095).astype(np.uint16)
        yield Frame(pixels, index, 0, None, exposure_us, gain_db, 12, temperature_c)


def capture_of(
    kind: CaptureKind,
    light: NDArray[np.float64] | float = 0.0,
    *,
    nm: float | None = None,
    fwhm: float = 0.0,
    expected_px: float | None = None,
    frames: int = 6,
    serial: str = "",
    **of_frames: float | None,
) -> Capture:
    """A capture of a dark of 48 DN and light of so many DN upon it."""
    line = Line(nm, fwhm, expected_px=expected_px) if nm is not None else None
    pictures = noisy_frames(DARK_DN + np.asarray(light, float), frames, **of_frames)  # type: ignore[arg-type]
    return capture_frames(pictures, kind, frames, line=line, camera_serial=serial)
