"""The loop of a training: it learns, it goes on after a kill as if nothing had been, and it stops in words."""

import csv
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_training
import torch
from tiny_training import CPU, TinyTask, tiny_recipe
from torch import Tensor

from livecassi.engines.errors import TrainingError
from livecassi.engines.training import run_log
from livecassi.engines.training.checkpoints import CheckpointError, CheckpointFolder, read_checkpoint
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.export import export_weights
from livecassi.engines.training.progress import Outcome, Progress, Told
from livecassi.engines.training.recipe import Recipe
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.task import Batch, Draw
from livecassi.engines.training.trainer import DivergedError, Trainer
from livecassi.engines.weights import TrainingState, load_state

pytestmark = pytest.mark.usefixtures("one_thread")


def trained(
    folder: Path,
    recipe: Recipe | None = None,
    task: TinyTask | None = None,
    told: Told | None = None,
    stopping: Stopping | None = None,
) -> Outcome:
    folder.mkdir(exist_ok=True)
    trainer = Trainer(task or TinyTask(), recipe or tiny_recipe(), folder, CPU, told, "random pictures")
    return trainer.train(stopping or Stopping())


def column(folder: Path, name: str, table: str = "log.csv") -> list[float]:
    with (folder / table).open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def steps_kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.checkpoint"))


def program(folder: Path, killed_at: int, *changes: str, **environment: str) -> "subprocess.Popen[bytes]":
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(tiny_training.__file__), str(folder), str(killed_at), *changes]
    return subprocess.Popen(command, env={**os.environ, **environment})


# ---- a run -----------------------------------------------------------------------------------------------------------


def test_a_run_learns_logs_validates_early_and_keeps_two_checkpoints_and_the_best(tmp_path: Path) -> None:
    told: list[Progress] = []
    assert trained(tmp_path, told=Told(told.append)) is Outcome.FINISHED
    losses = column(tmp_path, "loss")
    assert len(losses) == 12
    assert losses[-1] < 0.5 * losses[0]
    assert column(tmp_path, "step", "validation.csv") == [1, 5, 10, 12]
    assert column(tmp_path, "psnr_db", "validation.csv")[-1] > column(tmp_path, "psnr_db", "validation.csv")[0]
    assert steps_kept(tmp_path) == ["best.checkpoint", "step-000000008.checkpoint", "step-000000012.checkpoint"]
    assert told[-1].step == told[-1].steps == 12
    assert told[-1].throughput is not None
    assert told[-1].throughput.samples_per_s > 0
    assert 0 <= told[-1].throughput.loader_share <= 1
    assert 0 < (told[-1].throughput.matrix_share or 0) < 1


def test_the_log_is_one_for_tensorboard_too_or_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remarks: list[str] = []
    with monkeypatch.context() as without:
        without.setattr(run_log, "find_spec", lambda name: None)
        trained(tmp_path / "without", told=Told(remark=remarks.append))
    assert "tensorboard is not installed" in remarks[0]
    assert len(column(tmp_path / "without", "loss")) == 12
    pytest.importorskip("tensorboard")
    trained(tmp_path / "with", told=Told(remark=remarks.append))
    assert len(remarks) == 1
    (events,) = (tmp_path / "with" / "tensorboard").iterdir()
    assert b"training/loss" in events.read_bytes()


def test_samples_made_ahead_by_other_processes_are_the_same(tmp_path: Path) -> None:
    trained(tmp_path / "here")
    trained(tmp_path / "ahead", tiny_recipe("run.workers=2"))
    assert column(tmp_path / "here", "loss") == column(tmp_path / "ahead", "loss")


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    trained(tmp_path / "unbroken")
    killed = program(tmp_path / "killed", 10, "run.workers=1")
    assert killed.wait(240) == -signal.SIGKILL
    assert len(column(tmp_path / "killed", "loss")) == 9  # the tenth was told and never written
    assert CheckpointFolder(tmp_path / "killed").newest(tiny_recipe())[0].step == 8  # type: ignore[index]
    trained(tmp_path / "killed")
    assert column(tmp_path / "killed", "loss") == column(tmp_path / "unbroken", "loss")
    names = "psnr_db", "error"
    for name in names:
        one, other = (column(tmp_path / run, name, "validation.csv") for run in ("killed", "unbroken"))
        assert one == other


def test_bf16_trains_too(tmp_path: Path) -> None:
    trained(tmp_path, tiny_recipe("run.precision=bf16", "run.channels_last=true", "run.optimiser=adamw"))
    assert column(tmp_path, "loss")[-1] < column(tmp_path, "loss")[0]


