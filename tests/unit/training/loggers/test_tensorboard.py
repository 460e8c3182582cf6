"""The logger `tensorboard`, read back as TensorBoard reads it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.errors import ResourceError
from dlcli.training.loggers.picture_grid import picture_grids
from dlcli.training.loggers.tensorboard import TensorBoardLogger
from dlcli.training.progress import Progress
from tests.unit.training.loggers import events
from tests.unit.training.loggers.runs import logged_run
from tests.unit.training.trainings import run_folder, vectors

SIZES: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 4, "total_steps": 8, "monitored": "valid/accuracy"}


def record(epoch: int) -> dict[str, Any]:
    return {"event": "epoch", "epoch": epoch, "step": 4 * epoch, "train/loss": 0.1 * epoch, "valid/accuracy": 0.3, "lr": 1e-3}


def train(logger: TensorBoardLogger, first: int, last: int, *, value: float = 1.0) -> None:
    """Takes steps, of which each fourth ends an epoch."""
    logger.started(Progress(step=first - 1), **SIZES)
    for step in range(first, last + 1):
        logger.stepped(Progress(step=step), torch.tensor(value * step))
        if step % 4 == 0:
            logger.epoch_ended(record(step // 4), is_best=True)


def folder_of(path: Path) -> Path:
    return path / "tensorboard"


def test_figures_of_epochs_and_losses_of_steps_are_curves(tmp_path: Path) -> None:
    """By the keys of metrics.jsonl, over the steps; each number as float32."""
    run, _ = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    train(logger, 1, 8)
    logger.ended("interrupted", 8, {})
    found = events.curves(folder_of(tmp_path))
    assert found.pop("step/loss") == [(step, float(step)) for step in range(1, 9)]
    for key in ("epoch", "train/loss", "valid/accuracy", "lr"):
        assert found.pop(key) == [(4 * epoch, float(np.float32(record(epoch)[key]))) for epoch in (1, 2)]
    assert found == {}


def test_the_first_batch_is_shown_as_the_network_reads_it(tmp_path: Path) -> None:
    """After augmentation, once."""
    run, trainer = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    train(logger, 1, 4)
    logger.ended("interrupted", 4, {})
    [image] = events.read(folder_of(tmp_path)).Images("first batch/input")
    [(_, expected)] = picture_grids(next(iter(trainer.batches.epoch(0))), run.graph.inputs)
    assert image.step == 0
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(image.encoded_image_string))), expected)


def test_the_graph_is_there(tmp_path: Path) -> None:
    """Layer by layer."""
    run, _ = logged_run(tmp_path, vectors(), [{"linear": 5}, "relu", {"linear": 3}])
    logger = TensorBoardLogger(run)
    train(logger, 1, 1)
    logger.ended("interrupted", 1, {})
    found = events.read(folder_of(tmp_path))
    assert [node.name for node in found.Graph().node] == ["input", "linear_1", "relu_1", "linear_2", "output/linear_2"]
    assert found.Tags()["images"] == []


def test_hyper_parameters_stand_beside_the_result(tmp_path: Path) -> None:
    """All of `data` and `train`, in their types, and the figures of the test split."""
    run, _ = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    train(logger, 1, 8)
    logger.ended("completed", 8, {"loss": 0.25, "accuracy": 0.875})
    found = events.hyper_parameters(folder_of(tmp_path))
    values = found["_hparams_/session_start_info"].session_start_info.hparams
    assert values["train.epochs"].number_value == 2
    assert values["train.optimizer.name"].string_value == "sgd"
    assert values["train.deterministic"].HasField("bool_value")
    assert values["parameters"].number_value == run.graph.parameter_count()
    experiment = found["_hparams_/experiment"].experiment
    assert {info.name for info in experiment.hparam_infos} == set(values)
    assert [info.name.tag for info in experiment.metric_infos] == ["test/loss", "test/accuracy"]
    curves = events.curves(folder_of(tmp_path))
    assert (curves["test/loss"], curves["test/accuracy"]) == ([(8, 0.25)], [(8, 0.875)])


@pytest.mark.parametrize("status", ["interrupted", "failed", "diverged"])
def test_a_run_without_a_result_has_none(status: str, tmp_path: Path) -> None:
    """It is not among those that are compared."""
    run, _ = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    train(logger, 1, 2)
    logger.ended(status, 2, {})
    assert events.hyper_parameters(folder_of(tmp_path)) == {}
    assert events.curves(folder_of(tmp_path))["step/loss"] == [(1, 1.0), (2, 2.0)]


@pytest.mark.parametrize(("saved", "taken"), [(4, 4), (4, 6), (4, 8), (0, 3), (0, 8)])
def test_steps_that_are_taken_again_are_there_once(saved: int, taken: int, tmp_path: Path) -> None:
    """After a kill behind the last checkpoint; the new values hold, also where the old file ends in the middle of a record."""
    run, _ = logged_run(tmp_path)
    killed = TensorBoardLogger(run)
    train(killed, 1, taken)
    killed._write_losses()
    killed._file.close()
    [old] = folder_of(tmp_path).iterdir()
    old.write_bytes(old.read_bytes() + b"\x20\x00\x00")
    run, trainer = logged_run(tmp_path)
    trainer.progress.step = run.step = saved
    logger = TensorBoardLogger(run)
    train(logger, saved + 1, 8, value=10.0)
    logger.ended("completed", 8, {"loss": 0.5})
    found = events.curves(folder_of(tmp_path))
    assert found["step/loss"] == [(step, step * (1.0 if step <= saved else 10.0)) for step in range(1, 9)]
    assert [step for step, _ in found["train/loss"]] == [4, 8]
    assert len(events.read(folder_of(tmp_path)).Images("first batch/input")) == 1


def test_an_epoch_that_was_cut_short_and_goes_on_loses_its_figures(tmp_path: Path) -> None:
    """As it does in metrics.jsonl: `max_steps` had ended it, and now is higher."""
    run, _ = logged_run(tmp_path)
    cut = TensorBoardLogger(run)
    train(cut, 1, 6)
    cut.epoch_ended({**record(2), "step": 6}, is_best=False)
    cut.ended("completed", 6, {"loss": 0.5})
    run, _ = logged_run(tmp_path)
    run.step, run.is_within_epoch = 6, True
    logger = TensorBoardLogger(run)
    train(logger, 7, 8)
    logger.ended("completed", 8, {"loss": 0.25})
    found = events.curves(folder_of(tmp_path))
    assert [step for step, _ in found["train/loss"]] == [4, 8]
    assert found["test/loss"] == [(8, 0.25)]


def test_a_run_that_goes_on_is_compared_by_its_new_result(tmp_path: Path) -> None:
    """The old one is no longer there, nor are the hyper-parameters of then."""
    run, _ = logged_run(tmp_path)
    first = TensorBoardLogger(run)
    train(first, 1, 8)
    first.ended("completed", 8, {"loss": 0.5})
    run, _ = logged_run(tmp_path)
    run.step = 8
    run.config["train"]["epochs"] = 3
    logger = TensorBoardLogger(run)
    train(logger, 9, 12)
    logger.ended("completed", 12, {"loss": 0.25})
    values = events.hyper_parameters(folder_of(tmp_path))["_hparams_/session_start_info"].session_start_info.hparams
    assert values["train.epochs"].number_value == 3
    assert events.curves(folder_of(tmp_path))["test/loss"] == [(12, 0.25)]


def test_a_logger_that_comes_later_shows_the_network_too(tmp_path: Path) -> None:
    """At the step at which it came."""
    run, _ = logged_run(tmp_path)
    run.step = 4
    logger = TensorBoardLogger(run)
    train(logger, 5, 8)
    logger.ended("interrupted", 8, {})
    found = events.read(folder_of(tmp_path))
    assert [image.step for image in found.Images("first batch/input")] == [4]
    assert found.Graph().node


def test_losses_are_written_while_an_epoch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks on does not wait for its end."""
    monkeypatch.setattr("dlcli.training.loggers.step_losses._READ_AFTER", 0.0)
    run, _ = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    train(logger, 1, 3)
    assert events.curves(folder_of(tmp_path))["step/loss"] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    logger.ended("interrupted", 3, {})


