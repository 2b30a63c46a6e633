"""The source `harvester`: the real producer in a process of its own, and faults on hand-written fakes."""

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from genicam import genapi, gentl

from livecassi.drivers.errors import SourceLostError, SourceNotFoundError, SourceUnsupportedError
from livecassi.drivers.harvester import FetchCounters, HarvesterCamera
from livecassi.drivers.producers import find_producers, list_cameras
from livecassi.drivers.source import SourceSettings

HEIGHT, WIDTH = 5, 9


class Node:
    """A feature: a number with limits, or one of `symbolics`; raises `broken` when touched."""

    def __init__(self, value: Any, low: float = 0.0, high: float = 1e9, symbolics: tuple[str, ...] = ()) -> None:
        self._value, self.min, self.max, self.symbolics = value, low, high, symbolics
        self.broken: Exception | None = None
        self.node = SimpleNamespace(invalidate_node=lambda: None)

    @property
    def value(self) -> Any:
        if self.broken:
            raise self.broken
        return self._value

    @value.setter
    def value(self, new: Any) -> None:
        if isinstance(new, (int, float)) and not self.min <= new <= self.max:
            raise genapi.OutOfRangeException(f"Value {new} must be smaller. : thrown in node")
        self._value = new


class FakeBuffer:
    def __init__(self, frame_id: int, acquirer: "FakeAcquirer", padding: int = 0) -> None:
        self._acquirer = acquirer
        self.module = SimpleNamespace(frame_id=frame_id)
        self.timestamp, self.timestamp_frequency = frame_id * 1000, 1_000_000
        data = np.arange(HEIGHT * (WIDTH + padding), dtype=acquirer.kind) + frame_id % 1000
        self.picture = SimpleNamespace(
            height=HEIGHT, width=WIDTH, data=data, data_format="Mono12", num_components_per_pixel=1.0
        )
        self.payload = SimpleNamespace(components=[self.picture])

    def queue(self) -> None:
        self.picture.data[:] = 0  # the producer writes the next frame into it
        self._acquirer.queued += 1


class FakeAcquirer:
    """Delivers what `script` lists: a frame id, "incomplete", "nothing", or an exception to raise; then nothing."""

    def __init__(self, script: list[Any], formats: tuple[str, ...] = ("Mono8", "Mono12"), **nodes: Node) -> None:
        self.script = script
        self.kind: type = np.uint16
        self.padding = 0
        features = {
            "PixelFormat": Node(formats[0], symbolics=formats),
            "Width": Node(WIDTH),
            "Height": Node(HEIGHT),
            "ExposureTime": Node(500.0, 10.0, 20_000.0),
            "GainRaw": Node(3, 0, 48),
        }
        self.nodes = SimpleNamespace(**(features | nodes))
        self.remote_device = SimpleNamespace(node_map=self.nodes)
        self.device = SimpleNamespace(tl_type="Custom")
        self.min_num_buffers, self.num_buffers = 12, 3
        self.queued = self.started = self.stopped = self.destroyed = 0
        self.stop_error: Exception | None = None
        self._callback: Any = None
        self._pending: Iterator[Any] = iter(())

    def add_callback(self, event: object, callback: Any) -> None:
        self._callback = callback

    def start(self) -> None:
        self.started += 1
        self._pending = iter(self.script)

    def try_fetch(self, *, timeout: float) -> FakeBuffer | None:
        assert timeout <= 1e-3, "a longer wait holds the GIL"
        event = next(self._pending, "nothing")
        if isinstance(event, Exception):
            raise event
        if event == "incomplete":
            self._callback.emit(context=self)
        return FakeBuffer(event, self, self.padding) if isinstance(event, int) else None

    def stop(self) -> None:
        self.stopped += 1
        if self.stop_error:
            raise self.stop_error

    def destroy(self) -> None:
        self.destroyed += 1