def test_two_processes_learn_as_one_with_twice_the_batch(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    changes = "run.steps=4", "run.checkpoint_every=4", "run.validate_every=3"
    both = [program(tmp_path / "two", 0, *changes, RANK=rank, **together) for rank in ("0", "1")]
    assert [process.wait(240) for process in both] == [0, 0]
    trained(tmp_path / "one", tiny_recipe(*changes, "run.batch=4"), TinyTask(dropout=0.0))
    two, one = (read_checkpoint(tmp_path / run / "step-000000004.checkpoint") for run in ("two", "one"))
    for name, tensor in one.network.items():
        torch.testing.assert_close(two.network[name], tensor, rtol=1e-5, atol=1e-6)
    assert column(tmp_path / "two", "loss") == pytest.approx(column(tmp_path / "one", "loss"), rel=1e-5)
    assert two.scores == pytest.approx(one.scores, rel=1e-4)


# ---- stopping --------------------------------------------------------------------------------------------------------


def test_a_run_whose_time_is_up_stops_with_a_checkpoint_and_goes_on(tmp_path: Path) -> None:
    now = [100.0]

    def tick(progress: Progress) -> None:
        now[0] += 1.0

    stopping = Stopping(9.0, 100.0, clock=lambda: now[0])
    assert trained(tmp_path / "slices", told=Told(tick), stopping=stopping) is Outcome.STOPPED
    found = CheckpointFolder(tmp_path / "slices").newest(tiny_recipe())
    assert found is not None
    assert 0 < found[0].step < 12
    assert trained(tmp_path / "slices") is Outcome.FINISHED
    trained(tmp_path / "whole")
    assert column(tmp_path / "slices", "loss") == column(tmp_path / "whole", "loss")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_leaves_a_checkpoint(tmp_path: Path, number: signal.Signals) -> None:
    asked: list[int] = []

    def interrupt(progress: Progress) -> None:
        if progress.step == 3 and not asked:
            asked.append(progress.step)
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    assert trained(tmp_path, told=Told(interrupt)) is Outcome.STOPPED
    assert steps_kept(tmp_path) == ["best.checkpoint", "step-000000003.checkpoint"]
    assert signal.getsignal(number) is before


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_another_recipe_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(CheckpointError, match=r"another recipe.*run\.batch = 3, there 2.*choose another folder"):
        trained(tmp_path, tiny_recipe("run.batch=3"))


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path: Path) -> None:
    trained(tmp_path)
    assert trained(tmp_path, tiny_recipe("run.steps=14", "run.validate_every=7")) is Outcome.FINISHED
    assert column(tmp_path, "step")[-1] == 14


def test_a_log_that_a_crash_left_unreadable_begins_anew(tmp_path: Path) -> None:
    trained(tmp_path)
    (tmp_path / "log.csv").write_bytes(bytes(200_000))
    with (tmp_path / "validation.csv").open("ab") as file:
        file.write(b"\xff\xfe,1")
    trained(tmp_path, tiny_recipe("run.steps=14", "run.validate_every=7"))
    assert column(tmp_path, "step") == [13, 14]
    assert column(tmp_path, "step", "validation.csv") == [1, 5, 10, 12, 14]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    trained(tmp_path / "whole", tiny_recipe("run.steps=20", "run.schedule=constant"))
    trained(tmp_path / "damaged", tiny_recipe("run.schedule=constant"))
    newest = tmp_path / "damaged" / "step-000000012.checkpoint"
    content = bytearray(newest.read_bytes())
    content[-200] ^= 1
    newest.write_bytes(content)
    remarks: list[str] = []
    trained(
        tmp_path / "damaged", tiny_recipe("run.steps=20", "run.schedule=constant"), told=Told(remark=remarks.append)
    )
    assert any("step-000000012" in one and "going on from the one before, step-000000008" in one for one in remarks)
    assert column(tmp_path / "damaged", "loss") == column(tmp_path / "whole", "loss")


def test_a_run_without_any_good_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "step-000000004.checkpoint").write_bytes(b"livecassi")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be read"):
        trained(tmp_path)


def test_a_full_disk_is_told_and_older_checkpoints_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    trained(tmp_path, tiny_recipe("run.steps=4"))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"cannot be written.*No space left.*those before it are untouched"):
        trained(tmp_path)
    assert steps_kept(tmp_path) == ["best.checkpoint", "step-000000004.checkpoint"]
    assert not list(tmp_path.glob(".*"))


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    def spoil(draw: Draw, batch: Batch) -> Batch:
        return {name: tensor * float("nan") for name, tensor in batch.items()} if draw.step == 6 else batch

    with pytest.raises(DivergedError, match=r"the loss of step 7 is nan; the checkpoint of step 4 is kept"):
        trained(tmp_path, task=TinyTask(spoil))
    assert read_checkpoint(tmp_path / "step-000000004.checkpoint").step == 4


