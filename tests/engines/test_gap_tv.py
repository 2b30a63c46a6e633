import threading
from collections.abc import Iterator

import numpy as np
import pytest

from livecassi.app.engine_list import engine_specs
from livecassi.calibration import Calibration, CalibrationHeader, Measurement, SubSteps, System, sensing_model
from livecassi.engines import Engine, EngineError, EngineMismatchError, EngineUnavailableError, build_engine
from livecassi.engines.gap_tv import gap_tv_spec
from livecassi.engines.gap_tv.plain import plain_gap_tv

HEIGHT, WIDTH, BANDS = 50, 72, 9


def calibration(
    system: System = System.SD_CASSI, sub_steps: SubSteps = SubSteps.POINT, step: float = 2.0
) -> Calibration:
    random = np.random.default_rng(5)
    shifts = (step * np.arange(BANDS)).astype(np.float32)
    wide = WIDTH if system.single_disperser else WIDTH + int(np.ceil(shifts[-1]))
    return Calibration(
        CalibrationHeader(system=system, sub_steps=sub_steps),
        np.linspace(430, 670, BANDS, dtype=np.float32),
        (0.03 + 0.95 * random.integers(0, 2, (HEIGHT, wide))).astype(np.float32),
        shifts,
        np.linspace(0.6, 1.0, BANDS, dtype=np.float32),
    )


def scene(move: int = 0) -> np.ndarray:
    """Two coloured shapes before a grey ground, `(C, H, W)`, the shapes moved by `move` columns."""
    nm = np.linspace(430, 670, BANDS)
    red, blue = 1 / (1 + np.exp((570 - nm) / 25)), 0.15 + 0.6 * np.exp(-(((nm - 470) / 60) ** 2))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    cube = np.full((BANDS, HEIGHT, WIDTH), 0.3)
    cube[:, (rows - 20) ** 2 + (columns - 25 - move) ** 2 < 130] = red[:, None]
    cube[:, (np.abs(rows - 34) < 9) & (np.abs(columns - 52 - move) < 10)] = blue[:, None]
    return cube.astype(np.float32)


def measure(model_of: Calibration, cube: np.ndarray, index: int = 0) -> Measurement:
    return Measurement(sensing_model(model_of).forward(cube), model_of.id, index)


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((found - truth) ** 2)))


def engine_for(one: Calibration, **options: str) -> Engine:
    return build_engine(engine_specs(), "gap-tv", one, options)


@pytest.fixture
def sd() -> Calibration:
    return calibration()


@pytest.fixture
def engine(sd: Calibration) -> Iterator[Engine]:
    with engine_for(sd, threads="2") as built:
        yield built


@pytest.mark.parametrize("system", list(System))
@pytest.mark.parametrize(
    ("sub_steps", "step"), [(SubSteps.POINT, 2.0), (SubSteps.TWO_HALVES, 2.0), (SubSteps.POINT, 1.7)]
)
def test_every_system_is_reconstructed_about_as_well_as_by_plain_gap_tv(
    system: System, sub_steps: SubSteps, step: float
) -> None:
    one = calibration(system, sub_steps, step)
    measurement = measure(one, scene())
    with engine_for(one, iterations="60", noise="0") as built:
        cube = built.reconstruct(measurement)
    assert cube.values.shape == one.cube_shape
    assert cube.values.dtype == np.float32
    assert cube.calibration_id == one.id
    assert np.array_equal(cube.wavelengths_nm, one.wavelengths_nm)
    plain = psnr(plain_gap_tv(one, measurement.values, 60), scene())
    assert psnr(cube.values, scene()) > max(24.0, plain - 2.0)


def test_ten_times_the_light_gives_ten_times_the_cube(sd: Calibration, engine: Engine) -> None:
    values = measure(sd, scene()).values
    once = engine.reconstruct(Measurement(values, sd.id)).values
    engine.reset()
    tenfold = engine.reconstruct(Measurement(10 * values, sd.id)).values
    np.testing.assert_allclose(tenfold, 10 * once, rtol=1e-3, atol=1e-3)


def test_warm_frames_of_a_still_scene_become_as_good_as_a_cold_one(sd: Calibration) -> None:
    with engine_for(sd, live="off") as cold_engine:
        cold = psnr(cold_engine.reconstruct(measure(sd, scene())).values, scene())
    with engine_for(sd, iterations="12", live_iterations="8") as warm_engine:
        for index in range(14):
            warm = psnr(warm_engine.reconstruct(measure(sd, scene(), index)).values, scene())
    assert warm > cold - 0.1


def test_few_warm_iterations_follow_a_moving_scene(sd: Calibration) -> None:
    with engine_for(sd) as warm_engine, engine_for(sd, live="off", iterations="10") as short_engine:
        for index in range(5):
            warm = psnr(warm_engine.reconstruct(measure(sd, scene(index), index)).values, scene(index))
            short = psnr(short_engine.reconstruct(measure(sd, scene(index), index)).values, scene(index))
    assert warm > short + 1.0


@pytest.mark.parametrize(
    ("index", "light", "move"),
    [(5, 1.0, 0), (4, 1.0, 0), (36, 1.0, 0), (6, 3.0, 0)],
    ids=["same frame", "an earlier frame", "long after", "much brighter"],
)
def test_a_measurement_that_does_not_follow_starts_from_nothing(
    sd: Calibration, index: int, light: float, move: int
) -> None:
    later = measure(sd, np.float32(light) * scene(move), index)
    with engine_for(sd, iterations="30", threads="1") as fresh:
        alone = fresh.reconstruct(later).values
        fresh.reset()
        fresh.reconstruct(measure(sd, scene(3), 5))
        assert np.array_equal(fresh.reconstruct(later).values, alone)


