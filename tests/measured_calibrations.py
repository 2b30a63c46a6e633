"""A measured calibration for tests of what is shown and kept: a simulated bench with a record written by hand."""

from dataclasses import replace

import numpy as np

from livecassi.app.prototype import open_prototype
from livecassi.calibration import Calibration, System
from livecassi.calibration.checks import Check
from livecassi.calibration.record import (
    CalibrationRecord,
    CaptureEntry,
    CurveEntry,
    FieldEntry,
    LineEntry,
    RegistrationEntry,
    SensorEntry,
)

LINES_NM = (453.0, 473.0, 505.0, 532.0, 589.3, 633.0)
CHECKS = (
    Check(name="registration", value=0.042, unit="px rms", limit=0.1, fail_limit=0.25),
    Check(
        name="leave one line out, 589.3 nm",
        value=0.22,
        unit="px",
        limit=0.2,
        fail_limit=0.5,
        advice="the line lies off the curve of the others; was its wavelength entered wrongly?",
    ),
    Check(name="ECC correlation", value=0.97, unit="", limit=0.9, fail_limit=0.8, higher_is_better=True),
)


def measured_calibration(
    system: System = System.SD_CASSI, height: int = 96, width: int = 128, *, checks: tuple[Check, ...] = CHECKS
) -> Calibration:
    """What a simulated bench would have been measured as."""
    true = open_prototype(system, height, width).calibration
    rng = np.random.default_rng(4)
    coefficients, covariance = _curve(true)
    assert true.dark is not None
    hot = np.zeros(true.dark.shape, np.float32)
    hot[3, 5] = hot[40, 90] = 1
    header = true.header.model_copy(
        update={
            "schema_version": 2,
            "name": "Bench 2",
            "notes": "after the lamp was changed",
            "created": "2026-11-20T10:00:00+00:00",
            "temperature_c": 41.5,
            "record": CalibrationRecord(
                software="livecassi 0.1.0",
                operator="Ada",
                optics="25 mm, f/4",
                reference_nm=float(true.wavelengths_nm[0]),
                captures=_captures(),
                lines=_lines(coefficients),
                curve=CurveEntry(
                    coefficients=tuple(coefficients),
                    covariance=tuple(map(tuple, covariance)),
                    range_nm=(LINES_NM[0], LINES_NM[-1]),
                    rms_px=0.021,
                ),
                field=FieldEntry(smile_px=0.12, tilt_px=-0.02),
                registration=RegistrationEntry(
                    matrix=((1.0, 0.004, 1.2), (-0.004, 1.0, -0.7)),
                    rms_px=0.042,
                    correlation=0.97,
                    rotation_degrees=0.23,
                    scale=1.0003,
                ),
                sensor=SensorEntry(read_noise_dn=0.8, dark_dn=48.1, hot_pixels=2, electrons_per_dn=7.9),
                checks=checks,
                overrides=("warm-up: continued anyway because the lamp is new",),
            ),
        }
    )
    return replace(
        true,
        header=header,
        hot_pixels=hot,
        psf_px=np.full((true.bands, 2), 0.4, np.float32),
        residuals_px=rng.normal(0, 0.03, (2, 5, 7)).astype(np.float32),
        covariance=(0.02**2 * np.eye(true.bands)).astype(np.float32),
    )


def _curve(true: Calibration) -> tuple[list[float], list[list[float]]]:
    """Three terms through the shifts of the bands, with the covariance that lines of 0.02 px give."""
    powers = (1000 / true.wavelengths_nm[:, None].astype(float)) ** (2.0 * np.arange(3))
    coefficients = np.linalg.lstsq(powers, true.dispersion_px, rcond=None)[0]
    lines = (1000 / np.array(LINES_NM)[:, None]) ** (2.0 * np.arange(3))
    return coefficients.tolist(), (0.02**2 * np.linalg.inv(lines.T @ lines)).tolist()


def _lines(coefficients: list[float]) -> tuple[LineEntry, ...]:
    rng = np.random.default_rng(5)
    entries = []
    for nm in LINES_NM:
        shift = float(np.dot(coefficients, (1000 / nm) ** (2.0 * np.arange(3))))
        residual = float(rng.normal(0, 0.02))
        entries.append(
            LineEntry(
                wavelength_nm=nm,
                shift_px=shift + residual,
                sigma_px=0.02,
                residual_px=residual,
                left_out_px=2 * residual,
                correlation=0.98,
                across_px=0.4,
                along_px=0.45,
                name="He-Ne" if nm == 633 else "",
            )
        )
    return tuple(entries)


def _captures() -> tuple[CaptureEntry, ...]:
    def entry(kind: str, number: int, **more: float) -> CaptureEntry:
        return CaptureEntry(
            kind=kind,
            captured=f"2026-11-20T09:{number:02d}:00.000+00:00",
            frames=8,
            exposure_us=3110.0,
            temperature_c=41.2,
            frame_hashes=tuple(f"{number:02x}{frame:02x}" * 16 for frame in range(8)),
            **more,
        )

    lines = tuple(entry("line", 10 + n, wavelength_nm=nm, fwhm_nm=0.0) for n, nm in enumerate(LINES_NM[:-1]))
    verify = entry("verify", 30, wavelength_nm=LINES_NM[-1], fwhm_nm=0.0)
    return (entry("dark", 1), entry("flat", 2), entry("mask", 3), *lines, entry("white", 29), verify)
