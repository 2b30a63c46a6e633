"""All figures of the scoreboard as JSON, with what must be said beside them."""

import math
from dataclasses import asdict
from json import dumps
from typing import cast

from livecassi.app.published_scores import DYNASPEC_DD, DYNASPEC_SYSTEMS, KAIST
from livecassi.app.quality_figures import Report, Row
from livecassi.app.quality_remarks import remarks
from livecassi.calibration import System


def report_json(report: Report) -> str:
    """The report, the means of its rows, the remarks, and published scores of other scenes.

    What is no number, as the PSNR of a perfect band, is null.
    """
    content = {
        **asdict(report),
        "definition": "plain",
        "rows": [_row(row) for row in report.rows],
        "remarks": remarks(report),
        "published_on_other_scenes": {str(system): _published(system) for system in report.systems},
    }
    return dumps(_finite(content), indent=2, allow_nan=False)


def _row(row: Row) -> dict[str, object]:
    kinds = [(moving, noisy) for moving in (False, True) for noisy in (False, True)]
    means = [row.mean(moving=moving, noisy=noisy) for moving, noisy in kinds]
    return {
        **asdict(row),
        "options": dict(row.options),
        "weights": None if row.weights is None else {**asdict(row.weights), "scores": dict(row.weights.scores)},
        "means": [asdict(mean) for mean in means if mean is not None],
    }


def _published(system: System) -> list[dict[str, object]]:
    if system is System.SD_CASSI:
        return [asdict(row) for row in KAIST]
    return [asdict(DYNASPEC_SYSTEMS[system]), *(asdict(row) for row in DYNASPEC_DD)]


def _finite(value: object) -> object:
    """The same with null for what JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value
