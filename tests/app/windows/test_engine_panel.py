"""What the window says about the engine that runs, its options, and going back after a failure."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeSource, small_calibration
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from livecassi.app.pictures import View
from livecassi.app.windows.engine_options import EngineOptionsDialog
from livecassi.app.windows.engine_panel import EnginePanel
from livecassi.app.windows.main_window import MainWindow
from livecassi.app.windows.theme import STYLE
from livecassi.app.wording import adaptation_words, pace_lines, weights_words
from livecassi.calibration import Calibration, System
from livecassi.drivers import Frame
from livecassi.engines import EngineInfo, EngineOption, EngineSpec, EngineUnavailableError, OptionFiles
from livecassi.engines.runtimes.preparation import Preparation, Progress

TOOLTIP = Qt.ItemDataRole.ToolTipRole
SHAPE = small_calibration().measurement_shape
MakeWindow = Callable[..., MainWindow]


@pytest.mark.parametrize(
    ("window", "hop", "latency", "lines"),
    [
        (1, 1, 0, []),
        (3, 1, 0, ["looks at 3 frames for each cube"]),
        (3, 1, 1, ["shows the scene 1 frame late"]),
        (3, 3, 2, ["shows the scene 2 frames late", "3 frames per pass"]),
    ],
)
def test_the_pace_of_an_engine_in_words(window: int, hop: int, latency: int, lines: list[str]) -> None:
    assert pace_lines(EngineInfo("net", "cpu", "0", (), window, hop, latency)) == lines


def test_an_adapted_engine_says_so() -> None:
    info = EngineInfo("net", "cpu", "0", (("adapted", "24 bands resampled from 28"),))
    assert pace_lines(info) == ["adapted to this bench: an approximation"]
    assert adaptation_words(info) == "24 bands resampled from 28"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("net.safetensors", ("net.safetensors", "")),
        ("net.safetensors (partly trained)", ("net.safetensors", "partly trained")),
        ("net (2).safetensors", ("net (2).safetensors", "")),
    ],
)
def test_the_weights_of_an_engine_in_words(text: str, words: tuple[str, str]) -> None:
    assert weights_words(EngineInfo("net", "cpu", "0", (("hop", "1"), ("weights", text)))) == words
    assert weights_words(EngineInfo("fake", "cpu", "0", (("hop", "1"),))) == ("", "")


def test_the_list_is_as_bright_as_its_engines_are_near(qtbot: QtBot, workshop) -> None:
    """What runs, what wants a file first, and what cannot be chosen; costs that nobody measured are not mentioned."""
    wanting = {"unfit": lambda _: "no trained weights", "wanting": lambda _: "weights", "cost": ""}
    specs = {**workshop.specs, "slow": replace(workshop.specs["slow"], **wanting)}
    panel = EnginePanel()
    qtbot.addWidget(panel)
    panel.setStyleSheet(STYLE)  # under which Qt's own list paints all that can be chosen alike
    panel.show_engines(specs, small_calibration(), "fake")
    panel.show()
    panel.combo.showPopup()
    view = panel.combo.view()
    qtbot.waitUntil(view.isVisible)
    shown = view.viewport().grab().toImage()

    def brightest(name: str) -> int:
        row = panel.combo.findData(name)
        rect = view.visualRect(panel.combo.model().index(row, 0))
        places = ((x, y) for x in range(rect.left(), rect.right()) for y in range(rect.top() + 1, rect.bottom()))
        return max(shown.pixelColor(x, y).lightness() for x, y in places)

    assert brightest("other") > brightest("slow") + 20 > brightest("absent") + 40
    assert "Cost" not in panel.combo.itemData(panel.combo.findData("slow"), TOOLTIP)
    assert "Cost: 10 ms" in panel.combo.itemData(panel.combo.findData("other"), TOOLTIP)
    panel.combo.hidePopup()


def test_no_word_about_an_engine_widens_the_panel(qtbot: QtBot, make_window: MakeWindow, workshop) -> None:
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: not window.session.stats().building)
    stats, panel = window.session.stats(), window.engines
    wide = panel.minimumSizeHint().width()
    adapted = EngineInfo("fake", "cpu", "0", (("adapted", "25 bands resampled from 28"),))
    panel.show_progress(replace(stats, present_engine=adapted, next_engine=adapted))
    assert "adapted to this bench" in panel.progress_text
    assert panel.minimumSizeHint().width() == wide


def open_options(qtbot: QtBot, window: MainWindow) -> EngineOptionsDialog:
    qtbot.waitUntil(lambda: not window.session.stats().building)
    qtbot.mouseClick(window.engines.options, Qt.MouseButton.LeftButton)
    dialog = window.engine_control.dialog
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible)
    return dialog


def test_the_panel_says_how_late_the_picture_is(qtbot: QtBot, make_window: MakeWindow) -> None:
    window = make_window(engine_name="net", engine_options={"hop": "3"})
    qtbot.waitUntil(
        lambda: window.engines.progress_text == "net is running · shows the scene 2 frames late · 3 frames per pass"
    )
    window.choose_engine("fake")
    qtbot.waitUntil(lambda: window.engines.progress_text == "fake is running")


def test_between_two_passes_the_picture_stays_and_the_raw_frame_goes_on(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    source = FakeSource(SHAPE, gated=True)
    window = make_window(source, engine_name="net", engine_options={"hop": "3"})
    qtbot.waitUntil(lambda: not window.session.stats().building)
    assert source.gate is not None

    def shown() -> tuple[int, int | None]:
        result = window.display.result
        return result.frame.index, result.cube.frame_index if result.cube is not None else None

    for index, cube in enumerate((None, None, 0, 1, 2, 3)):
        source.gate.release()
        qtbot.waitUntil(lambda index=index, cube=cube: window.display.result is not None and shown() == (index, cube))
        assert window.display.picture.is_scene == (cube is not None)
    assert window.cubes_shown == 4
    assert window.display.image.notice == ""


def test_options_are_asked_for_by_the_engines_own_list_and_build_it_anew(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window(engine_name="net", engine_options={"noise_strength": "7"})
    dialog = open_options(qtbot, window)
    assert list(dialog.fields) == ["hop", "output", "noise_strength"]
    assert dialog.texts == {"hop": "1", "output": "latest", "noise_strength": "7"}
    qtbot.waitUntil(lambda: dialog.state.text() == "net runs with these")
    assert not dialog.apply.isEnabled()
    dialog.fields["hop"].editor.setCurrentText("2")
    assert dialog.state.text() == "not applied yet"
    editor = dialog.fields["noise_strength"].editor
    editor.selectAll()
    qtbot.keyClicks(editor, "3")
    qtbot.mouseClick(dialog.apply, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.engines.progress_text.endswith("2 frames per pass"))
    assert workshop.wishes[-1] == {"hop": 2, "output": "latest", "noise_strength": 3}
    assert dialog.isVisible(), "it stays open beside the picture"
    qtbot.waitUntil(lambda: dialog.state.text() == "net runs with these")
    assert workshop.nets[0].exited == 1


def test_a_wrong_value_is_told_beside_its_field_and_nothing_is_built(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window(engine_name="net")
    dialog = open_options(qtbot, window)
    field = dialog.fields["noise_strength"]
    field.editor.setFocus()
    field.editor.selectAll()
    qtbot.keyClicks(field.editor, "12")
    assert field.complaint == "", "half typed is not yet wrong"
    qtbot.keyClick(field.editor, Qt.Key.Key_Return)
    assert field.complaint == "Found '12', expected 1 to 9"
    assert len(workshop.nets) == 1
    qtbot.keyClick(field.editor, Qt.Key.Key_Backspace)
    assert field.complaint == ""
    field.editor.clear()
    assert field.text == "5", "an empty field is the default"
    qtbot.mouseClick(dialog.defaults, Qt.MouseButton.LeftButton)
    assert dialog.texts == {"hop": "1", "output": "latest", "noise_strength": "5"}


def test_the_options_chosen_last_are_kept_per_engine(qtbot: QtBot, make_window: MakeWindow, workshop) -> None:
    window = make_window(engine_name="net")
    dialog = open_options(qtbot, window)
    dialog.fields["hop"].editor.setCurrentText("3")
    qtbot.mouseClick(dialog.apply, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(workshop.nets) == 2)
    window.choose_engine("fake")
    assert window.engine_control.dialog is None, "it spoke of another engine"
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    window.choose_engine("net")
    qtbot.waitUntil(lambda: len(workshop.nets) == 3)
    assert workshop.wishes[-1]["hop"] == 3
    assert open_options(qtbot, window).texts["hop"] == "3"


def test_an_engine_without_options_says_so(qtbot: QtBot, make_window: MakeWindow) -> None:
    window = make_window()
    assert open_options(qtbot, window).fields == {}


def test_options_that_cannot_be_built_leave_the_engine_that_runs(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window(engine_name="net")
    dialog = open_options(qtbot, window)
    workshop.net_is_broken = True
    dialog.fields["hop"].editor.setCurrentText("3")
    qtbot.mouseClick(dialog.apply, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.errors.isVisible())
    assert window.errors.message == "Engine 'net' could not be built: the net has a hole; 'net' goes on."
    qtbot.waitUntil(lambda: dialog.apply.isEnabled() and dialog.state.text() == "not applied yet")
    assert dialog.texts["hop"] == "3"
    assert window.engine_control.options_of("net").get("hop", "1") == "1"


def test_after_a_failure_the_window_shows_the_engine_gone_back_to_and_offers_another_try(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: window.cubes_shown > 0)
    window.choose_engine("net")
    qtbot.waitUntil(lambda: window.status.engine.text == "net" and len(workshop.nets[0].passes) > 2)

    def broken(_frames: list[int]) -> None:
        raise RuntimeError("out of memory")

    workshop.nets[0].before_pass = broken
    qtbot.waitUntil(lambda: window.errors.isVisible())
    assert window.errors.message == "Engine 'net' failed: out of memory; went back to 'fake'."
    assert window.errors.title == "The engine cannot reconstruct"
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    assert window.engines.combo.currentText() == "fake"
    assert window.errors.remedy.text() == "Try net again"
    qtbot.mouseClick(window.errors.remedy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.status.engine.text == "net")
    assert window.engines.combo.currentText() == "net"
    assert len(workshop.nets) == 2


def test_while_a_slow_engine_makes_its_first_cube_it_is_said_whose_picture_is_seen(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: window.cubes_shown > 0)
    go = threading.Event()
    workshop.before_pass = lambda _frames: go.wait(10)
    window.choose_engine("net")
    qtbot.waitUntil(
        lambda: window.display.image.notice == "net makes its first cube… meanwhile this is the last one of fake"
    )
    assert window.display.result.cube.engine == "fake"
    go.set()
    qtbot.waitUntil(lambda: window.display.image.notice == "" and window.display.result.cube.engine == "net")


def test_until_a_pass_is_finished_the_next_engine_follows_the_one_that_is_in_it(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    go, begun = threading.Event(), threading.Event()

    def long_pass(_frames: list[int]) -> None:
        begun.set()
        assert go.wait(10)

    workshop.before_pass, workshop.net_weights = long_pass, "net.safetensors (partly trained)"
    window = make_window(engine_name="net")
    qtbot.waitUntil(begun.is_set)
    window.choose_engine("other")
    qtbot.waitUntil(lambda: window.engines.progress_text.startswith("other follows net"))
    assert window.engines.caution == "partly trained"
    assert window.status.engine.text == "net, partly trained"
    workshop.net_weights = "better.safetensors"
    window.choose_engine("net")
    qtbot.waitUntil(lambda: window.engines.progress_text.startswith("net finishes its pass"))
    window.choose_engine("other")
    qtbot.waitUntil(lambda: window.engines.progress_text.startswith("other follows net"))
    go.set()
    qtbot.waitUntil(lambda: window.engines.progress_text == "other is running")
    assert window.status.engine.text == "other"


def test_weights_are_named_and_those_partly_trained_are_said_loudly(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    place, width = window.recording.pos(), window.minimumSizeHint().width()
    for weights, said, status in (
        ("net-of-a-very-long-name-that-fits-no-panel-at-all.safetensors", "", "net"),
        ("net.safetensors (partly trained)", "partly trained", "net, partly trained"),
    ):
        workshop.net_weights = weights
        window.choose_engine("net")
        qtbot.waitUntil(lambda status=status: window.status.engine.text == status)
        assert window.engines.caution == said
        assert weights.split(".")[0] in window.engines.progress_text
        assert (window.recording.pos(), window.minimumSizeHint().width()) == (place, width)
        window.choose_engine("fake")
        qtbot.waitUntil(lambda: window.status.engine.text == "fake")
        assert window.engines.caution == ""
        assert window.engines.progress_text == "fake is running"


def test_the_raw_view_goes_with_the_camera_while_the_engine_is_in_a_pass(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    class Brighter(FakeSource):
        def frame(self, index: int) -> Frame:
            pixels = np.full(self.shape, 100 + index, np.uint16)
            pixels[:6] = 4095 if index >= 4 else 100
            return Frame(pixels, index, index, bit_depth=12)

    go, begun = threading.Event(), threading.Event()

    def pass_from_the_second(frames: list[int]) -> None:
        if frames != [0]:
            begun.set()
            assert go.wait(10)

    workshop.before_pass = pass_from_the_second
    source = Brighter(SHAPE, gated=True)
    window = make_window(source, engine_name="net")
    qtbot.waitUntil(lambda: not window.session.stats().building)
    display = window.display
    source.gate.release()
    qtbot.waitUntil(lambda: window.cubes_shown == 1)
    source.gate.release()
    qtbot.waitUntil(begun.is_set)
    picture, shown = display.picture, window.pictures_shown
    source.gate.release(3)
    qtbot.waitUntil(lambda: display.frame.index == 4)
    assert display.bar.saturation_text == "SATURATED 25.0 %", "it is of the newest frame"
    assert display.picture is picture, "the cube stays"
    assert not display.image.saturation_shown, "marks belong to the picture under them"
    assert window.pictures_shown == shown, "the same picture is not counted again"
    display.choose_view(View.RAW)
    for index in (5, 6, 7):
        source.gate.release()
        qtbot.waitUntil(lambda index=index: display.frame.index == index)
        np.testing.assert_array_equal(display.image.pixels[-1], 100 + index)
    assert display.image.saturation_shown
    assert window.pictures_shown == shown + 3
    window.toggle_play()
    source.gate.release(2)
    qtbot.waitUntil(lambda: window.session.stats().frames == 10)
    go.set()
    qtbot.waitUntil(lambda: window.cubes_shown > 1)
    assert display.frame.index == 7
    np.testing.assert_array_equal(display.image.pixels[-1], 107)
    display.choose_view(View.COLOUR)
    assert display.seen is display.result.cube


def test_nothing_below_the_engine_moves_when_its_pace_is_told(qtbot: QtBot, make_window: MakeWindow) -> None:
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: window.engines.progress_text == "fake is running")
    place = window.recording.pos()
    window.engine_control.choose("net", {"hop": "3"})
    qtbot.waitUntil(lambda: window.engines.progress_text.endswith("3 frames per pass"))
    assert window.recording.pos() == place


def test_a_preparation_is_followed_and_given_up(qtbot: QtBot, make_window: MakeWindow, workshop) -> None:
    go = threading.Event()

    def prepare(progress: Progress) -> None:
        while not go.wait(0.01):
            progress.say("exporting net", 0.5)

    def steps(_calibration: Calibration, options: Mapping[str, object]) -> Preparation | None:
        return None if options["speed"] == "slow" else Preparation("net", prepare, {"speed": "slow"})

    def build(calibration: Calibration, options: Mapping[str, object]) -> FakeEngine:
        return FakeEngine(calibration, f"prepared {options['speed']}")

    workshop.specs["prepared"] = EngineSpec(
        "prepared",
        "The engine of a preparation",
        "nothing",
        "10 ms",
        "none needed",
        frozenset(System),
        build,
        {"speed": EngineOption("How fast.", "fast", str)},
        preparation=steps,
        runs_on=lambda: "sand: it is here",
    )
    window = make_window(engine_name="prepared")
    panel = window.engines
    assert "Runs on: sand: it is here" in str(panel.combo.itemData(panel.combo.findData("prepared"), TOOLTIP))
    place = window.recording.pos()
    qtbot.waitUntil(lambda: panel.progress_text == "preparing: exporting net, 50 %")
    qtbot.waitUntil(lambda: window.session.stats().engine == "prepared slow")
    assert panel.cancel.isVisible()
    assert panel.runtime_text == "numpy"
    assert window.recording.pos() == place
    qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.progress_text == "prepared slow is running")
    assert not panel.cancel.isVisible()
    window.engine_control.choose("prepared")
    go.set()
    qtbot.waitUntil(lambda: panel.progress_text == "prepared fast is running")


def with_a_file(workshop) -> tuple[dict[str, object], list[str]]:
    """Adds the engine `filed`, which runs only with a file `*.net`; what it was given and what there is to find."""
    given: dict[str, object] = {}
    found: list[str] = []

    def build(calibration: Calibration, options: Mapping[str, object]) -> FakeEngine:
        given.update(options)
        if options["model"] == "auto" and not found:
            raise EngineUnavailableError("there is no model")
        return FakeEngine(calibration, "filed")

    workshop.specs["filed"] = EngineSpec(
        "filed",
        "The engine of a file",
        "nothing",
        "10 ms",
        "missing",
        frozenset(System),
        build,
        {"model": EngineOption("A file.", "auto", str, files=OptionFiles("Models", (".net",)))},
        unfit=lambda _: "" if found else "there is no model; choose <one> by the option model",
        wanting=lambda _: "" if found else "model",
    )
    return given, found


def test_an_engine_that_wants_a_file_can_be_chosen_and_asks_for_it(
    qtbot: QtBot, make_window: MakeWindow, workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given, _ = with_a_file(workshop)
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    combo = window.engines.combo
    place = combo.findData("filed")
    assert combo.model().item(place).isEnabled()
    hint = combo.itemData(place, Qt.ItemDataRole.ToolTipRole)
    assert "Not ready: there is no model; choose &lt;one&gt;" in hint
    window.engines.engine_chosen.emit("filed")
    dialog = window.engine_control.dialog
    assert dialog is not None
    assert dialog.engine == "filed"
    assert dialog.wanted.text() == "There is no model; choose <one> by the option model"
    assert combo.currentText() == "fake", "it goes on"
    assert given == {}
    asked: list[tuple[str, ...]] = []

    def choose(_parent: object, *how: str) -> tuple[str, str]:
        asked.append(how)
        return (str(tmp_path / "good.net") if len(asked) > 1 else "", "")

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    field = dialog.fields["model"]
    qtbot.mouseClick(field.browse, Qt.MouseButton.LeftButton)
    assert field.text == "auto", "the operator thought better of it"
    qtbot.mouseClick(field.browse, Qt.MouseButton.LeftButton)
    assert asked[-1] == ("Models", str(Path.home()), "Models (*.net)")
    assert field.text == str(tmp_path / "good.net")
    qtbot.mouseClick(field.browse, Qt.MouseButton.LeftButton)
    assert asked[-1][1] == str(tmp_path), "the next look is where the last one ended"
    qtbot.mouseClick(dialog.apply, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.status.engine.text == "filed")
    assert given == {"model": str(tmp_path / "good.net")}
    window.choose_engine("fake")
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    window.engines.engine_chosen.emit("filed")
    qtbot.waitUntil(lambda: window.status.engine.text == "filed")
    assert window.engine_control.dialog is None, "it has its file"
    assert open_options(qtbot, window).wanted.text() == "", "it runs"


def test_what_came_meanwhile_is_seen_when_the_list_is_opened(qtbot: QtBot, make_window: MakeWindow, workshop) -> None:
    _, found = with_a_file(workshop)
    window = make_window(engine_name="fake")
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    found.append("a model")
    combo = window.engines.combo
    combo.showPopup()
    combo.hidePopup()
    assert "Not ready" not in combo.itemData(combo.findData("filed"), Qt.ItemDataRole.ToolTipRole)
    window.engines.engine_chosen.emit("filed")
    qtbot.waitUntil(lambda: window.status.engine.text == "filed")


def test_started_without_its_file_an_engine_offers_its_options_and_keeps_what_was_typed(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    with_a_file(workshop)
    window = make_window(engine_name="filed")
    qtbot.waitUntil(lambda: window.errors.isVisible())
    assert window.errors.remedy.text() == "Options of filed…"
    window.choose_engine("fake")
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    qtbot.mouseClick(window.errors.remedy, Qt.MouseButton.LeftButton)
    dialog = window.engine_control.dialog
    assert dialog is not None
    dialog.fields["model"].show_text("  ")
    qtbot.mouseClick(dialog.apply, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.errors.isVisible())
    qtbot.waitUntil(lambda: window.engines.combo.currentText() == "fake")
    assert window.engine_control.dialog is dialog
    assert dialog.isVisible()
