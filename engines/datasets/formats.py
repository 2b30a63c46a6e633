"""How the published sets keep their cubes in MATLAB files: one line per set.

Source: cassi-protocol 5.1 and 5.2. Wavelengths are given where they are published, never guessed: the 30 bands of the
DynaSpec benchmark are not, the raw release keeps its own in every file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from livecassi.calibration.import_mask import TSA28_NM
from livecassi.engines.datasets.dataset import DatasetKind

FULL_SCALE = 65536.0


@dataclass(frozen=True, slots=True)
class CubeFormat:
    """One way of keeping cubes `(rows, columns, bands)` in a .mat file.

    `keys`: the variable's names, the first one that is there counts; `bands`: their number; `size`: rows and columns
    where they are fixed. `full_scale` divides the values, 1 where they are of full scale 1 already. `side`: the cube
    is then resized bilinearly to this square; `clipped`: and clipped to 0..1. `wavelengths_key`: the variable that
    holds the band centres. `framed`: a folder of frames is one sequence; otherwise every file is one.
    `last_number`: files with a higher number do not belong to the set.
    """

    kind: DatasetKind
    layout: str
    keys: tuple[str, ...]
    bands: int
    full_scale: float
    size: tuple[int, int] | None = None
    side: int | None = None
    clipped: bool = True
    wavelengths_nm: tuple[float, ...] | None = None
    wavelengths_key: str | None = None
    framed: bool = False
    last_number: int | None = None

    def fits(self, described: Mapping[str, tuple[tuple[int, ...], str]]) -> bool:
        """Whether a file with these variables (shape and class by name) is kept this way."""
        key = self.key_in(described)
        if key is None or (self.wavelengths_key is not None and self.wavelengths_key not in described):
            return False
        shape = described[key][0]
        return len(shape) == 3 and min(shape) > 0 and shape[2] == self.bands and self.size in (None, shape[:2])

    def key_in(self, described: Mapping[str, object]) -> str | None:
        """The variable that holds the cube."""
        return next((key for key in self.keys if key in described), None)


# The more particular first: a 256 x 256 cube 'img' is a truth of the KAIST test, any other a scene of CAVE.
FORMATS = (
    CubeFormat(
        DatasetKind.DYNASPEC_RAW,
        "DynaSpec, raw release: <sequence>/00001.mat with img (rows x columns x 151) and wavelength",
        ("img",),
        bands=151,
        full_scale=65535.0,
        wavelengths_key="wavelength",
        framed=True,
    ),
    CubeFormat(
        DatasetKind.DYNASPEC_320,
        "DynaSpec, benchmark: <sequence>/*.mat with img (320 x 320 x 30)",
        ("img",),
        bands=30,
        full_scale=FULL_SCALE,
        size=(320, 320),
        framed=True,
    ),
    CubeFormat(
        DatasetKind.CAVE_50030,
        "CAVE_512_50030: scene<1..30>.mat with data_slice_31 (rows x columns x 30)",
        ("data_slice_31",),
        bands=30,
        full_scale=FULL_SCALE,
        side=384,
        last_number=30,
    ),
    CubeFormat(
        DatasetKind.KAIST_50030,
        "Kaist_Truth_50030: *.mat with img_31 (rows x columns x 30)",
        ("img_31",),
        bands=30,
        full_scale=1.0,
        side=320,
    ),
    CubeFormat(
        DatasetKind.KAIST_TRUTH,
        "KAIST truths of the MST toolbox: TSA_simu_data/Truth/*.mat with img (256 x 256 x 28)",
        ("img",),
        bands=28,
        full_scale=1.0,
        size=(256, 256),
        clipped=False,
        wavelengths_nm=TSA28_NM,
    ),
    CubeFormat(
        DatasetKind.CAVE_1024_28,
        "CAVE_1024_28: *.mat with img_expand or img (rows x columns x 28)",
        ("img_expand", "img"),
        bands=28,
        full_scale=FULL_SCALE,
        wavelengths_nm=TSA28_NM,
    ),
    CubeFormat(
        DatasetKind.CAVE_512_28,
        "CAVE_512_28: *.mat with data_slice (rows x columns x 28)",
        ("data_slice",),
        bands=28,
        full_scale=65535.0,
        wavelengths_nm=TSA28_NM,
    ),
    CubeFormat(
        DatasetKind.KAIST_CVPR2021,
        "KAIST_CVPR2021: *.mat with HSI (rows x columns x 28)",
        ("HSI",),
        bands=28,
        full_scale=1.0,
        wavelengths_nm=TSA28_NM,
    ),
)
