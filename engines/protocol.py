"""The scoring protocol: fixed scenes, masks, measurements and noise, so that every score means the same.

A scene is a reflectance cube `(31, H, W)` at 400-700 nm in 10 nm steps, resized to 384 x 384 by area averaging; its
central 256 x 256 pixels are divided by their 99.9 percentile and clipped to [0, 1]. Bands are interpolated linearly.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.engines.errors import EngineError

Array32 = NDArray[np.float32]

VALIDATION_SCENES = ("beads", "fake_and_real_food", "feathers", "pompoms", "sponges")
SCENE_NM = np.arange(400.0, 701.0, 10.0)
SD_NM = np.fromstring(
    "453.5 457.5 462 466 471.5 476.5 481.5 487 492.5 498 504 510 516 522.5 "
    "529.5 536.5 544 551.5 558.5 567.5 575.5 584.5 594.5 604 614.5 625 636.5 648",
    sep=" ",
)
DD_NM = np.arange(410.0, 701.0, 10.0)
STEP_PX = 2
FRAME_SIDE = 384
SIDE = 256
ELECTRONS = 10_000  # at the brightest pixel
READ_NOISE = 4.0  # electrons
MOVING_FRAMES = 10


class ProtocolError(EngineError):
    """The scenes or masks of the scoring protocol cannot be used."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene of the protocol: the whole frame `(31, 384, 384)`, divided by the centre's 99.9 percentile."""

    name: str
    frame: Array32

    def bands(self, wavelengths_nm: NDArray[np.floating], shift_px: tuple[float, float] = (0.0, 0.0)) -> Array32:
        """The truth `(C, 256, 256)` at these wavelengths, seen from (rows, columns) beside the centre."""
        cropped = _crop(self.frame, shift_px).clip(0.0, 1.0)
        low = np.clip(np.searchsorted(SCENE_NM, wavelengths_nm) - 1, 0, len(SCENE_NM) - 2)
        part = ((wavelengths_nm - SCENE_NM[low]) / 10.0).astype(np.float32)[:, None, None]
        return (cropped[low] * (1 - part) + cropped[low + 1] * part).astype(np.float32, copy=False)


def prepare_scene(name: str, reflectance: NDArray[np.floating]) -> Scene:
    """A scene from a reflectance cube `(31, H, W)`. Raises `ProtocolError` for another shape or NaN."""
    if reflectance.ndim != 3 or reflectance.shape[0] != len(SCENE_NM) or min(reflectance.shape[1:]) < 2:
        raise ProtocolError(
            f"scene '{name}' has shape {reflectance.shape}, expected ({len(SCENE_NM)}, rows, columns): "
            "bands of 400 to 700 nm in 10 nm steps"
        )
    values = reflectance.astype(np.float32)
    if not np.isfinite(values).all():
        raise ProtocolError(f"scene '{name}' holds NaN or infinite values, expected reflectances")
    rows, columns = (_area_average(length) for length in values.shape[1:])
    frame = (rows @ values @ columns.T).astype(np.float32)
    white = float(np.percentile(_crop(frame, (0.0, 0.0)), 99.9))
    if white <= 0:
        raise ProtocolError(f"scene '{name}' is black: its 99.9 percentile is {white:g}, expected more than 0")
    return Scene(name, frame / np.float32(white))


def load_scene(folder: Path, name: str) -> Scene:
    """A scene from `folder/NAME.npy` or from the JPEG XL bands `folder/NAME/{400..700}nm.jxl`.

    Raises `ProtocolError` where neither is there, or the JPEG XL decoder is missing.
    """
    unpacked = folder / f"{name}.npy"
    if unpacked.is_file():
        try:
            return prepare_scene(name, np.load(unpacked, allow_pickle=False))
        except (ValueError, EOFError, OSError) as error:
            raise ProtocolError(f"cannot read scene {unpacked}: {error}; unpack the scene again") from error
    packed = [folder / name / f"{nm:.0f}nm.jxl" for nm in SCENE_NM]
    absent = [path for path in packed if not path.is_file()]
    if absent:
        raise ProtocolError(f"no scene '{name}' in {folder}: expected {unpacked.name} or {absent[0]}")
    try:
        import imagecodecs
    except ImportError as error:
        raise ProtocolError(
            f"the bands in {folder / name} are JPEG XL; install imagecodecs or unpack them to {unpacked.name}"
        ) from error
    try:
        codes = np.stack([imagecodecs.jpegxl_decode(path.read_bytes()) for path in packed])
    except (RuntimeError, ValueError) as error:
        raise ProtocolError(f"cannot decode the bands in {folder / name}: {error}") from error
    return prepare_scene(name, (codes.astype(np.float32) / 1023.0) ** 2)  # companded by a square root at 10 bits


