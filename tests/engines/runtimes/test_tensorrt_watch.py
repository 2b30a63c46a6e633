"""Progress of a build, from phases of steps; and what the library says."""

import threading

import pytest
from fake_tensorrt import Severity, tensorrt_11, tensorrt_rtx

from livecassi.engines.errors import DeviceMemoryError, PreparationCancelledError, PreparationError
from livecassi.engines.runtimes.preparation import Unwatched, Watched
from livecassi.engines.runtimes.tensorrt.build_watch import BuildWatch
from livecassi.engines.runtimes.tensorrt.native_log import failure, native_log

Said = list[tuple[str, float | None]]


def watching(said: Said) -> BuildWatch:
    return BuildWatch(Watched(lambda doing, share: said.append((doing, share))), "building")


def test_steps_of_phases_within_phases_become_one_share() -> None:
    said: Said = []
    watch = watching(said)
    watch.begin("all", None, 4)
    watch.step("all", 0)
    watch.begin("part", "all", 2)
    watch.step("part", 0)
    watch.begin("grain", "part", 10)
    watch.step("grain", 4)
    assert said == [
        ("building: all", 1 / 4),
        ("building: part", (1 + 1 / 2) / 4),
        ("building: grain", (1 + (1 + 5 / 10) / 2) / 4),
    ]


def test_a_share_never_falls_nor_passes_one() -> None:
    said: Said = []
    watch = watching(said)
    watch.begin("all", None, 2)
    for _ in range(3):  # more steps than were announced, in phases that come again
        watch.begin("part", "all", 2)
        for step in (0, 1, 2):
            assert watch.step("part", step)
        watch.end("part")
        watch.step("all", 0)
    shares = [share for _, share in said if share is not None]
    assert shares == sorted(set(shares))
    assert shares[-1] <= 1.0


def test_phases_that_nobody_announced_or_that_contain_themselves_do_no_harm() -> None:
    watch = watching([])
    assert watch.step("unknown", 3)
    watch.end("unknown")
    watch.begin("odd", "odd", 0)
    assert watch.step("odd", 0)


def test_small_steps_are_not_said_one_by_one() -> None:
    said: Said = []
    watch = watching(said)
    watch.begin("all", None, 100_000)
    for step in range(100_000):
        watch.step("all", step)
    assert 100 < len(said) <= 500


def test_giving_up_ends_every_step_from_then_on() -> None:
    gone: list[bool] = []
    watch = BuildWatch(Watched(lambda doing, share: None, lambda: bool(gone)), "building")
    watch.begin("all", None, 10)
    assert watch.step("all", 0)
    gone.append(True)
    assert not watch.step("all", 1)
    gone.clear()
    assert not watch.step("all", 2), "a build that was given up went on"
    assert isinstance(watch.failure, PreparationCancelledError)


def test_threads_of_the_library_may_call_at_once() -> None:
    said: Said = []
    watch = watching(said)
    watch.begin("all", None, 4)

    def tune(number: int) -> None:
        for step in range(200):
            watch.begin(f"kernel {number}", "all", 200)
            watch.step(f"kernel {number}", step)
            watch.end(f"kernel {number}")

    threads = [threading.Thread(target=tune, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shares = [share for _, share in said if share is not None]
    assert shares == sorted(shares)
    assert watch.failure is None


def test_unwatched_builds_go_on() -> None:
    watch = BuildWatch(Unwatched(), "building")
    watch.begin("all", None, 2)
    assert watch.step("all", 0)


# ---- what the library says -------------------------------------------------------------------------------------------


def test_a_library_is_given_one_logger_for_ever() -> None:
    trt, rtx = tensorrt_11(), tensorrt_rtx()
    assert native_log(trt) is native_log(trt)
    assert native_log(trt) is not native_log(rtx)


def test_only_who_listens_hears_and_nobody_hears_every_node() -> None:
    log = native_log(tensorrt_11())
    say = log.native.log  # type: ignore[attr-defined]
    say(Severity.ERROR, "before")
    with log.heard() as outer:
        say(Severity.INFO, "first")
        with log.heard() as inner:
            say(Severity.WARNING, "second")
            say(Severity.VERBOSE, "every node")
        say(Severity.INTERNAL_ERROR, "third")
    say(Severity.ERROR, "after")
    assert outer == ["INFO: first", "WARNING: second", "INTERNAL_ERROR: third"]
    assert inner == ["WARNING: second"]


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ([], PreparationError, r"no plan \(it gave no reason\); try another"),
        (["INFO: a", "INFO: b"], PreparationError, r"no plan \(INFO: a; INFO: b\)"),
        (["ERROR: bad\n  thing", "INFO: b"], PreparationError, r"no plan \(ERROR: bad thing\); try another"),
        (["WARNING: tactic skipped: out of memory", "ERROR: bad"], PreparationError, r"\(ERROR: bad\)"),
        (["ERROR: Cuda Runtime (out of memory)"], DeviceMemoryError, "choose a smaller region"),
        (["ERROR: Requested amount of GPU memory could not be allocated"], DeviceMemoryError, "does not hold it"),
    ],
)
def test_failures_tell_what_the_library_said(lines: list[str], kind: type[Exception], message: str) -> None:
    found = failure("no plan", lines, "try another", PreparationError)
    assert type(found) is kind
    with pytest.raises(kind, match=message):
        raise found
