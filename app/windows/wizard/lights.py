"""Traffic lights: a coloured dot, and always the number with its threshold."""

import math
from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

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
    """Three figures of whichever is larger, the value or its limit: what is far below the limit needs no more."""
    if not math.isfinite(check.value) or not 0 < check.limit < math.inf or abs(check.value) >= 1e5:
        return f"{check.value:.3g}"
    decimals = max(2 - math.floor(math.log10(max(check.limit, abs(check.value)))), 0)
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

    def __init__(self, most: int = 8) -> None:
        super().__init__()
        self._most = most
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[_Row] = []
        self._rest = QLabel()
        self._rest.setObjectName("dim")
        self._rest.setWordWrap(True)
        self._grid.addWidget(self._rest, 0, 0, 1, 3)
        self._shown: tuple[Check, ...] = ()
        self.show_checks(())

    @property
    def checks(self) -> tuple[Check, ...]:
        """What is shown, worst first."""
        return self._shown

    def show_checks(self, checks: Sequence[Check], empty: str = "") -> None:
        """Show the worst of each kind; `empty` says why there are none. Rows stay where they are: nothing flickers."""
        self._shown = shown = tuple(by_urgency(worst_by_name(checks)))
        seen, rest = shown[: self._most], shown[self._most :]
        if len(seen) != len(self._rows):
            self._make_rows(len(seen))
        for row, check in zip(self._rows, seen, strict=True):
            row.show_check(check)
        self._rest.setText(_rest_words(rest) if rest else empty if not shown else "")
        self._rest.setToolTip("\n".join(check.words for check in rest))
        self._rest.setVisible(bool(self._rest.text()))

    def _make_rows(self, count: int) -> None:
        self._grid.removeWidget(self._rest)
        while len(self._rows) > count:
            for widget in self._rows.pop().widgets:
                self._grid.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        while len(self._rows) < count:
            row, place = _Row(), 2 * len(self._rows)
            self._grid.addWidget(row.dot, place, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(row.name, place, 1)
            self._grid.addWidget(row.figure, place, 2, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(row.advice, place + 1, 1, 1, 2)
            self._rows.append(row)
        self._grid.addWidget(self._rest, 2 * count, 0, 1, 3)


class _Row:
    """The widgets of one check."""

    def __init__(self) -> None:
        self.dot, self.name, self.figure, self.advice = Dot(), QLabel(), QLabel(), QLabel()
        self.name.setObjectName("dim")
        self.name.setWordWrap(True)
        tabular(self.figure)
        self.advice.setWordWrap(True)
        self.advice.setStyleSheet(f"color: {DIM};")
        self.advice.hide()

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        return self.dot, self.name, self.figure, self.advice

    def show_check(self, check: Check) -> None:
        self.dot.show_colour(verdict_colour(check.verdict))
        self.name.setText(check.name)
        self.figure.setText(figure_text(check))
        advice = "" if check.verdict is Verdict.PASS else check.advice
        self.advice.setText(advice)
        self.advice.setVisible(bool(advice))
        for widget in self.widgets:
            widget.setToolTip(check.words)


def _rest_words(rest: Sequence[Check]) -> str:
    """What is not seen any more, worst first."""
    passing = sum(check.verdict is Verdict.PASS for check in rest)
    others = len(rest) - passing
    if not others:
        return f"and {passing} more that pass"
    return f"and {others} more that {'does' if others == 1 else 'do'} not pass" + (
        f", {passing} that pass" if passing else ""
    )