def protocol_calibration(system: System, mask: NDArray[np.floating]) -> Calibration:
    """The bench of the protocol: SD-CASSI with 28 bands or DD-CASSI with 30, one whole shift of 2 px per band.

    `mask` is at least `(256, 256)` or `(256, 314)`; what is beyond is cut off. Raises `ProtocolError`.
    """
    if system not in (System.SD_CASSI, System.DD_CASSI):
        raise ProtocolError(f"the scoring protocol knows sd-cassi and dd-cassi, not {system}")
    wavelengths = SD_NM if system is System.SD_CASSI else DD_NM
    shifts = STEP_PX * np.arange(len(wavelengths), dtype=np.float32)
    width = SIDE + (0 if system is System.SD_CASSI else int(shifts[-1]))
    if mask.ndim != 2 or mask.shape[0] < SIDE or mask.shape[1] < width:
        raise ProtocolError(f"the mask has shape {mask.shape}, expected at least ({SIDE}, {width}) for {system}")
    return Calibration(
        CalibrationHeader(system=system, name=f"scoring protocol {system}"),
        wavelengths.astype(np.float32),
        np.array(mask[:SIDE, :width], np.float32, order="C"),
        shifts,
        np.ones(len(wavelengths), np.float32),
    )


def add_noise(measurement: Array32, seed: int = 0) -> Array32:
    """Photon noise of 10,000 electrons at the brightest pixel and 4 electrons of read noise."""
    random = np.random.default_rng(seed)
    gain = ELECTRONS / float(measurement.max())
    electrons = random.poisson(measurement.clip(min=0) * gain) + random.normal(0, READ_NOISE, measurement.shape)
    return (electrons / gain).astype(np.float32)


def moving_path() -> list[tuple[float, float]]:
    """Where the 10 frames of the moving variant look, px: whole steps, then parts of pixels, at most 2 px a frame."""
    steps = [(0, 0), (0, 1), (1, 1), (0, 2), (-1, 1), (0.5, 0.5), (0.25, 1.25), (-0.75, 0.5), (0.3, -0.8), (1.2, -1.4)]
    path = np.cumsum(np.array(steps, np.float64), axis=0)
    return [(float(row), float(column)) for row, column in path]


def synthetic_scene(seed: int = 7) -> Scene:
    """A scene drawn in code for machines without the reference scenes: discs and bars of smooth random spectra."""
    random = np.random.default_rng(seed)
    side = FRAME_SIDE
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    shade = 0.7 + 0.3 * np.sin(rows / 61) * np.cos(columns / 47)
    cube = _random_spectrum(random)[:, None, None] * 0.4 * shade
    for _ in range(60):
        row, column, size = random.uniform((0, 0, 8), (side, side, 40)).tolist()
        if random.random() < 0.6:
            inside = (rows - row) ** 2 + (columns - column) ** 2 < size**2
        else:
            inside = (np.abs(rows - row) < size) & (np.abs(columns - column) < size / 3)
        texture = 0.85 + 0.15 * np.sin(rows[inside] / random.uniform(1.5, 6) + columns[inside] / random.uniform(2, 9))
        cube[:, inside] = _random_spectrum(random)[:, None] * texture * shade[inside]
    return prepare_scene("synthetic", cube)


def synthetic_mask(height: int, width: int, seed: int = 11) -> Array32:
    """A random binary mask, slightly grey as a real one."""
    code = np.random.default_rng(seed).integers(0, 2, (height, width))
    return (0.02 + 0.96 * code).astype(np.float32)


def _random_spectrum(random: np.random.Generator) -> Array32:
    edge, bump = random.uniform(420, 680), random.uniform(420, 680)
    steep, wide = random.uniform(15, 60) * random.choice([-1, 1]), random.uniform(25, 90)
    spectrum = 0.05 + random.uniform(0.2, 0.9) / (1 + np.exp(-(SCENE_NM - edge) / steep))
    spectrum += random.uniform(0, 0.5) * np.exp(-(((SCENE_NM - bump) / wide) ** 2))
    return np.asarray(np.clip(spectrum, 0, 1), np.float32)


def _area_average(length: int) -> Array32:
    """`(384, length)`: each target pixel is the mean of the stretch of source pixels that it covers."""
    edges = np.arange(FRAME_SIDE + 1) * (length / FRAME_SIDE)
    source = np.arange(length)
    overlap = np.minimum(edges[1:, None], source + 1) - np.maximum(edges[:-1, None], source)
    return np.asarray(np.maximum(overlap, 0.0) * (FRAME_SIDE / length), np.float32)


def _crop(frame: Array32, shift_px: tuple[float, float]) -> Array32:
    """The central part, moved by (rows, columns), by bilinear interpolation."""
    margin = (FRAME_SIDE - SIDE) // 2
    if max(abs(part) for part in shift_px) > margin - 1:
        raise ProtocolError(f"shift {shift_px} leaves the frame, expected at most {margin - 1} px")
    for axis, shift in zip((1, 2), shift_px, strict=True):
        whole = int(np.floor(shift))
        part = np.float32(shift - whole)
        near = frame.take(range(margin + whole, margin + whole + SIDE), axis=axis)
        if part > 0:
            next_one = frame.take(range(margin + whole + 1, margin + whole + 1 + SIDE), axis=axis)
            near = (1 - part) * near + part * next_one
        frame = near
    return frame
