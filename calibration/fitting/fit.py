"""The whole fit: captures to calibration, judged, with the record of how it came about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check, Verdict, worst
from livecassi.calibration.fitting.entries import record_of
from livecassi.calibration.fitting.judging import judge, judge_white, residual_tiles
from livecassi.calibration.fitting.line_kernel import band_kernel, convolve_columns
from livecassi.calibration.fitting.parts import Parts, fit_parts
from livecassi.calibration.fitting.settings import FitSettings, FitWatch
from livecassi.calibration.record import CalibrationRecord

MEASURED_SCHEMA = 2


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
    watch = watch or FitWatch()
    parts = fit_parts(captures, settings, watch)
    checks = judge(parts)
    checks = (*checks, *judge_white(parts, _assembled(parts, settings, record_of(parts, settings, checks))))
    calibration = _assembled(parts, settings, record_of(parts, settings, checks))
    watch.at("done", 1.0)
    return Fitted(
        calibration,
        checks,
        np.stack([parts.open(capture) for capture in parts.taken.lines]),
        np.stack([line.predicted for line in parts.lines]),
    )


def _assembled(parts: Parts, settings: FitSettings, record: CalibrationRecord) -> Calibration:
    """The mask is stored as a band of average width shows it, which is what engines take for every band."""
    white, bands = parts.taken.white, parts.bands
    count = len(bands.wavelengths_nm)
    half = float(bands.edges_px[-1] - bands.edges_px[0]) / count / 2
    smeared = convolve_columns(parts.mask.mask, band_kernel(-half, half))
    temperatures = [c.temperature_c for c in parts.taken.all if c.temperature_c is not None]
    header = CalibrationHeader(
        schema_version=MEASURED_SCHEMA,
        system=settings.system,
        name=settings.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=settings.notes,
        camera_serial=white.camera_serial,
        exposure_us=white.exposure_us,
        gain_db=white.gain_db,
        bit_depth=white.bit_depth,
        temperature_c=float(np.mean(temperatures)) if temperatures else None,
        roi=settings.roi,
        flip_rows=settings.flip_rows,
        flip_columns=settings.flip_columns,
        quality={check.name: check.value for check in record.checks if np.isfinite(check.value)},
        record=record,
    )
    wavelengths = [line.wavelength_nm for line in record.lines]
    psf = np.array([[line.across_px or 0.0, line.along_px or 0.0] for line in record.lines])
    return Calibration(
        header,
        wavelengths_nm=bands.wavelengths_nm.astype(np.float32),
        mask=np.clip(smeared, 0, 1),
        dispersion_px=np.maximum(bands.dispersion_px, 0).astype(np.float32),
        response=parts.response.response,
        dark=parts.dark.dark,
        flat=parts.flat.flat,
        covariance=bands.covariance.astype(np.float32),
        hot_pixels=parts.dark.hot_pixels,
        psf_px=np.stack([np.interp(bands.wavelengths_nm, wavelengths, column) for column in psf.T], axis=1).astype(
            np.float32
        ),
        residuals_px=residual_tiles(parts.lines),
    )
