"""The prototype: a simulated bench before a moving scene, with a simulated camera, its calibration and its truth."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.app.spectra import COLOUR_CHECKER, ILLUMINANTS, MEMORY_COLOURS, SpectralTable, load_spectra
from livecassi.calibration import Calibration, System
from livecassi.calibration.bench import Bench, BenchDesign, BenchState, SensorSide, Spectrum
from livecassi.calibration.bench.scene import CHART, OTHERS
from livecassi.drivers.clock import Clock
from livecassi.drivers.errors import SourceUnsupportedError
from livecassi.drivers.simulated_camera import Faults, SimulatedCamera
from livecassi.drivers.source import SourceSettings

CALIBRATED_EXPOSURE_US = 10_000.0
CALIBRATED_GAIN_DB = 0.0
MEMORY_NAMES = {"orange": "ripe orange"}  # the chart has an orange of its own


class _Stage:
    """The bench in the state in which somebody has put it, rendered in one thread and changed in another."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.Lock()
        self._state = BenchState()

    @property
    def state(self) -> BenchState:
        with self._lock:
            return self._state

    @state.setter
    def state(self, state: BenchState) -> None:
        with self._lock:
            self._state = state

    def render(self, t_s: float) -> NDArray[np.float32]:
        return self._bench.irradiance(t_s, self.state)


@dataclass(frozen=True, slots=True)
class Prototype:
    """A source, the calibration that belongs to it, and `truth(frame_index)`: the cube `(C, H, W)` of a frame.

    The truth is reflectance times shading in the bands of the calibration, which is what an engine should find. `bench`
    knows the rest of the truth.
    """

    source: SimulatedCamera
    calibration: Calibration
    truth: Callable[[int], NDArray[np.float32]]
    bench: Bench
    _stage: _Stage

    @property
    def state(self) -> BenchState:
        """The state of the bench."""
        return self._stage.state

    def set_state(self, state: BenchState) -> None:
        """Change the bench; every exposure that begins later shows it. Any thread, also while frames flow.

        From here on frames have fresh noise, so that a capture that is repeated holds no copies.
        """
        self._stage.state = state
        self.source.refresh_noise()


def open_prototype(
    system: System = System.DD_CASSI,
    height: int = 256,
    width: int = 256,
    seed: int = 0,
    frame_rate_hz: float = 30.0,
    *,
    clock: Clock | None = None,
    faults: Faults | None = None,
    illuminant: str = "D65",
    bands: int | None = None,
    design: BenchDesign | None = None,
) -> Prototype:
    """Build the bench (well under a second at 256 x 256) and its camera.

    The scene runs at `frame_rate_hz` of this call: frame n always shows the same moment. The lamp is set so that
    the calibrated exposure of 10 ms at 0 dB nearly fills the sensor. `bands` None: as many as the system usually has;
    `design` None: the bench as it is usually built. Raises `CalibrationInvalidError` for an impossible size or number
    of bands, `SourceUnsupportedError` for an impossible rate.
    """
    if not (np.isfinite(frame_rate_hz) and frame_rate_hz > 0):
        raise SourceUnsupportedError(
            f"a frame rate of {frame_rate_hz} Hz was asked for, expected a number above 0; choose another"
        )
    lamp = load_spectra(ILLUMINANTS).select(illuminant)
    bench = Bench(
        system,
        height,
        width,
        _reflectances(),
        Spectrum(lamp.wavelengths_nm, lamp.values[0]),
        seed,
        design,
        bands,
    )
    stage = _Stage(bench)
    camera = SimulatedCamera(
        stage.render,
        bench.measurement_shape,
        seed=seed,
        settings=SourceSettings(CALIBRATED_EXPOSURE_US, CALIBRATED_GAIN_DB, frame_rate_hz),
        scene_rate_hz=frame_rate_hz,
        clock=clock,
        faults=faults,
        title=f"prototype: simulated {system} bench, {height} x {width}",
    )
    sensor = camera.sensor
    calibration = bench.calibration(
        SensorSide(
            serial=camera.info.serial,
            bit_depth=sensor.bit_depth,
            full_scale_per_electron=sensor.dn_per_electron / sensor.full_scale_dn,
            exposure_us=CALIBRATED_EXPOSURE_US,
            gain_db=CALIBRATED_GAIN_DB,
            dark=camera.mean_dark(CALIBRATED_EXPOSURE_US, CALIBRATED_GAIN_DB),
            pixel_response=camera.pixel_response,
        )
    )
    return Prototype(camera, calibration, lambda frame_index: bench.truth(frame_index / frame_rate_hz), bench, stage)


def _reflectances() -> dict[str, Spectrum]:
    """The measured reflectances of everything in the scene."""
    chart = _spectra(load_spectra(COLOUR_CHECKER))
    memory = {MEMORY_NAMES.get(name, name): s for name, s in _spectra(load_spectra(MEMORY_COLOURS)).items()}
    return {**{name: chart[name] for name in CHART}, **{name: memory[name] for name in OTHERS}}


def _spectra(table: SpectralTable) -> dict[str, Spectrum]:
    return {name: Spectrum(table.wavelengths_nm, row) for name, row in zip(table.names, table.values, strict=True)}
