"""The wizard over the simulated bench."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from wizard_operator import HEIGHT, SHORT, WIDTH, Answers, Operator

from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.app.windows.wizard.benches import Workbench, simulated_bench
from livecassi.app.windows.wizard.wizard import CalibrationWizard
from livecassi.calibration import System


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def prototype() -> Prototype:
    return open_prototype(System.SD_CASSI, HEIGHT, WIDTH, frame_rate_hz=200.0)


MakeWizard = Callable[..., Operator]


@pytest.fixture
def make_wizard(qtbot: QtBot, tmp_path: Path, answers: Answers, prototype: Prototype) -> Iterator[MakeWizard]:
    made: list[CalibrationWizard] = []

    def make(
        bench: Workbench | None = None, *, template: CalibrationPlan = SHORT, drafts: Path | None = None
    ) -> Operator:
        wizard = CalibrationWizard(
            bench or simulated_bench(prototype),
            template=template,
            library=Library(tmp_path / "library"),
            drafts=drafts or tmp_path / "drafts",
            questions=answers,
        )
        made.append(wizard)
        wizard.show()
        return Operator(qtbot, wizard)

    yield make
    for wizard in made:
        wizard.close()
        wizard.deleteLater()
