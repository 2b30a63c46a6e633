"""A small network for raw frames, and what correction, network and rendering make of them one by one: the truth."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from fakes import BANDS, HEIGHT, WIDTH, small_calibration
from numpy.typing import NDArray
from tiny_networks import video_network

from livecassi.app.colour import ColourRenderer, device_colours
from livecassi.app.picks import mean_spectrum
from livecassi.calibration import Calibration, Corrector, System
from livecassi.drivers import Frame
from livecassi.engines import Cube
from livecassi.engines.exporting.frame_graph import with_camera_frames
from livecassi.engines.frame_engine import FrameEngine, Made, Wanted
from livecassi.engines.networks.engine import VideoEngine, VideoSettings
from livecassi.engines.networks.passes import FetchValues, ready
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.sliding_window import Frames, Output

T, STEP = 3, 2
NET = NetworkSpec("tiny", "tiny", T, BANDS, STEP, frozenset(System), lambda _: pytest.fail("nobody builds it"))
PICKS = ((4, 6), (0, 0), (HEIGHT - 1, WIDTH - 1))
WANTED = Wanted(True, 0.02, PICKS, 3)
PEDESTAL = 0.01
STEP_16 = 2**-16  # of pixels: the order of arithmetic matters a thousandth of it
LATEST = VideoSettings()


def bench(system: System = System.SD_CASSI, bit_depth: int = 12, *, plain: bool = False) -> Calibration:
    """With dark, flat and an uneven response unless it is `plain`; frames have a column more than the network reads."""
    calibration = small_calibration(system)
    if plain:
        return calibration
    if system.single_disperser:
        shifts = calibration.dispersion_px.copy()
        shifts[-1] += 0.3
        calibration = replace(calibration, dispersion_px=shifts)
    random = np.random.default_rng(1)
    shape = calibration.measurement_shape
    return replace(
        calibration,
        header=calibration.header.model_copy(update={"bit_depth": bit_depth}),
        response=np.linspace(0.4, 0.9, BANDS, dtype=np.float32),
        dark=(random.uniform(0.01, 0.03, shape) * 2**bit_depth).astype(np.float32),
        flat=random.uniform(0.7, 1.0, shape).astype(np.float32),
    )


def frame(calibration: Calibration, index: int, bit_depth: int = 12, light: float = 1.0) -> Frame:
    """Noise of its own for each index; a few pixels are saturated where there is enough light."""
    random = np.random.default_rng(100 + index)
    values = random.uniform(0, 1.05 * light, calibration.measurement_shape).clip(0, 1) * (2**bit_depth - 1)
    return Frame(values.astype(np.uint16), index, 1000 * index, bit_depth=bit_depth)


def network(system: System) -> Any:
    return video_network(T, HEIGHT, WIDTH, BANDS, STEP if system.single_disperser else 0)


class CpuPasses:
    """The same network, run by ONNX Runtime as measurements come."""

    describes, options = "ONNX Runtime", ()

    def __init__(self, system: System) -> None:
        self._session = ort.InferenceSession(network(system).SerializeToString(), providers=["CPUExecutionProvider"])

    def run(
        self, window: NDArray[np.float32], positions: Sequence[int], gain: NDArray[np.float32]
    ) -> list[FetchValues]:
        cubes = self._session.run(None, {"measurement": window[None]})[0][0]
        return [ready(cubes[position] * gain) for position in positions]

    def close(self) -> None:
        pass


def widened(calibration: Calibration) -> Any:
    """The network as a device takes it."""
    columns = calibration.measurement_shape[1]
    return with_camera_frames(network(calibration.system), device_colours().table, range(T), columns=columns)


def one_by_one(
    calibration: Calibration, settings: VideoSettings, frames: Sequence[Frame], pedestal: float
) -> dict[int, Cube]:
    """The cubes of correction and network, by the index of their frame."""
    corrector = Corrector(calibration, pedestal)
    with VideoEngine(NET, CpuPasses(calibration.system), calibration, settings, "tiny.onnx") as engine:
        cubes = [engine.reconstruct(corrector.correct(one)) for one in frames] + engine.flush()
    return {cube.frame_index: cube for cube in cubes if cube is not None}


def given(engine: FrameEngine, frames: Sequence[Frame], pedestal: float = PEDESTAL, **options: Any) -> list[Made]:
    made = [one for frame in frames for one in engine.reconstruct_frame(frame, pedestal, **options)]
    return made + engine.flush_frames()


def assert_same(made: Made, cube: Cube, wanted: Wanted = WANTED, precision: float = 3e-6) -> None:
    """That the cube is this one, and what was seen of it is what would be rendered of it here.

    `precision` is what sums may differ by, of the largest value.
    """
    scale = float(np.abs(cube.values).max())
    if wanted.cubes:
        assert made.cube is not None
        assert (made.cube.frame_index, made.cube.host_time_ns) == (cube.frame_index, cube.host_time_ns)
        np.testing.assert_allclose(made.cube.values, cube.values, atol=precision * scale + STEP_16 / 1000)
    else:
        assert made.cube is None
    seen = made.seen
    assert seen is not None
    assert (seen.frame_index, seen.host_time_ns) == (cube.frame_index, cube.host_time_ns)
    assert (seen.white_level, seen.pick_size) == (wanted.white_level, wanted.pick_size)
    picture = ColourRenderer(cube.wavelengths_nm).render(cube.values, wanted.white_level)
    assert np.abs(seen.picture.astype(int) - picture).max() <= 1
    assert set(seen.spectra) == set(wanted.picks)
    for (row, column), spectrum in seen.spectra.items():
        expected = mean_spectrum(cube.values, row, column, wanted.pick_size)
        np.testing.assert_allclose(spectrum, expected, atol=precision * scale + STEP_16 / 1000)


MODES = [
    VideoSettings(),
    VideoSettings(output=Output.CENTRE),
    VideoSettings(hop=2),
    VideoSettings(hop=3),
    VideoSettings(frames=Frames.STILLS),
]
SEQUENCES = [range(8), (0, 1, 2, 3, 7, 8, 12, 13, 14, 15, 20)]
