"""The one list of engines that the command line and the window offer."""

from functools import cache
from importlib import resources

from livecassi.engines import EngineSpec
from livecassi.engines.gap_tv import SpectralBasis, gap_tv_spec, parse_basis_table

BASIS = "spectra/reflectance_basis.csv"


@cache
def reflectance_basis() -> SpectralBasis:
    """The shipped spectral basis, learned from measured reflectances."""
    return parse_basis_table(resources.files("livecassi.resources").joinpath(BASIS).read_text("utf-8"), BASIS)


def engine_specs() -> dict[str, EngineSpec]:
    """Every engine by name."""
    specs = [gap_tv_spec(reflectance_basis())]
    return {spec.name: spec for spec in specs}
