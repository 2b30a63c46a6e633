"""The wizard without a live view: for a camera that has no calibration yet, which no session can be opened on."""

import signal
from contextlib import ExitStack
from pathlib import Path

from PySide6.QtWidgets import QApplication

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.rig_opening import open_rig
from livecassi.app.opening import USUAL_RATE_HZ, SourceKind, SourceRequest
from livecassi.app.windows.run import check_display
from livecassi.app.windows.theme import apply_theme
from livecassi.app.windows.wizard.benches import Workbench, manual_bench, simulated_bench
from livecassi.app.windows.wizard.wizard import CalibrationWizard


def calibrate_in_window(request: SourceRequest, template: CalibrationPlan | None = None) -> Path | None:
    """Show the wizard on the source of `request` until it is closed; the calibration that was saved, or None.

    Raises `NoDisplayError`, and `SourceError` for a source that cannot be opened or holds files.
    """
    check_display()
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        application = QApplication(["livecassi"])
    application.setApplicationName("livecassi")
    application.setDesktopFileName("livecassi")
    application.setQuitOnLastWindowClosed(False)
    apply_theme(application)
    plan = template or CalibrationPlan(system=request.system)
    with ExitStack() as ending:
        wizard = CalibrationWizard(_bench(request, plan, ending), template=plan)
        wizard.save_page.open_live.setChecked(False)
        wizard.save_page.open_live.hide()  # there is none
        wizard.ended.connect(application.quit)
        wizard.show()
        before = signal.signal(signal.SIGINT, lambda *_: wizard.leave())  # the draft stays
        try:
            application.exec()
        finally:
            signal.signal(signal.SIGINT, before)
        saved = wizard.saved
        wizard.deleteLater()
    return saved


def _bench(request: SourceRequest, plan: CalibrationPlan, ending: ExitStack) -> Workbench:
    if request.kind is not SourceKind.PROTOTYPE:
        return manual_bench(ending.enter_context(open_rig(request, plan, lambda _instruction: None)).source)
    from livecassi.app.prototype import open_prototype

    prototype = open_prototype(
        plan.system,
        request.height,
        request.width,
        seed=request.seed,
        bands=request.bands,
        frame_rate_hz=request.frame_rate_hz or USUAL_RATE_HZ,
    )
    return simulated_bench(prototype)
