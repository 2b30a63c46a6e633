"""The calibration: what a bench does to light, as one immutable object with a content hash."""

import hashlib
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.record import CalibrationRecord

Array32 = NDArray[np.float32]


class System(StrEnum):
    """The four optical systems; the first and third have one disperser, the others two."""

    SD_CASSI = "sd-cassi"
    DD_CASSI = "dd-cassi"
    PMVIS = "pmvis"
    NDSSI = "ndssi"

    @property
    def single_disperser(self) -> bool:
        """True where the coded scene is dispersed, so that the measurement is wider than the scene."""
        return self in (System.SD_CASSI, System.PMVIS)

    @property
    def random_mask(self) -> bool:
        """True where the coded aperture is usually random, half of it open; else it is a comb that repeats itself."""
        return self in (System.SD_CASSI, System.DD_CASSI)

    @property
    def mask_direction(self) -> int:
        """+1 where the picture of the mask moves towards larger columns with growing shift, -1 where it moves back."""
        return 1 if self.single_disperser else -1


class SubSteps(StrEnum):
    """How the light of one band spreads over the detector columns of its step.

    POINT: one shift per band, the model of the CASSI literature (cassi-protocol 3.1).
    TWO_HALVES: half the light at the shift and half one column further, the model of DynaSpec (3.2).
    """

    POINT = "point"
    TWO_HALVES = "two-halves"


