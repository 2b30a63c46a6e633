"""Periodic noise pictures that the surfaces of random objects take their texture from."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDE = 256
SEED = 20_260
FINE, MEDIUM, CLOUDS, FIBRES, HAIR, CELLS, GRAIN, CRACKS = range(8)
LAYERS = 8


def noise_pictures(device: torch.device) -> Tensor:
    """`(LAYERS, SIDE, SIDE)` of mean 0 and standard deviation 1, the same ones every time."""
    random = np.random.default_rng(SEED)
    cells, cracks = _cells(random, 90)
    pictures = (
        _coloured(random, 1.0, 1.0),
        _coloured(random, 1.5, 1.0),
        _coloured(random, 2.2, 1.0),
        _coloured(random, 1.2, 6.0),
        _coloured(random, 0.9, 16.0),
        cells,
        _coloured(random, 0.0, 1.0),
        cracks,
    )
    return torch.from_numpy(np.stack([_normal(picture) for picture in pictures])).to(device)


def sample(pictures: Tensor, layer: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The value of picture `layer` at column `u` and row `v`, of any common shape; bilinear, without borders."""
    left, top = u.floor(), v.floor()
    across, down = u - left, v - top
    columns, rows = left.long() & (SIDE - 1), top.long() & (SIDE - 1)
    beside, below = (columns + 1) & (SIDE - 1), (rows + 1) & (SIDE - 1)
    flat = pictures.reshape(-1)
    first = layer.long() * (SIDE * SIDE)
    upper, lower = first + rows * SIDE, first + below * SIDE
    above = torch.lerp(flat[upper + columns], flat[upper + beside], across)
    under = torch.lerp(flat[lower + columns], flat[lower + beside], across)
    return torch.lerp(above, under, down)


def _coloured(random: np.random.Generator, exponent: float, stretch: float) -> NDArray[np.float64]:
    """Noise whose amplitude falls with frequency to this power, drawn out along the rows by `stretch`."""
    across, down = np.meshgrid(np.fft.fftfreq(SIDE) * stretch, np.fft.fftfreq(SIDE))
    frequency = np.hypot(across, down)
    amplitude = np.maximum(frequency, 1.5 / SIDE) ** -exponent * np.exp(-((frequency / 0.42) ** 2))
    amplitude[0, 0] = 0
    picture: NDArray[np.float64] = np.fft.ifft2(np.fft.fft2(random.normal(size=(SIDE, SIDE))) * amplitude).real
    return picture


def _cells(random: np.random.Generator, count: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Pebbles around random points: distance to the nearest, and to the border with the next one."""
    places = np.arange(SIDE, dtype=np.float32)
    nearest = np.full((SIDE, SIDE), np.inf, np.float32)
    second = nearest
    for row, column in (random.random((count, 2)) * SIDE).astype(np.float32):
        down, across = np.abs(places - row), np.abs(places - column)
        distance = np.hypot(np.minimum(down, SIDE - down)[:, None], np.minimum(across, SIDE - across))
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return -nearest, np.minimum(second - nearest, 5.0)


def _normal(picture: NDArray[np.floating]) -> NDArray[np.float32]:
    centred = picture - picture.mean()
    return np.asarray((centred / centred.std()).clip(-2.5, 2.5), np.float32)