class FakeHarvester:
    def __init__(self, acquirer: FakeAcquirer, serials: tuple[str, ...] = ("A1", "B2")) -> None:
        self._acquirer = acquirer
        self.created: int | None = None
        self.resets = 0
        self.create_error: Exception | None = None
        self.device_info_list = [
            SimpleNamespace(
                property_dict={"serial_number": s, "vendor": "Maker", "model": "M", "user_defined_name": None}
            )
            for s in serials
        ]

    def create(self, index: int) -> FakeAcquirer:
        if self.create_error:
            raise self.create_error
        self.created = index
        return self._acquirer

    def reset(self) -> None:
        self.resets += 1


def camera(acquirer: FakeAcquirer, **choice: Any) -> HarvesterCamera:
    return HarvesterCamera(Path("maker.cti"), open_producer=lambda _: FakeHarvester(acquirer), **choice)


def take(source: HarvesterCamera, count: int) -> list[Any]:
    delivered = source.frames(threading.Event())
    frames = list(islice(delivered, count))
    delivered.close()  # type: ignore[attr-defined]
    return frames


def test_frames_are_copies_with_the_ids_of_the_camera() -> None:
    acquirer = FakeAcquirer([1, "nothing", 2, 3])
    with camera(acquirer) as source:
        frames = take(source, 3)
        assert [f.index for f in frames] == [1, 2, 3]
        np.testing.assert_array_equal(frames[2].pixels, np.arange(45).reshape(HEIGHT, WIDTH) + 3)
        assert (frames[0].pixels.dtype, frames[0].bit_depth, frames[0].exposure_us) == (np.uint16, 12, 500.0)
        assert [f.device_time_ns for f in frames] == [1_000_000, 2_000_000, 3_000_000]
        assert (acquirer.started, acquirer.stopped, acquirer.queued) == (1, 1, 3)
        assert acquirer.num_buffers == 12  # the producer's minimum
    assert acquirer.destroyed == 1


def test_padding_at_the_end_of_lines_is_removed() -> None:
    acquirer = FakeAcquirer([4])
    acquirer.padding = 3
    (frame,) = take(camera(acquirer), 1)
    np.testing.assert_array_equal(frame.pixels, (np.arange(60).reshape(HEIGHT, 12) + 4)[:, :WIDTH])


def test_missing_and_incomplete_frames_are_counted_and_reset_at_start() -> None:
    acquirer = FakeAcquirer([7, "incomplete", 9, 12])
    source = camera(acquirer)
    assert [f.index for f in take(source, 3)] == [7, 9, 12]
    assert source.counters == FetchCounters(delivered=3, missing=3, incomplete=1)
    assert [f.index for f in take(source, 1)] == [7]
    assert source.counters == FetchCounters(delivered=1, missing=0, incomplete=0)


@pytest.mark.parametrize(
    ("ids", "transport", "indices", "missing"),
    [
        ([65534, 65535, 0, 1], "Custom", [65534, 65535, 65536, 65537], 0),
        ([65534, 65535, 1, 3], "GEV", [65534, 65535, 65536, 65538], 1),
        ([65533, 2], "Custom", [65533, 65538], 4),
        ([65535, 65536, 65537], "U3V", [65535, 65536, 65537], 0),
        ([500, 3, 4], "U3V", [500, 501, 502], 0),  # the camera began anew
    ],
)
def test_ids_that_wrap_go_on_rising(ids: list[int], transport: str, indices: list[int], missing: int) -> None:
    acquirer = FakeAcquirer(list(ids))
    acquirer.device.tl_type = transport
    source = camera(acquirer)
    assert [f.index for f in take(source, len(ids))] == indices
    assert source.counters.missing == missing


