"""The shipped reference spectra as drawn scenes and tasks of a training want them."""

import numpy as np

from livecassi.app.engine_list import reflectance_basis
from livecassi.app.spectra import ILLUMINANTS, load_spectra
from livecassi.engines.training.synthetic import SpectralMaterials


def spectral_materials() -> SpectralMaterials:
    """The principal curves of measured reflectances with their spreads, and the illuminants at their wavelengths."""
    basis = reflectance_basis()
    lights = load_spectra(ILLUMINANTS).at(basis.wavelengths_nm)
    return SpectralMaterials(
        np.array(basis.wavelengths_nm), np.array(basis.components), np.array(basis.spread), np.array(lights)
    )