class CalibrationHeader(BaseModel):
    """What a calibration says about itself and about the frames that it belongs to.

    Schema version 1 is an ideal or simulated bench, without a `record`; 2 has been measured and has one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: int = 1
    system: System
    sub_steps: SubSteps = SubSteps.POINT
    name: str = ""
    created: str = ""  # ISO 8601, UTC
    notes: str = ""
    camera_serial: str = ""  # empty: not bound to one camera
    exposure_us: float | None = None
    gain_db: float | None = None
    bit_depth: int | None = None  # of the frames that `dark` was averaged from
    temperature_c: float | None = None
    roi: tuple[int, int, int, int] | None = None  # row, column, height, width in the full sensor
    flip_rows: bool = False
    flip_columns: bool = False
    dispersion_axis: str = "columns"
    dispersion_sign: str = "positive dispersion_px displaces towards larger column numbers"
    quality: dict[str, float] = Field(default_factory=dict)
    record: CalibrationRecord | None = None

    def canonical_json(self) -> str:
        """What is stored and hashed; a header without a record is written as version 1 always wrote it.

        With a record, what is None is left out: so a figure that a later livecassi adds, and an older file does not
        know, leaves the id of that file as it was.
        """
        return (
            self.model_dump_json(exclude={"record"}) if self.record is None else self.model_dump_json(exclude_none=True)
        )


@dataclass(frozen=True)
class Calibration:
    """One bench at one time. A new fit is a new object with a new `id`.

    Arrays (float32, read-only, row first):
    `wavelengths_nm (C,)` band centres; `dispersion_px (C,)` fractional column shift of each band, >= 0;
    `mask (H, Wm)` grey transmission 0..1 of the coded aperture in camera pixels, in the undispersed grid:
    single disperser `Wm` = scene width W, dual disperser `Wm` >= W + the largest shift;
    `response (C,)` relative efficiency of each band (lamp x optics x detector), 1 where unknown;
    `dark (H, W')` in DN at `header.bit_depth`; `flat (H, W')` relative, 1 where unknown;
    `covariance (C, C)` of `dispersion_px` in px²;
    `hot_pixels (H, W')` 1 where a pixel is hot or dead, else 0;
    `psf_px (C, 2)` standard deviations of each band's point spread across and along the dispersion;
    `residuals_px (2, P, Q)` what the fit leaves on P x Q tiles of the field: along and across the dispersion.
    """

    header: CalibrationHeader
    wavelengths_nm: Array32
    mask: Array32
    dispersion_px: Array32
    response: Array32
    dark: Array32 | None = None
    flat: Array32 | None = None
    covariance: Array32 | None = None
    hot_pixels: Array32 | None = None
    psf_px: Array32 | None = None
    residuals_px: Array32 | None = None

    def __post_init__(self) -> None:
        for name, array in self.arrays().items():
            frozen = np.ascontiguousarray(array, np.float32)
            if frozen is array and frozen.flags.writeable:
                frozen = frozen.copy()
            if not np.isfinite(frozen).all():
                raise CalibrationInvalidError(
                    f"calibration array '{name}' holds NaN or infinite values; measure or import it again"
                )
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)
        self._check()

    def arrays(self) -> dict[str, Array32]:
        """Every array that is present, by name."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "header"}
        return {name: array for name, array in named.items() if array is not None}

    @cached_property
    def id(self) -> str:
        """SHA-256 over header and arrays, 64 hexadecimal digits."""
        digest = hashlib.sha256(self.header.canonical_json().encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    @property
    def system(self) -> System:
        """The optical system."""
        return self.header.system

    @property
    def bands(self) -> int:
        """Number of bands C."""
        return len(self.wavelengths_nm)

    @property
    def largest_shift_px(self) -> int:
        """Columns by which the dispersion widens the single-disperser measurement or the dual-disperser mask."""
        return int(np.ceil(float(self.dispersion_px.max()) - 1e-4))

    @property
    def cube_shape(self) -> tuple[int, int, int]:
        """`(C, H, W)` of the scene that this calibration sees."""
        height, mask_width = self.mask.shape
        width = mask_width if self.system.single_disperser else mask_width - self.largest_shift_px
        return self.bands, height, width

    @property
    def measurement_shape(self) -> tuple[int, int]:
        """`(H, W')` of the frames that this calibration belongs to."""
        _, height, width = self.cube_shape
        return height, width + (self.largest_shift_px if self.system.single_disperser else 0)

    def _check(self) -> None:
        def refuse(message: str) -> None:
            raise CalibrationInvalidError(f"{message}; measure or import the calibration again")

        bands = self.bands
        if self.wavelengths_nm.ndim != 1 or bands == 0:
            refuse(f"wavelengths_nm has shape {self.wavelengths_nm.shape}, expected (C,) with C >= 1")
        if np.any(np.diff(self.wavelengths_nm) <= 0):
            refuse("wavelengths_nm must ascend")
        for name in ("dispersion_px", "response"):
            if getattr(self, name).shape != (bands,):
                refuse(f"{name} has shape {getattr(self, name).shape}, expected ({bands},) as wavelengths_nm")
        if self.covariance is not None and self.covariance.shape != (bands, bands):
            refuse(f"covariance has shape {self.covariance.shape}, expected ({bands}, {bands})")
        if self.psf_px is not None and self.psf_px.shape != (bands, 2):
            refuse(f"psf_px has shape {self.psf_px.shape}, expected ({bands}, 2): across and along the dispersion")
        if self.residuals_px is not None and (self.residuals_px.ndim != 3 or len(self.residuals_px) != 2):
            refuse(f"residuals_px has shape {self.residuals_px.shape}, expected (2, rows, columns) of tiles")
        if self.dispersion_px.min() < 0:
            refuse(f"dispersion_px reaches {self.dispersion_px.min():g}, expected shifts >= 0")
        if self.response.min() < 0 or self.response.max() <= 0:
            refuse("response must be >= 0 with at least one band above 0")
        if self.mask.ndim != 2 or self.mask.size == 0:
            refuse(f"mask has shape {self.mask.shape}, expected two dimensions (rows, columns)")
        if self.mask.min() < -0.01 or self.mask.max() > 1.01 or self.mask.max() <= 0:
            refuse(f"mask values span {self.mask.min():g}..{self.mask.max():g}, expected grey values in 0..1")
        if min(self.cube_shape) < 1:
            refuse(
                f"mask {self.mask.shape} is too narrow for shifts up to {self.largest_shift_px} px: "
                f"{self.system} needs at least {self.largest_shift_px + 1} columns"
            )
        for name in ("dark", "flat", "hot_pixels"):
            array = getattr(self, name)
            if array is not None and array.shape != self.measurement_shape:
                refuse(f"{name} has shape {array.shape}, expected {self.measurement_shape} as the frames")
        if self.flat is not None and self.flat.min() <= 0:
            refuse("flat holds values of 0 or below")
        if self.dark is not None and self.header.bit_depth is None:
            refuse("dark is given in DN but header.bit_depth is missing")
