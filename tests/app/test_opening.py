"""Which calibration a source is opened with: the one named, its own, or for a camera the one in use."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeSource, small_calibration

from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.app.opening import SourceKind, SourceRequest, open_source
from livecassi.calibration import Calibration, CalibrationInvalidError, CalibrationMismatchError, System
from livecassi.calibration.store import save_calibration
from livecassi.drivers import SourceSettings

REQUEST = SourceRequest(SourceKind.CAMERA, producer=Path("maker.cti"), serial="F-1")


class FakeCamera(FakeSource):
    """A camera of the size of the small calibration; remembers which ones were opened and closed."""

    opened: list["FakeCamera"]

    def __init__(self, producer: Path, serial: str | None) -> None:
        super().__init__(small_calibration().measurement_shape)
        self.closed = False
        self.opened.append(self)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    opened: list[FakeCamera] = []
    monkeypatch.setattr(FakeCamera, "opened", opened, raising=False)
    monkeypatch.setattr("livecassi.drivers.harvester.HarvesterCamera", FakeCamera)
    return opened


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path / "calibrations"))
    return Library()


def of_camera(serial: str, system: System = System.SD_CASSI, name: str = "bench") -> Calibration:
    made = small_calibration(system)
    return replace(made, header=made.header.model_copy(update={"camera_serial": serial, "name": name}))


def test_a_camera_is_opened_with_the_calibration_in_use_and_the_log_says_so(
    cameras: list[FakeCamera], library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    library.save(of_camera("F-1", name="later"), activate=False)
    path = library.save(of_camera("F-1", name="mine"))
    with caplog.at_level(logging.INFO):
        opened = open_source(REQUEST)
    assert opened.calibration.id == of_camera("F-1", name="mine").id
    assert str(path) in caplog.text
    assert "'mine'" in caplog.text
    opened.release()
    assert cameras[0].closed


def test_a_calibration_that_is_named_comes_first(cameras: list[FakeCamera], library: Library, tmp_path: Path) -> None:
    library.save(of_camera("F-1"))
    named = of_camera("F-1", name="named")
    save_calibration(named, tmp_path / "named.h5")
    opened = open_source(replace(REQUEST, calibration=tmp_path / "named.h5"))
    assert opened.calibration.id == named.id
    assert opened.source.configure(SourceSettings()).frame_rate_hz == 100.0
    assert not cameras[0].closed


def test_without_any_calibration_no_camera_is_opened(cameras: list[FakeCamera], library: Library) -> None:
    library.save(of_camera("F-1"), activate=False)  # kept, but nobody said that it is to be used
    with pytest.raises(CalibrationInvalidError, match=r"none was named.*calibrate run --source camera.*the wizard"):
        open_source(REQUEST)
    assert not cameras


@pytest.mark.parametrize(
    ("foreign", "why"),
    [
        (of_camera("G-2"), "serial number F-1, calibrated was G-2"),
        (of_camera("F-1", System.DD_CASSI), "24 x 28 pixels"),
    ],
)
def test_the_calibration_in_use_of_another_camera_is_refused_with_the_ways_to_its_own(
    cameras: list[FakeCamera], library: Library, foreign: Calibration, why: str
) -> None:
    library.save(foreign)
    with pytest.raises(CalibrationMismatchError, match=f"{why}.*calibrate run --source camera.*the wizard"):
        open_source(REQUEST)
    assert cameras[0].closed


def test_the_simulated_bench_keeps_its_own(library: Library) -> None:
    library.save(of_camera("SIMULATED-0"))
    opened = open_source(SourceRequest(height=64, width=80))
    assert opened.truth is not None
    assert opened.calibration.cube_shape[1:] == (64, 80)
