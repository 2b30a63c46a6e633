"""The objects of the scene: a chart, shaded balls, and an arm with two joints."""

from dataclasses import dataclass

import numpy as np

from livecassi.calibration.bench.canvas import Canvas, edge, soft_shadow
from livecassi.calibration.calibration import Array32

LAMP_DIRECTION = np.array([-0.48, -0.62, 0.62], np.float32)  # from the upper left, in front
HALFWAY = (LAMP_DIRECTION + np.array([0, 0, 1], np.float32)) / np.linalg.norm(LAMP_DIRECTION + np.array([0, 0, 1]))
AMBIENT, DIRECT = np.float32(0.22), np.float32(0.80)


@dataclass(frozen=True, slots=True)
class Surface:
    """What covers an object: `palette (K, N)`, N > 1 for sectors, and its gloss: `flat (K,)` times `shine`."""

    palette: Array32
    flat: Array32
    shine: float = 0.35


def draw_ball(canvas: Canvas, x: float, y: float, radius: float, surface: Surface, roll: float = 0.0) -> None:
    """A shaded sphere with a highlight; with several colours a beach ball that has rolled by `roll` radians."""
    patch = canvas.patch(x, y, radius, radius)
    if patch is None:
        return
    nx, ny = patch.x / np.float32(radius), patch.y / np.float32(radius)
    squared = nx**2 + ny**2
    nz = np.sqrt(np.maximum(1 - squared, 0))
    lit = np.maximum(LAMP_DIRECTION[0] * nx + LAMP_DIRECTION[1] * ny + LAMP_DIRECTION[2] * nz, 0)
    gloss = np.maximum(HALFWAY[0] * nx + HALFWAY[1] * ny + HALFWAY[2] * nz, 0) ** 60
    colour = surface.palette[:, 0, None, None]
    if surface.palette.shape[1] > 1:
        colour = _sectors(surface.palette, nx, ny, nz, roll, radius)
    shaded = colour * (AMBIENT + DIRECT * lit) + surface.flat[:, None, None] * (np.float32(surface.shine) * gloss)
    canvas.cover(patch, edge(np.float32(radius) * (1 - np.sqrt(squared))), shaded)


def _sectors(palette: Array32, nx: Array32, ny: Array32, nz: Array32, roll: float, radius: float) -> Array32:
    """Colours `(K, h, w)` of a ball with one sector per palette column around a pole that leans to the viewer."""
    cos, sin = np.float32(np.cos(roll)), np.float32(np.sin(roll))
    across, down = cos * nx + sin * ny, cos * ny - sin * nx
    lean = np.float32(0.62)
    deep = np.sqrt(1 - lean**2) * nz - lean * down
    flat = np.sqrt(1 - lean**2) * down + lean * nz
    count = palette.shape[1]
    turn = np.arctan2(flat, across) * np.float32(count / (2 * np.pi)) + np.float32(count)
    low = np.floor(turn)
    sharpness = np.float32(2 * np.pi * radius / count) * np.sqrt(np.maximum(1 - deep**2, 1e-3))
    blend = np.clip((turn - low - 1) * sharpness + 1, 0, 1)  # the last pixel of a sector fades into the next
    here = np.take(palette, low.astype(int) % count, axis=1)
    following = np.take(palette, (low.astype(int) + 1) % count, axis=1)
    mixed: Array32 = here + blend * (following - here)
    return mixed


def draw_chart(canvas: Canvas, x: float, y: float, width: float, turn: float, patches: Array32, frame: Array32) -> None:
    """A colour chart of 4 x 6 patches `(K, 24)` in a dark frame `(K,)`, turned by `turn` radians."""
    rows, columns = 4, 6
    cell = width / (columns + 0.5)
    half_w, half_h = width / 2, (rows + 0.5) * cell / 2
    reach = float(np.hypot(half_w, half_h))
    soft_shadow(canvas, x + 0.05 * width, y + 0.07 * width, 0.52 * width, 0.40 * width, 0.35)
    patch = canvas.patch(x, y, reach, reach)
    if patch is None:
        return
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    across, down = cos * patch.x + sin * patch.y, cos * patch.y - sin * patch.x
    board = edge(np.minimum(np.float32(half_w) - np.abs(across), np.float32(half_h) - np.abs(down)))
    p, q = across / np.float32(cell) + columns / 2, down / np.float32(cell) + rows / 2
    column, row = np.clip(np.floor(p), 0, columns - 1), np.clip(np.floor(q), 0, rows - 1)
    off_centre = np.maximum(np.abs(p - column - 0.5), np.abs(q - row - 0.5))
    painted = edge(np.float32(cell) * (np.float32(0.43) - off_centre))
    index = (row * columns + column).astype(int)
    ground = frame[:, None, None]
    canvas.cover(patch, board, (ground + painted * (np.take(patches, index, axis=1) - ground)) * np.float32(0.96))


def draw_link(
    canvas: Canvas, start: tuple[float, float], end: tuple[float, float], thickness: float, surface: Surface
) -> None:
    """A rounded rod between two points `(x, y)`, shaded as a cylinder."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = float(np.hypot(dx, dy))
    patch = canvas.patch(*middle, abs(dx) / 2 + thickness, abs(dy) / 2 + thickness)
    if patch is None or length == 0:
        return
    along = (patch.x * np.float32(dx) + patch.y * np.float32(dy)) / np.float32(length)
    beside = (patch.y * np.float32(dx) - patch.x * np.float32(dy)) / np.float32(length)
    beyond = np.maximum(np.abs(along) - np.float32(length / 2), 0)
    distance = np.hypot(beside, beyond)
    bulge = np.sqrt(np.maximum(1 - (distance / np.float32(thickness)) ** 2, 0))
    side = np.clip(beside / np.float32(thickness), -1, 1)
    shade = AMBIENT + DIRECT * (np.float32(0.75) * bulge + np.float32(0.25) * np.maximum(-side, 0))
    gloss = np.float32(surface.shine) * np.maximum(1 - (side + np.float32(0.35)) ** 2 * 14, 0)
    colour = surface.palette[:, 0, None, None] * shade + surface.flat[:, None, None] * gloss
    canvas.cover(patch, edge(np.float32(thickness) - distance), colour)
