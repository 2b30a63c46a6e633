import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecassi.app.spectra import SpectraError, SpectralTable, load_spectra, parse_spectra


def test_shipped_reflectances_are_physical_and_many() -> None:
    chart, memory = load_spectra("colorchecker"), load_spectra("memory_colours")
    assert len(chart.names) == 24
    assert len(memory.names) >= 24
    for table in (chart, memory):
        assert table.values.min() > 0
        assert table.values.max() < 1.05


def test_white_patch_is_the_brightest_and_red_rises() -> None:
    chart = load_spectra("colorchecker")
    at_560 = dict(zip(chart.names, chart.at([560.0])[:, 0], strict=True))
    assert max(at_560, key=at_560.__getitem__) == "white 9.5"
    green, red = chart.select("red").at([520.0, 650.0])[0]
    assert red > 5 * green


def test_observer_and_daylight_match_published_values() -> None:
    observer = load_spectra("cie1931")
    assert observer.names == ("x", "y", "z")
    assert observer.at([555.0])[1, 0] == pytest.approx(1.0, abs=1e-4)
    daylight = load_spectra("illuminants").select("D65")
    assert daylight.at([560.0, 460.0])[0] == pytest.approx([100.0, 117.812], abs=1e-3)


def test_interpolation_is_linear_inside_and_constant_outside() -> None:
    table = SpectralTable(np.array([400.0, 410.0]), ("a",), np.array([[1.0, 3.0]]))
    assert table.at([390.0, 402.5, 999.0])[0] == pytest.approx([1.0, 1.5, 3.0])


def test_an_unknown_table_and_an_unknown_spectrum_list_the_choices() -> None:
    with pytest.raises(SpectraError, match=r"'moon'; choose one of: cie1931, colorchecker"):
        load_spectra("moon")
    with pytest.raises(SpectraError, match=r"'F99'; choose one of: A, D65"):
        load_spectra("illuminants").select("F99")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nm,a\n400,1\n", "at least two wavelengths"),
        ("nm,a\n400,1\n410\n", "row 3: found 1 columns, expected 2"),
        ("nm,a\n400,1\n410,grey\n", "not a number"),
        ("nm,a\n400,1\n410,nan\n", "NaN"),
        ("nm,a\n410,1\n400,1\n", "must ascend"),
    ],
)
def test_broken_tables_are_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(SpectraError, match=message):
        parse_spectra(text, "lamp")


def test_values_that_do_not_fit_the_names_are_refused() -> None:
    with pytest.raises(SpectraError, match=r"shape \(1, 2\), expected \(2, 2\)"):
        SpectralTable(np.array([400.0, 410.0]), ("a", "b"), np.ones((1, 2)))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_table_or_one_clear_error(text: str) -> None:
    with contextlib.suppress(SpectraError):
        table = parse_spectra(text, "anything")
        assert table.values.shape == (len(table.names), len(table.wavelengths_nm))