def test_a_measurement_that_follows_goes_on_from_the_last_cube(sd: Calibration) -> None:
    with engine_for(sd, live_iterations="1", threads="1") as built:
        alone = built.reconstruct(measure(sd, scene(), 8)).values
        built.reset()
        built.reconstruct(measure(sd, scene(1), 7))
        assert not np.array_equal(built.reconstruct(measure(sd, scene(), 8)).values, alone)


def test_a_cut_to_another_scene_starts_from_nothing(sd: Calibration) -> None:
    stripes = np.zeros(sd.cube_shape, np.float32)
    stripes[:4, ::2] = 1.0
    with engine_for(sd, iterations="30", threads="1") as built:
        built.reconstruct(measure(sd, stripes, 1))
        cut = built.reconstruct(measure(sd, scene(), 2)).values
        built.reset()
        assert np.array_equal(cut, built.reconstruct(measure(sd, scene(), 3)).values)


def test_noise_is_estimated_and_smoothed_away(sd: Calibration) -> None:
    clean = measure(sd, scene()).values
    noise = np.random.default_rng(3).normal(0, 0.06 * np.sqrt(np.mean(clean**2)), clean.shape).astype(np.float32)
    with engine_for(sd) as aware, engine_for(sd, noise="0") as trusting:
        found = psnr(aware.reconstruct(Measurement(clean + noise, sd.id)).values, scene())
        misled = psnr(trusting.reconstruct(Measurement(clean + noise, sd.id)).values, scene())
    assert found > misled + 5.0


@pytest.mark.parametrize("level", [0.0, -0.01])
def test_no_light_gives_a_black_cube(sd: Calibration, engine: Engine, level: float) -> None:
    dark = engine.reconstruct(Measurement(np.full(sd.measurement_shape, level, np.float32), sd.id))
    assert not dark.values.any()


def test_bands_outside_the_learned_range_use_cosines() -> None:
    one = calibration()
    infrared = Calibration(one.header, one.wavelengths_nm + 400, one.mask, one.dispersion_px, one.response)
    with engine_for(infrared) as built:
        assert dict(built.info.options)["basis"] == "dct"
        assert psnr(built.reconstruct(measure(infrared, scene())).values, scene()) > 25.0


def test_a_spec_without_a_learned_basis_works(sd: Calibration) -> None:
    with build_engine({"gap-tv": gap_tv_spec()}, "gap-tv", sd, {"rank": "full"}) as built:
        assert psnr(built.reconstruct(measure(sd, scene())).values, scene()) > 24.0


def test_the_result_does_not_depend_on_the_number_of_threads(sd: Calibration) -> None:
    with engine_for(sd, threads="1") as one, engine_for(sd, threads="3") as three:
        values = [each.reconstruct(measure(sd, scene())).values for each in (one, three)]
    np.testing.assert_allclose(*values, atol=1e-4)


def test_threads_end_with_the_engine_and_it_says_so_afterwards(sd: Calibration) -> None:
    with engine_for(sd, threads="3") as built:
        built.reconstruct(measure(sd, scene()))
        assert any(t.name.startswith("livecassi-gap-tv") for t in threading.enumerate())
    assert not any(t.name.startswith("livecassi-gap-tv") for t in threading.enumerate())
    with pytest.raises(EngineError, match="was closed; build a new one"):
        built.reconstruct(measure(sd, scene()))


def test_a_measurement_of_another_calibration_is_refused(sd: Calibration, engine: Engine) -> None:
    other = calibration(step=1.5)
    with pytest.raises(EngineMismatchError, match=f"{other.id[:8]}.*{sd.id[:8]}.*build the engine again"):
        engine.reconstruct(measure(other, scene()))


def test_a_measurement_of_another_size_is_refused(sd: Calibration, engine: Engine) -> None:
    with pytest.raises(EngineMismatchError, match=r"\(50, 70\).*expects \(50, 88\)"):
        engine.reconstruct(Measurement(np.ones((50, 70), np.float32), sd.id))


def test_a_measurement_with_nan_is_refused_and_forgotten(sd: Calibration, engine: Engine) -> None:
    broken = measure(sd, scene()).values.copy()
    broken[3, 4:6] = np.nan
    with pytest.raises(EngineMismatchError, match="2 values that are NaN"):
        engine.reconstruct(Measurement(broken, sd.id, 1))
    assert np.isfinite(engine.reconstruct(measure(sd, scene(), 2)).values).all()


@pytest.mark.parametrize(
    ("key", "text", "complaint"),
    [
        ("iterations", "0", "expected 1 to 2000"),
        ("iterations", "many", "expected a whole number"),
        ("live_iterations", "2001", "expected 1 to 2000"),
        ("live", "maybe", "expected one of on, off"),
        ("rank", "half", "expected a whole number, or 'full'"),
        ("weight", "nan", "expected 0.001 to 100"),
        ("noise", "2", "expected 0 to 1, or 'auto'"),
        ("basis", "wavelet", "expected one of learned, dct"),
        ("threads", "65", "expected 1 to 64, or 'auto'"),
    ],
)
def test_nonsense_options_are_refused(sd: Calibration, key: str, text: str, complaint: str) -> None:
    with pytest.raises(EngineUnavailableError, match=complaint):
        engine_for(sd, **{key: text})


def test_options_are_reported(sd: Calibration) -> None:
    with engine_for(sd, rank="5", weight="0.5", live="off") as built:
        options = dict(built.info.options)
    assert (options["rank"], options["weight"], options["live"], options["noise"]) == ("5", "0.5", "off", "auto")
    assert built.info.name == "gap-tv"
