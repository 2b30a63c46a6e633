"""The record of a fit: what it found, line by line and capture by capture, in the form that the file keeps."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check
from livecassi.calibration.fitting.parts import Parts
from livecassi.calibration.fitting.psf import line_psf
from livecassi.calibration.fitting.settings import FitSettings
from livecassi.calibration.fitting.sorting import line_of
from livecassi.calibration.fitting.white import scale_to_spectrometer
from livecassi.calibration.record import (
    CalibrationRecord,
    CaptureEntry,
    CurveEntry,
    DistortionEntry,
    FieldEntry,
    LineEntry,
    RadianceEntry,
    RegistrationEntry,
    ResponseEntry,
    SensorEntry,
)


def record_of(parts: Parts, settings: FitSettings, checks: Sequence[Check]) -> CalibrationRecord:
    """The record; its checks are those given."""
    curve = parts.located.curve_fit
    bend = parts.frame.mean_bend
    return CalibrationRecord(
        software=_software(),
        operator=settings.operator,
        optics=settings.optics,
        spectrometer_serial=settings.spectrometer_serial,
        reference_nm=parts.frame.reference_nm,
        captures=tuple(_capture(capture) for capture in parts.taken.all),
        lines=_lines(parts),
        curve=CurveEntry(
            coefficients=curve.curve.coefficients,
            covariance=curve.curve.covariance,
            range_nm=curve.curve.range_nm,
            rms_px=curve.rms_px,
            medium=settings.medium,
        ),
        field=FieldEntry(
            smile_px=bend.smile_px,
            tilt_px=bend.tilt_px,
            keystone_px=bend.keystone_px,
            across_tilt_px=bend.across_tilt_px,
            across_keystone_px=bend.across_keystone_px,
        ),
        registration=_registration(parts),
        distortion=_distortion(parts),
        sensor=_sensor(parts),
        response=ResponseEntry(
            sigma=tuple(map(float, parts.response.sigma)),
            residual=parts.response.residual,
            stray_share=parts.response.stray_share,
        ),
        radiance=_radiance(parts, settings),
        checks=tuple(checks),
        overrides=settings.overrides,
        parent_id=settings.parent_id,
    )


def _software() -> str:
    try:
        return f"livecassi {version('livecassi')}"
    except PackageNotFoundError:
        return "livecassi"


def _capture(capture: Capture) -> CaptureEntry:
    return CaptureEntry(
        kind=capture.kind,
        captured=capture.captured,
        frames=capture.frames,
        exposure_us=capture.exposure_us,
        gain_db=capture.gain_db,
        temperature_c=capture.temperature_c,
        saturated_fraction=capture.saturated_fraction,
        frame_hashes=capture.frame_hashes,
        wavelength_nm=capture.line.wavelength_nm if capture.line is not None else None,
        fwhm_nm=capture.line.fwhm_nm if capture.line is not None else None,
    )


def _lines(parts: Parts) -> tuple[LineEntry, ...]:
    """Shifts are told against the mask's frame, of the light's centre of mass."""
    curve = parts.located.curve_fit
    direction = parts.frame.system.mask_direction
    zero = float(curve.curve.shift_px(parts.frame.reference_nm))
    entries = []
    for k, (capture, seen, shift) in enumerate(
        zip(parts.taken.lines, parts.located.lines, parts.located.shifts, strict=True)
    ):
        line = line_of(capture)
        spread = line_psf(parts.open(capture), parts.mask.mask, parts.frame.line_geometry(seen))
        entries.append(
            LineEntry(
                wavelength_nm=line.wavelength_nm,
                fwhm_nm=line.fwhm_nm,
                name=line.name,
                shift_px=direction * shift.dx - zero,
                sigma_px=shift.sigma_px,
                across_shift_px=shift.dy - parts.located.across_px,
                residual_px=float(curve.residuals_px[k]),
                left_out_px=curve.left_out_px[k],
                correlation=parts.lines[k].shift.correlation,
                across_px=spread.across_px,
                along_px=spread.along_px,
            )
        )
    return tuple(entries)


def _registration(parts: Parts) -> RegistrationEntry | None:
    found = parts.registration
    if found is None:
        return None
    return RegistrationEntry(
        matrix=_rows(found.matrix),
        rms_px=found.rms_px,
        correlation=found.correlation,
        rotation_degrees=found.rotation_degrees,
        scale=found.scale,
    )


def _distortion(parts: Parts) -> DistortionEntry | None:
    found = parts.distortion
    if found is None:
        return None
    return DistortionEntry(
        camera_matrix=_rows(found.camera_matrix),
        coefficients=tuple(float(c) for c in np.ravel(found.coefficients)),
        rms_px=found.rms_px,
        views=found.views,
    )


def _sensor(parts: Parts) -> SensorEntry:
    transfer = parts.sensor
    return SensorEntry(
        read_noise_dn=parts.dark.read_noise_dn,
        dark_dn=parts.dark.level_dn,
        hot_pixels=int(parts.dark.hot_pixels.sum()),
        electrons_per_dn=transfer.electrons_per_dn if transfer is not None else None,
        electrons_per_dn_sigma=transfer.electrons_per_dn_sigma if transfer is not None else None,
        read_noise_e=transfer.read_noise_e if transfer is not None else None,
        full_well_e=transfer.full_well_e if transfer is not None else None,
        nonlinearity_percent=transfer.nonlinearity_percent if transfer is not None else None,
        vignetting_percent=parts.flat.vignetting_percent,
        pixel_response_percent=parts.flat.pixel_response_percent,
    )


def _radiance(parts: Parts, settings: FitSettings) -> RadianceEntry | None:
    """Bands are as wide as their distance; how well their centres are known follows from the curve."""
    if settings.white_spectrum is None:
        return None
    nm, bands = parts.bands.wavelengths_nm, parts.bands
    slopes = parts.located.curve_fit.curve.slope_px_per_nm(nm)
    found = scale_to_spectrometer(
        parts.response.response,
        nm,
        *settings.white_spectrum,
        fwhm_nm=np.gradient(nm),
        wavelength_sigma_nm=np.sqrt(np.maximum(np.diag(bands.covariance), 0)) / np.abs(slopes),
        white_reflectance=settings.white_reflectance,
    )
    return RadianceEntry(scale=tuple(map(float, found.scale)), sigma=tuple(map(float, found.sigma)))


def _rows(matrix: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
