"""PG-SVRT with raw frames: what torch makes of corrected ones."""

import numpy as np
import pytest

from livecassi.app.colour import ColourRenderer, device_colours
from livecassi.calibration import Corrector, System
from livecassi.drivers import Frame
from livecassi.engines.frame_engine import Wanted
from livecassi.engines.networks import find_network

pytest.importorskip("torch", reason="PG-SVRT is exported with torch")
pytest.importorskip("onnx", reason="networks are exported with onnx")
pytest.importorskip("onnxruntime", reason="ONNX Runtime stands in for TensorRT")

from exported_networks import Exports
from onnx_on_host import NetworkOnHost

from livecassi.engines.exporting.frame_graph import with_camera_frames
from livecassi.engines.networks.engine import VideoEngine, VideoSettings
from livecassi.engines.networks.frame_engine import FrameVideoEngine
from livecassi.engines.networks.runner import Placing
from livecassi.engines.networks.torch_passes import TorchPasses

pytestmark = pytest.mark.usefixtures("one_thread")

LEAST_DB = 80.0
WHITE = 0.05


def test_pg_svrt_sees_in_raw_frames_what_torch_sees_in_measurements(exports: Exports) -> None:
    export = exports.of("pg-svrt", System.DD_CASSI, baked=True)
    calibration, spec, settings = export.request.calibration, find_network("pg-svrt"), VideoSettings(brightness=20.0)
    assert calibration is not None
    colours = device_colours()
    wide = with_camera_frames(export.model, colours.table, range(3))
    random = np.random.default_rng(5)
    frames = [
        Frame(random.integers(0, 2000, calibration.measurement_shape, np.uint16), index, index) for index in range(4)
    ]
    corrector, renderer = Corrector(calibration), ColourRenderer(calibration.wavelengths_nm)
    passes = TorchPasses("pg-svrt", export.request.weights, calibration, Placing("cpu"))
    found = []
    with (
        VideoEngine(spec, passes, calibration, settings, "random") as torch_engine,
        FrameVideoEngine(
            spec, NetworkOnHost(wide.SerializeToString()), calibration, settings, "random", colours
        ) as engine,
    ):
        engine.want(Wanted(True, WHITE, ((3, 4),), 1))
        for frame in frames:
            expected = torch_engine.reconstruct(corrector.correct(frame))
            (made,) = engine.reconstruct_frame(frame)
            assert expected is not None
            assert made.cube is not None
            assert made.seen is not None
            rms = float(np.sqrt(np.mean((made.cube.values - expected.values) ** 2)))
            found.append(20 * np.log10(float(np.ptp(expected.values)) / max(rms, 1e-12)))
            picture = renderer.render(made.cube.values, WHITE)
            assert np.abs(made.seen.picture.astype(int) - picture).max() <= 1
            np.testing.assert_allclose(made.seen.spectra[3, 4], made.cube.values[:, 3, 4], rtol=1e-5, atol=1e-7)
    # a gate that falls to the other side by rounding costs much, but in one frame
    assert np.median(found) >= LEAST_DB, found
