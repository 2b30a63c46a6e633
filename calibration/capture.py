"""The capture: several frames of one state of the bench, averaged, with what must be known about them."""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.drivers.frame import Frame


class CaptureKind(StrEnum):
    """The states of the bench that a calibration looks at (specification: wizard captures 1 to 8)."""

    DARK = "dark"  # cap on
    FLAT = "flat"  # mask out, even white light
    MASK = "mask"  # mask in, disperser out, white light
    LINE = "line"  # mask and disperser in, one narrow line of light on an even target
    CHART = "chart"  # a chessboard, mask and disperser out
    WHITE = "white"  # mask and disperser in, the white reference under the lamp of the scene
    VERIFY = "verify"  # one more line, which no fit has seen


@dataclass(frozen=True, slots=True)
class Line:
    """Narrow light: centre in nm, full width at half maximum (0: a laser or a lamp line), and what to call it.

    `expected_px`: about where it lands, against the mask without disperser; needed for masks that repeat themselves.
    """

    wavelength_nm: float
    fwhm_nm: float = 0.0
    name: str = ""
    expected_px: float | None = None

    @property
    def title(self) -> str:
        """For people: '546.1 nm', with its name where it has one."""
        return f"{self.wavelength_nm:g} nm" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True)
class Capture:
    """The mean of N frames `(H, W')` in DN, and what the camera said while they came.

    `noise (H, W')`: standard deviation from frame to frame in DN, None where there was one frame only.
    `halves (2, H, W')`: means of the first and the second half, which tell whether something moved; None for one frame.
    `frame_hashes`: SHA-256 of every frame's pixels; `saturated_fraction`: of the worst frame.
    """

    kind: CaptureKind
    mean: Array32
    noise: Array32 | None
    halves: Array32 | None
    frames: int
    exposure_us: float
    gain_db: float
    bit_depth: int
    temperature_c: float | None
    saturated_fraction: float
    frame_hashes: tuple[str, ...]
    camera_serial: str = ""
    captured: str = ""  # ISO 8601, UTC
    line: Line | None = None

    @property
    def id(self) -> str:
        """16 hexadecimal digits that stand for kind, line and frames."""
        wavelength = f"{self.line.wavelength_nm:.4f}" if self.line is not None else ""
        text = "|".join([self.kind, wavelength, self.captured, *self.frame_hashes])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def shape(self) -> tuple[int, int]:
        """`(H, W')`."""
        height, width = self.mean.shape
        return height, width

    @property
    def full_scale(self) -> float:
        """The largest digital number."""
        return float(2**self.bit_depth - 1)

    @property
    def title(self) -> str:
        """For people: 'dark', 'line 546.1 nm'."""
        return f"{self.kind} {self.line.title}" if self.line is not None else str(self.kind)


def capture_frames(
    frames: Iterable[Frame],
    kind: CaptureKind,
    count: int,
    *,
    line: Line | None = None,
    camera_serial: str = "",
    report: Callable[[int], None] = lambda _done: None,
) -> Capture:
    """Average the next `count` frames; `report(done)` after each.

    Memory does not grow with `count`. Raises `CalibrationInvalidError` where frames are no raw digital numbers, change
    size or settings among themselves, or end too soon; what the source raises passes through.
    """
    if count < 1:
        raise CalibrationInvalidError(f"a capture of {count} frames was asked for, expected at least 1")
    average = _Average(count)
    for frame in frames:
        average.add(frame)
        report(average.count)
        if average.count == count:
            break
    if average.first is None or average.count < count:
        raise CalibrationInvalidError(
            f"the source gave {average.count} frames of the {count} that the capture '{kind}' needs; "
            "ask for fewer frames or use a longer source"
        )
    first = average.first
    return Capture(
        kind=kind,
        mean=average.mean.astype(np.float32),
        noise=average.noise(),
        halves=None if count == 1 else average.halves(),
        frames=count,
        exposure_us=first.exposure_us,
        gain_db=first.gain_db,
        bit_depth=first.bit_depth,
        temperature_c=average.temperature_c,
        saturated_fraction=average.saturated,
        frame_hashes=tuple(average.hashes),
        camera_serial=camera_serial,
        captured=datetime.now(UTC).isoformat(timespec="milliseconds"),
        line=line,
    )


class _Average:
    """Running mean, variance and half means of frames of one size and one setting (Welford's update)."""

    def __init__(self, planned: int) -> None:
        self.first: Frame | None = None
        self.count = 0
        self.saturated = 0.0
        self.hashes: list[str] = []
        self.mean: NDArray[np.float64] = np.zeros(0)
        self._squares: NDArray[np.float64] = np.zeros(0)
        self._half = planned // 2
        self._first_half: NDArray[np.float64] = np.zeros(0)
        self._temperatures: list[float] = []

    def add(self, frame: Frame) -> None:
        """Raises `CalibrationInvalidError` for a frame unlike the first."""
        if self.first is None:
            self._begin(frame)
        first = self.first or frame
        now = (frame.shape, frame.bit_depth, frame.exposure_us, frame.gain_db)
        then = (first.shape, first.bit_depth, first.exposure_us, first.gain_db)
        if now != then:
            raise CalibrationInvalidError(
                f"frame {frame.index} came with size, bits, exposure and gain {now}, the first with {then}; "
                "leave the camera's settings alone during a capture and repeat it"
            )
        values = frame.pixels.astype(np.float64)
        self.count += 1
        deviation = values - self.mean
        self.mean += deviation / self.count
        self._squares += deviation * (values - self.mean)
        if self.count == self._half:
            self._first_half = self.mean.copy()
        self.saturated = max(self.saturated, frame.saturated_fraction() or 0.0)
        self.hashes.append(hashlib.sha256(np.ascontiguousarray(frame.pixels).tobytes()).hexdigest())
        if frame.temperature_c is not None and math.isfinite(frame.temperature_c):
            self._temperatures.append(frame.temperature_c)

    def _begin(self, frame: Frame) -> None:
        if not frame.bit_depth:
            raise CalibrationInvalidError(
                "this source gives corrected measurements, a calibration needs raw frames; "
                "choose the camera, or raw files"
            )
        self.first = frame
        self.mean, self._squares = np.zeros(frame.shape), np.zeros(frame.shape)

    @property
    def temperature_c(self) -> float | None:
        """Mean over the frames that told one."""
        return float(np.mean(self._temperatures)) if self._temperatures else None

    def noise(self) -> Array32 | None:
        """Standard deviation from frame to frame, DN."""
        return np.sqrt(self._squares / (self.count - 1)).astype(np.float32) if self.count > 1 else None

    def halves(self) -> Array32:
        """Means of the first and the second half, `(2, H, W')`."""
        rest = (self.mean * self.count - self._first_half * self._half) / (self.count - self._half)
        return np.stack([self._first_half, rest]).astype(np.float32)
