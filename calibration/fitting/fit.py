"""The whole fit: captures to calibration, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

from livecassi.calibration.calibration import Array32, Calibration
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check, Verdict, worst
from livecassi.calibration.fitting.settings import FitSettings, FitWatch


@dataclass(frozen=True)
class Fitted:
    """A calibration that was fitted, and what pictures and reports show of the way there.

    `line_pictures (N, H, W')`: corrected picture of each line, in the order of `calibration.header.record.lines`;
    `predicted_pictures`: what the calibration says that they should be.
    """

    calibration: Calibration
    checks: tuple[Check, ...]
    line_pictures: Array32
    predicted_pictures: Array32

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        return worst(self.checks)


def fit_calibration(captures: Sequence[Capture], settings: FitSettings, watch: FitWatch | None = None) -> Fitted:
    """The calibration of a bench from its captures.

    Needed: a dark, a flat, at least two lines and a white capture; a mask, chart and verify capture where there are
    any. Raises `CalibrationInvalidError` with what is missing or contradicts itself, in an operator's words, and
    `FitCancelledError`.
    """
    raise NotImplementedError
