"""The steps of the whole fit, one after the other.

dark -> sensor -> flat -> where each line shows the mask -> dispersion curve -> bands -> mask -> response; then flat,
mask and response once more, now that the light of an open aperture is known; then what is left over.
The measured mask is resampled once, into the frame where light of the first band shows it; frames never are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Capture, Line
from livecassi.calibration.checks import Verdict
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.bands import Bands, choose_bands
from livecassi.calibration.fitting.dark import DarkFit, fit_dark
from livecassi.calibration.fitting.distortion import FEWEST_VIEWS, Distortion, fit_distortion
from livecassi.calibration.fitting.effective_line import (
    doubts_after,
    doubts_before,
    effective_line,
    efficiency_of,
)
from livecassi.calibration.fitting.flat import FlatFit, fit_flat
from livecassi.calibration.fitting.located import Located, locate_lines
from livecassi.calibration.fitting.mask import RecoveredMask, recover_mask
from livecassi.calibration.fitting.open_light import open_light
from livecassi.calibration.fitting.photon_transfer import PhotonTransfer, photon_transfer
from livecassi.calibration.fitting.registration import Registration, register
from livecassi.calibration.fitting.response import ResponseFit, fit_response
from livecassi.calibration.fitting.settings import FitSettings, FitWatch
from livecassi.calibration.fitting.sorting import Sorted, line_of, open_picture, sort_captures
from livecassi.calibration.fitting.views import Frame, Reprojection, mask_frame, mask_views, reproject

ROUNDS = 2  # with filters: the second one begins with the response near the band's edges as the first one left it
FEWEST_FLATS = 3  # exposures from which a photon transfer curve can be drawn
UNCLIPPED_SHARE = 0.98  # of full scale, up to which a pixel of the white capture counts

Open = Callable[[Capture], Array32]  # a capture as fraction of full scale, dark and flat corrected


@dataclass(frozen=True)
class Parts:
    """Everything that a fit found, before it is put into one calibration.

    `located`: the lines as they are seen (`effective_line`), against the mask alone, else against the recovered mask;
    `lines` and `verified`: each picture against what mask and curve predict. `sensor`, `registration`, `distortion`
    None: there was nothing to fit them to.
    """

    taken: Sorted
    dark: DarkFit
    sensor: PhotonTransfer | None
    flat: FlatFit
    located: Located
    frame: Frame
    bands: Bands
    mask: RecoveredMask
    response: ResponseFit
    lines: tuple[Reprojection, ...]
    verified: tuple[Reprojection, ...]
    registration: Registration | None
    distortion: Distortion | None

    def open(self, capture: Capture) -> Array32:
        """A capture as fraction of full scale, dark and flat corrected."""
        return open_picture(capture, self.dark.at(capture.exposure_us), self.flat.flat)


def fit_parts(captures: Sequence[Capture], settings: FitSettings, watch: FitWatch) -> Parts:
    """Every step. Raises `CalibrationInvalidError` in an operator's words, and `FitCancelledError`."""
    taken = sort_captures(captures)
    system = settings.system
    watch.at("dark frames and sensor", 0.0)
    dark = fit_dark(taken.darks, taken.white.exposure_us)
    sensor = _sensor(taken)
    watch.at("flat", 0.05)
    flat = fit_flat(taken.flats, dark, None if system.single_disperser else np.ones(taken.shape, np.float32))
    lines = tuple(line_of(capture) for capture in taken.lines)
    first = _optics(taken, settings, dark, flat, lines, doubts_before(lines), _still(taken, dark, flat), watch, 0.1)
    if system.single_disperser:
        watch.at("flat, with the light of all bands known", 0.4)
        found, edges = first.response, first.bands.edges_px
        flat = fit_flat(taken.flats, dark, open_light(found.response, edges, system, taken.shape, found.stray_share))
    optics, seen = first, lines
    rounds = ROUNDS if any(line.fwhm_nm for line in lines) else 1
    for number in range(rounds):
        efficiency = efficiency_of(optics.response, optics.located.curve_fit.curve, optics.frame.reference_nm)
        seen = tuple(effective_line(line, efficiency) for line in lines)
        reference = _still(taken, dark, flat) if taken.mask is not None else optics.mask.mask
        share = 0.45 + 0.4 * number / rounds
        optics = _optics(taken, settings, dark, flat, seen, doubts_after(lines, seen), reference, watch, share)
    watch.at("what is left over", 0.85)
    opened = _opener(dark, flat)
    unseen = [effective_line(line_of(capture), efficiency) for capture in taken.verify]
    reprojected, verified = (
        tuple(
            reproject(optics.mask.mask, optics.frame.line_geometry(line), opened(c), f"the capture '{c.title}'")
            for c, line in zip(those, their_lines, strict=True)
        )
        for those, their_lines in ((taken.lines, seen), (taken.verify, unseen))
    )
    watch.at("design and lens", 0.92)
    return Parts(
        taken=taken,
        dark=dark,
        sensor=sensor,
        flat=flat,
        located=optics.located,
        frame=optics.frame,
        bands=optics.bands,
        mask=optics.mask,
        response=optics.response,
        lines=reprojected,
        verified=verified,
        registration=register(optics.mask.mask, settings.design) if settings.design is not None else None,
        distortion=_distortion(taken, settings, dark),
    )


