"""Groups of random objects: leaves, large things, rows of equal ones, charts, chains whose parts swing, backgrounds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.training.synthetic.noise import CELLS, CLOUDS, CRACKS, FIBRES, FINE, GRAIN, HAIR, MEDIUM, SIDE
from livecassi.engines.training.synthetic.palette import CHART_ROWS, THEME_ROWS, Palette
from livecassi.engines.training.synthetic.things import CHECKER, DOTS, PATCHES, PLAIN, STRIPES

Table = dict[str, NDArray[np.float64]]

SMALLEST_RADIUS_PX = 3.0
MOST_LEAVES = 500
ENDLESS_PX = 1e5
STRIP_LENGTH = 1.6  # of a strip's half, in radii
LONGEST = 2.3  # from an object's middle to its furthest corner, in radii


@dataclass(frozen=True, slots=True)
class Group:
    """n objects: their table, where they are in each of T frames, `(T, n)`, and how near they are, `(n,)`."""

    table: Table
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    turn: NDArray[np.float64]
    nearness: NDArray[np.floating]


class GroupDrawer:
    """Draws the groups of one clip: T `frames` of `size`, objects no faster than `fastest_px` a frame."""

    def __init__(
        self, random: np.random.Generator, palette: Palette, frames: int, size: tuple[int, int], fastest_px: float
    ) -> None:
        self._random = random
        self._palette = palette
        self._frames = frames
        self._height, self._width = size
        self._fastest = fastest_px
        self._softness = random.uniform(1.0, 2.3)
        self._shapes = random.dirichlet(np.full(6, 0.7))
        self._patterns = random.dirichlet((4.0, 0.8, 0.3, 0.5, 0.3))
        self._gloss_share = random.uniform(0.1, 0.7)

    @property
    def half_frame(self) -> float:
        """Half of the smaller side, px."""
        return min(self._height, self._width) / 2

    def leaves(self, fill: float, least_radius: float) -> Group:
        """Dead leaves: radii by the power law r^-3, so many that their areas add up to `fill` times the frame."""
        ratio = (least_radius / max(self.half_frame, 1.5 * least_radius)) ** 2
        area = 2.4 * least_radius**2 * np.log(1 / ratio) / (1 - ratio)
        count = int(np.clip(fill * self._height * self._width / area, 3, MOST_LEAVES))
        radii = least_radius / np.sqrt(1 - self._random.random(count) * (1 - ratio))
        table = self._outlines(radii) | self._surfaces(radii)
        return self._moved(table, self._scattered(radii), radii, -np.log(radii) * self._random.uniform(0, 2))

    def large(self, count: int) -> Group:
        """Things that fill much of the frame, in front of most leaves or behind, many of them round."""
        radii = self.half_frame * self._random.uniform(0.15, 0.7, count)
        table = self._outlines(radii) | self._surfaces(radii)
        return self._moved(table, self._scattered(radii), radii, self._random.normal(-3, 2, count))

    def alike(self, count: int) -> Group:
        """Many of the same kind, such as beads or buttons: one outline and surface, in one or two themes."""
        radius = np.array([max(SMALLEST_RADIUS_PX, self.half_frame * self._random.uniform(0.04, 0.22))])
        one = self._outlines(radius) | self._surfaces(radius)
        table = {name: np.repeat(values, count) for name, values in one.items()}
        themes = self._random.integers(self._palette.themes, size=2)
        table["row"] = self._palette.first_rows(themes[self._random.integers(2, size=count)]).astype(np.float64)
        for name in ("noise_u", "noise_v"):
            table[name] = self._random.random(count) * SIDE
        sizes = self._random.uniform(0.8, 1.2, count)
        table["half_a"], table["half_b"] = table["half_a"] * sizes, table["half_b"] * sizes
        spread = radius[0] * np.sqrt(count) * self._random.uniform(0.7, 1.5)
        places = self._scattered(radius) + self._random.normal(0, spread, (2, count))
        return self._moved(table, places, np.repeat(radius, count), self._random.normal(-2, 0.5, count))

    def chart(self) -> Group:
        """A board of coloured patches."""
        half = self.half_frame * self._random.uniform(0.25, 0.6)
        radius = np.array([half])
        table = self._outlines(radius) | self._surfaces(radius)
        changes = {
            "lobed": 0.0,
            "corner": 0.05,
            "half_a": half,
            "half_b": half * self._random.uniform(0.5, 1.0),
            "row": self._palette.chart_row,
            "rows": CHART_ROWS,
            "pattern": PATCHES,
            "polar": 0,
            "turn": 0,
            "pitch": half / self._random.integers(2, 7),
            "curve_a": 0,
            "curve_b": 0,
            "third": 0,
            "mixing": 0,
            "bias": 0,
        }
        table |= {name: np.array([float(value)]) for name, value in changes.items()}
        return self._moved(table, self._scattered(radius), radius, np.array([self._random.normal(-3, 2)]))

    def chain(self) -> Group:
        """Parts that hang on one another and swing, such as an arm."""
        random, count = self._random, int(self._random.integers(2, 5))
        lengths = self.half_frame * random.uniform(0.2, 0.6, count)
        thickness = np.maximum(lengths * random.uniform(0.1, 0.35), 1.5)
        table = self._outlines(thickness) | self._surfaces(thickness)
        table["half_a"], table["half_b"] = lengths / 2 + thickness, thickness
        table["lobed"], table["hole"] = np.full(count, float(random.random() < 0.4)), np.zeros(count)
        table["corner"] = np.ones(count)
        table["curve_a"], table["curve_b"] = np.zeros(count), np.full(count, random.uniform(0.4, 1.0))
        time = np.arange(self._frames)[:, None] - (self._frames - 1) / 2
        reach = lengths.sum()
        swing = random.uniform(0.1, 0.9, count)
        rate = random.uniform(0.2, 1.0, count) * self._fastest / (swing * reach * count)
        phase = random.uniform(0, 2 * np.pi, count)
        angles = random.uniform(0, 2 * np.pi) + np.cumsum(
            random.normal(0, 0.6, count) + swing * np.sin(rate * time + phase), axis=1
        )
        x, y = self._scattered(thickness[:1])
        ends_x = x + np.cumsum(lengths * np.cos(angles), axis=1)
        ends_y = y + np.cumsum(lengths * np.sin(angles), axis=1)
        nearness = np.asarray(random.normal() + 0.001 * np.arange(count) * random.choice([-1, 1]), np.float64)
        return Group(
            table,
            ends_x - lengths * np.cos(angles) / 2,
            ends_y - lengths * np.sin(angles) / 2,
            angles,
            nearness,
        )

    def background(self, *, dark: bool) -> Group:
        """What lies behind everything; sometimes a table in front of a wall."""
        parts = 1 if dark else int(self._random.integers(1, 3))
        radii = np.full(parts, self.half_frame)
        table = self._outlines(radii) | self._surfaces(radii)
        for name, value in dict.fromkeys(("lobed", "corner", "curve_a", "curve_b", "rim", "hole", "polar"), 0).items():
            table[name] = np.full(parts, float(value))
        table["half_a"] = table["half_b"] = np.full(parts, ENDLESS_PX)
        if dark:
            table["brightness"] = np.full(parts, 0.04 * self._random.random() ** 2)
        elif self._random.random() < 0.25:
            table["brightness"] = self._random.uniform(0.05, 0.35, parts)
        turn = np.zeros(parts)
        turn[1:] = self._random.normal(0, 0.1) + self._random.integers(2) * np.pi / 2
        beyond = ENDLESS_PX + self._random.uniform(-0.2, 0.8) * self.half_frame
        x, y = -np.sin(turn) * beyond, np.cos(turn) * beyond
        x[0] = y[0] = 0.0
        still = np.ones((self._frames, 1))
        return Group(table, still * x, still * y, still * turn, -100.0 + np.arange(parts))

    def _outlines(self, radii: NDArray[np.float64]) -> Table:
        """Discs, ellipses, boxes, strips, polygons and lobed outlines, of about this radius."""
        random, n = self._random, len(radii)
        kind = random.choice(6, n, p=self._shapes)
        narrow = np.select([kind == 0, kind == 3], [1.0, random.uniform(0.06, 0.3, n)], random.uniform(0.4, 1.0, n))
        few, many = random.integers(2, 7, n), random.integers(12, 50, n)
        ragged = random.random(n) < 0.4
        lobes = np.where(kind == 5, np.where(ragged, many, few), random.integers(3, 8, n))
        depth = np.where(kind == 5, np.where(ragged, 0.3, 0.55) * random.random(n), 0.0)
        return {
            "half_a": radii * np.where(kind == 3, STRIP_LENGTH, 1.0),
            "half_b": np.maximum(radii * narrow, 1.0),
            "lobed": np.isin(kind, (0, 1, 4, 5)).astype(np.float64),
            "corner": random.random(n) ** 2,
            "lobes": lobes.astype(np.float64),
            "lobe_depth": depth,
            "angular": np.where(kind == 4, random.uniform(0.6, 1.0, n), 0.0),
            "start": random.uniform(0, 2 * np.pi, n),
            "hole": np.where(random.random(n) < 0.08, random.uniform(0.3, 0.75, n), 0.0),
            "softness": self._softness * np.where(random.random(n) < 0.08, random.uniform(1, 4, n), 1.0),
        }

    def _surfaces(self, radii: NDArray[np.float64]) -> Table:
        """Patterns, noise, relief and gloss, for objects of about this radius."""
        random, n = self._random, len(radii)
        noise = random.choice([FINE, MEDIUM, CLOUDS, FIBRES, HAIR, CELLS, CRACKS], n)
        streaked = np.isin(noise, (FIBRES, HAIR))
        round_share = random.random(n)
        both = random.uniform(0.6, 1.0, n) * (round_share < 0.45)
        glossy = random.random(n) < self._gloss_share
        fields = {
            "row": self._palette.first_rows(random.integers(self._palette.themes, size=n)),
            "rows": np.full(n, THEME_ROWS),
            "pattern": random.choice([PLAIN, STRIPES, CHECKER, DOTS, PATCHES], n, p=self._patterns),
            "polar": random.random(n) < np.where(streaked, 0.4, 0.1),
            "pitch": np.maximum(3.0, radii * np.exp(random.uniform(np.log(0.08), np.log(1.0), n))),
            "turn": random.uniform(0, 2 * np.pi, n),
            "noise": noise,
            "noise_scale": np.exp(random.uniform(np.log(0.15), np.log(1.0), n)),
            "noise_u": random.random(n) * SIDE,
            "noise_v": random.random(n) * SIDE,
            "mixing": 0.5 * random.random(n) * np.where(random.random(n) < 0.25, 3.0, 1.0),
            "bias": random.normal(0.1, 0.3, n),
            "third": np.where(random.random(n) < 0.4, random.uniform(0, 0.5, n), 0.0),
            "grain": 0.35 * random.random(n) ** 2 * np.where(streaked, 1.6, 1.0),
            "grain_noise": np.where(streaked, noise, random.choice([FINE, MEDIUM, GRAIN, CRACKS], n)),
            "curve_a": both,
            "curve_b": np.where(round_share < 0.6, np.maximum(both, random.uniform(0.4, 1.0, n)), both),
            "gloss": glossy * random.uniform(0.1, 0.8, n),
            "gloss_power": np.exp(random.uniform(np.log(8), np.log(150), n)),
            "rim": (random.random(n) < 0.25) * random.uniform(0.1, 0.6, n),
            "brightness": random.uniform(0.35, 1.1, n),
        }
        return {name: np.asarray(values, np.float64) for name, values in fields.items()}

    def _scattered(self, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """Middles `(2, n)`: x, y in px from the frame's, some beyond its border."""
        reach = np.array([[self._width], [self._height]]) / 2 + 0.5 * radii
        return self._random.uniform(-1, 1, (2, len(radii))) * reach

    def _moved(
        self,
        table: Table,
        places: NDArray[np.float64],
        radii: NDArray[np.float64],
        nearness: NDArray[np.float64],
    ) -> Group:
        """Translation and rotation: some objects together, some on their own, a good part not at all."""
        random, n = self._random, len(radii)
        together = random.integers(3, size=n)
        spinning = random.random(n) < 0.4
        speeds = self._fastest * random.random((2, max(n, 3))) ** 2
        headings = random.uniform(0, 2 * np.pi, (2, max(n, 3)))
        alone = random.random(n) < 0.4
        speed = np.where(alone, speeds[0, :n], speeds[1, together] * (together > 0)) * np.where(spinning, 0.6, 1.0)
        heading = np.where(alone, headings[0, :n], headings[1, together])
        rim = LONGEST * radii
        spin = random.uniform(-1, 1, n) * np.minimum(0.15, 0.4 * self._fastest / rim) * (spinning & (speed > 0))
        time = np.arange(self._frames)[:, None] - (self._frames - 1) / 2
        return Group(
            table,
            places[0] + time * speed * np.cos(heading),
            places[1] + time * speed * np.sin(heading),
            random.uniform(0, 2 * np.pi, n) + time * spin,
            np.broadcast_to(nearness, n),
        )
