"""Random hyperspectral video: training needs no data at all."""

from livecassi.engines.training.synthetic.materials import SpectralMaterials
from livecassi.engines.training.synthetic.scenes import SyntheticScenes, SyntheticStyle

__all__ = ["SpectralMaterials", "SyntheticScenes", "SyntheticStyle"]
