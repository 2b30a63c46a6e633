"""Picked pixels: numbers, colours and mean spectra."""

import numpy as np
import pytest

from livecassi.app.picks import MOST_PICKS, Picks, mean_spectrum, nearest_band


def test_numbers_are_given_out_again_and_eight_is_the_most() -> None:
    picks = Picks()
    for column in range(MOST_PICKS):
        assert picks.add(3, column) is not None
    assert picks.add(0, 0) is None
    assert len({pick.colour for pick in picks}) == MOST_PICKS
    picks.remove(2)
    again = picks.add(5, 6)
    assert again is not None
    assert (again.number, again.row, again.column) == (2, 5, 6)


def test_moving_keeps_number_and_colour_and_a_smaller_scene_forgets_what_lies_outside() -> None:
    picks = Picks()
    first, second = picks.add(1, 2), picks.add(9, 4)
    assert first is not None
    assert second is not None
    picks.move(first.number, 4, 5)
    picks.keep_inside(8, 6)
    assert [(p.number, p.row, p.column, p.colour) for p in picks] == [(1, 4, 5, first.colour)]
    with pytest.raises(KeyError):
        picks.move(second.number, 0, 0)


def test_mean_spectrum_is_the_window_mean_also_at_the_border() -> None:
    cube = np.random.default_rng(5).random((4, 7, 9), np.float32)
    np.testing.assert_array_equal(mean_spectrum(cube, 2, 8), cube[:, 2, 8])
    np.testing.assert_allclose(mean_spectrum(cube, 3, 4, 5), cube[:, 1:6, 2:7].mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(mean_spectrum(cube, 0, 8, 3), cube[:, 0:2, 7:9].mean(axis=(1, 2)), rtol=1e-6)
    with pytest.raises(IndexError, match="outside a scene of 7 x 9"):
        mean_spectrum(cube, 7, 0)


def test_nearest_band() -> None:
    bands = np.array([450, 460, 480], np.float32)
    assert [nearest_band(bands, nm) for nm in (300, 454, 456, 471, 900)] == [0, 0, 1, 2, 2]
