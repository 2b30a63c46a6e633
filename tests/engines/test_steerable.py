"""The sub-band against the filter written out on the mirrored frame, and on gratings of known frequency."""

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.engines.steerable import GAIN, OCTAVES, ORIENTATIONS, SMALLEST, octave, oriented_subband

Array64 = NDArray[np.float64]


def mirrored_and_filtered(frame: Array64, level: int) -> Array64:
    """The frame of even symmetry, filtered by the equation of the pyramid in its whole Fourier plane, as samples."""
    rows, columns = frame.shape
    step = 2 ** (level - 1)
    whole = np.block([[frame, frame[:, ::-1]], [frame[::-1], frame[::-1, ::-1]]])
    down, along = np.fft.fftfreq(2 * rows)[:, None], np.fft.fftfreq(2 * columns)  # cycles per pixel
    radius, angle = 2 * np.hypot(down, along), np.arctan2(down, along)
    octaves = np.log2(np.maximum(radius, 1e-9) * 2**level)
    radial = np.where(np.abs(octaves) < 1, np.cos(np.pi / 2 * octaves), 0)
    angular = GAIN * np.cos(angle - np.pi / 2) ** (ORIENTATIONS - 1)
    to_centre = np.exp(2j * np.pi * (down + along) * (step - 1) / 2)
    filtered = np.fft.ifft2(np.fft.fft2(whole) * radial * angular * to_centre * (-1j) ** (ORIENTATIONS - 1))
    return step * filtered[:rows:step, :columns:step].real


@pytest.mark.parametrize(("shape", "level"), [((13, 17), 1), ((26, 48), 2), ((48, 92), 3), ((104, 96), 4)])
def test_the_subband_is_the_filter_written_out(shape: tuple[int, int], level: int) -> None:
    frames = np.random.default_rng(level).standard_normal((2, *shape))
    assert octave(*shape) == level
    found = oriented_subband(frames)
    for one, frame in zip(found, frames, strict=True):
        np.testing.assert_allclose(one, mirrored_and_filtered(frame, level), atol=1e-12)


def test_small_frames_use_a_finer_octave_and_odd_sizes_keep_their_last_rows() -> None:
    assert [octave(side, 200) for side in (12, 23, 45, 89, 2000)] == [1, 2, 3, 4, OCTAVES]
    assert oriented_subband(np.zeros((3, 91, 130))).shape == (3, 12, 17)
    assert oriented_subband(np.zeros((1, 12, 15))).shape == (1, SMALLEST, 15)


def test_only_what_varies_down_the_rows_at_its_frequency_passes() -> None:
    rows, columns = np.mgrid[0:128, 0:160] + 0.5  # seamless with the mirror image
    centre = np.pi / 2**OCTAVES  # radians per pixel
    amplitude = {}
    for name, phase in (
        ("down", centre * rows),
        ("along", centre * columns),
        ("an octave finer", 2 * centre * rows),
        ("constant", 0 * rows),
    ):
        amplitude[name] = np.sqrt(2 * np.mean(oriented_subband(np.cos(phase)[None]) ** 2))
    assert amplitude["down"] == pytest.approx(GAIN * 2 ** (OCTAVES - 1))
    assert max(amplitude["along"], amplitude["an octave finer"], amplitude["constant"]) < 1e-12


def test_six_orientations_keep_the_energy_of_a_direction() -> None:
    angles = np.linspace(0, np.pi, 37)[:, None] - np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS
    squares = (GAIN * np.cos(angles) ** (ORIENTATIONS - 1)) ** 2
    np.testing.assert_allclose(squares.sum(axis=1), 1, atol=1e-12)
