"""The moving scene: still life with chart, fruit, a rolling ball and a swinging arm."""

from functools import cached_property

import numpy as np

from livecassi.calibration.bench.canvas import Canvas, edge, soft_shadow
from livecassi.calibration.bench.materials import FLAT, Materials
from livecassi.calibration.bench.objects import Surface, draw_ball, draw_chart, draw_link
from livecassi.calibration.calibration import Array32
from livecassi.drivers.opencv import cv2

CHART = (
    *("dark skin", "light skin", "blue sky", "foliage", "blue flower", "bluish green"),
    *("orange", "purplish blue", "moderate red", "purple", "yellow green", "orange yellow"),
    *("blue", "green", "red", "yellow", "magenta", "cyan"),
    *("white 9.5", "neutral 8", "neutral 6.5", "neutral 5", "neutral 3.5", "black 2"),
)
OTHERS = ("ripe orange", "green apple", "purple cabbage", "lavender", "unitary red", "smurf")
TABLE_LINE = 0.68  # where the wall ends, from the top


class Scene:
    """What stands before the bench. `render(t_s)` gives coefficient images `(K, H, W)`, any size from 64 x 64.

    Reflectance times shading; highlights are added flat over wavelength. Every edge and motion is analytic, so
    objects move by fractions of a pixel. The same seed gives the same textures and phases.
    """

    def __init__(self, materials: Materials, height: int, width: int, seed: int = 0) -> None:
        self.materials = materials
        self.height, self.width = height, width
        self._seed = seed
        self._phase = np.random.default_rng([seed, 0x5CE]).uniform(0, 2 * np.pi, 6)
        self._chart = materials.palette(*CHART)

    def render(self, t_s: float) -> Array32:
        """The scene at a moment, float32 `(K, H, W)`."""
        canvas = Canvas(self._background.copy())
        self._draw_chart(canvas, t_s)
        self._draw_fruit(canvas, t_s)
        self._draw_beach_ball(canvas, t_s)
        self._draw_arm(canvas, t_s)
        return canvas.coefficients

    def _surface(self, *names: str, shine: float = 0.35) -> Surface:
        return Surface(self.materials.palette(*names), self.materials[FLAT], shine)

    def _swing(self, t_s: float, period_s: float, phase: int) -> float:
        return float(np.sin(2 * np.pi * t_s / period_s + self._phase[phase]))

    def _draw_chart(self, canvas: Canvas, t_s: float) -> None:
        x, y = canvas.place(0.33, 0.33)
        turn = 0.30 * self._swing(t_s, 9.0, 0)
        x += 0.03 * canvas.unit * self._swing(t_s, 7.0, 1)
        draw_chart(canvas, x, y, 0.50 * canvas.unit, turn, self._chart, self.materials["black 2"])

    def _draw_fruit(self, canvas: Canvas, t_s: float) -> None:
        unit = canvas.unit
        hop = abs(self._swing(t_s, 2.4, 2))
        x, floor = canvas.place(0.335, 0.80)
        soft_shadow(canvas, x + 0.02 * unit, floor, 0.075 * unit * (1 - 0.4 * hop), 0.022 * unit, 0.55 - 0.3 * hop)
        for name, u, v, radius in (
            ("ripe orange", 0.13, 0.815, 0.095),
            ("green apple", 0.245, 0.895, 0.080),
        ):
            x, y = canvas.place(u, v)
            soft_shadow(
                canvas, x + 0.3 * radius * unit, y + 0.85 * radius * unit, radius * unit, 0.3 * radius * unit, 0.6
            )
            draw_ball(canvas, x, y, radius * unit, self._surface(name, shine=0.30))
        x, floor = canvas.place(0.335, 0.80)
        draw_ball(canvas, x, floor - (0.055 + 0.16 * hop) * unit, 0.055 * unit, self._surface("purple cabbage"))

    def _draw_beach_ball(self, canvas: Canvas, t_s: float) -> None:
        unit = canvas.unit
        x, y = canvas.place(0.62, 0.81)
        radius = 0.125 * unit
        travelled = 0.17 * self.width * self._swing(t_s, 8.0, 3)
        x += travelled
        soft_shadow(canvas, x + 0.3 * radius, y + 0.9 * radius, 1.05 * radius, 0.28 * radius, 0.65)
        stripes = self._surface("unitary red", "white 9.5", "blue", "yellow", "green", "white 9.5", shine=0.28)
        draw_ball(canvas, x, y, radius, stripes, roll=travelled / radius)

    def _draw_arm(self, canvas: Canvas, t_s: float) -> None:
        unit = canvas.unit
        upper, lower = 0.25 * unit, 0.20 * unit
        first = 0.45 * self._swing(t_s, 3.2, 4)
        second = first + 0.75 * self._swing(t_s, 2.1, 5)
        pivot = canvas.place(0.75, 0.05)
        elbow = (pivot[0] + upper * np.sin(first), pivot[1] + upper * np.cos(first))
        hand = (elbow[0] + lower * np.sin(second), elbow[1] + lower * np.cos(second))
        soft_shadow(canvas, hand[0] + 0.06 * unit, hand[1] + 0.08 * unit, 0.07 * unit, 0.07 * unit, 0.3)
        draw_link(canvas, pivot, elbow, 0.020 * unit, self._surface("smurf"))
        draw_link(canvas, elbow, hand, 0.016 * unit, self._surface("orange yellow"))
        for joint in (pivot, elbow):
            draw_ball(canvas, joint[0], joint[1], 0.028 * unit, self._surface("neutral 8"))
        draw_ball(canvas, hand[0], hand[1], 0.062 * unit, self._surface("unitary red", shine=0.45))

    @cached_property
    def _background(self) -> Array32:
        height, width, unit = self.height, self.width, float(min(self.height, self.width))
        generator = np.random.default_rng([self._seed, 0xBAC])
        y, x = np.mgrid[:height, :width].astype(np.float32)
        u, v = (x + 0.5) / width, (y + 0.5) / height
        weave = np.sin(2 * np.pi * x / (unit / 40)) * np.sin(2 * np.pi * y / (unit / 40))
        wall = (1 + 0.05 * weave) * (1 + 0.10 * _noise(generator, height, width, unit / 9, unit / 9))
        dawn = np.clip(0.15 + 0.85 * v / TABLE_LINE + 0.12 * _noise(generator, height, width, unit / 4, unit / 4), 0, 1)
        upper, lower = self.materials["lavender"][:, None, None], self.materials["light skin"][:, None, None]
        wall_colour = (upper + dawn * (lower - upper)) * wall
        grain = _noise(generator, height, width, unit / 3, unit / 60)
        boards = 1 - 0.35 * np.exp(-((((v - TABLE_LINE) / (1 - TABLE_LINE) * 4 % 1) * 12) ** 2))
        dark, light = self.materials["dark skin"][:, None, None], self.materials["orange yellow"][:, None, None]
        table_colour = (dark + np.clip(0.28 + 0.16 * grain, 0, 1) * (light - dark)) * boards
        on_table = edge((v - TABLE_LINE) * height)
        pool = 0.45 + 0.55 * np.exp(-(((u - 0.42) / 0.75) ** 2) - ((v - 0.45) / 0.75) ** 2)
        background = (wall_colour + on_table * (table_colour - wall_colour)) * pool
        canvas = Canvas(np.ascontiguousarray(background, np.float32))
        self._draw_star(canvas)
        return canvas.coefficients

    def _draw_star(self, canvas: Canvas) -> None:
        """A star of 24 rays on a card: where the rays melt together, the resolution ends."""
        unit = canvas.unit
        x, y = canvas.place(0.87, 0.52)
        radius = 0.105 * unit
        soft_shadow(canvas, x + 0.02 * unit, y + 0.03 * unit, 1.1 * radius, 1.1 * radius, 0.35)
        patch = canvas.patch(x, y, 1.2 * radius, 1.2 * radius)
        if patch is None:
            return
        white, black = self.materials["white 9.5"][:, None, None], self.materials["black 2"][:, None, None]
        card = edge(np.float32(1.15 * radius) - np.maximum(np.abs(patch.x), np.abs(patch.y)))
        canvas.cover(patch, card, white * np.float32(0.85))
        distance = np.hypot(patch.x, patch.y)
        wave = np.sin(12 * np.arctan2(patch.y, patch.x))
        ray = np.clip(wave * distance / 12 + 0.5, 0, 1)
        canvas.cover(patch, ray * edge(np.float32(radius) - distance), black)


def _noise(generator: np.random.Generator, height: int, width: int, across_px: float, down_px: float) -> Array32:
    """Smooth noise of unit variance with grains of the given size, `(H, W)`; the same at every size of the scene."""
    cells = max(4, round(height / down_px)), max(4, round(width / across_px))
    coarse = generator.standard_normal(cells, np.float32)
    smooth = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    smooth -= smooth.mean()
    smooth /= smooth.std()
    return smooth
