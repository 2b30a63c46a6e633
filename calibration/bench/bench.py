"""The simulated bench: scene, lamp, optics and sensor plane put together, with its calibration and its truth."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.calibration.bench.chessboard import chessboard
from livecassi.calibration.bench.design import BenchDesign, spectral_layout, usual_design
from livecassi.calibration.bench.dispersion import SubBands, sub_bands
from livecassi.calibration.bench.field import FieldShift
from livecassi.calibration.bench.lens import blur, vignetting, with_stray
from livecassi.calibration.bench.light import efficiency, line_samples, passed
from livecassi.calibration.bench.mask import (
    MARGIN_PX,
    OVERSAMPLING,
    CodedAperture,
    drawing,
    registration,
)
from livecassi.calibration.bench.materials import Materials, Spectrum
from livecassi.calibration.bench.optics import DualDisperserOptics, Optics, SingleDisperserOptics, dispersed_still
from livecassi.calibration.bench.scene import Scene
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader, System
from livecassi.calibration.errors import CalibrationInvalidError

SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 64, 4096


@dataclass(frozen=True, slots=True)
class SensorSide:
    """What the camera adds to a calibration: how electrons become fractions of full scale, and its dark and flat."""

    serial: str
    bit_depth: int
    full_scale_per_electron: float
    exposure_us: float
    gain_db: float
    dark: Array32
    pixel_response: Array32


class Bench:
    """A coded-aperture bench before a moving scene of `height x width` pixels.

    Spectral bands: SD-CASSI 28 (450-650 nm), on demand 30, and PMVIS, NDSSI 30 (410-700 nm) that land exactly 2
    columns apart; DD-CASSI 30 from 410 to 700 nm every 10 nm, at fractional shifts over 58 columns. Light is computed
    on at least 5 sub-bands per column of dispersion, never on these bands.

    It stands as a `BenchState` says. Left out: motion within an exposure (a frame shows one moment).
    """

    def __init__(
        self,
        system: System,
        height: int,
        width: int,
        reflectances: dict[str, Spectrum],
        illuminant: Spectrum,
        seed: int = 0,
        design: BenchDesign | None = None,
        bands: int | None = None,
    ) -> None:
        for name, side in (("height", height), ("width", width)):
            if not SMALLEST_SIDE_PX <= side <= LARGEST_SIDE_PX:
                raise CalibrationInvalidError(
                    f"a simulated scene of {name} {side} px was asked for, possible are {SMALLEST_SIDE_PX} to "
                    f"{LARGEST_SIDE_PX}; choose another size"
                )
        self.system = system
        self.design = design or usual_design(system)
        self._seed = seed
        self._curve, self.wavelengths_nm = spectral_layout(system, bands)
        self.dispersion_px = np.maximum(self._curve.shift_px(self.wavelengths_nm), 0).astype(np.float32)
        self._reach = round(self._curve.span_px)
        self._bands: SubBands = sub_bands(self._curve, self.wavelengths_nm)
        self._materials = Materials(reflectances)
        self.scene = Scene(self._materials, height, width, seed)
        self.measurement_shape = (height, width + self._reach if system.single_disperser else width)
        self._mask_width = width if system.single_disperser else width + self._reach
        self.aperture = self._aperture(BenchState())
        self.vignetting = vignetting(*self.measurement_shape, self.design.vignetting)
        self._field: FieldShift | None = None
        if self.design.smile_px or self.design.keystone_px:
            self._field = FieldShift(self.design.smile_px, self.design.keystone_px, *self.measurement_shape)
        basis = self._materials.basis_at(self._bands.wavelengths_nm)
        self._truth_basis = self._bands.band_means(basis).T.astype(np.float32)  # (C, K)
        self._illuminant = illuminant
        light = illuminant.at(self._bands.wavelengths_nm) * efficiency(self._bands.wavelengths_nm, *self._ends_nm)
        self._weights = light * self._bands.widths_nm  # (Q,) photoelectrons up to the level of the lamp
        self._optics = self._optics_of(self.aperture, self._bands, basis * self._weights, self._field)
        self._lamp = np.float32(1.0)
        self._lamp = np.float32(self.design.peak_e_s / np.percentile(self.irradiance(0.0), 99.9))
        self.response_e_s: NDArray[np.float64] = float(self._lamp) * self._bands.band_sums(self._weights[None])[0]
        self._staged_optics = lru_cache(maxsize=4)(self._make_staged_optics)
        self._still = lru_cache(maxsize=8)(self._make_still)

    def irradiance(self, t_s: float, state: BenchState | None = None) -> Array32:
        """Photoelectrons per second in each pixel of the sensor, float32 `(H, W')`, at scene time `t_s`.

        `state` None: the scene under its lamp, mask and disperser in. The lamp and its reference white are the same in
        every state; a line is as bright as the brightest of the scene: on the white target it gives
        `design.peak_e_s` behind an aperture that lets all through, in the middle of the picture, less what the
        bench's filter takes from it. A line that the filter stops gives no light.
        """
        if state is None or state == BenchState():
            return self._on_sensor(self._optics.image(self.scene.render(t_s)))
        if state.cap_on:
            return np.zeros(self.measurement_shape, np.float32)
        steady = replace(state, level=1.0)
        if state.target is Target.SCENE:
            light = self._on_sensor(self._staged_optics(steady).image(self.scene.render(t_s)))
        else:
            light = self._still(steady)
        return np.float32(state.level) * light

    def truth(self, t_s: float) -> Array32:
        """Reflectance times shading, `(C, H, W)` float32: the mean over each band's sub-bands."""
        coefficients = self.scene.render(t_s)
        if self._field is not None and self.system.single_disperser:  # the scene moves with the mask
            coefficients = self._field.displaced(coefficients, 1)
        flat = coefficients.reshape(len(coefficients), -1)
        return (self._truth_basis @ flat).reshape(-1, *coefficients.shape[1:])

    def calibration(self, sensor: SensorSide) -> Calibration:
        """What a careful operator would have measured on this bench with that camera.

        The mask is the one that a band of average width shows: blurred by relay, lens and its own dispersion.
        """
        smear = self._reach / (len(self.wavelengths_nm) - 1)
        mask = blur(self.aperture.seen(smear), self.design.psf_px)
        if self._field is not None:
            mask = self._field.displaced(mask, self.system.mask_direction)
        gain = sensor.exposure_us * 1e-6 * sensor.full_scale_per_electron
        return Calibration(
            CalibrationHeader(
                system=self.system,
                name=f"simulated {self.system} bench",
                notes="made by the simulation, not measured",
                camera_serial=sensor.serial,
                exposure_us=sensor.exposure_us,
                gain_db=sensor.gain_db,
                bit_depth=sensor.bit_depth,
            ),
            wavelengths_nm=self.wavelengths_nm.astype(np.float32),
            mask=np.clip(mask, 0, 1),
            dispersion_px=self.dispersion_px,
            response=(gain * self.response_e_s).astype(np.float32),
            dark=sensor.dark,
            flat=self.vignetting * sensor.pixel_response,
        )

    def true_shift_px(self, wavelengths_nm: ArrayLike) -> NDArray[np.float64]:
        """s(λ) in columns, without smile and keystone; 0 at the first band."""
        return self._curve.shift_px(wavelengths_nm)

    def aperture_design_pattern(self) -> Array32:
        """The drawing of the coded aperture in camera pixels, `(H, Wm)`: open share 0..1, as it was ordered.

        The real one is turned, stretched and blurred against it, see `true_registration`.
        """
        height = self.measurement_shape[0]
        return drawing(self.system, height, self._mask_width, self._seed, self.design.aperture)

    def true_registration(self) -> NDArray[np.float64]:
        """The matrix (2, 3) that takes (x, y) of `aperture_design_pattern` to the mask of the calibration."""
        return registration(self.system, self.measurement_shape[0], self._mask_width, self.design.aperture)

    @property
    def _ends_nm(self) -> tuple[float, float]:
        return float(self.wavelengths_nm[0]), float(self.wavelengths_nm[-1])

    def _on_sensor(self, light: Array32) -> Array32:
        light = with_stray(blur(light, self.design.psf_px), self.design.stray_share)
        light *= self._lamp
        light *= self.vignetting
        return light

    def _aperture(self, state: BenchState) -> CodedAperture:
        height = self.measurement_shape[0]
        return CodedAperture(
            self.system,
            height,
            self._mask_width,
            self._seed,
            self.design.aperture,
            drift_px=state.drift_px,
            inserted=state.mask_in,
        )

    def _optics_of(
        self, aperture: CodedAperture, bands: SubBands, weights: NDArray[np.float64], bent: FieldShift | None
    ) -> Optics:
        kind = SingleDisperserOptics if self.system.single_disperser else DualDisperserOptics
        return kind(aperture, bands, weights, self.measurement_shape[1], bent)

    def _light(self, state: BenchState) -> tuple[SubBands, NDArray[np.float64]]:
        """The sub-bands of a state and what an even white sends in each, in units of the lamp's level."""
        bands, weights = self._bands, self._weights
        if state.line is not None:
            bands, shares = line_samples(self._curve, state.line)
            centre = np.array([state.line.wavelength_nm])
            weights = shares * (self.design.peak_e_s / float(self._lamp)) * passed(centre, *self._ends_nm)
            if self.design.efficiency_bends_lines:
                weights = weights * self._seen(bands.wavelengths_nm) / self._seen(centre)
        if not state.disperser_in:
            return replace(bands, shifts_px=np.zeros(len(weights))), weights
        lands = (bands.shifts_px >= -MARGIN_PX) & (bands.shifts_px < self._reach + MARGIN_PX - 1)
        return replace(bands, shifts_px=np.where(lands, bands.shifts_px, 0.0)), np.where(lands, weights, 0.0)

    def _seen(self, wavelengths_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """What lamp, band-pass and sensor make of a flat spectrum; a filter stands before the lamp of the scene."""
        return self._illuminant.at(wavelengths_nm) * efficiency(wavelengths_nm, *self._ends_nm)

    def _make_staged_optics(self, state: BenchState) -> Optics:
        bands, weights = self._light(state)
        basis = self._materials.basis_at(bands.wavelengths_nm)
        bent = self._field if state.disperser_in else None
        return self._optics_of(self._aperture(state), bands, basis * weights, bent)

    def _make_still(self, state: BenchState) -> Array32:
        """The light of a target that stands still."""
        height, width = self.scene.height, self.scene.width
        target = np.ones((height, OVERSAMPLING * width), np.float32)
        if state.target is Target.CHESSBOARD:
            target = chessboard(height, width, state.chart_pose, self.design.distortion_k1)
        bands, weights = self._light(state)
        bent = self._field if state.disperser_in else None
        aperture = self._aperture(state)
        if self.system.single_disperser:
            light = dispersed_still(aperture, target, bands, weights, self.measurement_shape[1], bent)
        else:
            pixels = target.reshape(height, width, OVERSAMPLING).mean(axis=2)
            light = DualDisperserOptics(aperture, bands, weights[None], width, bent).image(pixels[None])
        light = self._on_sensor(light)
        light.flags.writeable = False
        return light
