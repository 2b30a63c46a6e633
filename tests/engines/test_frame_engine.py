"""Raw frames on a device: the cubes, pictures and spectra of correction, network and rendering one by one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from fakes import BANDS, HEIGHT, WIDTH
from host_ops import HostOps
from numpy.typing import NDArray

from livecassi.app.colour import device_colours
from livecassi.calibration import Calibration, Corrector, Measurement, System
from livecassi.drivers import Frame
from livecassi.engines import EngineError, EngineMismatchError
from livecassi.engines.frame_engine import FrameEngine, Made, Wanted
from livecassi.engines.networks.engine import VideoSettings
from livecassi.engines.runtimes.device.ops import Buffer, Stream

pytest.importorskip("onnx", reason="the graph is made with onnx")
pytest.importorskip("onnxruntime", reason="the graph is run by ONNX Runtime")

from onnx_on_host import NetworkOnHost
from raw_frames import (
    LATEST,
    MODES,
    NET,
    PEDESTAL,
    SEQUENCES,
    WANTED,
    assert_same,
    bench,
    frame,
    given,
    one_by_one,
    widened,
)

from livecassi.engines.networks.frame_engine import FrameVideoEngine

BOTH = [System.SD_CASSI, System.DD_CASSI]


def on_device(
    calibration: Calibration, settings: VideoSettings = LATEST, ops: HostOps | None = None, **options: Any
) -> tuple[FrameVideoEngine, NetworkOnHost]:
    loaded = NetworkOnHost(widened(calibration).SerializeToString(), ops, **options)
    return FrameVideoEngine(NET, loaded, calibration, settings, "tiny.onnx", device_colours()), loaded


@pytest.mark.parametrize("system", BOTH)
@pytest.mark.parametrize("settings", MODES, ids=str)
@pytest.mark.parametrize("indices", SEQUENCES, ids=["whole", "with gaps"])
def test_frames_give_what_their_measurements_give(
    system: System, settings: VideoSettings, indices: Sequence[int]
) -> None:
    calibration = bench(system)
    frames = [frame(calibration, index) for index in indices]
    expected = one_by_one(calibration, settings, frames, PEDESTAL)
    engine, loaded = on_device(calibration, settings, HostOps(Random(5).choice))
    assert isinstance(engine, FrameEngine)
    with engine:
        engine.want(WANTED)
        late: list[list[Made]] = [engine.reconstruct_frame(one, PEDESTAL) for one in frames]
        made = [one for some in late for one in some] + engine.flush_frames()
        latency = engine.info.latency
    assert [one.seen.frame_index for one in made if one.seen] == list(indices)
    assert [len(some) for some in late[: latency + 1]] == [0] * latency + [1], "as late as the engine says"
    for one, index in zip(made, indices, strict=True):
        assert_same(one, expected[index])
    assert loaded.closed == 1
    assert np.unique(np.stack([one.seen.picture for one in made if one.seen])).size > 50, "pictures that could not tell"


@pytest.mark.parametrize("bit_depth", [12, 16])
@pytest.mark.parametrize("plain", [False, True])
def test_every_bit_depth_with_dark_and_flat_or_without(bit_depth: int, plain: bool) -> None:
    calibration = bench(bit_depth=bit_depth, plain=plain)
    frames = [frame(calibration, index, bit_depth) for index in range(4)]
    expected = one_by_one(calibration, VideoSettings(), frames, 0.0)
    engine, _ = on_device(calibration)
    with engine:
        engine.want(WANTED)
        for made, index in zip(given(engine, frames, 0.0), range(4), strict=True):
            assert_same(made, expected[index])


def test_frames_of_eight_bits_and_more_light_and_another_pedestal_begin_anew_where_they_must() -> None:
    calibration = bench(plain=True)
    twelve = [frame(calibration, index) for index in range(3)]
    eight = [
        replace(one, pixels=(one.pixels >> 4).astype(np.uint8), bit_depth=8, index=3 + one.index) for one in twelve
    ]
    hop = VideoSettings(hop=3)
    first, second = one_by_one(calibration, hop, twelve[:2], 0.0), one_by_one(calibration, hop, eight, 0.0)
    third = one_by_one(calibration, hop, [replace(eight[2], index=6)], 0.5)
    engine, _ = on_device(calibration, hop)
    with engine:
        engine.want(WANTED)
        made = [one for some in map(engine.reconstruct_frame, [*twelve[:2], *eight]) for one in some]
        made += engine.reconstruct_frame(replace(eight[2], index=6), 0.5) + engine.flush_frames()
    expected = [first[0], first[1], second[3], second[4], second[5], third[6]]
    for one, cube in zip(made, expected, strict=True):
        assert_same(one, cube)


@pytest.mark.parametrize("light", [(1e-4,) * 4, (0.5, 1e-3, 1e-3, 0.9), (1.0, 0.0, 0.0, 1.0)])
def test_brightness_is_chosen_as_for_measurements(light: Sequence[float]) -> None:
    calibration = bench(bit_depth=16)
    frames = [frame(calibration, index, 16, share) for index, share in enumerate(light)]
    frames = [replace(one, pixels=one.pixels + calibration.dark.astype(np.uint16)) for one in frames]
    expected = one_by_one(calibration, VideoSettings(), frames, 0.0)
    wanted = replace(WANTED, white_level=float(np.abs(expected[0].values).max()))
    engine, _ = on_device(calibration)
    with engine:
        engine.want(wanted)
        for made, index in zip(given(engine, frames, 0.0), range(4), strict=True):
            assert_same(made, expected[index], wanted)


def test_what_is_wanted_holds_from_the_next_pass_on_and_only_that_comes_back() -> None:
    copied: list[int] = []

    class Counting(HostOps):
        def copy_out(self, array: NDArray[Any], source: Buffer, stream: Stream, offset: int = 0) -> None:
            copied.append(array.nbytes)
            super().copy_out(array, source, stream, offset)

        def copy_in(self, to: Buffer, array: NDArray[Any], stream: Stream, offset: int = 0) -> None:
            copied.append(-array.nbytes)
            super().copy_in(to, array, stream, offset)

    calibration = bench()
    frames = [frame(calibration, index) for index in range(8)]
    expected = one_by_one(calibration, VideoSettings(), frames, 0.0)
    few = Wanted(False, 0.03, ((1, 2), (HEIGHT, 0), (1, 2), (-1, 3)), 1)
    raw, picture, spectra, cube = (
        2 * frames[0].pixels.size,
        3 * HEIGHT * WIDTH,
        4 * 8 * BANDS,
        4 * BANDS * HEIGHT * WIDTH,
    )
    engine, _ = on_device(calibration, ops=Counting())
    with engine:
        engine.want(WANTED)
        engine.reconstruct_frame(frames[0])
        for index, wanted in ((1, WANTED), (2, few), (3, few), (4, few), (5, WANTED), (6, WANTED), (7, Wanted())):
            engine.want(wanted)
            copied.clear()
            (made,) = engine.reconstruct_frame(frames[index])
            assert_same(
                made,
                expected[index],
                replace(wanted, picks=tuple(dict.fromkeys(wanted.picks))[: 3 - 2 * (wanted is few)]),
            )
            assert sum(bytes_ for bytes_ in copied if bytes_ > 0) == picture + spectra + cube * wanted.cubes
            if index in (1, 3, 4, 6):
                assert -sum(bytes_ for bytes_ in copied if bytes_ < 0) == raw, "something else went to the device"


def test_with_more_to_come_the_device_is_never_idle_and_nothing_is_lost() -> None:
    calibration = bench()
    frames = [frame(calibration, index) for index in (*range(6), *range(9, 14))]
    for settings in MODES:
        expected = one_by_one(calibration, settings, frames, PEDESTAL)
        engine, _ = on_device(calibration, settings, HostOps(Random(6).choice))
        with engine:
            engine.want(WANTED)
            assert engine.reconstruct_frame(frames[0], PEDESTAL, more=True) == []
            made = given(engine, frames[1:], more=True)
        assert [one.seen.frame_index for one in made if one.seen] == [one.index for one in frames]
        for one in made:
            assert one.seen is not None
            assert_same(one, expected[one.seen.frame_index])


def test_with_more_to_come_a_pass_is_not_waited_for() -> None:
    waited: list[int] = []

    class Watched(HostOps):
        def synchronize(self, event: Any) -> None:
            super().synchronize(event)
            waited.append(loaded.executable.passes)

    calibration = bench()
    engine, loaded = on_device(calibration, ops=Watched())
    with engine:
        engine.reconstruct_frame(frame(calibration, 0))
        waited.clear()
        assert engine.reconstruct_frame(frame(calibration, 1), more=True) == []
        assert loaded.executable.passes == 1, "the second pass was waited for"
        assert [one.seen.frame_index for one in engine.reconstruct_frame(frame(calibration, 2)) if one.seen] == [1, 2]


def test_observed_frames_are_neighbours() -> None:
    calibration = bench()
    frames = [frame(calibration, index) for index in range(4)]
    expected = one_by_one(calibration, VideoSettings(), frames, PEDESTAL)
    engine, loaded = on_device(calibration)
    with engine:
        engine.want(WANTED)
        for one in frames[:3]:
            engine.observe_frame(one, PEDESTAL)
        assert loaded.executable.passes == 0
        (made,) = engine.reconstruct_frame(frames[3], PEDESTAL)
    assert_same(made, expected[3])


@pytest.mark.parametrize("settings", MODES, ids=str)
def test_measurements_go_through_the_same_network(settings: VideoSettings) -> None:
    """Files and stills are corrected before; raw frames before and between play no part."""
    calibration = bench()
    frames = [frame(calibration, index) for index in range(5)]
    expected = one_by_one(calibration, settings, frames, PEDESTAL)
    corrector = Corrector(calibration, PEDESTAL)
    engine, _ = on_device(calibration, settings)
    with engine:
        engine.want(WANTED)
        engine.reconstruct_frame(frames[0], more=True)
        cubes = [engine.reconstruct(corrector.correct(one)) for one in frames] + engine.flush()
        made = given(engine, frames)
        info = dict(engine.info.options)
    found = {cube.frame_index: cube for cube in cubes if cube is not None}
    assert found.keys() == expected.keys()
    for index, cube in found.items():
        np.testing.assert_allclose(cube.values, expected[index].values, rtol=1e-6, atol=1e-7)
    for one in made:
        assert one.seen is not None
        if one.seen.frame_index:
            assert_same(one, expected[one.seen.frame_index])
    assert (info["runtime"], info["weights"]) == ("tensorrt", "tiny.onnx")


def test_results_live_on() -> None:
    calibration = bench()
    engine, _ = on_device(calibration)
    with engine:
        engine.want(WANTED)
        first = given(engine, [frame(calibration, 0)])[0]
        assert first.seen is not None
        assert first.cube is not None
        before = (
            first.seen.picture.copy(),
            {pick: s.copy() for pick, s in first.seen.spectra.items()},
            first.cube.values.copy(),
        )
        given(engine, [frame(calibration, index) for index in range(1, 6)])
    np.testing.assert_array_equal(first.seen.picture, before[0])
    np.testing.assert_array_equal(first.cube.values, before[2])
    for pick, spectrum in first.seen.spectra.items():
        np.testing.assert_array_equal(spectrum, before[1][pick])


# ---- what fails ------------------------------------------------------------------------------------------------------


def test_numbers_that_are_none_are_refused_and_the_next_frames_stand_alone() -> None:
    bad = [False]

    def spoil(found: dict[str, Any]) -> None:
        if bad[0]:
            found["spectra"][:] = np.nan

    calibration = bench()
    frames = [frame(calibration, index) for index in range(4)]
    alone = one_by_one(calibration, VideoSettings(), frames[3:], PEDESTAL)[3]
    engine, _ = on_device(calibration, spoil=spoil)
    with engine:
        engine.want(WANTED)
        engine.reconstruct_frame(frames[0], PEDESTAL)
        bad[0] = True
        with pytest.raises(EngineError, match=r"NaN or infinite values on ONNX Runtime .*; check the weights"):
            engine.reconstruct_frame(frames[1], PEDESTAL)
        with pytest.raises(EngineError, match="NaN or infinite"):
            engine.reconstruct(Corrector(calibration).correct(frames[2]))
        bad[0] = False
        (made,) = engine.reconstruct_frame(frames[3], PEDESTAL)
        assert_same(made, alone)


def test_nan_of_the_network_itself_shows_in_the_spectra_even_without_picks() -> None:
    calibration = bench()
    endless = replace(calibration, response=calibration.response * np.float32(1e-38))  # a gain beyond float32
    engine, _ = on_device(endless)
    with engine, pytest.raises(EngineError, match="NaN or infinite"), np.errstate(all="ignore"):
        engine.reconstruct_frame(frame(calibration, 0))


def wrong_size(calibration: Calibration) -> Frame:
    return Frame(np.zeros((HEIGHT, WIDTH + 1), np.uint16), 1, 0)


def no_raw_frame(calibration: Calibration) -> Frame:
    return Frame(np.zeros(calibration.measurement_shape, np.float32), 1, 0, bit_depth=0)


@pytest.mark.parametrize("make", [wrong_size, no_raw_frame])
def test_frames_that_do_not_fit_are_refused_and_not_taken(make: Callable[[Calibration], Frame]) -> None:
    calibration = bench()
    frames = [frame(calibration, index) for index in range(2)]
    expected = one_by_one(calibration, VideoSettings(), frames, PEDESTAL)
    engine, _ = on_device(calibration)
    with engine:
        engine.want(WANTED)
        engine.reconstruct_frame(frames[0], PEDESTAL)
        for give in (engine.reconstruct_frame, engine.observe_frame):
            with pytest.raises(EngineMismatchError, match="'tiny' takes raw frames of 24 x 29 pixels"):
                give(make(calibration))
        (made,) = engine.reconstruct_frame(frames[1], PEDESTAL)
        assert_same(made, expected[1])


def test_an_engine_that_was_left_says_so_and_gives_its_device_back_once() -> None:
    calibration = bench()
    engine, loaded = on_device(calibration, VideoSettings(hop=3))
    with engine:
        engine.reconstruct_frame(frame(calibration, 0))
    for act in (
        lambda: engine.reconstruct_frame(frame(calibration, 1)),
        lambda: (
            engine.reconstruct(Measurement(np.zeros(calibration.measurement_shape, np.float32), calibration.id))
            or engine.flush()
        ),
        engine.flush_frames,
    ):
        with pytest.raises(EngineError, match="was left and gave back its memory; build it again"):
            act()
    engine.__exit__(None, None, None)
    assert loaded.closed == 1


def test_a_reset_forgets_frames_and_what_is_under_way() -> None:
    calibration = bench()
    frames = [frame(calibration, index) for index in range(5)]
    alone = one_by_one(calibration, VideoSettings(), frames[4:], PEDESTAL)[4]
    engine, _ = on_device(calibration)
    with engine:
        engine.want(WANTED)
        for one in frames[:4]:
            engine.reconstruct_frame(one, PEDESTAL, more=True)
        engine.reset()
        assert engine.flush_frames() == []
        (made,) = engine.reconstruct_frame(frames[4], PEDESTAL)
    assert_same(made, alone)
