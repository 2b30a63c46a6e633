"""One error at a time, the same one counted, others waiting; and that signals carry no arrays."""

import importlib
import pkgutil

import pytest
from PySide6.QtCore import QMetaMethod, QObject, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import livecassi.app.windows
from livecassi.app.windows.error_dialog import ErrorDialog, Remedy
from livecassi.drivers import SourceLostError
from livecassi.engines import EngineUnavailableError


def test_the_same_error_is_counted_and_another_waits(qtbot: QtBot) -> None:
    dialog = ErrorDialog(lambda error: f"report of {error}")
    qtbot.addWidget(dialog)
    acted: list[str] = []
    for _ in range(3):
        dialog.tell(SourceLostError("the cable was pulled"), Remedy("Reconnect", lambda: acted.append("again")))
    dialog.tell(EngineUnavailableError("no weights"), note="Nothing is lost")
    assert dialog.message == "The cable was pulled."
    assert dialog.count_text == "seen 3 times · 1 more problem after this"
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == "report of the cable was pulled"
    qtbot.mouseClick(dialog.remedy, Qt.MouseButton.LeftButton)
    assert acted == ["again"]
    assert dialog.isVisible()
    assert dialog.message == "No weights.\n\nNothing is lost"
    assert not dialog.remedy.isVisible()
    dialog.close()
    assert not dialog.isVisible()
    assert dialog.message == ""


ALLOWED = {"int", "double", "bool", "QString"}
SETTINGS = "settings_entered"  # two numbers in a frozen dataclass, when an operator has typed them


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(livecassi.app.windows.__path__)])
def test_no_signal_can_carry_an_array(name: str) -> None:
    module = importlib.import_module(f"livecassi.app.windows.{name}")
    for kind in vars(module).values():
        if not (isinstance(kind, type) and issubclass(kind, QObject) and kind.__module__ == module.__name__):
            continue
        meta = kind.staticMetaObject
        for index in range(meta.methodOffset(), meta.methodCount()):
            method = meta.method(index)
            if method.methodType() == QMetaMethod.MethodType.Signal and method.name().data() != SETTINGS.encode():
                assert {bytes(t.data()).decode() for t in method.parameterTypes()} <= ALLOWED


def test_a_message_that_ends_with_the_name_of_a_button_gets_no_further_point(qtbot: QtBot) -> None:
    dialog = ErrorDialog(str)
    qtbot.addWidget(dialog)
    dialog.tell(SourceLostError("choose another with Change…"))
    assert dialog.message == "Choose another with Change…"
