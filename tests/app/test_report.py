"""Words for people: quantities, headlines, kept log lines and the report."""

import logging

import pytest
from fakes import FakeSource, small_calibration

from livecassi.app.engine_slot import EngineFailedError
from livecassi.app.log_lines import LINES_KEPT, LogLines
from livecassi.app.recording import RecordingError
from livecassi.app.report import report_text
from livecassi.app.session import Session
from livecassi.app.wording import bytes_text, clock_text, duration_text, headline
from livecassi.calibration import CalibrationMismatchError
from livecassi.drivers import LivecassiError, SourceLostError, SourceNotFoundError
from livecassi.engines import EngineUnavailableError
from livecassi.engines.errors import PreparationError, WeightsError


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1_530_000, "1.5 MB"), (79.2e9, "79.2 GB"), (3e12, "3.0 TB")]
)
def test_bytes(count: float, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (40, "40 s"), (720, "12 min"), (12_600, "3.5 h"), (9 * 86_400, "9 days"), (1e9, "years")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_running_time() -> None:
    assert [clock_text(s) for s in (7.31, 760.0, 3723.0, 59.99)] == ["0:07.3", "12:40.0", "1:02:03.0", "0:59.9"]


def test_headlines_differ_by_what_can_be_done() -> None:
    errors = [
        SourceLostError("x"),
        SourceNotFoundError("x"),
        CalibrationMismatchError("x"),
        EngineUnavailableError("x"),
        RecordingError("x"),
        LivecassiError("x"),
        ZeroDivisionError("x"),
    ]
    assert len({headline(error) for error in errors}) == len(errors)
    assert "defect" in headline(errors[-1])


def test_the_headline_of_an_engine_that_was_not_built_is_that_of_its_weights() -> None:
    error = EngineFailedError("net", "no such file; 'gap-tv' goes on")
    assert headline(error) == "The engine cannot reconstruct"
    error.__cause__ = WeightsError("no such file")
    assert headline(error) == headline(error.__cause__) == "The weights cannot be used"
    error.__cause__ = PreparationError("the disk is full")
    assert headline(error) == "The network could not be prepared"


def test_log_lines_are_bounded_and_the_logger_is_left_as_it_was() -> None:
    logger = logging.getLogger("livecassi.test")
    root = logging.getLogger("livecassi")
    before = (root.level, list(root.handlers))
    with LogLines() as lines:
        for number in range(LINES_KEPT + 5):
            logger.info("line %d", number)
        new = lines.take_new()
        assert len(new) == LINES_KEPT
        assert new[-1].endswith(f"line {LINES_KEPT + 4}")
        assert lines.take_new() == []
        assert [line[-8:] for line in lines.last(2)] == [f"ine {LINES_KEPT + 3}", f"ine {LINES_KEPT + 4}"]
    logger.warning("after")
    assert (root.level, list(root.handlers)) == before
    assert lines.take_new() == []


def test_a_report_names_error_cause_versions_counters_and_log() -> None:
    calibration = small_calibration()
    session = Session(FakeSource(calibration.measurement_shape), calibration)
    try:
        raise SourceLostError("the cable was pulled") from OSError("usb")
    except SourceLostError as error:
        text = report_text(error, session.stats(), session.source.info, ["first line", "last line"])
    for part in ("SourceLostError: the cable was pulled", "OSError: usb", "numpy: ", "PySide6-Essentials: 6."):
        assert part in text
    for part in ("title: fake camera", "replaced: 0", "last line"):
        assert part in text
