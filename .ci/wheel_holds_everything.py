"""Fail when the wheel misses a file of the five packages (no gallery): `wheel_holds_everything.py SOURCE WHEEL`."""

import sys
import zipfile
from pathlib import Path

PACKAGES = ("app", "drivers", "calibration", "engines", "resources")
NOT_SHIPPED = (".py.orig", ".pyc", ".DS_Store")
GALLERY = "resources/gallery/"  # pictures of the README


def missing_files(source: Path, wheel: Path) -> list[str]:
    """Paths under the five packages of `source` that are not in `wheel` as `livecassi/...`."""
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = [
        f"livecassi/{path.relative_to(source).as_posix()}"
        for folder in PACKAGES
        for path in sorted((source / folder).rglob("*"))
        if path.is_file()
        and not path.name.endswith(NOT_SHIPPED)
        and not path.relative_to(source).as_posix().startswith(GALLERY)
    ]
    if not wanted:
        sys.exit(f"{source} holds none of {', '.join(PACKAGES)}; give the root of the checkout")
    return [name for name in wanted if name not in held]


if __name__ == "__main__":
    missing = missing_files(Path(sys.argv[1]), Path(sys.argv[2]))
    if missing:
        sys.exit("the wheel misses:\n  " + "\n  ".join(missing))
    sys.stdout.write(f"{Path(sys.argv[2]).name} holds every file of {', '.join(PACKAGES)}\n")
