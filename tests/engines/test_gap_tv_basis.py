import numpy as np
import pytest

from livecassi.app.engine_list import reflectance_basis
from livecassi.engines.gap_tv import SpectralBasis, SpectralBasisError, parse_basis_table
from livecassi.engines.gap_tv.basis import dct_basis

TABLE = "# remark\nwavelength_nm,1,2\nspread,1.0,0.5\n400,0.5,-0.7\n500,0.6,0.0\n600,0.6,0.7\n"


@pytest.mark.parametrize("rank", [1, 5, 13, 20, 33])
def test_sampled_curves_are_orthogonal_and_fall(rank: int) -> None:
    curves = reflectance_basis().sampled(np.linspace(453, 648, 33), rank, 0.8)
    assert curves.shape == (33, rank)
    norms = np.linalg.norm(curves, axis=0)
    np.testing.assert_allclose((curves / norms).T @ (curves / norms), np.eye(rank), atol=1e-4)
    assert norms[0] == pytest.approx(1.0)
    assert (np.diff(norms) <= 1e-6).all()


def test_smooth_reflectances_lie_near_the_shipped_basis() -> None:
    nm = np.linspace(420, 690, 28)
    curves = reflectance_basis().sampled(nm, 8, 0.0)
    unit = curves / np.linalg.norm(curves, axis=0)
    for edge in (450, 520, 590, 640):
        spectrum = 0.1 + 0.8 / (1 + np.exp((edge - nm) / 20))
        left = spectrum - unit @ (unit.T @ spectrum)
        assert np.linalg.norm(left) < 0.04 * np.linalg.norm(spectrum)


def test_the_range_of_the_learned_basis_is_known() -> None:
    basis = reflectance_basis()
    assert basis.covers(np.array([400.0, 700.0]))
    assert not basis.covers(np.array([380.0, 700.0]))
    assert not basis.covers(np.array([400.0, 900.0]))


def test_cosines_are_orthogonal() -> None:
    curves = dct_basis(11, 7, 0.5)
    unit = curves / np.linalg.norm(curves, axis=0)
    np.testing.assert_allclose(unit.T @ unit, np.eye(7), atol=1e-5)


def test_a_table_is_read() -> None:
    basis = parse_basis_table(TABLE, "folder/small.csv")
    assert basis.name == "small"
    assert basis.components.shape == (2, 3)
    assert basis.spread.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a header"),
        (TABLE.replace("spread", "spred"), "expected a header"),
        (TABLE.replace("-0.7", "x"), "expected numbers"),
        (TABLE.replace(",-0.7", ""), "expected numbers"),
        (TABLE.replace("-0.7", "nan"), "NaN"),
        (TABLE.replace("600,", "450,"), "must ascend"),
        (TABLE.replace("1.0,0.5", "1.0,0"), "above 0"),
        (TABLE.replace("1.0,0.5", "1.0"), "expected"),
    ],
)
def test_a_broken_table_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(SpectralBasisError, match=complaint):
        parse_basis_table(text, "broken.csv")


def test_a_basis_of_contradicting_shapes_is_refused() -> None:
    with pytest.raises(SpectralBasisError, match=r"\(2, 4\), expected \(3, 4\)"):
        SpectralBasis(np.arange(4.0), np.ones((2, 4)), np.ones(3))
