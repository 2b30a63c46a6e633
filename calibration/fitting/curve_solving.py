"""Least squares for the dispersion curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from livecassi.calibration.capture import Line
from livecassi.calibration.dispersion_curve import Curve, Floats, powers
from livecassi.calibration.fitting.line_profile import line_profile


@dataclass(frozen=True)
class LinesFitted:
    """Lines with shifts, standard errors, their curve, and their distance from the curve of the others."""

    lines: tuple[Line, ...]
    shifts_px: Floats
    sigmas_px: Floats
    curve: Curve
    left_out_px: tuple[float | None, ...]
    left_out_sigma_px: tuple[float | None, ...]


def different_lines(lines: Sequence[Line]) -> int:
    """How many wavelengths there are, to 0.01 nm."""
    return len({round(line.wavelength_nm, 2) for line in lines})


def line_rows(lines: Sequence[Line], terms: int) -> Floats:
    """The design matrix `(N, terms)`: means over each line's profile."""
    return np.stack([weights @ powers(nm, terms) for nm, weights in map(line_profile, lines)])


def solve(lines: Sequence[Line], shifts: Floats, sigmas: Floats, terms: int) -> Curve:
    """Robust least squares (soft L1), with the covariance from the Jacobian, widened where the lines scatter more."""
    rows = line_rows(lines, terms)
    weighted = rows / sigmas[:, None]
    scale = np.linalg.norm(weighted, axis=0)
    basis, triangle = np.linalg.qr(weighted / scale)  # powers are nearly alike; their span is not
    first = basis.T @ (shifts / sigmas)
    spare = len(lines) - terms
    if spare > 0:

        def left(parameters: Floats) -> Floats:
            return np.asarray(basis @ parameters - shifts / sigmas)

        fitted = least_squares(left, first, loss="soft_l1", f_scale=2.0)
        jacobian = np.asarray(fitted.jac, np.float64)
        found = fitted.x
        inverse = np.linalg.inv(jacobian.T @ jacobian) * max(1.0, float(np.sum(left(found) ** 2)) / spare)
    else:
        found, inverse = first, np.eye(terms)
    back = np.linalg.inv(triangle) / scale[:, None]
    covariance = back @ inverse @ back.T
    wavelengths = [line.wavelength_nm for line in lines]
    return Curve(
        tuple(map(float, back @ found)),
        tuple(tuple(map(float, row)) for row in covariance),
        (min(wavelengths), max(wavelengths)),
    )
