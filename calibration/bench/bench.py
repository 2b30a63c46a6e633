"""The simulated bench: scene, lamp, optics and sensor plane put together, with its calibration and its truth."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.bench.dispersion import DispersionCurve, SubBands, sub_bands
from livecassi.calibration.bench.mask import ApertureDesign, CodedAperture
from livecassi.calibration.bench.materials import Materials, Spectrum
from livecassi.calibration.bench.optics import DualDisperserOptics, Optics, SingleDisperserOptics
from livecassi.calibration.bench.scene import Scene
from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader, System
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.drivers.opencv import cv2

SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 64, 4096
BANDS = {System.SD_CASSI: (28, 30), System.DD_CASSI: (30,), System.PMVIS: (30,), System.NDSSI: (30,)}


@dataclass(frozen=True, slots=True)
class BenchDesign:
    """How the bench is built. `peak_e_s` is the light of the brightest 0.1 % of pixels at the first moment."""

    peak_e_s: float = 2_300_000.0
    psf_px: float = 0.3  # standard deviation of the lens's point spread
    stray_share: float = 0.01  # of the light, spread widely
    vignetting: float = 0.18  # loss in the corners
    aperture: ApertureDesign = field(default_factory=ApertureDesign)


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

    Left out: motion within an exposure (a frame shows one moment), smile, keystone, distortion, drift.
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
        self.design = design or _design(system)
        curve, self.wavelengths_nm = _spectral_layout(system, bands)
        self.dispersion_px = np.maximum(curve.shift_px(self.wavelengths_nm), 0).astype(np.float32)
        self._reach = round(curve.span_px)
        self._bands: SubBands = sub_bands(curve, self.wavelengths_nm)
        materials = Materials(reflectances)
        self.scene = Scene(materials, height, width, seed)
        mask_width = width if system.single_disperser else width + self._reach
        self.aperture = CodedAperture(system, height, mask_width, seed, self.design.aperture)
        self.measurement_shape = (height, width + self._reach if system.single_disperser else width)
        self.vignetting = _vignetting(*self.measurement_shape, self.design.vignetting)
        basis = materials.basis_at(self._bands.wavelengths_nm)
        self._truth_basis = self._bands.band_means(basis).T.astype(np.float32)  # (C, K)
        light = illuminant.at(self._bands.wavelengths_nm) * _efficiency(
            self._bands.wavelengths_nm, self.wavelengths_nm[0], self.wavelengths_nm[-1]
        )
        weights = light * self._bands.widths_nm  # (Q,) photoelectrons up to the level of the lamp
        self._optics: Optics
        if system.single_disperser:
            self._optics = SingleDisperserOptics(self.aperture, self._bands, basis * weights, self.measurement_shape[1])
        else:
            self._optics = DualDisperserOptics(self.aperture, self._bands, basis * weights, width)
        self._lamp = np.float32(1.0)
        self._lamp = np.float32(self.design.peak_e_s / np.percentile(self.irradiance(0.0), 99.9))
        self.response_e_s: NDArray[np.float64] = float(self._lamp) * self._bands.band_sums(weights[None])[0]

    def irradiance(self, t_s: float) -> Array32:
        """Photoelectrons per second in each pixel of the sensor, float32 `(H, W')`, at scene time `t_s`."""
        light = self._optics.image(self.scene.render(t_s))
        light = self._with_stray(_blur(light, self.design.psf_px))
        light *= self._lamp
        light *= self.vignetting
        return light

    def truth(self, t_s: float) -> Array32:
        """Reflectance times shading, `(C, H, W)` float32: the mean over each band's sub-bands."""
        coefficients = self.scene.render(t_s)
        flat = coefficients.reshape(len(coefficients), -1)
        return (self._truth_basis @ flat).reshape(-1, *coefficients.shape[1:])

    def calibration(self, sensor: SensorSide) -> Calibration:
        """What a careful operator would have measured on this bench with that camera.

        The mask is the one that a band of average width shows: blurred by relay, lens and its own dispersion.
        """
        smear = self._reach / (len(self.wavelengths_nm) - 1)
        mask = _blur(self.aperture.seen(smear), self.design.psf_px)
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

    def _with_stray(self, light: Array32) -> Array32:
        share = np.float32(self.design.stray_share)
        height, width = light.shape
        small = cv2.resize(light, (max(8, width // 16), max(8, height // 16)), interpolation=cv2.INTER_AREA)
        glow = _blur(np.asarray(small, np.float32), 0.12 * min(small.shape))
        wide = np.asarray(cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        wide *= share
        wide += (1 - share) * light
        return wide


def _design(system: System) -> BenchDesign:
    if system is System.PMVIS:  # few openings: chrome must be dense
        return BenchDesign(aperture=ApertureDesign(closed_transmission=0.0005))
    return BenchDesign()


def _spectral_layout(system: System, bands: int | None) -> tuple[DispersionCurve, NDArray[np.float64]]:
    """The curve and the band centres of each system; `bands` None: as many as usual, the first of `BANDS`."""
    possible = BANDS[system]
    if bands not in (None, *possible):
        raise CalibrationInvalidError(
            f"{bands} bands were asked for, a simulated {system} bench has {' or '.join(map(str, possible))}; "
            "choose one of these"
        )
    if system is System.SD_CASSI and bands in (None, 28):
        curve = DispersionCurve(450.0, 650.0, 54.0)
        return curve, curve.wavelength_nm(2.0 * np.arange(28))
    curve = DispersionCurve(410.0, 700.0, 58.0)
    if system is System.DD_CASSI:
        return curve, np.arange(410.0, 701.0, 10.0)
    return curve, curve.wavelength_nm(2.0 * np.arange(30))


def _efficiency(wavelengths_nm: NDArray[np.float64], first_nm: float, last_nm: float) -> NDArray[np.float64]:
    """Optics with a band-pass filter (edges of 2 nm) times a silicon sensor with its best near 540 nm."""
    edge_nm = 2.0
    passed = 1 / (1 + np.exp(-(wavelengths_nm - first_nm + 3) / edge_nm))
    passed /= 1 + np.exp((wavelengths_nm - last_nm - 3) / edge_nm)
    silicon = 0.68 * np.exp(-(((wavelengths_nm - 540.0) / 190.0) ** 2))
    efficiency: NDArray[np.float64] = 0.7 * passed * silicon
    return efficiency


def _blur(image: Array32, sigma_px: float) -> Array32:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT), np.float32)


def _vignetting(height: int, width: int, loss: float) -> Array32:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    squared = ((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.5) ** 2
    falloff: Array32 = np.asarray(1 - 2 * loss * squared, np.float32)
    return falloff
