"""A network that takes raw frames and gives pictures: the same as correction, network and rendering one by one."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from fakes import BANDS, HEIGHT, WIDTH, small_calibration
from host_ops import HostOps

from livecassi.app.colour import TABLE_BITS, ColourRenderer, srgb_encode
from livecassi.app.picks import mean_spectrum
from livecassi.calibration import Calibration, System
from livecassi.calibration.correct import Corrector
from livecassi.drivers import Frame
from livecassi.engines.errors import NetworkFileError
from livecassi.engines.exporting.frame_graph import with_camera_frames
from livecassi.engines.runtimes.device.frame_inputs import correction_inputs, pick_weights
from livecassi.engines.runtimes.device.pipeline import FramePipeline

onnx = pytest.importorskip("onnx", reason="the graph is made with onnx")
ort = pytest.importorskip("onnxruntime", reason="the graph is run by ONNX Runtime")

from onnx_on_host import OnnxExecutable  # noqa: E402 - needs onnxruntime
from tiny_networks import video_network  # noqa: E402 - needs onnx

T, STEP = 3, 2
COLUMNS = WIDTH + STEP * (BANDS - 1)
TABLE = np.round(255 * srgb_encode(np.arange(2**TABLE_BITS) / (2**TABLE_BITS - 1))).astype(np.uint8)
PICKS = ((4, 6), (0, 0), (HEIGHT - 1, WIDTH - 1))


def bench(bit_depth: int) -> Calibration:
    calibration = small_calibration(System.SD_CASSI, dark=True)
    random = np.random.default_rng(1)
    return replace(
        calibration,
        header=calibration.header.model_copy(update={"bit_depth": bit_depth}),
        dark=(random.uniform(0.01, 0.03, (HEIGHT, COLUMNS)) * 2**bit_depth).astype(np.float32),
        flat=random.uniform(0.7, 1.0, (HEIGHT, COLUMNS)).astype(np.float32),
    )


def frames_of(bit_depth: int, extra_columns: int = 0) -> np.ndarray[Any, np.dtype[np.uint16]]:
    random = np.random.default_rng(2)
    return random.integers(0, 2**bit_depth, (T, HEIGHT, COLUMNS + extra_columns)).astype(np.uint16)


def run(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))


def settings(calibration: Calibration, bit_depth: int, **other: Any) -> dict[str, Any]:
    return {
        **correction_inputs(calibration, bit_depth, pedestal=0.01, brightness=1.7),
        "added": np.zeros((T, HEIGHT, COLUMNS), np.float32),
        "band_gain": np.linspace(0.5, 2, BANDS).astype(np.float32),
        "colour": ColourRenderer(calibration.wavelengths_nm).matrix / np.float32(0.8),
        "pick_weights": pick_weights(PICKS, 3, (HEIGHT, WIDTH), 8),
        **other,
    }


@pytest.mark.parametrize("positions", [(-1,), (1,), (0, 1, 2), (2, 0)])
@pytest.mark.parametrize("bit_depth", [12, 16])
def test_cubes_pictures_and_spectra_are_those_of_the_parts(bit_depth: int, positions: tuple[int, ...]) -> None:
    calibration, plain, frames = bench(bit_depth), video_network(T, HEIGHT, WIDTH, BANDS, STEP), frames_of(bit_depth)
    inputs = settings(calibration, bit_depth)
    found = run(
        with_camera_frames(plain, TABLE, positions),
        {**inputs, "frames": frames.view(np.uint8).reshape(*frames.shape, 2)},
    )
    corrector = Corrector(calibration, pedestal=0.01)
    corrected = [corrector.correct(Frame(pixels.copy(), 0, 0, bit_depth=bit_depth)).values for pixels in frames]
    cubes = (
        run(plain, {"measurement": 1.7 * np.stack(corrected)[None]})["cubes"][0] * inputs["band_gain"][:, None, None]
    )
    renderer = ColourRenderer(calibration.wavelengths_nm)
    for shown, position in enumerate(positions):
        cube = cubes[position]
        assert np.abs(cube).max() > 0.3
        np.testing.assert_allclose(found["cubes"][shown], cube, atol=2e-6)
        picture = renderer.render(cube, white_level=0.8)
        assert np.unique(picture).size > 50, "a picture that could not tell"
        assert np.abs(found["pictures"][shown].astype(int) - picture).max() <= 1
        for place, (row, column) in enumerate(PICKS):
            np.testing.assert_allclose(found["spectra"][shown, place], mean_spectrum(cube, row, column, 3), atol=2e-6)
        assert not found["spectra"][shown, len(PICKS) :].any()


def test_measurements_from_elsewhere_may_stand_in_for_the_frames() -> None:
    plain, frames = video_network(T, HEIGHT, WIDTH, BANDS, STEP), frames_of(12)
    measured = np.random.default_rng(8).random((T, HEIGHT, COLUMNS), np.float32)
    dark = np.zeros((HEIGHT, COLUMNS), np.float32)
    inputs = settings(bench(12), 12, gain=dark, offset=dark, added=measured)
    found = run(with_camera_frames(plain, TABLE), {**inputs, "frames": frames.view(np.uint8).reshape(*frames.shape, 2)})
    expected = run(plain, {"measurement": measured[None]})["cubes"][0, -1:] * inputs["band_gain"][:, None, None]
    np.testing.assert_array_equal(found["cubes"], expected)


def test_raw_frames_go_through_the_pipeline_to_the_same_pictures() -> None:
    calibration, plain = bench(12), video_network(T, HEIGHT, WIDTH, BANDS, STEP)
    inputs = settings(calibration, 12)
    model, ops = with_camera_frames(plain, TABLE), HostOps(Random(3).choice)
    frames = np.random.default_rng(4).integers(0, 4096, (6, HEIGHT, COLUMNS)).astype(np.uint16)
    with ops:
        pipeline = FramePipeline(OnnxExecutable(model.SerializeToString(), ops), ops)
        pipeline.configure(inputs)
        for number, pixels in enumerate(frames):
            pipeline.take(pixels)
            found = pipeline.result(pipeline.start(cubes=True))
            window = np.stack([frames[max(0, number - back)] for back in (2, 1, 0)])
            expected = run(model, {**inputs, "frames": window.view(np.uint8).reshape(*window.shape, 2)})
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values)
    ops.close()


def test_a_camera_may_have_more_columns_than_the_network_reads() -> None:
    plain, frames = video_network(T, HEIGHT, WIDTH, BANDS, STEP), frames_of(12, extra_columns=3)
    inputs = settings(bench(12), 12)
    wide = with_camera_frames(plain, TABLE, columns=COLUMNS + 3)
    found = run(wide, {**inputs, "frames": frames.view(np.uint8).reshape(*frames.shape, 2)})
    narrow = np.ascontiguousarray(frames[..., :COLUMNS])
    expected = run(
        with_camera_frames(plain, TABLE), {**inputs, "frames": narrow.view(np.uint8).reshape(*narrow.shape, 2)}
    )
    np.testing.assert_array_equal(found["cubes"], expected["cubes"])


def test_no_number_is_black_and_endless_light_is_white() -> None:
    plain, frames = video_network(T, HEIGHT, WIDTH, BANDS, STEP), frames_of(12)
    raw = frames.view(np.uint8).reshape(*frames.shape, 2)
    widened = with_camera_frames(plain, TABLE)
    for gain, expected in ((np.nan, 0), (1e30, 255)):
        colour = np.full((3, BANDS), 1 / BANDS, np.float32)
        inputs = settings(bench(12), 12, band_gain=np.full(BANDS, gain, np.float32), colour=colour)
        picture = run(widened, {**inputs, "frames": raw})["pictures"]
        assert (picture == expected).mean() > 0.9


def test_the_original_stays_and_its_card_goes_along() -> None:
    plain = video_network(T, HEIGHT, WIDTH, BANDS, STEP)
    onnx.helper.set_model_props(plain, {"livecassi_network": "a card"})
    before = plain.SerializeToString()
    widened = with_camera_frames(plain, TABLE)
    assert plain.SerializeToString() == before
    assert [(prop.key, prop.value) for prop in widened.metadata_props] == [("livecassi_network", "a card")]
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(widened, strict_mode=True, data_prop=True))


def halved(model: Any) -> Any:
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    return model


def renamed(model: Any) -> Any:
    model.graph.input[0].name = "y"
    return model


def unfixed(model: Any) -> Any:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "rows"
    return model


@pytest.mark.parametrize("spoil", [halved, renamed, unfixed])
def test_networks_of_another_form_are_refused(spoil: Callable[[Any], Any]) -> None:
    with pytest.raises(NetworkFileError, match="raw frames need a network of one float32"):
        with_camera_frames(spoil(video_network(T, HEIGHT, WIDTH, BANDS, STEP)), TABLE)


def test_what_else_does_not_fit_is_refused() -> None:
    plain = video_network(T, HEIGHT, WIDTH, BANDS, STEP)
    with pytest.raises(NetworkFileError, match="one float32 'measurement'"):
        with_camera_frames(with_camera_frames(plain, TABLE), TABLE)
    with pytest.raises(NetworkFileError, match=r"positions \[3\] found, expected some of the 3 frames"):
        with_camera_frames(plain, TABLE, positions=(3,))
    with pytest.raises(NetworkFileError, match="the table of colours"):
        with_camera_frames(plain, TABLE[:256])
    with pytest.raises(NetworkFileError, match="frames of 7 columns are narrower"):
        with_camera_frames(plain, TABLE, columns=7)
    with pytest.raises(IndexError, match="9 picks found"):
        pick_weights([(0, 0)] * 9, 1, (HEIGHT, WIDTH), 8)
    with pytest.raises(IndexError, match=r"\(24, 0\) lies outside"):
        pick_weights([(HEIGHT, 0)], 1, (HEIGHT, WIDTH), 8)


def test_nvidias_parser_knows_every_node() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="NVIDIA's parser comes with tensorrt-rtx")
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    model = with_camera_frames(video_network(T, HEIGHT, WIDTH, BANDS, STEP), TABLE, (0, 1, 2), columns=COLUMNS + 3)
    assert parser.parse(model.SerializeToString()), [parser.get_error(i).desc() for i in range(parser.num_errors)]
    found = {
        tensor.name: (tuple(tensor.shape), tensor.dtype)
        for tensor in [*map(network.get_input, range(network.num_inputs)), *map(network.get_output, range(3))]
    }
    assert found["frames"] == ((T, HEIGHT, COLUMNS + 3, 2), trt.uint8)
    assert found["pictures"] == ((T, HEIGHT, WIDTH, 3), trt.uint8)
    assert found["spectra"] == ((T, 8, BANDS), trt.float32)
    assert network.num_outputs == 3
