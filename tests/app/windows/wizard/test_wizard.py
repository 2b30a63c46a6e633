"""A calibration from the first page to a file that makes cubes, through the pages themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QWizard
from pytestqt.qtbot import QtBot
from wizard_operator import HEIGHT, LINES, SHORT, WIDTH, Answers, Operator

from livecassi.app.engine_choice import build_chosen
from livecassi.app.engine_list import engine_specs
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.app.session import Session
from livecassi.app.windows.wizard.benches import simulated_bench
from livecassi.app.windows.wizard.look import PageState
from livecassi.calibration import System
from livecassi.calibration.bench.state import BenchState
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.store import load_calibration
from livecassi.drivers import SourceSettings


def test_from_start_to_a_file_that_makes_cubes(
    qtbot: QtBot, make_wizard: Callable[..., Operator], prototype: Prototype, tmp_path: Path, answers: Answers
) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    wizard.start_page.form.operator.setText("Ada")
    operator.go_on()

    assert operator.page is wizard.camera_page
    qtbot.waitUntil(lambda: wizard.camera_page.live.frame is not None)
    operator.press(wizard.camera_page.choose)
    operator.settled()
    qtbot.waitUntil(wizard.camera_page.isComplete, timeout=10_000)
    operator.go_on()

    assert operator.page is wizard.dark_page
    assert not wizard.dark_page.isComplete()
    operator.press(wizard.dark_page.bar.all)
    operator.settled()
    assert {check.name for check in wizard.dark_page.lights.checks} >= {"frames that are there twice"}
    operator.go_on()

    operator.press(wizard.white_page.bar.all)
    operator.settled()
    assert wizard.white_page.table.table.rowCount() == 4
    operator.go_on()

    operator.press(wizard.mask_page.bar.capture)
    operator.settled()
    operator.go_on()

    wizard.dispersion_page.add_lines(LINES, "add lines")
    operator.press(wizard.dispersion_page.bar.all)
    operator.settled()
    residuals = [line.residual_px for line in wizard.dispersion_page.curve.lines]
    assert len(residuals) == len(LINES)
    assert np.abs(np.array(residuals, np.float64)).max() < 0.2
    operator.go_on()
    assert operator.page is wizard.refine_page

    operator.press(wizard.refine_page.bar.capture)
    operator.settled()
    operator.press(wizard.refine_page.fit_bar.fit)
    operator.settled()
    assert wizard.fitting.current, wizard.fitting.error
    operator.press(wizard.refine_page.compare)
    qtbot.waitUntil(lambda: wizard.refine_page.pictures.comparison is not None, timeout=60_000)
    assert wizard.desk.trouble is None
    operator.go_on()
    assert operator.page is wizard.verify_page

    operator.press(wizard.verify_page.add)
    operator.press(wizard.verify_page.bar.capture)
    operator.settled()
    qtbot.waitUntil(lambda: len(wizard.fitting.verification) == 2, timeout=60_000)
    assert all(check.value < 0.1 for check in wizard.fitting.verification)
    operator.go_on()
    assert operator.page is wizard.save_page

    answers.file = tmp_path / "report"
    operator.press(wizard.save_page.report)
    qtbot.waitUntil(lambda: "report.pdf" in wizard.save_page.facts.text(), timeout=60_000)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    folder = wizard.desk.draft.folder
    with qtbot.waitSignal(wizard.calibrated, timeout=10_000) as saved:
        operator.press(operator.wizard_button(QWizard.WizardButton.FinishButton))
    assert not folder.exists()
    assert answers.asked == []  # nothing failed on the way

    path = saved.args[0]
    calibration = load_calibration(path)
    assert calibration.header.record is not None
    assert calibration.header.record.operator == "Ada"
    assert len(calibration.header.record.lines) == len(LINES)
    seen_nm = calibration.wavelengths_nm
    true_px = prototype.bench.true_shift_px(seen_nm)
    error_px = calibration.dispersion_px - (true_px - true_px[0])
    assert np.abs(error_px).max() < 0.1
    assert _makes_cubes(prototype, path)


def _makes_cubes(prototype: Prototype, path: Path) -> bool:
    """A session with the saved calibration reconstructs the scene."""
    calibration = load_calibration(path)
    prototype.set_state(BenchState())
    prototype.source.configure(SourceSettings(exposure_us=calibration.header.exposure_us))
    with Session(prototype.source, calibration) as session:
        session.use_engine("gap-tv", lambda: build_chosen(engine_specs(), "gap-tv", calibration))
        session.start()
        for _ in range(600):
            result = session.take_result(0.1)
            if result is not None and result.cube is not None:
                return result.cube.values.shape == calibration.cube_shape and bool(result.cube.values.std() > 0)
    return False


def test_pages_open_in_order_and_back_forgets_nothing(make_wizard: Callable[..., Operator]) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    operator.go_to(wizard.dark_page)
    assert not operator.wizard_button(QWizard.WizardButton.NextButton).isEnabled()
    operator.press(wizard.dark_page.bar.all)
    operator.settled()
    taken = [capture.id for capture in wizard.dark_page.captures]
    operator.press(operator.wizard_button(QWizard.WizardButton.BackButton))
    operator.press(operator.wizard_button(QWizard.WizardButton.BackButton))
    assert operator.page is wizard.start_page
    wizard.start_page.form.name.setText("another name")
    operator.go_to(wizard.dark_page)
    assert [capture.id for capture in wizard.dark_page.captures] == taken
    assert wizard.desk.plan.name == "another name"
    assert wizard.dark_page.state is PageState.PASS


def test_going_on_without_a_figure_needs_a_reason_that_is_kept(
    make_wizard: Callable[..., Operator], answers: Answers
) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    operator.go_to(wizard.dark_page)
    anyway = operator.wizard_button(QWizard.WizardButton.CustomButton1)
    answers.why = ""
    operator.press(anyway)
    assert not wizard.dark_page.isComplete()
    answers.why = "the shutter is at the workshop"
    operator.press(anyway)
    assert wizard.dark_page.state is PageState.OVERRIDDEN
    assert "missing: dark" in answers.asked[-1]
    assert any("the shutter is at the workshop" in text for text in wizard.desk.draft.overrides)
    operator.go_on()
    assert operator.page is wizard.white_page


def test_the_mask_may_be_left_out(make_wizard: Callable[..., Operator]) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    operator.go_to(wizard.mask_page)
    assert not wizard.mask_page.isComplete()
    wizard.mask_page.leave_out.setChecked(True)
    assert wizard.mask_page.state is PageState.LEFT_OUT
    assert not [step for step in wizard.desk.plan.steps() if step.kind is CaptureKind.MASK]
    operator.go_on()
    assert operator.page is wizard.dispersion_page
    operator.press(operator.wizard_button(QWizard.WizardButton.BackButton))
    wizard.mask_page.leave_out.setChecked(False)
    assert wizard.mask_page.missing[0].frames == SHORT.mask.frames


def test_every_light_tells_its_number_and_threshold(make_wizard: Callable[..., Operator]) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    operator.go_to(wizard.dark_page)
    operator.press(wizard.dark_page.bar.all)
    operator.settled()
    wizard.show_desk()
    row = next(row for row in wizard.steps.rows if row.page is wizard.dark_page)
    assert any(sign in row.figure.whole for sign in ("≤", "≥"))
    assert all(check.words for check in wizard.dark_page.lights.checks)


def test_the_mask_is_laid_on_its_drawing(make_wizard: Callable[..., Operator], tmp_path: Path) -> None:
    bench = open_prototype(System.SD_CASSI, HEIGHT, WIDTH, frame_rate_hz=200.0)
    np.save(tmp_path / "design.npy", bench.calibration.mask)
    operator = make_wizard(
        simulated_bench(bench), template=SHORT.model_copy(update={"design": tmp_path / "design.npy"})
    )
    page = operator.wizard.mask_page
    operator.go_to(page)
    operator.press(page.bar.capture)
    operator.settled()
    operator.qtbot.waitUntil(page.overlay.isChecked, timeout=20_000)
    found = {check.name: check.value for check in page.checks() if "drawing" in check.name}
    assert found["deviation from the drawing, rms"] < 0.1
    assert found["correlation with the drawing"] > 0.9
    assert page.live.image.pixels is not None
    assert page.live.image.pixels.shape == (*bench.source.info.frame_shape, 3)
    page.overlay.setChecked(False)
    operator.qtbot.waitUntil(lambda: page.live.image.pixels.ndim == 2)


def test_another_mask_than_the_drawing_is_recognised(make_wizard: Callable[..., Operator], tmp_path: Path) -> None:
    other = open_prototype(System.SD_CASSI, HEIGHT, WIDTH, seed=5)
    np.save(tmp_path / "design.npy", other.calibration.mask)
    operator = make_wizard(template=SHORT.model_copy(update={"design": tmp_path / "design.npy"}))
    page = operator.wizard.mask_page
    operator.go_to(page)
    operator.press(page.bar.capture)
    operator.settled()
    operator.qtbot.waitUntil(lambda: "drawing was not found" in page.instruction.text(), timeout=20_000)
