"""Masks of the field as calibrations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import tifffile
from numpy.typing import NDArray

from livecassi.calibration import CalibrationInvalidError, SubSteps, System
from livecassi.calibration.import_mask import import_mask, parse_wavelengths
from livecassi.calibration.import_presets import Preset, detect_preset
from livecassi.drivers import SourceError, SourceNotFoundError
from livecassi.drivers.opencv import cv2

GREY = np.random.default_rng(8).random((20, 26)).astype(np.float32)
BANDS = parse_wavelengths("450,500,560")


def test_wavelengths() -> None:
    tsa = parse_wavelengths(" TSA28 ")
    assert (len(tsa), tsa[0], tsa[5], tsa[-1], tsa.dtype) == (28, 453.5, 476.5, 648.0, np.float32)
    decades = parse_wavelengths("410:700:10")
    np.testing.assert_array_equal(decades, np.arange(410, 701, 10))
    np.testing.assert_allclose(parse_wavelengths("400:700:0.6")[[0, -1]], [400, 700])
    np.testing.assert_array_equal(parse_wavelengths("400:425:10"), [400, 410, 420])
    np.testing.assert_array_equal(parse_wavelengths("450, 460.5,471"), [450, 460.5, 471])
    np.testing.assert_array_equal(parse_wavelengths("532"), [532])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are not understood; expected tsa28"),
        ("tsa29", "are not understood"),
        ("450,,470", "are not understood"),
        ("450,440", "do not ascend"),
        ("450,450", "do not ascend"),
        ("700:410:10", "no ascending range"),
        ("410:700", "no ascending range"),
        ("410:700:10:2", "no ascending range"),
        ("410:700:0", "no wavelength in nm"),
        ("410:700:-10", "no wavelength in nm"),
        ("400:700:0.01", "more than 1000 bands"),
        ("400:700:1e-320", "more than 1000 bands"),
        ("nan,500", "no wavelength in nm"),
        ("-450,500", "no wavelength in nm"),
        ("400:inf:10", "no wavelength in nm"),
    ],
)
def test_wavelengths_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(CalibrationInvalidError, match=message):
        parse_wavelengths(text)


def test_a_single_disperser_uses_the_whole_mask(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "m.mat", {"mask": GREY, "other": GREY[:5]})
    made = import_mask(tmp_path / "m.mat", System.PMVIS, BANDS, 1.5, sub_steps=SubSteps.TWO_HALVES, name="bench")
    np.testing.assert_array_equal(made.mask, GREY)
    np.testing.assert_array_equal(made.dispersion_px, [0, 1.5, 3])
    np.testing.assert_array_equal(made.response, np.ones(3))
    np.testing.assert_array_equal(made.wavelengths_nm, BANDS)
    assert (made.cube_shape, made.measurement_shape) == ((3, 20, 26), (20, 29))
    assert (made.header.name, made.header.sub_steps, made.system) == ("bench", SubSteps.TWO_HALVES, System.PMVIS)
    assert import_mask(tmp_path / "m.mat", System.PMVIS, BANDS, 1.5).header.name == "m"


def test_the_same_import_has_the_same_id(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", GREY)
    first, second = (import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 2.0) for _ in range(2))
    assert first.id == second.id


@pytest.mark.parametrize(
    ("columns", "width", "expected"),
    [
        (24, None, 20),  # just the square
        (26, None, 20),  # two columns to spare, as the published mask of 318 columns has four
        (32, None, 20),  # eight
        (33, None, 29),  # nine: this was meant to be wide
        (23, None, 19),  # narrower than the square
        (26, 22, 22),
        (26, 7, 7),
    ],
)
def test_the_width_of_a_dual_disperser_scene(tmp_path: Path, columns: int, width: int | None, expected: int) -> None:
    mask = np.random.default_rng(1).random((20, columns)).astype(np.float32)
    np.save(tmp_path / "m.npy", mask)
    made = import_mask(tmp_path / "m.npy", System.DD_CASSI, BANDS, 2.0, width=width)
    assert made.cube_shape == (3, 20, expected)
    np.testing.assert_array_equal(made.mask, mask[:, : expected + 4])


@pytest.mark.parametrize(
    ("integers", "scale"),
    [
        (np.array([[0, 1], [1, 0]], np.uint8), 1),
        (np.array([[0, 255], [128, 7]], np.uint8), 255),
        (np.array([[0, 200], [128, 7]], np.uint8), 255),
        (np.array([[0, 4000], [128, 7]], np.uint16), 4095),
        (np.array([[0, 65535], [128, 7]], np.uint16), 65535),
        (np.array([[0, 1], [1, 0]], np.int64), 1),
        (np.array([[False, True], [True, True]]), 1),
    ],
)
def test_whole_numbers_are_divided_by_their_full_scale(tmp_path: Path, integers: NDArray[Any], scale: int) -> None:
    np.save(tmp_path / "m.npy", np.tile(integers, (2, 3)))
    made = import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 1.0)
    np.testing.assert_allclose(made.mask, np.tile(integers, (2, 3)) / scale, atol=1e-6)


def test_pictures_as_masks(tmp_path: Path) -> None:
    picture = (GREY * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "m.png"), picture)
    tifffile.imwrite(tmp_path / "m.tif", GREY)
    np.testing.assert_allclose(
        import_mask(tmp_path / "m.png", System.SD_CASSI, BANDS, 2.0).mask, picture / 255, atol=1e-6
    )
    np.testing.assert_array_equal(import_mask(tmp_path / "m.tif", System.SD_CASSI, BANDS, 2.0).mask, GREY)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GREY[0], r"shape \(26,\), expected a mask of two dimensions"),
        (np.stack([GREY, GREY]), r"shape \(2, 20, 26\)"),
        (GREY[:0], r"shape \(0, 26\)"),
        (GREY * 1j, "of type complex64, expected real numbers"),
        (np.where(GREY > 0.9, np.nan, GREY), "holds NaN"),
        (GREY * 255, "expected transmissions in 0..1"),
        (GREY * 0, r"spans 0\.\.0"),
        (GREY - 0.5, "spans -0"),
        ((GREY * 1e6).astype(np.int64), "expected transmissions in 0..1 or whole numbers"),
    ],
)
def test_masks_that_are_refused(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(CalibrationInvalidError, match=message):
        import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 2.0)


def test_too_narrow_masks_name_the_width_they_need(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", GREY)
    with pytest.raises(CalibrationInvalidError, match=r"has 26 columns; a scene of 23 columns .*4 px.*needs 27"):
        import_mask(tmp_path / "m.npy", System.DD_CASSI, BANDS, 2.0, width=23)
    with pytest.raises(CalibrationInvalidError, match=r"a scene of 27 columns .*sd-cassi system needs 27"):
        import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 2.0, width=27)
    with pytest.raises(CalibrationInvalidError, match=r"shifts up to 40 px.*needs 41"):
        import_mask(tmp_path / "m.npy", System.NDSSI, BANDS, 20.0)
    with pytest.raises(CalibrationInvalidError, match=r"a scene of 0 columns"):
        import_mask(tmp_path / "m.npy", System.DD_CASSI, BANDS, 2.0, width=0)


@pytest.mark.parametrize("step_px", [-1.0, 1e9, float("nan"), float("inf")])
def test_impossible_steps_are_refused(tmp_path: Path, step_px: float) -> None:
    np.save(tmp_path / "m.npy", GREY)
    with pytest.raises(CalibrationInvalidError, match="expected 0 to 100 columns per band"):
        import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, step_px)


def test_files_that_cannot_be_read_are_source_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        import_mask(tmp_path / "m.mat", System.SD_CASSI, BANDS, 2.0)
    scipy.io.savemat(tmp_path / "m.mat", {"a": GREY, "b": GREY})
    with pytest.raises(SourceError, match="exactly one numeric array"):
        import_mask(tmp_path / "m.mat", System.SD_CASSI, BANDS, 2.0)
    assert import_mask(tmp_path / "m.mat", System.SD_CASSI, BANDS, 2.0, key="b").cube_shape == (3, 20, 26)


def test_the_masks_of_the_field(shared: Path) -> None:
    masks = shared / "data" / "masks"
    dual = import_mask(masks / "dynaspec_mask_dd_binary.mat", System.DD_CASSI, parse_wavelengths("410:700:10"), 2.0)
    assert (dual.cube_shape, dual.measurement_shape, dual.mask.shape) == ((30, 256, 256), (256, 256), (256, 314))
    assert set(np.unique(dual.mask)) == {0.0, 1.0}
    real = import_mask(masks / "tsanet_real_mask660.mat", System.SD_CASSI, parse_wavelengths("tsa28"), 2.0)
    assert (real.cube_shape, real.measurement_shape) == ((28, 660, 660), (660, 714))


def shifted_bands(mask: NDArray[Any], step: int, brightness: tuple[float, ...]) -> NDArray[Any]:
    """(H, W + reach, C): band k shows the mask k steps further right, with noise of its own."""
    noise = np.random.default_rng(2)
    reach = step * (len(brightness) - 1)
    cube = 0.02 * noise.random((mask.shape[0], mask.shape[1] + reach, len(brightness)))  # the padding holds data, too
    for k, bright in enumerate(brightness):
        cube[:, step * k : step * k + mask.shape[1], k] += 0.9 * bright * mask
    return cube


def test_a_3d_mask_is_the_mean_of_its_bands_shifted_back(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "m.mat", {"mask_3d_shift": shifted_bands(GREY, 2, (1.0, 1.0, 1.0))})
    made = import_mask(tmp_path / "m.mat", System.SD_CASSI, BANDS, 2.0)
    assert (made.cube_shape, made.measurement_shape) == ((3, 20, 26), (20, 30))
    np.testing.assert_allclose(made.mask, 0.9 * GREY + 0.01, atol=0.011)
    np.testing.assert_array_equal(made.response, np.ones(3))
    assert "mean of 3 bands, shifted back, the worst correlates" in made.header.notes


def test_bands_of_differing_brightness_are_one_mask_and_a_response(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.moveaxis(shifted_bands(GREY, 2, (0.5, 1.0, 0.75)), 2, 0))  # bands first
    made = import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 2.0)
    np.testing.assert_allclose(made.response / made.response.mean(), np.array([0.5, 1, 0.75]) / 0.75, rtol=0.03)


def test_a_3d_mask_that_was_never_shifted(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.repeat(GREY[..., None], 3, axis=2))
    made = import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 2.0)
    np.testing.assert_allclose(made.mask, GREY, atol=1e-6)
    np.testing.assert_array_equal(made.dispersion_px, [0, 2, 4])
    assert "as they were" in made.header.notes


def test_a_3d_mask_behind_two_dispersers_joins_to_the_wide_mask(tmp_path: Path) -> None:
    wide = np.random.default_rng(5).random((20, 24)).astype(np.float32)
    np.save(tmp_path / "m.npy", np.stack([wide[:, 2 * k : 2 * k + 20] for k in range(3)]))
    made = import_mask(tmp_path / "m.npy", System.DD_CASSI, BANDS, 2.0)
    np.testing.assert_allclose(made.mask, wide, atol=1e-6)
    assert made.cube_shape == (3, 20, 20)


def test_bands_that_show_different_masks_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", shifted_bands(GREY, 3, (1.0, 1.0, 1.0)))
    with pytest.raises(CalibrationInvalidError, match=r"do not show one mask.*by 2 px.*correlates .*at least 0\.9"):
        import_mask(tmp_path / "m.npy", System.SD_CASSI, BANDS, 2.0)
    with pytest.raises(CalibrationInvalidError, match=r"4 bands along its last or first axis"):
        import_mask(tmp_path / "m.npy", System.SD_CASSI, parse_wavelengths("450:480:10"), 2.0)


@pytest.mark.parametrize(
    ("content", "preset"),
    [
        ({"mask": np.zeros((20, 20))}, Preset.TSA),
        ({"mask_3d_shift": np.zeros((20, 74, 28))}, Preset.MST),
        ({"mask": np.zeros((20, 74, 28))}, Preset.MST),
        ({"binary_mask": np.zeros((20, 82))}, Preset.DYNASPEC),
        ({"mask": np.zeros((20, 33))}, None),
        ({"transmission": np.zeros((20, 20))}, None),
    ],
)
def test_whose_mask_a_file_holds(tmp_path: Path, content: dict[str, NDArray[Any]], preset: Preset | None) -> None:
    scipy.io.savemat(tmp_path / "m.mat", content)
    assert detect_preset(tmp_path / "m.mat") is preset


def test_pictures_are_nobodys_masks_until_somebody_says_so(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", GREY)
    assert detect_preset(tmp_path / "m.npy") is None
    (tmp_path / "m.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(SourceError, match="cannot be read"):
        detect_preset(tmp_path / "m.mat")


def test_the_published_masks_are_known(shared: Path) -> None:
    masks = shared / "data" / "masks"
    assert detect_preset(masks / "tsanet_real_mask660.mat") is Preset.TSA
    assert detect_preset(masks / "tsanet_sim_mask256.mat") is Preset.TSA
    assert detect_preset(masks / "dynaspec_mask_dd_binary.mat") is Preset.DYNASPEC
