"""Pack scenes for a machine that they must be carried to: `python pack_scenes.py SCENES... OUT [--limit MIB]`.

SCENES are folders as `livecassi train --scenes` and `--validation` take them. Every scene becomes OUT/NAME.npz, those
of the validation split too, which trainings leave out by their names. `--limit`: refuse where all together are larger.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers.errors import LivecassiError
from livecassi.engines.protocol import load_scene
from livecassi.engines.training.packed_scenes import SUFFIX, pack_scene
from livecassi.engines.training.scene_files import find_scenes
from livecassi.engines.training.validation import find_validation

MIB = 2**20


def scenes_in(folder: Path) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """The scenes to train on, as they are, and those of the validation split, as the protocol prepares them."""
    for scene in find_scenes(folder):
        yield scene.name, scene.read(0)
    try:
        names = find_validation(folder).names
    except LivecassiError:
        return
    for name in names:
        yield name, load_scene(folder, name).frame


def main() -> None:
    """Pack, and say what was packed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+", type=Path, help="folders with scenes")
    parser.add_argument("out", type=Path, help="the folder to write into")
    parser.add_argument("--limit", type=float, default=55, help="of all files together, MiB (default 55)")
    given = parser.parse_args()
    total = 0
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        for folder in given.scenes:
            for name, reflectance in scenes_in(folder):
                path = given.out / f"{name}{SUFFIX}"
                pack_scene(path, name, reflectance)
                total += path.stat().st_size
                sys.stdout.write(f"{path}: {path.stat().st_size / MIB:.2f} MiB\n")
    except (LivecassiError, OSError) as error:
        sys.exit(f"pack_scenes: {error}")
    sys.stdout.write(f"{total / MIB:.1f} MiB in all\n")
    if total > given.limit * MIB:
        sys.exit(f"that is more than {given.limit:g} MiB: take some scenes out of {given.out}")


if __name__ == "__main__":
    main()
