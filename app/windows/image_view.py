"""The large picture: zoom and pan, the saturation overlay, pins, and what the pointer is over."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from livecassi.app.picks import Pick
from livecassi.app.pictures import Picture
from livecassi.app.windows.theme import BACKGROUND

NEAR_PX = 12  # on the screen: a click this near to a pin means the pin
SATURATION_LUT = np.array([[0, 0, 0, 0], [255, 40, 44, 190]], np.uint8)


class ImageView(QWidget):
    """Shows pictures `(H, W)` or `(H, W, 3)`, row first. Signals carry rows, columns and pin numbers, never arrays."""

    clicked = Signal(int, int)
    hovered = Signal(int, int)
    left = Signal()
    pin_moved = Signal(int, int, int)
    pin_removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._canvas = pg.GraphicsView(background=BACKGROUND)
        self._box = pg.ViewBox(lockAspect=True, invertY=True, enableMenu=False, defaultPadding=0.02)
        self._canvas.setCentralItem(self._box)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._overlay = pg.ImageItem(axisOrder="row-major", lut=SATURATION_LUT, levels=(0, 1))
        self._overlay.setZValue(5)
        self._overlay.setVisible(False)
        self._box.addItem(self._image)
        self._box.addItem(self._overlay)
        self._pins: dict[int, pg.TargetItem] = {}
        self._shape = (0, 0)
        self._notice = QLabel(self)
        self._notice.setObjectName("notice")
        self._notice.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._notice.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._canvas)
        self._canvas.scene().sigMouseClicked.connect(self._on_click)
        self._canvas.scene().sigMouseMoved.connect(self._on_move)
        self._canvas.viewport().installEventFilter(self)

    # ---- what is shown -------------------------------------------------------------------------------------------

    def show_picture(self, picture: Picture) -> None:
        """Show a picture; one of another size is fitted into the view."""
        if picture.pixels.ndim == 3:
            self._image.setImage(picture.pixels, autoLevels=False, levels=(0, 255))
        else:
            self._image.setImage(picture.pixels, autoLevels=False, levels=tuple(picture.levels))
        shape = picture.pixels.shape[:2]
        if shape != self._shape:
            self._shape = (shape[0], shape[1])
            self.fit()

    def clear(self) -> None:
        """Show no picture, because the one on the screen belongs to another source."""
        self._image.clear()

    def show_saturation(self, marked: NDArray[np.uint8] | None) -> None:
        """Mark the pixels that are 1, or none."""
        if marked is not None:
            self._overlay.setImage(marked, autoLevels=False, levels=(0, 1))
        self._overlay.setVisible(marked is not None)

    def show_notice(self, text: str) -> None:
        """Say something calmly at the top of the picture; nothing if empty."""
        if text == self._notice.text() and self._notice.isVisibleTo(self) == bool(text):
            return
        self._notice.setText(text)
        self._notice.setVisible(bool(text))
        self._notice.raise_()
        self._place_notice()

    @property
    def notice(self) -> str:
        """What is said at the top of the picture."""
        return self._notice.text() if self._notice.isVisibleTo(self) else ""

    @property
    def saturation_shown(self) -> bool:
        """Whether pixels are marked as saturated now."""
        return bool(self._overlay.isVisible())

    @property
    def pixels(self) -> NDArray[np.generic] | None:
        """The picture on the screen."""
        return self._image.image  # type: ignore[no-any-return]

    def fit(self) -> None:
        """Show the whole picture."""
        self._box.setRange(self._image.boundingRect(), padding=0.02)

    # ---- pins ----------------------------------------------------------------------------------------------------

    def show_pins(self, picks: Iterable[Pick], visible: bool = True) -> None:
        """Draw exactly these pins."""
        wanted = {pick.number: pick for pick in picks}
        for number in set(self._pins) - set(wanted):
            self._box.removeItem(self._pins.pop(number))
        for number, pick in wanted.items():
            if number not in self._pins:
                self._pins[number] = self._new_pin(pick)
            pin = self._pins[number]
            if not pin.moving:
                pin.blockSignals(True)
                pin.setPos(pick.column + 0.5, pick.row + 0.5)
                pin.blockSignals(False)
            pin.setVisible(visible)

    def _new_pin(self, pick: Pick) -> pg.TargetItem:
        colour = QColor(pick.colour)
        pin = pg.TargetItem(
            pos=(pick.column + 0.5, pick.row + 0.5),
            size=14,
            symbol="o",
            pen=pg.mkPen("#0b0d11", width=2.5),
            hoverPen=pg.mkPen("#ffffff", width=2.5),
            brush=pg.mkBrush(colour),
            hoverBrush=pg.mkBrush(colour),
            label=str(pick.number),
            labelOpts={"color": colour, "offset": (10, -10), "fill": pg.mkBrush(11, 13, 17, 190)},
        )
        pin.setZValue(10)
        pin.sigPositionChanged.connect(lambda item, number=pick.number: self._on_pin_moved(number, item))
        self._box.addItem(pin)
        return pin

    def _on_pin_moved(self, number: int, item: pg.TargetItem) -> None:
        row, column = self._inside(item.pos().y(), item.pos().x())
        self.pin_moved.emit(number, row, column)

    def _inside(self, y: float, x: float) -> tuple[int, int]:
        height, width = self._shape
        return min(max(int(np.floor(y)), 0), height - 1), min(max(int(np.floor(x)), 0), width - 1)

    # ---- the pointer ---------------------------------------------------------------------------------------------

    def pixel_at(self, scene_position: QPointF) -> tuple[int, int] | None:
        """The pixel `(row, column)` under a place of the graphics scene, or None beside the picture."""
        point = self._box.mapSceneToView(scene_position)
        row, column = int(np.floor(point.y())), int(np.floor(point.x()))
        height, width = self._shape
        return (row, column) if 0 <= row < height and 0 <= column < width else None

    def place_of(self, row: int, column: int) -> QPoint:
        """Where the centre of a pixel lies on the screen, in the coordinates of `surface`."""
        point: QPoint = self._canvas.mapFromScene(self._box.mapViewToScene(QPointF(column + 0.5, row + 0.5)))
        return point

    @property
    def surface(self) -> QWidget:
        """The widget that receives the mouse."""
        surface: QWidget = self._canvas.viewport()
        return surface

    def _pin_near(self, scene_position: QPointF) -> int | None:
        for number, pin in self._pins.items():
            place = self._box.mapViewToScene(pin.pos())
            if pin.isVisible() and (place - scene_position).manhattanLength() <= NEAR_PX:
                return number
        return None

    def _on_click(self, event: Any) -> None:
        pixel, near = self.pixel_at(event.scenePos()), self._pin_near(event.scenePos())
        if event.button() == Qt.MouseButton.RightButton and near is not None:
            self.pin_removed.emit(near)
        elif event.button() == Qt.MouseButton.LeftButton and event.double():
            self.fit()
        elif event.button() == Qt.MouseButton.LeftButton and near is None and pixel is not None:
            self.clicked.emit(*pixel)

    def _on_move(self, scene_position: QPointF) -> None:
        pixel = self.pixel_at(scene_position)
        if pixel is None:
            self.left.emit()
        else:
            self.hovered.emit(*pixel)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Notices that the pointer leaves the picture."""
        if event.type() == QEvent.Type.Leave:
            self.left.emit()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Keeps the notice centred."""
        super().resizeEvent(event)
        self._place_notice()

    def _place_notice(self) -> None:
        self._notice.adjustSize()
        self._notice.move(max(0, (self.width() - self._notice.width()) // 2), 16)