def test_the_deepest_unpacked_grey_format_is_chosen() -> None:
    acquirer = FakeAcquirer([], ("RGBa8", "Mono12p", "Mono10", "Mono12", "Mono8", "BayerRG16"))
    source = camera(acquirer)
    assert (source.pixel_format, source.info.bit_depth, acquirer.nodes.PixelFormat.value) == ("Mono12", 12, "Mono12")
    assert camera(acquirer, pixel_format="Mono8").info.bit_depth == 8
    deep = FakeAcquirer([], ("Mono16",), PixelDynamicRangeMax=Node(4095))
    assert camera(deep).info.bit_depth == 12


def test_the_region_the_flips_and_the_binning_are_told_where_the_camera_has_them() -> None:
    told = camera(
        FakeAcquirer(
            [],
            OffsetX=Node(16),
            OffsetY=Node(8),
            ReverseX=Node(True),
            ReverseY=Node(False),
            BinningHorizontal=Node(2),
            BinningVertical=Node(1),
        )
    ).info
    assert told.roi == (8, 16, HEIGHT, WIDTH)
    assert (told.flip_rows, told.flip_columns, told.binning) == (False, True, (1, 2))
    silent = camera(FakeAcquirer([])).info
    assert (silent.roi, silent.flip_rows, silent.flip_columns, silent.binning) == (None, None, None, None)


@pytest.mark.parametrize(
    ("formats", "wanted", "message"),
    [
        (("RGBa8", "Mono12p"), None, r"offers RGBa8, Mono12p; expected an unpacked grey format \(Mono16, Mono14"),
        (("Mono8", "Mono12Packed"), "Mono12Packed", r"asked for is Mono12Packed; expected .* \(Mono8\)"),
        (("Mono8", "Mono12"), "Mono16", "asked for is Mono16"),
    ],
)
def test_packed_and_colour_formats_are_refused(formats: tuple[str, ...], wanted: str | None, message: str) -> None:
    acquirer = FakeAcquirer([], formats)
    with pytest.raises(SourceUnsupportedError, match=message):
        camera(acquirer, pixel_format=wanted)
    assert acquirer.destroyed == 1


def test_settings_go_by_any_of_their_names() -> None:
    acquirer = FakeAcquirer(
        [1, 2, 3],
        ExposureAuto=Node("Continuous"),
        AcquisitionFrameRateAbs=Node(30.0, 1.0, 90.0),
        AcquisitionFrameRateEnable=Node(False),
    )
    source = camera(acquirer)
    assert (source.info.exposure_range_us, source.info.gain_range_db) == ((10.0, 20_000.0), (0.0, 48.0))
    applied = source.configure(SourceSettings(exposure_us=750.5, gain_db=6.4, frame_rate_hz=50.0))
    assert applied == SourceSettings(exposure_us=750.5, gain_db=6.0, frame_rate_hz=50.0)  # GainRaw is whole
    assert (acquirer.nodes.ExposureAuto.value, acquirer.nodes.AcquisitionFrameRateEnable.value) == ("Off", True)
    delivered = source.frames(threading.Event())
    assert next(delivered).exposure_us == 750.5
    source.configure(SourceSettings(exposure_us=20.0))  # while frames flow
    second = next(delivered)
    assert (second.exposure_us, second.gain_db) == (20.0, 6.0)


def test_refused_settings_name_the_limits_and_leave_the_rest() -> None:
    source = camera(FakeAcquirer([]))
    with pytest.raises(
        SourceUnsupportedError, match=r"refuses 50000 us for ExposureTime; it allows 10\.\.20000 us now"
    ):
        source.configure(SourceSettings(exposure_us=50_000.0))
    with pytest.raises(SourceUnsupportedError, match="has no feature AcquisitionFrameRate or"):
        source.configure(SourceSettings(frame_rate_hz=5.0))
    with pytest.raises(SourceUnsupportedError, match="expected a finite number"):
        source.configure(SourceSettings(gain_db=float("nan")))
    assert source.configure(SourceSettings()) == SourceSettings(exposure_us=500.0, gain_db=3.0)


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        (gentl.IoException("device gone"), SourceLostError, r"was lost; check cable .*device gone \(IoException\)"),
        (IndexError("list index out of range"), SourceLostError, "closed by a new search"),
        (KeyError("Strange9"), SourceUnsupportedError, "cannot be read as Mono12 .*Strange9"),
        (ValueError("cannot reshape"), SourceUnsupportedError, "choose another pixel format"),
    ],
)
def test_faults_while_frames_flow(event: Exception, kind: type[Exception], message: str) -> None:
    acquirer = FakeAcquirer([1, event])
    acquirer.stop_error = gentl.IoException("cannot stop")  # as a vanished camera does
    delivered = camera(acquirer).frames(threading.Event())
    assert next(delivered).index == 1
    with pytest.raises(kind, match=message):
        next(delivered)
    assert acquirer.stopped == 1


