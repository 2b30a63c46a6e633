"""The log of a run: `log.csv` and `validation.csv` for everybody, and the same for TensorBoard where that is installed.

A resumed run drops the lines beyond its checkpoint, so that the files are those of a run that never stopped.
"""

import csv
import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from livecassi.engines.errors import TrainingError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG, VALIDATION, BOARD = "log.csv", "validation.csv", "tensorboard"
NO_BOARD = (
    "tensorboard is not installed, so there is no log for it, only log.csv and validation.csv; "
    "install it with: pip install 'livecassi[train]'"
)

Row = Mapping[str, float]


class RunLog:
    """The log of a run that goes on after `step` steps. Raises `TrainingError` where it cannot be written."""

    def __init__(self, folder: Path, step: int) -> None:
        self.remark = "" if find_spec("tensorboard") else NO_BOARD
        try:
            self._steps = _Table(folder / LOG, step)
            self._scores = _Table(folder / VALIDATION, step)
            self._board = self._open_board(folder / BOARD, step)
        except OSError as error:
            raise _refused(folder, error) from error

    def steps(self, step: int, row: Row) -> None:
        """What became of the steps up to `step`."""
        self._write(self._steps, step, "training", row)

    def scores(self, step: int, row: Row) -> None:
        """The scores of a validation after `step` steps."""
        self._write(self._scores, step, "validation", row)

    def _write(self, table: "_Table", step: int, group: str, row: Row) -> None:
        try:
            table.append({"step": step, **row})
            if self._board is not None:
                for name, value in row.items():
                    self._board.add_scalar(f"{group}/{name}", value, step)
        except OSError as error:
            raise _refused(table.path.parent, error) from error

    def _open_board(self, folder: Path, step: int) -> "SummaryWriter | None":
        if self.remark:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._steps.close()
        self._scores.close()
        if self._board is not None:
            self._board.close()


class _Table:
    """A CSV file with a column `step`; its first row says what the columns are."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        kept = _rows_until(path, step)
        self._columns = list(kept[0]) if kept else []
        lines = [self._columns, *(list(row.values()) for row in kept)] if kept else []
        partial = path.with_name(f".{path.name}.part")
        partial.write_text("".join(map(_line, lines)), "utf-8")
        partial.replace(path)
        self._file: TextIO = path.open("a", encoding="utf-8", newline="")

    def append(self, row: Row) -> None:
        """Write a row; columns that the first row did not have are left out."""
        if not self._columns:
            self._columns = list(row)
            self._put(self._columns)
        self._put([_number(row[column]) if column in row else "" for column in self._columns])

    def close(self) -> None:
        self._file.close()

    def _put(self, cells: list[str]) -> None:
        self._file.write(_line(cells))
        self._file.flush()


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    """The whole rows of a table up to a step; a crash may have cut the last one short, or left bytes that are no text.

    A table that cannot be read at all begins anew.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
    except csv.Error:
        return []
    whole = [row for row in rows if None not in row.values() and (row.get("step") or "").isdigit()]
    return [row for row in whole if int(row["step"]) <= step]


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9g}"


def _refused(folder: Path, error: OSError) -> TrainingError:
    return TrainingError(
        f"the log in {folder} cannot be written ({error.strerror or error}); make room, or choose another folder "
        "by --out"
    )
