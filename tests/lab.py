"""A simulated bench with its camera, for tests of what is fitted to captures."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import System
from livecassi.calibration.bench import Bench, BenchDesign, BenchState, Spectrum, Target
from livecassi.calibration.bench.scene import CHART, OTHERS
from livecassi.calibration.capture import Capture, CaptureKind, Line, capture_frames
from livecassi.drivers import SourceSettings
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.simulated_camera import Sensor, SimulatedCamera

GRID = np.linspace(380, 780, 81)
LAMP = Spectrum(GRID, 60 + 25 * np.sin(GRID / 60) + 6 * np.sin(GRID / 9))  # with structure inside the bands


@dataclass
class Lab:
    """The bench as it stands, and the camera that sees it."""

    bench: Bench
    camera: SimulatedCamera
    state: BenchState

    def take(
        self, kind: CaptureKind, state: BenchState, frames: int, exposure_us: float, line: Line | None = None
    ) -> Capture:
        """A capture in a state of the bench."""
        self.state = state
        self.camera.refresh_noise()
        self.camera.configure(SourceSettings(exposure_us=exposure_us))
        return capture_frames(self.camera.frames(threading.Event()), kind, frames, line=line)

    def dark(self, exposure_us: float = 10_000.0, frames: int = 32) -> Capture:
        return self.take(CaptureKind.DARK, BenchState(cap_on=True), frames, exposure_us)

    def flat(self, exposure_us: float, frames: int = 16, level: float = 1.0) -> Capture:
        state = BenchState(Target.WHITE, mask_in=False, level=level)
        return self.take(CaptureKind.FLAT, state, frames, exposure_us)

    def white(self, exposure_us: float, frames: int = 8) -> Capture:
        return self.take(CaptureKind.WHITE, BenchState(Target.WHITE), frames, exposure_us)

    @property
    def true_flat(self) -> NDArray[np.float32]:
        return self.bench.vignetting * self.camera.pixel_response

    def full_scale_per_second(self) -> float:
        """Of full scale per electron per second of exposure."""
        sensor = self.camera.sensor
        return sensor.dn_per_electron / sensor.full_scale_dn


def lab(
    system: System,
    height: int = 96,
    width: int = 128,
    seed: int = 0,
    *,
    bands: int | None = None,
    design: BenchDesign | None = None,
    sensor: Sensor | None = None,
) -> Lab:
    """A bench of invented spectra."""
    spectra = {name: Spectrum(GRID, 0.3 + 0.4 * np.sin(GRID / 50 + i) ** 2) for i, name in enumerate((*CHART, *OTHERS))}
    bench = Bench(system, height, width, spectra, LAMP, seed, design, bands)
    camera = SimulatedCamera(
        lambda t_s: bench.irradiance(t_s, made.state),
        bench.measurement_shape,
        seed=seed,
        sensor=sensor,
        clock=ManualClock(),
    )
    made = Lab(bench, camera, BenchState())
    return made