def test_files_are_read_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    """Also those of one second and one process, up to that with the result."""
    names = []
    for _ in range(3):
        run, _ = logged_run(tmp_path)
        logger = TensorBoardLogger(run)
        train(logger, 1, 1)
        logger.ended("completed", 1, {"loss": 1.0})
        names += sorted(path.name for path in folder_of(tmp_path).iterdir() if path.name not in names)
    assert names == sorted(names)
    assert all(re.match(r"events\.out\.tfevents\.\d{10}\.", name) for name in names)


def test_a_link_does_not_lead_out_of_the_run(tmp_path: Path) -> None:
    """A stranger's run that goes on: what it points at is not touched."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "my.result").touch()
    run, _ = logged_run(run_folder(tmp_path / "run").path)
    folder_of(run.folder).symlink_to(elsewhere)
    with pytest.raises(ResourceError, match="is a link"):
        TensorBoardLogger(run)
    assert [path.name for path in elsewhere.iterdir()] == ["my.result"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    """Also where their names end like that of a result."""
    folder_of(tmp_path).mkdir()
    (folder_of(tmp_path) / "my.result").touch()
    run, _ = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    logger.ended("completed", 0, {})
    assert (folder_of(tmp_path) / "my.result").exists()


def test_a_disk_that_takes_nothing_is_an_error_at_once(tmp_path: Path) -> None:
    """Which ends this logger, and leaves no file open."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    run, _ = logged_run(tmp_path)
    logger = TensorBoardLogger(run)
    logger.started(Progress(), **SIZES)
    logger._file._file.close()
    logger._file._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 - it is what is tested that closes it
    with pytest.raises(OSError, match="No space left"):
        logger.epoch_ended(record(1), is_best=True)
    assert logger._file._file.closed
