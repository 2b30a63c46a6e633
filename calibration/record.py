"""The record of a measured calibration: what was fitted, how well, from which captures, and who said "go on"."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from livecassi.calibration.checks import Check, Verdict, worst


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class CaptureEntry(_Part):
    """One capture that went into the calibration; `frame_hashes` are SHA-256 of the frames' pixels."""

    kind: str
    captured: str = ""
    frames: int = 1
    exposure_us: float = 0.0
    gain_db: float = 0.0
    temperature_c: float | None = None
    saturated_fraction: float = 0.0
    frame_hashes: tuple[str, ...] = ()
    wavelength_nm: float | None = None
    fwhm_nm: float | None = None


class LineEntry(_Part):
    """Where one line landed: shift against the mask's frame, its error, and what the curve says.

    `left_out_px`: distance to a curve fitted without this line, None where too few lines are left.
    `across_px`, `along_px`: standard deviation of the point spread across and along the dispersion.
    """

    wavelength_nm: float
    fwhm_nm: float = 0.0
    name: str = ""
    shift_px: float
    sigma_px: float
    across_shift_px: float = 0.0
    residual_px: float = 0.0
    left_out_px: float | None = None
    correlation: float = 0.0
    across_px: float | None = None
    along_px: float | None = None


class CurveEntry(_Part):
    """`s(λ) = Σ_t coefficients[t] (1000/λ)^(2t)`, λ in nm (air or vacuum as `medium` says), s in columns.

    `covariance` of the coefficients; `range_nm`: first and last line, beyond which the curve is extrapolated.
    """

    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    range_nm: tuple[float, float]
    rms_px: float
    medium: str = "air"


class FieldEntry(_Part):
    """How a line's shift changes over the field, in px at the edge of the field (u, v = -1..1 over columns, rows).

    dx = s(λ) + smile v² + tilt v + keystone u;  dy = across + across_tilt u + across_keystone v; medians of all lines.
    """

    smile_px: float = 0.0
    tilt_px: float = 0.0
    keystone_px: float = 0.0
    across_tilt_px: float = 0.0
    across_keystone_px: float = 0.0


class RegistrationEntry(_Part):
    """The design of the mask against its picture: `matrix` (2 x 3) takes the design's (x, y) to the camera's."""

    matrix: tuple[tuple[float, ...], ...]
    rms_px: float
    correlation: float
    rotation_degrees: float
    scale: float


class DistortionEntry(_Part):
    """The lens: OpenCV's camera matrix (3 x 3) and distortion coefficients (k1 k2 p1 p2 k3)."""

    camera_matrix: tuple[tuple[float, ...], ...]
    coefficients: tuple[float, ...]
    rms_px: float
    views: int


class SensorEntry(_Part):
    """The sensor in the terms of EMVA 1288; None where it was not measured."""

    read_noise_dn: float | None = None
    dark_dn: float | None = None
    hot_pixels: int | None = None
    electrons_per_dn: float | None = None
    electrons_per_dn_sigma: float | None = None
    read_noise_e: float | None = None
    full_well_e: float | None = None
    nonlinearity_percent: float | None = None
    vignetting_percent: float | None = None
    pixel_response_percent: float | None = None


class ResponseEntry(_Part):
    """How well the response is known: `sigma (C,)`, its standard errors, of full scale per unit of reflectance.

    `residual`: what the bands leave of the white reference's picture, relative; `stray_share`: of all light, beyond
    the veil that lies over the mask in every picture and stays in it.
    """

    sigma: tuple[float, ...]
    residual: float
    stray_share: float


class RadianceEntry(_Part):
    """From cubes relative to a reflectance of 1 under the calibrated lamp to what the spectrometer reads.

    `scale (C,)`: each band is multiplied by it; `sigma (C,)`: its standard error. In the spectrometer's unit.
    """

    scale: tuple[float, ...]
    sigma: tuple[float, ...]


class CalibrationRecord(_Part):
    """Everything behind a measured calibration that is no array. JSON in the header of the file."""

    software: str = ""
    operator: str = ""
    optics: str = ""
    spectrometer_serial: str = ""
    reference_nm: float = 0.0  # the wavelength whose shift is 0: the mask stands where this light shows it
    captures: tuple[CaptureEntry, ...] = ()
    lines: tuple[LineEntry, ...] = ()
    curve: CurveEntry | None = None
    field: FieldEntry | None = None
    registration: RegistrationEntry | None = None
    distortion: DistortionEntry | None = None
    sensor: SensorEntry | None = None
    response: ResponseEntry | None = None
    radiance: RadianceEntry | None = None
    checks: tuple[Check, ...] = ()
    overrides: tuple[str, ...] = ()  # "registration: continued anyway because ..."
    parent_id: str = ""  # the calibration that this one is a new version of
    plan: dict[str, Any] = Field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        return worst(self.checks)