@dataclass(frozen=True)
class _Optics:
    """Curve, bands, mask and response, found with one flat."""

    located: Located
    bands: Bands
    frame: Frame
    mask: RecoveredMask
    response: ResponseFit


def _optics(
    taken: Sorted,
    settings: FitSettings,
    dark: DarkFit,
    flat: FlatFit,
    lines: tuple[Line, ...],
    doubts_nm: Sequence[float],
    reference: Array32 | None,
    watch: FitWatch,
    share: float,
) -> _Optics:
    """`reference`: what the lines are located against; None: one of them."""
    system, opened = settings.system, _opener(dark, flat)
    pictures = [opened(capture) for capture in taken.lines]
    watch.at("lines", share)
    located = locate_lines(lines, pictures, reference, system, settings.curve_terms, doubts_nm)
    bands = _bands(located, settings)
    frame = mask_frame(located, system, float(bands.wavelengths_nm[0]))
    watch.at("mask", share + 0.05)
    views = mask_views(frame, lines, pictures, _still(taken, dark, flat))
    mask = recover_mask(views, mask_width(system, bands, taken.shape))
    watch.at("response", share + 0.15)
    return _Optics(located, bands, frame, mask, _response(taken, settings, bands, mask, dark, flat))


def _still(taken: Sorted, dark: DarkFit, flat: FlatFit) -> Array32 | None:
    """The picture of the mask without disperser, where there is one."""
    return _opener(dark, flat)(taken.mask) if taken.mask is not None else None


def mask_width(system: System, bands: Bands, shape: tuple[int, int]) -> int:
    """Columns of the mask that frames `(H, W')` show: less than theirs with one disperser, more with two.

    Raises `CalibrationInvalidError` where the bands spread over more columns than there are.
    """
    reach = int(np.ceil(float(bands.dispersion_px.max()) - 1e-4))
    width = shape[1] - system.mask_direction * reach
    if width < 1:
        raise CalibrationInvalidError(
            f"the bands spread over {reach} columns, the frames have {shape[1]}; choose fewer bands or a larger region"
        )
    return width


def _opener(dark: DarkFit, flat: FlatFit) -> Open:
    return lambda capture: open_picture(capture, dark.at(capture.exposure_us), flat.flat)


def _sensor(taken: Sorted) -> PhotonTransfer | None:
    exposures = {capture.exposure_us for capture in taken.flats if capture.noise is not None}
    return photon_transfer(taken.flats, taken.darks) if len(exposures) >= FEWEST_FLATS else None


def _bands(located: Located, settings: FitSettings) -> Bands:
    """Where a curve does not reach the bands because its lines are wrong, those are what is told."""
    try:
        return choose_bands(located.curve_fit.curve, settings.bands)
    except CalibrationInvalidError as error:
        wrong = [check.words for check in located.curve_fit.checks if check.verdict is Verdict.FAIL]
        raise CalibrationInvalidError("; ".join(wrong) or str(error)) from error


def _response(
    taken: Sorted, settings: FitSettings, bands: Bands, mask: RecoveredMask, dark: DarkFit, flat: FlatFit
) -> ResponseFit:
    white = _opener(dark, flat)(taken.white) / np.float32(settings.white_reflectance)
    valid = (dark.hot_pixels == 0) & (taken.white.mean < UNCLIPPED_SHARE * taken.white.full_scale)
    dispersion_px = bands.dispersion_px.astype(np.float32)
    return fit_response(white, mask.mask, dispersion_px, bands.edges_px, settings.system, valid=valid)


def _distortion(taken: Sorted, settings: FitSettings, dark: DarkFit) -> Distortion | None:
    if len(taken.charts) < FEWEST_VIEWS:
        return None
    pictures = [open_picture(c, dark.at(c.exposure_us), None) for c in taken.charts]
    return fit_distortion(pictures, settings.chart)
