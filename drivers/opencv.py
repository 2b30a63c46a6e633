"""The one door to OpenCV: `from livecassi.drivers.opencv import cv2`.

The wheel of OpenCV sets two variables that point Qt at its own bundled plugins; they would lead the windows and
every child process astray, so they are restored right after the import.
"""

import os

_QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_before = {name: os.environ.get(name) for name in _QT_VARIABLES}

import cv2  # noqa: E402

for _name, _value in _before.items():
    os.environ.pop(_name, None)
    if _value is not None:
        os.environ[_name] = _value

__all__ = ["cv2"]
