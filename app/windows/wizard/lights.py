"""Traffic lights: a coloured dot, and always the number with its threshold."""

import math
from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.theme import DIM, LINE, tabular
from livecassi.app.windows.wizard.look import verdict_colour
from livecassi.calibration.checks import Check, Verdict

DOT_PX = 12


class Dot(QWidget):
    """A round light."""

    def __init__(self, colour: str = LINE) -> None:
        super().__init__()
        self.colour = colour
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_colour(self, colour: str) -> None:
        """Shine in this colour."""
        if colour != self.colour:
            self.colour = colour
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Of one size always."""
        return QSize(DOT_PX + 2, DOT_PX + 2)

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802
        """Draw the dot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(self.colour).darker(140))
        painter.setBrush(QColor(self.colour))
        painter.drawEllipse(1, (self.height() - DOT_PX) // 2, DOT_PX, DOT_PX)
        painter.end()


def figure_text(check: Check) -> str:
    """The number and its threshold: "0.31 px (at most 0.1)"; of a long unit the first word, the rest is in the hint."""
    unit = _short_unit(check)
    side = "at least" if check.higher_is_better else "at most"
    return f"{_number(check)}{unit} ({side} {check.limit:.3g})"


def short_text(check: Check) -> str:
    """The same for narrow places, the number first: "0.31 > 0.1 px · rms"."""
    unit = _short_unit(check)
    signs = ("≥", "<") if check.higher_is_better else ("≤", ">")
    return f"{_number(check)} {signs[check.verdict is not Verdict.PASS]} {check.limit:.3g}{unit} · {check.name}"


def _number(check: Check) -> str:
    """Three figures on the scale of the limit: what is far below it needs no more of them."""
    if not math.isfinite(check.value) or not 0 < check.limit < math.inf or abs(check.value) >= 1e5:
        return f"{check.value:.3g}"
    decimals = max(2 - math.floor(math.log10(check.limit)), 0)
    return f"{round(check.value, decimals):g}"


def _short_unit(check: Check) -> str:
    return f" {check.unit.split()[0]}" if check.unit else ""


def margin_used(check: Check) -> float:
    """How much of the way to its limit a figure has gone: 0 far from it, 1 at it, more beyond."""
    if not math.isfinite(check.value):
        return math.inf
    if check.higher_is_better:
        return check.limit / check.value if check.value > 0 else (math.inf if check.limit > 0 else 0.0)
    return check.value / check.limit if check.limit > 0 else (math.inf if check.value > 0 else 0.0)


def by_urgency(checks: Sequence[Check]) -> list[Check]:
    """Failing ones first, and among equals those nearest to their limit."""
    order = [Verdict.FAIL, Verdict.WARN, Verdict.PASS]
    return sorted(checks, key=lambda check: (order.index(check.verdict), -margin_used(check)))


def deciding(checks: Sequence[Check]) -> Check | None:
    """The check that tells most."""
    return next(iter(by_urgency(checks)), None)


def worst_by_name(checks: Sequence[Check]) -> tuple[Check, ...]:
    """One check per name, the worst of its kind, in the order of first mention."""
    found: dict[str, Check] = {}
    rank = [Verdict.PASS, Verdict.WARN, Verdict.FAIL]
    for check in checks:
        known = found.get(check.name)
        if known is None or _badness(check, rank) > _badness(known, rank):
            found[check.name] = check
    return tuple(found.values())


def _badness(check: Check, rank: list[Verdict]) -> tuple[int, float]:
    return rank.index(check.verdict), -check.value if check.higher_is_better else check.value


class LightList(QWidget):
    """One row per check: light, name, number and threshold; what to do stands below those that did not pass."""

    def __init__(self, most: int = 8, *, whole_names: bool = False) -> None:
        super().__init__()
        self._most, self._whole_names = most, whole_names
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self._shown: tuple[Check, ...] | None = None
        self.show_checks(())

    @property
    def checks(self) -> tuple[Check, ...]:
        """What is shown, worst first."""
        return self._shown or ()

    def show_checks(self, checks: Sequence[Check], empty: str = "") -> None:
        """Show the worst of each kind; `empty` says why there are none."""
        shown = tuple(by_urgency(worst_by_name(checks)))
        if shown == self._shown and shown:
            return
        self._shown = shown
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        row = 0
        for check in shown[: self._most]:
            row = self._add(check, row)
        rest = shown[self._most :]
        if rest or not shown:
            label = QLabel(f"and {len(rest)} more that pass" if rest else empty)
            label.setObjectName("dim")
            label.setWordWrap(True)
            label.setToolTip("\n".join(check.words for check in rest))
            self._grid.addWidget(label, row, 0, 1, 3)

    def _name(self, text: str) -> QLabel:
        if not self._whole_names:
            name = ElidedLabel()
            name.show_line(text)
            return name
        label = QLabel(text)
        label.setObjectName("dim")
        label.setWordWrap(True)
        return label

    def _add(self, check: Check, row: int) -> int:
        name, figure = self._name(check.name), QLabel(figure_text(check))
        tabular(figure)
        self._grid.addWidget(Dot(verdict_colour(check.verdict)), row, 0)
        self._grid.addWidget(name, row, 1)
        self._grid.addWidget(figure, row, 2)
        for column in range(3):
            item = self._grid.itemAtPosition(row, column)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.setToolTip(check.words)
        if check.verdict is Verdict.PASS or not check.advice:
            return row + 1
        advice = QLabel(check.advice)
        advice.setWordWrap(True)
        advice.setStyleSheet(f"color: {DIM};")
        self._grid.addWidget(advice, row + 1, 1, 1, 2)
        return row + 2
