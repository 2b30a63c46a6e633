"""GAP-TV: training-free reconstruction on a spectral basis. Importing this does not import numba."""

from livecassi.engines.gap_tv.basis import SpectralBasis, SpectralBasisError, parse_basis_table
from livecassi.engines.gap_tv.spec import gap_tv_spec

__all__ = ["SpectralBasis", "SpectralBasisError", "gap_tv_spec", "parse_basis_table"]
