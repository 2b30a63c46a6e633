"""Masks that follow from a rule, against those of the published code."""

from pathlib import Path

import numpy as np
import pytest

from livecassi.calibration.masks import notch_mask, pmvis_mask


def test_teeth_stand_where_the_rule_puts_them() -> None:
    mask = pmvis_mask(7, 130)
    assert mask.dtype == np.float32
    assert [np.flatnonzero(row).tolist() for row in mask[:5]] == [
        [1, 61, 121],
        [16, 76],
        [31, 91],
        [46, 106],
        [1, 61, 121],
    ]
    np.testing.assert_array_equal(notch_mask(7, 130), 1 - mask)


def test_the_pattern_goes_on_to_the_left() -> None:
    wide = pmvis_mask(9, 200, first_column=-70)
    np.testing.assert_array_equal(wide[:, 70:], pmvis_mask(9, 130))
    np.testing.assert_array_equal(wide[:, :60], wide[:, 60:120])


@pytest.mark.parametrize("golden", ["full256.npz", "small48.npz"])
def test_parity_with_the_published_masks(shared: Path, golden: str) -> None:
    masks = np.load(shared / "golden" / "sensing" / golden)
    np.testing.assert_array_equal(notch_mask(*masks["mask_ndssi"].shape), masks["mask_ndssi"])
    np.testing.assert_array_equal(pmvis_mask(*masks["mask_pmvis"].shape), masks["mask_pmvis"])
