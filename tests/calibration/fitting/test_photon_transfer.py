from functools import cache

import numpy as np
import pytest
from lab import Lab, lab

from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Verdict, worst
from livecassi.calibration.fitting.photon_transfer import photon_transfer
from livecassi.drivers.simulated_camera import Sensor

EXPOSURES_US = {System.SD_CASSI: (500.0, 1200.0, 2000.0, 2700.0), System.DD_CASSI: (1000.0, 2200.0, 3800.0, 5000.0)}


@cache
def captured(system: System, sensor: Sensor | None = None) -> tuple[Lab, tuple[Capture, ...], tuple[Capture, ...]]:
    made = lab(system, sensor=sensor)
    flats = tuple(made.flat(exposure) for exposure in EXPOSURES_US[system])
    return made, flats, (made.dark(500.0), made.dark(5000.0))


@pytest.mark.parametrize("system", list(EXPOSURES_US))
@pytest.mark.parametrize("sensor", [Sensor(), Sensor(full_well_e=12_000.0, read_noise_e=3.0)])
def test_the_sensor_is_recovered(system: System, sensor: Sensor) -> None:
    made, flats, darks = captured(system, sensor if sensor != Sensor() else None)
    if sensor.full_well_e < 32_000:
        flats = tuple(made.flat(exposure * 0.35) for exposure in EXPOSURES_US[system])
    found = photon_transfer(flats, darks)
    true = 1 / sensor.dn_per_electron
    assert found.electrons_per_dn == pytest.approx(true, rel=0.02)
    assert abs(found.electrons_per_dn - true) < 4 * found.electrons_per_dn_sigma
    assert found.electrons_per_dn_sigma < 0.01 * true
    assert found.read_noise_e == pytest.approx(sensor.read_noise_e, rel=0.03)
    assert found.full_well_e == pytest.approx(sensor.full_well_e, rel=0.02)
    assert found.nonlinearity_percent == pytest.approx(0, abs=0.1)
    assert worst(found.checks) is Verdict.PASS


@pytest.mark.parametrize("bits", [8, 10])
def test_steps_that_are_coarser_than_the_noise_of_the_dark(bits: int) -> None:
    sensor = Sensor(bit_depth=bits, offset_dn=3.0)
    _, flats, darks = captured(System.DD_CASSI, sensor)
    found = photon_transfer(flats, darks)
    assert found.electrons_per_dn == pytest.approx(1 / sensor.dn_per_electron, rel=0.03)
    assert worst(found.checks) is Verdict.PASS


def test_saturated_flats_do_not_count() -> None:
    made, flats, darks = captured(System.SD_CASSI)
    clipped = made.flat(8000.0)
    assert clipped.saturated_fraction > 0.5
    found = photon_transfer([*flats, clipped], darks)
    assert found.electrons_per_dn == pytest.approx(1 / made.camera.sensor.dn_per_electron, rel=0.02)
    assert found.nonlinearity_percent == pytest.approx(0, abs=0.1)


def test_a_bent_response_is_told_in_percent() -> None:
    _, flats, darks = captured(System.DD_CASSI)
    bent = []
    for flat in flats:
        share = (flat.mean - 48) / 4047
        bent.append(Capture(**{**vars(flat), "mean": (48 + 4047 * (share - 0.25 * share**2)).astype(np.float32)}))
    found = photon_transfer(bent, darks)
    assert found.nonlinearity_percent is not None
    assert 2 < found.nonlinearity_percent < 10
    assert any(c.verdict is not Verdict.PASS and "nonlinearity" in c.name and "gamma" in c.words for c in found.checks)


def test_a_lamp_that_flickers_bends_the_curve() -> None:
    _, flats, darks = captured(System.DD_CASSI)
    shaken = []
    for flat in flats:
        assert flat.noise is not None
        noise = np.sqrt(flat.noise**2 + (0.02 * (flat.mean - 48)) ** 2)
        shaken.append(Capture(**{**vars(flat), "noise": noise.astype(np.float32)}))
    bend = next(c for c in photon_transfer(shaken, darks).checks if "bend" in c.name)
    assert bend.verdict is Verdict.FAIL
    assert "flickers" in bend.words


def test_too_little_is_refused_in_words() -> None:
    made, flats, darks = captured(System.DD_CASSI)
    with pytest.raises(CalibrationInvalidError, match="no flat has 4 frames"):
        photon_transfer([made.flat(1000.0, frames=2)], darks)
    with pytest.raises(CalibrationInvalidError, match="expected at least 3; take flats between"):
        photon_transfer([made.flat(60_000.0, frames=4)], darks)
    with pytest.raises(CalibrationInvalidError, match="no dark has two frames"):
        photon_transfer(flats, [made.dark(frames=1)])
