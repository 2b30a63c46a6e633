"""Copies of a record's figures as plain HDF5, for whoever reads a calibration file without livecassi.

`record/curve`, `field`, `registration`, `distortion`, `sensor`: groups, numbers as attributes, matrices as datasets;
`record/lines`, `checks`, `captures`: groups of columns of one length, NaN or "" where a figure is missing. What counts
is the header.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from livecassi.calibration.record import CalibrationRecord

CURVE_FORMULA = "s(nm) = sum_t coefficients[t] (1000 / nm)^(2 t), in camera columns"


def write_record(record: CalibrationRecord, group: Any) -> None:
    """Write into an open, empty h5py group."""
    for name in ("software", "operator", "optics", "spectrometer_serial", "reference_nm", "parent_id"):
        group.attrs[name] = getattr(record, name)
    group.attrs["verdict"] = str(record.verdict)
    for name in ("curve", "field", "registration", "distortion", "sensor", "response", "radiance"):
        part: BaseModel | None = getattr(record, name)
        if part is not None:
            _write_part(part, group.create_group(name))
    if record.curve is not None:
        group["curve"].attrs["formula"] = CURVE_FORMULA
    _write_table(record.lines, group, "lines")
    _write_table(record.captures, group, "captures")
    _write_table(record.checks, group, "checks")
    if record.checks:
        _write_column(group["checks"], "verdict", [str(check.verdict) for check in record.checks])
    if record.overrides:
        group.create_dataset("overrides", data=list(record.overrides))


def _write_part(part: BaseModel, group: Any) -> None:
    for name, value in part:
        if isinstance(value, tuple):
            group.create_dataset(name, data=np.array(value, np.float64))
        elif value is not None:
            group.attrs[name] = value


def _write_table(rows: Sequence[BaseModel], group: Any, name: str) -> None:
    if not rows:
        return
    table = group.create_group(name)
    for column in type(rows[0]).model_fields:
        _write_column(table, column, [getattr(row, column) for row in rows])


def _write_column(table: Any, name: str, values: list[Any]) -> None:
    if any(isinstance(value, str | tuple) for value in values):
        table.create_dataset(name, data=["\n".join(v) if isinstance(v, tuple) else v or "" for v in values])
    else:
        table.create_dataset(name, data=np.array([np.nan if value is None else value for value in values], np.float64))