def test_a_silent_camera_that_vanished_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livecassi.drivers.harvester.SILENCE_S", 0.0)
    acquirer = FakeAcquirer([1])
    delivered = camera(acquirer).frames(threading.Event())
    assert next(delivered).index == 1
    acquirer.nodes.Width.broken = gentl.IoException("no answer")
    with pytest.raises(SourceLostError, match=r"was lost; .*no answer"):
        next(delivered)


def test_stop_ends_a_silent_camera() -> None:
    acquirer = FakeAcquirer(["nothing"])
    source, stop = camera(acquirer), threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    assert list(source.frames(stop)) == []
    timer.join()
    assert acquirer.stopped == 1


def test_a_buffer_without_a_usable_picture_is_refused_and_given_back() -> None:
    acquirer = FakeAcquirer([1])
    acquirer.kind = np.float32
    with pytest.raises(SourceUnsupportedError, match=r"45 values of float32 for 5 x 9 pixels, expected one unpacked"):
        take(camera(acquirer), 1)
    assert (acquirer.queued, acquirer.stopped) == (1, 1)


def test_the_camera_is_chosen_by_serial_number_or_place() -> None:
    harvester = FakeHarvester(FakeAcquirer([]))
    source = HarvesterCamera(Path("maker.cti"), serial="B2", open_producer=lambda _: harvester)
    assert (harvester.created, source.info.serial, source.info.title) == (1, "B2", "Maker M")
    assert (source.info.kind, source.info.frame_shape) == ("harvester", (HEIGHT, WIDTH))
    source.close()
    source.close()
    assert harvester.resets == 1
    with pytest.raises(SourceLostError, match="was closed"):
        next(source.frames(threading.Event()))


@pytest.mark.parametrize(
    ("serials", "choice", "message"),
    [
        (("A1",), {"serial": "C3"}, r"lists no camera of serial number C3; it lists 0: M \(serial number A1\)"),
        (("A1",), {"index": 1}, "lists no camera of number 1"),
        ((), {}, "lists no camera; connect one"),
    ],
)
def test_cameras_that_are_not_there(serials: tuple[str, ...], choice: dict[str, Any], message: str) -> None:
    harvester = FakeHarvester(FakeAcquirer([]), serials)
    with pytest.raises(SourceNotFoundError, match=message):
        HarvesterCamera(Path("maker.cti"), open_producer=lambda _: harvester, **choice)
    assert harvester.resets == 1


def test_a_camera_in_use_is_told() -> None:
    harvester = FakeHarvester(FakeAcquirer([]))
    harvester.create_error = gentl.ResourceInUseException("opened elsewhere")
    with pytest.raises(SourceNotFoundError, match=r"cannot be opened.*opened elsewhere \(ResourceInUseException\)"):
        HarvesterCamera(Path("maker.cti"), open_producer=lambda _: harvester)


