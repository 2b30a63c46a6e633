"""A report to paste into a message: the error, the versions, the counters and the last log lines."""

import platform
import sys
import traceback
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version

from livecassi.app.session import SessionStats
from livecassi.drivers import SourceInfo

PACKAGES = ("livecassi", "numpy", "scipy", "numba", "opencv-python", "PySide6-Essentials", "pyqtgraph", "h5py", "torch")


def versions() -> dict[str, str]:
    """Versions of Python, the system and the packages that matter; "absent" for what is not installed."""
    found = {"python": sys.version.split()[0], "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def error_details(error: Exception) -> str:
    """The traceback of an error with its causes."""
    return "".join(traceback.format_exception(error)).rstrip()


def report_text(
    error: Exception | None,
    stats: SessionStats | None,
    source: SourceInfo | None,
    log_lines: Sequence[str],
) -> str:
    """The whole report as plain text."""
    parts = ["livecassi report"]
    if error is not None:
        parts += ["", f"error: {type(error).__name__}: {error}", "", error_details(error)]
    parts += ["", "versions", *(f"  {name}: {text}" for name, text in versions().items())]
    if source is not None:
        parts += ["", "source", *(f"  {f.name}: {getattr(source, f.name)}" for f in fields(source))]
    if stats is not None:
        parts += [
            "",
            "counters",
            *(f"  {f.name}: {getattr(stats, f.name)}" for f in fields(stats) if f.name != "error"),
        ]
    parts += ["", f"last {len(log_lines)} log lines", *(f"  {line}" for line in log_lines)]
    return "\n".join(parts) + "\n"
