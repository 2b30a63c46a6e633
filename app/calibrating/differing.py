"""What differs between two calibrations, each quantity in its unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, CalibrationInvalidError
from livecassi.calibration.dispersion_curve import recorded_curve

LEAST_PX = 1e-3  # smaller is not told
LEAST_SHARE = 1e-4


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantity in which two calibrations differ: name, old and new in words, and the size in its unit."""

    name: str
    old: str
    new: str
    size: float | None = None
    unit: str = ""

    @property
    def words(self) -> str:
        """One line."""
        size = f" ({self.size:.3g} {self.unit})".replace(" )", ")") if self.size is not None else ""
        return f"{self.name}: {self.old} -> {self.new}{size}"


def differences(old: Calibration, new: Calibration) -> list[Difference]:
    """What changed: mask shift (registered, px), curve (largest px over the band), response, dark, flat, header.

    Empty where nothing that matters did.
    """
    return [*_header(old, new), *_bands(old, new), *_curve(old, new), *_mask(old, new), *_light(old, new)]


def _header(old: Calibration, new: Calibration) -> list[Difference]:
    def words(value: object, unit: str = "") -> str:
        return "unknown" if value is None else "-" if value == "" else f"{value}{unit}"

    found = []
    for name, label, unit in (
        ("system", "system", ""),
        ("sub_steps", "sub-steps", ""),
        ("camera_serial", "camera", ""),
        ("exposure_us", "exposure", " µs"),
        ("gain_db", "gain", " dB"),
        ("bit_depth", "bit depth", ""),
        ("temperature_c", "temperature", " °C"),
        ("roi", "region", ""),
        ("flip_rows", "rows flipped", ""),
        ("flip_columns", "columns flipped", ""),
    ):
        before, after = getattr(old.header, name), getattr(new.header, name)
        if before != after:
            numbers = isinstance(before, float) and isinstance(after, float)
            size = after - before if numbers else None
            found.append(Difference(label, words(before, unit), words(after, unit), size, unit.strip()))
    verdicts = [c.header.record.verdict if c.header.record is not None else "not judged" for c in (old, new)]
    if verdicts[0] != verdicts[1]:
        found.append(Difference("verdict", str(verdicts[0]), str(verdicts[1])))
    return found


def _bands(old: Calibration, new: Calibration) -> list[Difference]:
    def words(calibration: Calibration) -> str:
        nm = calibration.wavelengths_nm
        return f"{len(nm)} from {nm[0]:.2f} to {nm[-1]:.2f} nm"

    if old.bands != new.bands:
        return [Difference("bands", words(old), words(new), float(new.bands - old.bands), "bands")]
    moved = np.abs(new.wavelengths_nm - old.wavelengths_nm)
    if moved.max() < LEAST_PX:
        return []
    return [Difference("band centres", words(old), words(new), float(moved.max()), "nm at most")]


def _curve(old: Calibration, new: Calibration) -> list[Difference]:
    low = max(old.wavelengths_nm[0], new.wavelengths_nm[0])
    high = min(old.wavelengths_nm[-1], new.wavelengths_nm[-1])
    if high <= low:
        return [Difference("dispersion", "other wavelengths", "no wavelength in common")]
    nm = np.linspace(low, high, 200)
    before, after = _shifts(old, nm), _shifts(new, nm)
    change = (after - after[0]) - (before - before[0])  # each counts from its own first band
    worst = int(np.abs(change).argmax())
    if abs(change[worst]) < LEAST_PX:
        return []
    at = f" px at {nm[worst]:.0f} nm"
    return [
        Difference(
            "dispersion",
            f"{before[worst] - before[0]:.2f}{at}",
            f"{after[worst] - after[0]:.2f}{at}",
            float(abs(change[worst])),
            "px at most over the band",
        )
    ]


def _shifts(calibration: Calibration, nm: NDArray[np.float64]) -> NDArray[np.float64]:
    curve = recorded_curve(calibration)
    if curve is not None:
        return curve.shift_px(nm)
    return np.interp(nm, calibration.wavelengths_nm, calibration.dispersion_px)


def _mask(old: Calibration, new: Calibration) -> list[Difference]:
    from livecassi.calibration.fitting.registration import register

    if np.array_equal(old.mask, new.mask):
        return []
    sizes = [f"{c.mask.shape[0]} x {c.mask.shape[1]}" for c in (old, new)]
    try:
        found = register(new.mask, old.mask)
    except CalibrationInvalidError:
        return [Difference("mask", f"{sizes[0]} px", f"{sizes[1]} px, another pattern or out of reach")]
    height, width = old.mask.shape
    x, y = found.place(width / 2, height / 2)
    along, across = x - width / 2, y - height / 2
    place = f"moved {along:+.3f} px along, {across:+.3f} px across, turned {found.rotation_degrees:+.3f}°"
    told = f"{place}, {100 * (found.scale - 1):+.3f} % larger, correlation {found.correlation:.3f}"
    return [Difference("mask", "in place", told, float(np.hypot(along, across)), "px")]


def _light(old: Calibration, new: Calibration) -> list[Difference]:
    found = []
    nm = new.wavelengths_nm
    response = np.interp(nm, old.wavelengths_nm, old.response)
    change = float(np.abs(new.response / new.response.mean() - response / response.mean()).max())
    if change > LEAST_SHARE:
        found.append(
            Difference(
                "response",
                f"mean {old.response.mean():.4g}",
                f"mean {new.response.mean():.4g}",
                100 * change,
                "% of its mean at most, in shape",
            )
        )
    for name, unit in (("dark", "DN"), ("flat", "%")):
        first, second = getattr(old, name), getattr(new, name)
        if first is None and second is None:
            continue
        if first is None or second is None or first.shape != second.shape:
            before, after = ("none" if a is None else f"{a.shape[0]} x {a.shape[1]}" for a in (first, second))
            found.append(Difference(name, before, after))
            continue
        scale = 1.0 if unit == "DN" else 100.0
        spread = scale * float(np.median(np.abs(second - first)))
        if spread > LEAST_SHARE:
            before, after = (f"median {scale * float(np.median(a)):.4g} {unit}" for a in (first, second))
            found.append(Difference(name, before, after, spread, f"{unit}, median of the changes"))
    return found
