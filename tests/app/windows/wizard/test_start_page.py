"""The first page: a new calibration, a version of an earlier one, a mask from a file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QWizard
from pytestqt.qtbot import QtBot
from wizard_operator import Answers, Operator

from livecassi.app.calibrating.library import Library
from livecassi.app.prototype import Prototype
from livecassi.app.windows.wizard.plan_form import BandKind
from livecassi.app.windows.wizard.start_page import Beginning
from livecassi.calibration import System
from livecassi.calibration.store import load_calibration

MakeWizard = Callable[..., Operator]


def test_the_form_becomes_the_plan(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    form = operator.wizard.start_page.form
    form.name.setText("bench 7")
    form.system.setCurrentIndex(form.system.findData(System.DD_CASSI))
    form.bands.setCurrentIndex(form.bands.findData(BandKind.LIST))
    form.wavelengths.setText("420:680:20")
    operator.go_on()
    plan = operator.wizard.desk.plan
    assert (plan.name, plan.system, plan.bands.wavelengths) == ("bench 7", System.DD_CASSI, "420:680:20")
    assert (operator.wizard.desk.draft.folder / "draft.json").is_file()


def test_bands_that_cannot_be_are_refused_before_anything_is_captured(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    page = operator.wizard.start_page
    page.form.bands.setCurrentIndex(page.form.bands.findData(BandKind.LIST))
    page.form.wavelengths.setText("blue to red")
    operator.press(operator.wizard_button(QWizard.WizardButton.NextButton))
    assert operator.page is page
    assert "'blue to red'" in page.trouble.text
    assert not operator.wizard.desk.begun


def test_a_new_version_follows_the_one_in_use(make_wizard: MakeWizard, prototype: Prototype, tmp_path: Path) -> None:
    Library(tmp_path / "library").save(prototype.calibration)
    operator = make_wizard()
    page = operator.wizard.start_page
    page.choices[Beginning.VERSION].setChecked(True)
    assert "(in use)" in page.versions.currentText()
    operator.go_on()
    assert operator.wizard.desk.draft.parent_id == prototype.calibration.id
    parent = operator.wizard.desk.parent_calibration
    assert parent is not None
    assert parent.id == prototype.calibration.id


def test_a_mask_is_imported_without_a_measurement(
    qtbot: QtBot, make_wizard: MakeWizard, answers: Answers, tmp_path: Path
) -> None:
    mask = np.random.default_rng(3).random((40, 50)).astype(np.float32)
    np.save(tmp_path / "mask.npy", mask)
    answers.file = tmp_path / "mask.npy"
    operator = make_wizard()
    page = operator.wizard.start_page
    page.choices[Beginning.IMPORT].setChecked(True)
    assert not page.isComplete()
    operator.press(page.mask_button)
    operator.go_on()
    assert operator.page is operator.wizard.save_page
    operator.wizard.save_page.version_name.setText("borrowed mask")
    with qtbot.waitSignal(operator.wizard.calibrated, timeout=10_000) as saved:
        operator.press(operator.wizard_button(QWizard.WizardButton.FinishButton))
    calibration = load_calibration(saved.args[0])
    assert calibration.header.name == "borrowed mask"
    assert calibration.header.record is None
    np.testing.assert_allclose(calibration.mask, mask, atol=1e-6)
