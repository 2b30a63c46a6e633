"""A network made for other bands than those of a bench, used all the same: what it is told, and what is made of it.

The network is told a bench with its own bands: their shifts are read off the calibrated dispersion, the mask of each is
the calibrated one at that shift, and the response is that of the bench per nm. Its cubes are interpolated back to the
bands of the calibration. That is ours, and an approximation: what differs from the training costs quality.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement
from livecassi.engines.checks import check_measurement
from livecassi.engines.cube import Cube
from livecassi.engines.engine import Engine, EngineInfo
from livecassi.engines.errors import EngineMismatchError

Array32 = NDArray[np.float32]

LARGEST_GAP_NM = 15.0  # by which the range of the network's bands may leave that of the bench's, at either end
LARGEST_STRETCH = 0.25  # by which the dispersion over all bands may differ from that of the training


@dataclass(frozen=True, slots=True)
class Adaptation:
    """`bench` is what the network is told in place of a calibration, and `words` say what was done."""

    calibration: Calibration
    bench: Calibration
    words: str

    def measurement(self, measurement: Measurement) -> Measurement:
        """A measurement of the calibration as one of the bench."""
        wide = self.bench.measurement_shape[1]
        values = measurement.values[:, :wide]
        values = np.pad(values, ((0, 0), (0, wide - values.shape[1])))
        return replace(measurement, values=np.ascontiguousarray(values), calibration_id=self.bench.id)

    def cube(self, cube: Cube) -> Cube:
        """A cube of the bench at the bands of the calibration."""
        bands = _interpolation(self.bench.wavelengths_nm, self.calibration.wavelengths_nm)
        return replace(
            cube,
            values=np.tensordot(bands, cube.values, 1),
            spread=None if cube.spread is None else np.tensordot(bands, cube.spread, 1),  # at most: it may cancel
            wavelengths_nm=self.calibration.wavelengths_nm,
            calibration_id=self.calibration.id,
        )


def adapt(calibration: Calibration, wavelengths_nm: Sequence[float] | None, step_px: int, network: str) -> Adaptation:
    """The adaptation of a network with these bands, `step_px` apart, to a calibration.

    Raises `EngineMismatchError`: nobody knows the network's wavelengths, the bench sees another part of the spectrum,
    or its dispersion is another altogether.
    """
    where = calibration.header.name or calibration.id[:8]
    if wavelengths_nm is None:
        raise EngineMismatchError(
            f"'{network}' cannot be adapted: its weights do not say their wavelengths; import them again with "
            "--wavelengths"
        )
    wanted = np.asarray(wavelengths_nm, np.float32)
    own = calibration.wavelengths_nm
    gaps = abs(float(wanted[0] - own[0])), abs(float(wanted[-1] - own[-1]))
    if max(gaps) > LARGEST_GAP_NM:
        raise EngineMismatchError(
            f"'{network}' reconstructs {wanted[0]:g} to {wanted[-1]:g} nm, calibration '{where}' has {own[0]:g} to "
            f"{own[-1]:g} nm; even adapted the ranges may differ by {LARGEST_GAP_NM:g} nm at most: choose other "
            "weights, or gap-tv"
        )
    shifts = np.maximum(_line(wanted, own, calibration.dispersion_px), 0)
    trained = step_px * (len(wanted) - 1)
    spread = float(shifts[-1] - shifts[0])
    if abs(spread / trained - 1) > LARGEST_STRETCH:
        raise EngineMismatchError(
            f"'{network}' was trained with its bands spread over {trained} px, calibration '{where}' spreads them over "
            f"{spread:.1f}; even adapted it may be {LARGEST_STRETCH:.0%} more or less: choose other weights, or gap-tv"
        )
    bench = _told(calibration, wanted, shifts)
    off = float(np.abs(shifts - step_px * np.arange(len(wanted))).max())
    words = (
        f"{calibration.bands} bands resampled from {len(wanted)} of {wanted[0]:g} to {wanted[-1]:g} nm, shifts up to "
        f"{off:.1f} px off those of the training"
    )
    return Adaptation(calibration, bench, words)


class AdaptedEngine:
    """An engine that was built for the bench of an adaptation, for measurements of the calibration itself."""

    def __init__(self, engine: Engine, adaptation: Adaptation) -> None:
        self._engine, self._adaptation = engine, adaptation
        info = engine.info
        options = (*info.options, ("adapted", adaptation.words))
        self.info: EngineInfo = replace(info, calibration_id=adaptation.calibration.id, options=options)

    def reconstruct(self, measurement: Measurement) -> Cube | None:
        """See `Engine`."""
        check_measurement(measurement, self._adaptation.calibration)
        cube = self._engine.reconstruct(self._adaptation.measurement(measurement))
        return None if cube is None else self._adaptation.cube(cube)

    def observe(self, measurement: Measurement) -> None:
        """See `Engine`."""
        check_measurement(measurement, self._adaptation.calibration)
        self._engine.observe(self._adaptation.measurement(measurement))

    def flush(self) -> list[Cube]:
        """See `Engine`."""
        return [self._adaptation.cube(cube) for cube in self._engine.flush()]

    def reset(self) -> None:
        """See `Engine`."""
        self._engine.reset()

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, error, trace)


def _told(calibration: Calibration, wavelengths_nm: Array32, shifts: NDArray[np.float64]) -> Calibration:
    own = calibration.wavelengths_nm
    density = calibration.response / np.gradient(own)  # per nm
    response = np.interp(wavelengths_nm, own, density) * np.gradient(wavelengths_nm)
    header = calibration.header.model_copy(update={"name": f"{calibration.header.name or calibration.id[:8]}, adapted"})
    return Calibration(
        header,
        wavelengths_nm,
        _mask(calibration, int(np.ceil(shifts.max() - 1e-4))),
        shifts.astype(np.float32),
        response.astype(np.float32),
    )


def _mask(calibration: Calibration, largest_shift: int) -> Array32:
    """As wide as the scene and these shifts need; columns beyond the calibrated ones transmit nothing."""
    mask = calibration.mask
    if calibration.system.single_disperser:
        return mask
    wide = calibration.cube_shape[2] + largest_shift
    return np.pad(mask[:, :wide], ((0, 0), (0, max(wide - mask.shape[1], 0))))


def _line(places: Array32, known: Array32, values: Array32) -> NDArray[np.float64]:
    """Linear interpolation, going on beyond the ends as it ended."""
    inside = np.interp(places, known, values).astype(np.float64)
    first = (values[1] - values[0]) / (known[1] - known[0])
    last = (values[-1] - values[-2]) / (known[-1] - known[-2])
    inside += np.minimum(places - known[0], 0) * first + np.maximum(places - known[-1], 0) * last
    return inside


def _interpolation(known: Array32, wanted: Array32) -> Array32:
    """`(C, S)`: values at `wanted` from values at `known`, those at the ends beyond them."""
    return np.stack([np.interp(wanted, known, unit) for unit in np.eye(len(known))], axis=1).astype(np.float32)
