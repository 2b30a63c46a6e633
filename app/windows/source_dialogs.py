"""Asking which source or calibration to open."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFileDialog, QFormLayout, QSpinBox, QWidget

from livecassi.app.opening import SourceKind, SourceRequest
from livecassi.app.windows.theme import dim_label
from livecassi.calibration import System

MEASUREMENTS = "Measured frames (*.mat *.npy *.png *.tif *.tiff)"
CALIBRATIONS = "Calibrations (*.h5 *.hdf5)"
SIZES = (256, 512, 1024)


def ask_recording(parent: QWidget, folder: Path) -> SourceRequest | None:
    """Which recording folder to play; None where the operator thinks better of it."""
    chosen = QFileDialog.getExistingDirectory(parent, "Open a recording", str(folder))
    return SourceRequest(SourceKind.FILE, path=Path(chosen)) if chosen else None


def ask_measurement(parent: QWidget, folder: Path) -> SourceRequest | None:
    """Which file of measured frames to play, and with which calibration."""
    chosen, _ = QFileDialog.getOpenFileName(parent, "Open measured frames", str(folder), MEASUREMENTS)
    if not chosen:
        return None
    return ask_calibration(parent, SourceRequest(SourceKind.FILE, path=Path(chosen)))


def ask_calibration(parent: QWidget, request: SourceRequest) -> SourceRequest | None:
    """The same source with a calibration that the operator chooses."""
    folder = request.calibration or request.path or Path.home()
    title = f"Calibration of {request.path.name}" if request.path is not None else "Calibration of this source"
    chosen, _ = QFileDialog.getOpenFileName(parent, title, str(folder.parent), CALIBRATIONS)
    return replace(request, calibration=Path(chosen)) if chosen else None


class BenchDialog(QDialog):
    """Which simulated bench to build."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Simulated bench")
        self.system, self.size_box, self.seed = QComboBox(), QComboBox(), QSpinBox()
        for system in System:
            self.system.addItem(system.value.upper(), system)
        self.system.setCurrentIndex(self.system.findData(System.DD_CASSI))
        for size in SIZES:
            self.size_box.addItem(f"{size} × {size}", size)
        self.seed.setRange(0, 999_999)
        self.seed.lineEdit().setTextMargins(6, 0, 0, 0)
        self.seed.setToolTip("Another number makes another mask and other noise; the same number the same frames")
        form = QFormLayout(self)
        form.setContentsMargins(22, 20, 22, 18)
        form.setVerticalSpacing(10)
        form.addRow(dim_label("A moving scene, optics and a camera, all computed. No hardware needed."))
        form.addRow("Optics", self.system)
        form.addRow("Size", self.size_box)
        form.addRow("Seed", self.seed)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)

    def request(self) -> SourceRequest:
        """What is chosen."""
        size = int(self.size_box.currentData())
        return SourceRequest(
            SourceKind.PROTOTYPE,
            system=System(self.system.currentData()),
            height=size,
            width=size,
            seed=self.seed.value(),
        )
