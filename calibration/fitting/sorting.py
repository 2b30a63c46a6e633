"""The captures of a fit, sorted by what they show, and what is missing among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture, CaptureKind, Line
from livecassi.calibration.errors import CalibrationInvalidError

LEAST_LINES = 2


@dataclass(frozen=True)
class Sorted:
    """Captures by kind; all of one size, bit depth and gain. Lines by ascending wavelength."""

    darks: tuple[Capture, ...]
    flats: tuple[Capture, ...]
    lines: tuple[Capture, ...]
    white: Capture
    mask: Capture | None
    charts: tuple[Capture, ...]
    verify: tuple[Capture, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """`(H, W')` of the frames."""
        return self.white.shape

    @property
    def all(self) -> tuple[Capture, ...]:
        """Every capture, in the order of the procedure."""
        mask = () if self.mask is None else (self.mask,)
        return (*self.darks, *self.flats, *mask, *self.lines, *self.charts, self.white, *self.verify)


def line_of(capture: Capture) -> Line:
    """The line of a line or verify capture. Raises `CalibrationInvalidError` where none was given."""
    if capture.line is None:
        raise CalibrationInvalidError(
            f"the capture '{capture.kind}' of {capture.captured} says no wavelength; enter it, or delete the capture"
        )
    return capture.line


def sort_captures(captures: Sequence[Capture]) -> Sorted:
    """Sort for a fit; of several white or mask captures the newest counts.

    Raises `CalibrationInvalidError` with what is missing or does not belong together.
    """
    kinds = {kind: tuple(c for c in captures if c.kind is kind) for kind in CaptureKind}
    missing = [str(kind) for kind in (CaptureKind.DARK, CaptureKind.FLAT, CaptureKind.WHITE) if not kinds[kind]]
    lines = sorted(kinds[CaptureKind.LINE], key=lambda capture: line_of(capture).wavelength_nm)
    if len(lines) < LEAST_LINES:
        missing.append(f"{LEAST_LINES - len(lines)} more of the lines (found {len(lines)}, needed {LEAST_LINES})")
    if missing:
        raise CalibrationInvalidError(f"a calibration cannot be fitted yet; capture first: {', '.join(missing)}")
    _refuse_mixed(captures)
    wavelengths = [line_of(capture).wavelength_nm for capture in lines]
    for before, after in pairwise(wavelengths):
        if after - before < 1e-3:
            raise CalibrationInvalidError(
                f"the line {after:g} nm was captured twice, expected each line once; delete one of the two captures"
            )
    return Sorted(
        darks=kinds[CaptureKind.DARK],
        flats=kinds[CaptureKind.FLAT],
        lines=tuple(lines),
        white=kinds[CaptureKind.WHITE][-1],
        mask=kinds[CaptureKind.MASK][-1] if kinds[CaptureKind.MASK] else None,
        charts=kinds[CaptureKind.CHART],
        verify=tuple(sorted(kinds[CaptureKind.VERIFY], key=lambda capture: line_of(capture).wavelength_nm)),
    )


def _refuse_mixed(captures: Sequence[Capture]) -> None:
    first = captures[0]
    for capture in captures:
        for what, found, expected in (
            ("frame size", capture.shape, first.shape),
            ("bit depth", capture.bit_depth, first.bit_depth),
            ("gain in dB", capture.gain_db, first.gain_db),
            ("camera", capture.camera_serial, first.camera_serial),
        ):
            if found != expected:
                raise CalibrationInvalidError(
                    f"the capture '{capture.title}' has the {what} {found}, the first capture {expected}; "
                    "repeat it with the camera as it was"
                )


def open_picture(capture: Capture, dark: Array32, flat: Array32 | None) -> Array32:
    """A capture as fraction of full scale `(H, W')`, without its dark, divided by the flat."""
    picture: Array32 = (capture.mean - dark) / capture.full_scale
    return picture if flat is None else picture / flat