def test_weights_that_are_no_numbers_are_never_kept(tmp_path: Path) -> None:
    def break_gradient(_: int, loss: Tensor) -> Tensor:
        return loss + 0 * (loss - loss.detach()).sqrt()  # 0 times an infinite slope

    with pytest.raises(DivergedError, match="weights after step 1 are no numbers"):
        trained(tmp_path, tiny_recipe("run.checkpoint_every=1", "run.gradient_clip=0"), TinyTask(watch=break_gradient))
    assert steps_kept(tmp_path) == []
    with pytest.raises(DivergedError, match="weights after step 1 are no numbers"):  # before they are scored
        trained(tmp_path, tiny_recipe("run.validate_every=1", "run.gradient_clip=0"), TinyTask(watch=break_gradient))


def test_too_little_memory_names_the_batch_that_fits(tmp_path: Path) -> None:
    def large(samples: int, loss: Tensor) -> Tensor:
        if samples > 3:
            torch.empty(2**55)
        return loss

    with pytest.raises(TrainingError, match=r"does not hold a batch of 12 .*a batch of 3 fits: set \[run\] batch = 3"):
        trained(tmp_path, tiny_recipe("run.batch=12"), TinyTask(watch=large))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_source_of_scenes_refuses_is_told_with_the_step(tmp_path: Path, workers: int) -> None:
    def refuse(draw: Draw, batch: Batch) -> Batch:
        if draw.step == 2:
            raise TrainingDataError("scene 'corn' ends at 600 nm; leave it out")
        return batch

    with pytest.raises(TrainingError, match="the samples of step 2 cannot be made: scene 'corn' ends at 600 nm"):
        trained(tmp_path, tiny_recipe(f"run.workers={workers}"), TinyTask(refuse))


def test_a_process_of_the_loader_that_is_killed_is_told(tmp_path: Path) -> None:
    def kill(progress: Progress) -> None:
        if progress.step == 5:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
            time.sleep(1)  # torch hears of it at any moment, not only where it waits for samples

    endless = tiny_recipe("run.workers=1", "run.steps=1000", "run.checkpoint_every=4")
    with pytest.raises(TrainingError, match=r"a process that makes samples ended .*goes on from the newest"):
        trained(tmp_path, endless, told=Told(kill))
    assert "step-000000004.checkpoint" in steps_kept(tmp_path)


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "state"), [(12, TrainingState.TRAINED), (40, TrainingState.PARTLY_TRAINED)])
def test_exported_weights_are_the_validated_average_and_say_how_far_to_trust_them(
    tmp_path: Path, steps: int, state: TrainingState
) -> None:
    trained(tmp_path)
    checkpoint = read_checkpoint(tmp_path / "step-000000012.checkpoint")
    card = export_weights(tmp_path / "tiny.safetensors", checkpoint, tiny_recipe(f"run.steps={steps}"))
    assert card.state is state
    assert card.model_card is not None
    assert card.model_card.steps == 12
    assert card.model_card.training_data == "random pictures"
    assert card.model_card.validation == checkpoint.scores
    network = TinyTask().build()
    network.load_state_dict(load_state(tmp_path / "tiny.safetensors")[1])
    assert TinyTask().validate(network.eval()) == pytest.approx(checkpoint.scores, rel=1e-6)
    assert any(not torch.equal(checkpoint.average[name], tensor) for name, tensor in checkpoint.network.items())


def test_a_run_begins_with_given_weights(tmp_path: Path) -> None:
    trained(tmp_path / "first")
    checkpoint = read_checkpoint(tmp_path / "first" / "step-000000012.checkpoint")
    weights = tmp_path / "start.safetensors"
    export_weights(weights, checkpoint, tiny_recipe())
    trained(tmp_path / "second", tiny_recipe(f"run.start='{weights}'", "run.learning_rate=1e-5"))
    assert column(tmp_path / "second", "psnr_db", "validation.csv")[0] == pytest.approx(
        checkpoint.scores["psnr_db"], abs=0.1
    )


def test_weights_to_begin_with_may_go_away_after_the_beginning(tmp_path: Path) -> None:
    trained(tmp_path / "first")
    weights = tmp_path / "start.safetensors"
    export_weights(weights, read_checkpoint(tmp_path / "first" / "step-000000012.checkpoint"), tiny_recipe())
    begun = f"run.start='{weights}'"
    trained(tmp_path / "second", tiny_recipe(begun))
    whole = read_checkpoint(tmp_path / "second" / "step-000000012.checkpoint")
    card = export_weights(tmp_path / "whole.safetensors", whole, tiny_recipe(begun))
    assert card.model_card is not None
    assert card.model_card.steps == 24
    weights.unlink()
    assert trained(tmp_path / "second", tiny_recipe(begun, "run.steps=14")) is Outcome.FINISHED
    card = export_weights(tmp_path / "parted.safetensors", whole, tiny_recipe(begun))
    assert card.model_card is not None
    assert card.model_card.steps == 12
    assert "begun with start.safetensors, whose steps and hours are not counted" in card.model_card.training_data
