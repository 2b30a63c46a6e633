"""The wheel holds every package of the tree."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = [ROOT / name for name in ("app", "drivers", "calibration", "engines", "resources")]
    found = {
        "livecassi." + ".".join(init.parent.relative_to(ROOT).parts)
        for folder in folders
        for init in folder.rglob("__init__.py")
    }
    assert found == set(settings["packages"])
