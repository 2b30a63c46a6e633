"""The last touch on a fitted calibration: its name, and every "continue anyway" up to the moment of saving. No Qt."""

from dataclasses import replace
from typing import TYPE_CHECKING

from livecassi.app.calibrating.draft import Draft
from livecassi.calibration import Calibration

if TYPE_CHECKING:
    from livecassi.calibration.fitting.fit import Fitted


def finished(fitted: "Fitted", draft: Draft) -> Calibration:
    """What is saved. Words can change after the fit; arrays and figures are the fit's own."""
    from livecassi.app.calibrating.run import stamped

    calibration = stamped(fitted.calibration, draft)
    header, plan = calibration.header, draft.plan
    record = header.record
    if record is not None:
        record = record.model_copy(
            update={"operator": plan.operator, "optics": plan.optics, "parent_id": draft.parent_id}
        )
    words = {"name": plan.name or header.name, "notes": plan.notes or header.notes, "record": record}
    return replace(calibration, header=header.model_copy(update=words))
