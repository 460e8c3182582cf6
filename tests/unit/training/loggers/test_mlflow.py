"""The logger `mlflow`, read back by MLflow."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from dlcli.errors import ResourceError
from dlcli.training.progress import Progress
from tests.unit.training.loggers import stand_in_mlflow
from tests.unit.training.loggers.runs import logged_run

SIZES: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 4, "total_steps": 8, "monitored": "valid/accuracy"}


def record(epoch: int) -> dict[str, Any]:
    return {"event": "epoch", "epoch": epoch, "step": 4 * epoch, "train/loss": 0.1 * epoch, "valid/accuracy": 0.3, "lr": 1e-3}


@pytest.fixture(autouse=True, params=["mlflow", "stand-in"])
def _mlflow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, or what stands in for it. Nothing is asked or reported, whatever server the environment names."""
    if request.param == "mlflow":
        pytest.importorskip("mlflow", reason="needs MLflow: pip install mlflow-skinny")
    else:
        for name, module in stand_in_mlflow.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")

    def refuse(*_: object) -> None:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    """The logger's module is imported by each test, and forgotten."""
    sys.modules.pop("dlcli.training.loggers.mlflow", None)
    yield
    sys.modules.pop("dlcli.training.loggers.mlflow", None)


def train(folder: Path, first: int, last: int, *, value: float = 1.0, **settings: Any) -> Any:
    """Takes steps, of which each fourth ends an epoch; gives the logger, which is not told of the end."""
    from dlcli.training.loggers.mlflow import build

    run, _ = logged_run(folder)
    run.step = first - 1
    run.config["train"].update(settings)
    logger = build(run)
    logger.started(Progress(step=first - 1), **SIZES)
    for step in range(first, last + 1):
        logger.stepped(Progress(step=step), torch.tensor(value * step))
        if step % 4 == 0:
            logger.epoch_ended(record(step // 4), is_best=True)
    return logger


def read(folder: Path) -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    """The one run that is there, and its curves."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("dlcli")
    [run] = client.search_runs([experiment.experiment_id])
    curves = {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    return run, curves


def test_figures_settings_and_the_result_are_there(tmp_path: Path) -> None:
    """Each number of metrics.jsonl over the steps, each loss, each setting as a text, and the end."""
    train(tmp_path, 1, 8).ended("completed", 8, {"loss": 0.25, "accuracy": 0.875})
    run, curves = read(tmp_path)
    assert curves.pop("step/loss") == [(step, float(step)) for step in range(1, 9)]
    assert (curves.pop("test/loss"), curves.pop("test/accuracy")) == ([(8, 0.25)], [(8, 0.875)])
    for key in ("epoch", "train/loss", "valid/accuracy", "lr"):
        assert curves.pop(key) == [(4 * epoch, record(epoch)[key]) for epoch in (1, 2)]
    assert curves == {}
    assert (run.info.status, run.info.run_name) == ("FINISHED", tmp_path.name)
    assert (run.data.params["train.epochs"], run.data.params["train.optimizer.name"]) == ("2", "sgd")
    assert run.data.tags == {"mlflow.runName": tmp_path.name}


@pytest.mark.parametrize(("saved", "taken"), [(4, 4), (4, 6), (4, 8), (0, 3)])
def test_a_run_that_goes_on_is_one_run_without_a_point_twice(saved: int, taken: int, tmp_path: Path) -> None:
    """After a kill behind the last checkpoint; settings that changed are tags."""
    train(tmp_path, 1, taken)._write_losses()
    train(tmp_path, saved + 1, 8, epochs=5).ended("interrupted", 8, {})
    run, curves = read(tmp_path)
    assert [step for step, _ in curves["step/loss"]] == list(range(1, 9))
    assert [step for step, _ in curves["train/loss"]] == [4, 8]
    assert run.info.status == "KILLED"
    assert run.data.params["train.epochs"] == "2"
    assert run.data.tags["train.epochs"] == "5"


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_failure_is_told(status: str, tmp_path: Path) -> None:
    """As MLflow calls it."""
    train(tmp_path, 1, 2).ended(status, 2, {})
    assert read(tmp_path)[0].info.status == "FAILED"


def test_nothing_is_reported_to_anyone() -> None:
    """MLflow would tell its makers that it is used."""
    import_module("dlcli.training.loggers.mlflow")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_store_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's may be of any size."""
    train(tmp_path, 1, 8).ended("completed", 8, {})
    monkeypatch.setattr(import_module("dlcli.training.loggers.mlflow"), "_MOST_BYTES", -1)
    with pytest.raises(ResourceError, match="holds more than"):
        train(tmp_path, 9, 9)


def test_losses_are_written_while_an_epoch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks on does not wait for its end."""
    monkeypatch.setattr("dlcli.training.loggers.step_losses._READ_AFTER", 0.0)
    train(tmp_path, 1, 3)
    assert [step for step, _ in read(tmp_path)[1]["step/loss"]] == [1, 2, 3]