def test_the_handler_of_interrupts_survives() -> None:
    before = signal.getsignal(signal.SIGINT)
    harvester = FakeHarvester(FakeAcquirer([]))
    create: Callable[[int], FakeAcquirer] = harvester.create

    def create_as_harvesters_does(index: int) -> FakeAcquirer:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return create(index)

    harvester.create = create_as_harvesters_does  # type: ignore[method-assign]
    HarvesterCamera(Path("maker.cti"), open_producer=lambda _: harvester).close()
    assert signal.getsignal(signal.SIGINT) is before


def test_producers_are_found_by_the_variable(tmp_path: Path) -> None:
    for name in ("b/two.cti", "a/one.cti", "a/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    variable = f"{tmp_path / 'b'}:{tmp_path / 'gone'}::{tmp_path / 'a'}:{tmp_path / 'b'}"
    found = find_producers({"GENICAM_GENTL64_PATH": variable})
    assert [p.name for p in found] == ["two.cti", "one.cti"]
    assert find_producers({}) == []


def test_producers_that_do_not_load(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="there is no GenTL producer"):
        list_cameras(tmp_path / "none.cti")
    (tmp_path / "text.cti").write_text("not a library")
    with pytest.raises(SourceUnsupportedError, match=r"cannot be loaded .*expected a GenTL producer"):
        list_cameras(tmp_path / "text.cti")


@pytest.fixture(scope="module")
def producer() -> Path:
    """The test camera that the genicam wheel carries; its successors and forerunners have other names."""
    import genicam

    folder = Path(genicam.__file__).parent
    for name in ("viky.cti", "TLSimu.cti"):
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"the installed genicam carries neither viky.cti nor TLSimu.cti in {folder}")


def run_in_child(code: str, producer: Path) -> str:
    """A bad producer takes its process down: not this one."""
    script = "import sys, threading\nfrom pathlib import Path\nproducer = Path(sys.argv[1])\n" + textwrap.dedent(code)
    child = subprocess.run([sys.executable, "-c", script, str(producer)], capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_the_real_producer_lists_its_cameras(producer: Path) -> None:
    cameras = list_cameras(producer)
    assert len(cameras) >= 3
    assert [c.index for c in cameras] == list(range(len(cameras)))
    assert all(c.model and c.vendor for c in cameras)


def test_frames_of_the_real_producer(producer: Path) -> None:
    out = run_in_child(
        """
        import warnings
        from livecassi.drivers import SourceError, SourceSettings
        from livecassi.drivers.harvester import HarvesterCamera
        filters = list(warnings.filters)
        with HarvesterCamera(producer, index=1) as camera:
            rate = camera.configure(SourceSettings(frame_rate_hz=100.0)).frame_rate_hz
            for run in range(2):
                seen = []
                for frame in camera.frames(threading.Event()):
                    assert frame.shape == camera.info.frame_shape and frame.pixels.dtype == "uint8"
                    assert not frame.pixels.flags.writeable
                    seen.append(frame)
                    if len(seen) == 10:
                        rate = camera.configure(SourceSettings(frame_rate_hz=150.0)).frame_rate_hz
                    if len(seen) == 30:
                        break
                ids = [f.index for f in seen]
                assert ids[0] in (0, 1) and ids[-1] - ids[0] - 29 == camera.counters.missing, ids
                assert [f.host_time_ns for f in seen] == sorted(f.host_time_ns for f in seen)
                assert any((a.pixels != b.pixels).any() for a, b in zip(seen, seen[1:]))
            assert rate == 150.0
            try:
                camera.configure(SourceSettings(frame_rate_hz=1e6))
            except SourceError as error:
                sys.stdout.write(f"REFUSED {error}\\n")
        assert warnings.filters == filters
        roi = camera.info.roi
        assert roi is None or (min(roi) >= 0 and roi[2:] == camera.info.frame_shape), roi
        assert camera.info.flip_columns in (None, False), camera.info
        sys.stdout.write(f"INFO {camera.info.kind} {camera.info.frame_shape} {camera.info.bit_depth}\\n")
        """,
        producer,
    )
    assert "INFO harvester" in out
    assert "it allows" in out
