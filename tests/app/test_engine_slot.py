"""The place of the engine: who follows whom, what is gone back to, and what is said about it."""

from collections.abc import Callable

import pytest
from fakes import FakeEngine, small_calibration

from livecassi.app.engine_slot import EngineFailedError, EngineSlot, FirstSteps, Order
from livecassi.engines import Engine, EngineInfo, EngineUnavailableError
from livecassi.engines.errors import PreparationError
from livecassi.engines.runtimes.preparation import Progress

CALIBRATION = small_calibration()
MINUTE_NS = 60_000_000_000


class Workbench:
    """A slot whose threads are played by the test. `built` keeps every engine in the order of building."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.told: list[Exception] = []
        self.built: list[FakeEngine] = []
        self.slot = EngineSlot(self.told.append, lambda: self.now_ns)

    def make(self, name: str, **options: str) -> Callable[[], Engine]:
        def make() -> Engine:
            engine = FakeEngine(CALIBRATION, name)
            engine.info = EngineInfo(name, "numpy", CALIBRATION.id, tuple(options.items()))
            self.built.append(engine)
            return engine

        return make

    def use(self, name: str, **options: str) -> None:
        """Build an engine as an operator asks for it, and let it give a cube."""
        self.slot.build(self.slot.request(name, self.make(name, **options)))
        self.cube()

    def cube(self) -> None:
        self.slot.current()
        self.slot.worked()

    def fail(self, text: str = "out of memory.") -> tuple[str, Order | None]:
        """The engine in use fails; what is told and what follows."""
        told, follower = self.slot.fail(RuntimeError(text))
        return str(told), follower

    @property
    def name(self) -> str:
        engine = self.slot.engine
        return engine.info.name if engine is not None else ""


@pytest.fixture
def bench() -> Workbench:
    return Workbench()


def refuse() -> Engine:
    raise EngineUnavailableError("no weights were found.")


def test_a_failure_goes_back_to_the_engine_before_which_is_built_again(bench: Workbench) -> None:
    bench.use("first")
    bench.use("second")
    cause = RuntimeError("out of memory.")
    told, follower = bench.slot.fail(cause)
    assert isinstance(told, EngineFailedError)
    assert str(told) == "engine 'second' failed: out of memory; went back to 'first'"
    assert (told.engine, told.__cause__) == ("second", cause)
    assert (bench.name, bench.slot.building) == ("", "first")
    bench.slot.build(follower)
    bench.cube()
    assert (bench.name, bench.slot.building) == ("first", "")
    assert [(engine.info.name, engine.entered, engine.exited) for engine in bench.built] == [
        ("first", 1, 1),
        ("second", 1, 1),
        ("first", 1, 0),
    ]


def test_an_engine_that_gave_no_cube_is_not_one_to_go_back_to(bench: Workbench) -> None:
    bench.use("first")
    bench.slot.build(bench.slot.request("silent", bench.make("silent")))
    bench.slot.current()
    bench.use("third")
    assert bench.fail()[0].endswith("went back to 'first'")


def test_alone_the_failure_is_told_as_it_is(bench: Workbench) -> None:
    bench.use("only")
    told, follower = bench.slot.fail(error := RuntimeError("broken"))
    assert told is error
    assert follower is None
    assert bench.built[0].exited == 1


def test_other_options_of_the_same_engine_are_gone_back_from(bench: Workbench) -> None:
    bench.use("net", hop="1")
    bench.use("net", hop="3")
    words, follower = bench.fail()
    assert words == "engine 'net' failed: out of memory; went back to 'net' with its options before"
    bench.slot.build(follower)
    assert bench.slot.newest is not None
    assert bench.slot.newest.info.options == (("hop", "1"),)


def test_an_engine_on_its_way_takes_the_place_of_one_that_fails(bench: Workbench) -> None:
    bench.use("first")
    bench.use("second")
    order = bench.slot.request("third", bench.make("third"))
    words, follower = bench.fail()
    assert (words, follower) == ("engine 'second' failed: out of memory; 'third' is being prepared", None)
    bench.slot.build(order)
    bench.cube()
    bench.slot.build(bench.slot.request("fourth", bench.make("fourth")))
    assert bench.fail() == ("engine 'third' failed: out of memory; 'fourth' takes its place", None)
    assert bench.slot.current() is bench.built[-1]


def test_two_engines_that_fail_early_do_not_alternate_for_ever(bench: Workbench) -> None:
    bench.use("first")
    bench.use("second")
    names = []
    follower: Order | None = bench.fail()[1]
    while follower is not None:
        names.append(follower.name)
        assert len(names) < 9
        bench.slot.build(follower)
        bench.cube()
        follower = bench.fail()[1]
    assert names == ["first", "second", "first"]
    bench.use("second")
    assert bench.fail()[1] is None, "first has failed twice in a row"
    bench.use("first")  # an operator asks for it: it may be tried again
    bench.use("second")
    assert bench.fail()[0].endswith("went back to 'first'")


def test_a_failure_after_a_minute_is_no_early_one(bench: Workbench) -> None:
    bench.use("first")
    bench.use("second")
    for _ in range(4):
        bench.now_ns += MINUTE_NS
        _, follower = bench.fail()
        assert follower is not None
        bench.slot.build(follower)
        bench.cube()


def test_a_build_that_fails_leaves_the_present_one_and_says_so(bench: Workbench) -> None:
    bench.use("first")
    bench.slot.build(bench.slot.request("absent", refuse))
    assert str(bench.told[0]) == "no weights were found; 'first' goes on"
    assert isinstance(bench.told[0].__cause__, EngineUnavailableError)
    assert (bench.name, bench.slot.building) == ("first", "")


def test_a_build_that_fails_while_nothing_runs_goes_back_too(bench: Workbench) -> None:
    bench.use("first")
    bench.use("second")
    order = bench.slot.request("absent", refuse)
    bench.fail()
    bench.slot.build(order)
    assert str(bench.told[0]) == "no weights were found; went back to 'second'"
    bench.cube()
    assert bench.name == "second"


def test_an_engine_that_cannot_be_built_again_is_forgotten(bench: Workbench) -> None:
    able = [True]

    def once() -> Engine:
        if not able.pop():
            raise EngineUnavailableError("the file of weights is gone")
        return bench.make("first")()

    bench.slot.build(bench.slot.request("first", once))
    bench.cube()
    able.append(False)
    bench.use("second")
    _, follower = bench.fail()
    bench.slot.build(follower)
    assert [str(error) for error in bench.told] == ["the file of weights is gone; went back to 'second'"]
    bench.cube()
    assert bench.name == "second"
    assert bench.fail()[1] is None


def test_a_release_that_fails_does_not_stop_the_change(bench: Workbench) -> None:
    class Clinging(FakeEngine):
        def __exit__(self, *_: object) -> None:
            raise RuntimeError("the device is lost")

    bench.slot.build(bench.slot.request("clinging", lambda: Clinging(CALIBRATION, "clinging")))
    bench.cube()
    bench.use("second")
    assert bench.name == "second"


def test_closing_forgets_everything(bench: Workbench) -> None:
    bench.use("first")
    bench.use("second")
    late = bench.slot.request("late", bench.make("late"))
    bench.slot.close()
    bench.slot.build(late)
    assert bench.slot.current() is None
    assert all(engine.exited == 1 for engine in bench.built)
    bench.use("third")
    assert bench.fail()[1] is None


# ---- what comes before an engine can be made ------------------------------------------------------------------------


class Preparing:
    """First steps that the test follows: what `slot` holds and says while they are taken."""

    def __init__(self, bench: Workbench, meanwhile: str = "", error: Exception | None = None) -> None:
        self.bench, self.error = bench, error
        self.meanwhile = bench.make(meanwhile, runtime="slow") if meanwhile else None
        self.seen: list[tuple[str, str, str]] = []  # the engine in use, what is built, what is being done
        self.act: Callable[[], None] = lambda: None

    def steps(self) -> FirstSteps:
        return FirstSteps(self.prepare, self.meanwhile)

    def prepare(self, progress: Progress) -> None:
        progress.say("exporting", 0.4)
        self.bench.slot.current()
        self.seen.append((self.bench.name, self.bench.slot.building, self.bench.slot.preparing))
        if self.error is not None:
            raise self.error
        self.act()
        progress.say("building")
        self.seen.append((self.bench.name, self.bench.slot.building, self.bench.slot.preparing))


def test_a_slower_engine_runs_while_the_one_that_was_asked_for_is_prepared(bench: Workbench) -> None:
    preparing = Preparing(bench, meanwhile="net")
    bench.slot.build(bench.slot.request("net", bench.make("net", runtime="fast"), preparing.steps))
    assert preparing.seen == [("net", "net", "exporting, 40 %"), ("net", "net", "building")]
    assert bench.slot.changing
    assert (bench.slot.building, bench.slot.preparing) == ("", "")
    bench.cube()
    assert [engine.info.options for engine in bench.built] == [(("runtime", "slow"),), (("runtime", "fast"),)]
    assert [engine.exited for engine in bench.built] == [1, 0]


def test_what_runs_goes_on_while_another_is_prepared(bench: Workbench) -> None:
    bench.use("first")
    preparing = Preparing(bench, meanwhile="net")
    bench.slot.build(bench.slot.request("net", bench.make("net"), preparing.steps))
    assert [name for name, _, _ in preparing.seen] == ["first", "first"]
    assert [engine.info.name for engine in bench.built] == ["first", "net"], "nothing slower was made"


def test_a_preparation_that_fails_leaves_the_slower_engine_at_work(bench: Workbench) -> None:
    preparing = Preparing(bench, meanwhile="net", error=PreparationError("the disk is full."))
    bench.slot.build(bench.slot.request("net", bench.make("net", runtime="fast"), preparing.steps))
    assert [str(error) for error in bench.told] == ["the disk is full; 'net' goes on"]
    assert (bench.name, bench.slot.building, bench.slot.preparing) == ("net", "", "")


@pytest.mark.parametrize("how", ["cancel", "another"])
def test_a_preparation_that_nobody_wants_any_more_ends_without_a_word(bench: Workbench, how: str) -> None:
    bench.use("first")
    preparing = Preparing(bench)
    preparing.act = bench.slot.cancel if how == "cancel" else lambda: bench.use("second")
    bench.slot.build(bench.slot.request("net", bench.make("net"), preparing.steps))
    assert len(preparing.seen) == 1, "what comes next of the preparation was done all the same"
    assert bench.told == []
    assert (bench.slot.building, bench.slot.preparing) == ("", "")
    assert bench.name == ("first" if how == "cancel" else "second")


def test_a_slower_engine_that_cannot_be_made_does_not_keep_the_other_from_coming(bench: Workbench) -> None:
    preparing = Preparing(bench)
    preparing.meanwhile = refuse
    bench.slot.build(bench.slot.request("net", bench.make("net"), preparing.steps))
    bench.cube()
    assert (bench.name, bench.told) == ("net", [])
