import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.app.colour import ColourRenderer, srgb_encode
from livecassi.app.spectra import SpectraError, load_spectra
from livecassi.engines import Quantity

WIDE = np.arange(410.0, 701.0, 10.0)
NARROW = np.linspace(450.0, 650.0, 28)
WHITE_XYZ = np.array([0.95047, 1.0, 1.08883])


def chart_xyz() -> NDArray[np.float64]:
    """XYZ `(24, 3)` of the colour chart under D65 by direct summation over the whole visible range."""
    observer, daylight = load_spectra("cie1931"), load_spectra("illuminants").select("D65")
    grid = observer.wavelengths_nm
    weights = observer.values * daylight.at(grid)
    return (load_spectra("colorchecker").at(grid) @ weights.T) / weights[1].sum()


def lab(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB for the white of D65."""
    t = xyz / WHITE_XYZ
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def chart_cube(bands: NDArray[np.float64]) -> NDArray[np.float32]:
    """The 24 patches as a cube `(C, 4, 6)`."""
    return load_spectra("colorchecker").at(bands).T.reshape(len(bands), 4, 6).astype(np.float32)


def colour_differences(bands: NDArray[np.float64]) -> NDArray[np.float64]:
    """dE*ab of the 24 patches, rendered from bands against the whole range."""
    linear = ColourRenderer(bands).linear(chart_cube(bands)).reshape(3, 24).T
    to_xyz = np.linalg.inv(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    return np.linalg.norm(lab(linear @ to_xyz.T) - lab(chart_xyz()), axis=1)


def test_chart_colours_are_right_when_the_bands_cover_the_visible_range() -> None:
    differences = colour_differences(WIDE)
    assert differences.mean() < 0.2
    assert differences.max() < 0.6


def test_extrapolated_ends_keep_colours_close_with_bands_of_450_to_650_nm() -> None:
    differences = colour_differences(NARROW)
    assert differences.mean() < 1.5  # dE*ab; about twice dE2000 here
    assert differences.max() < 7


def test_rendered_codes_match_the_full_range_integration() -> None:
    linear = np.clip(ColourRenderer(WIDE).matrix.astype(np.float64) @ chart_cube(WIDE).reshape(len(WIDE), 24), 0, 1)
    expected = np.round(255 * srgb_encode(linear)).T.reshape(4, 6, 3)
    found = ColourRenderer(WIDE).render(chart_cube(WIDE)).astype(int)
    assert np.abs(found - expected).max() <= 1
    red, green, blue = found[2, 2]  # the red patch
    assert red > 150 > 90 > max(green, blue)


def test_white_and_grey_are_neutral_at_any_white_level() -> None:
    renderer = ColourRenderer(NARROW)
    flat = np.full((len(NARROW), 3, 5), 0.25, np.float32)
    assert (renderer.render(flat, white_level=0.25) == 255).all()
    grey = renderer.render(flat)
    assert int(grey.max()) - int(grey.min()) <= 1
    assert grey[0, 0, 0] == pytest.approx(137, abs=1)  # sRGB of linear 0.25


def test_values_beyond_white_and_below_black_are_clipped_and_nan_is_black() -> None:
    cube = np.ones((len(WIDE), 1, 3), np.float32)
    cube[:, 0] *= [9.0, -1.0, np.nan]
    assert ColourRenderer(WIDE).render(cube)[0].tolist() == [[255] * 3, [0] * 3, [0] * 3]


def test_the_label_admits_an_estimate() -> None:
    assert ColourRenderer(WIDE).label == "colour"
    assert ColourRenderer(NARROW).label == "colour estimate"


def test_a_lamp_changes_the_weights_and_radiance_takes_none() -> None:
    lamp = ColourRenderer(WIDE, illuminant="A").matrix
    assert not np.allclose(lamp, ColourRenderer(WIDE).matrix, atol=1e-3)
    radiance = ColourRenderer(WIDE, "A", Quantity.RADIANCE).matrix
    assert np.array_equal(radiance, ColourRenderer(WIDE, "D65", Quantity.RADIANCE).matrix)


def test_bad_input_is_named() -> None:
    renderer = ColourRenderer(WIDE)
    with pytest.raises(SpectraError, match=r"\(28, 3, 5\) cannot be rendered, expected \(30, H, W\)"):
        renderer.render(np.zeros((28, 3, 5), np.float32))
    with pytest.raises(SpectraError, match="white level 0"):
        renderer.render(np.zeros((30, 3, 5), np.float32), white_level=0.0)
    with pytest.raises(SpectraError, match="ascending band centres"):
        ColourRenderer([500.0, 400.0])
