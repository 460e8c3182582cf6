"""Loggers look on: one that fails is left out, and a training is bit for bit what it is without them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from dlcli.config.loggers import LOGGERS, Mlflow, OwnLogger, TensorBoard
from dlcli.errors import UsageError
from dlcli.training.loggers import LoggedRun, Loggers, RunLogger, check_installed
from dlcli.training.loop import fit
from dlcli.training.observers import Observers
from dlcli.training.progress import Progress
from tests.unit.training.checkpoint_cases import assert_same_bits
from tests.unit.training.loggers.runs import logged_run
from tests.unit.training.trainings import Watcher, run_folder

SIZES: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 4, "total_steps": 8, "monitored": "valid/accuracy"}
CALLS = {
    "started": lambda loggers: loggers.started(Progress(), **SIZES),
    "stepped": lambda loggers: loggers.stepped(Progress(step=1), torch.tensor(1.0)),
    "epoch_ended": lambda loggers: loggers.epoch_ended({"epoch": 1}, is_best=True),
    "notice": lambda loggers: loggers.notice("by the way"),
    "ended": lambda loggers: loggers.ended("completed", 4, {"loss": 0.5}),
}


class Noting(RunLogger):
    """Notes its calls, and fails in one of them."""

    def __init__(self, failing: str = "", error: type[BaseException] = ValueError) -> None:
        self.calls: list[str] = []
        for name in CALLS:
            setattr(self, name, self._noting(name, failing, error))

    def _noting(self, name: str, failing: str, error: type[BaseException]) -> Any:
        def call(*_: Any, **__: Any) -> None:
            self.calls.append(name)
            if name == failing:
                raise error("no more")

        return call


def spec_of(name: str, build: Any) -> OwnLogger:
    """An entry of a config that a plug-in has a meaning for."""

    class Own(OwnLogger):
        kind: ClassVar[str] = name

        def build(self, run: Any) -> Any:
            return build(run)

    return Own()


def loggers_with(path: Path, **built: Any) -> tuple[Loggers, list[str]]:
    run, _ = logged_run(path)
    told: list[str] = []
    loggers = Loggers(torch.device("cpu"), lambda name, error: told.append(f"{name}: {error}"))
    for name, build in built.items():
        loggers.add(spec_of(name, build), run)
    return loggers, told


@pytest.mark.parametrize("failing", CALLS)
@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_logger_that_fails_is_told_of_once_and_left_out(failing: str, error: type[BaseException], tmp_path: Path) -> None:
    """In whichever call; the one behind it gets every call."""
    bad, good = Noting(failing, error), Noting()
    loggers, told = loggers_with(tmp_path, bad=lambda _: bad, good=lambda _: good)
    names = list(CALLS)
    for name in names:
        CALLS[name](loggers)
    assert told == ["bad: no more"]
    assert bad.calls == names[: names.index(failing) + 1]
    assert good.calls == names


def test_a_logger_that_can_not_be_built_is_left_out(tmp_path: Path) -> None:
    """Or is none."""
    good = Noting()
    loggers, told = loggers_with(tmp_path, bad=lambda _: 1 / 0, none=lambda _: None, good=lambda _: good)
    CALLS["started"](loggers)
    assert told == ["bad: division by zero", "none: `build` of Own gives None, which is no RunLogger"]
    assert good.calls == ["started"]


def test_ctrl_c_within_a_logger_is_no_failure_of_it(tmp_path: Path) -> None:
    """It ends the training, as anywhere else."""
    loggers, told = loggers_with(tmp_path, slow=lambda _: Noting("started", KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        CALLS["started"](loggers)
    assert told == []


def test_after_the_end_nothing_comes(tmp_path: Path) -> None:
    """Also where the end is told twice."""
    logger = Noting()
    loggers, _ = loggers_with(tmp_path, a=lambda _: logger)
    for _ in range(2):
        CALLS["ended"](loggers)
        CALLS["stepped"](loggers)
    assert logger.calls == ["ended"]


def test_each_method_does_nothing_by_itself(tmp_path: Path) -> None:
    """A plug-in writes those that it needs."""
    loggers, told = loggers_with(tmp_path, idle=lambda _: RunLogger())
    for call in CALLS.values():
        call(loggers)
    assert told == []


class Meddling(RunLogger):
    """Draws at random and changes what it is given, in every call that may draw."""

    def __init__(self, run: LoggedRun) -> None:
        self._run = run
        self._meddle()

    def _meddle(self) -> None:
        torch.rand(5)
        network, batch = self._run.network(), self._run.first_batch()
        assert isinstance(batch.inputs, torch.Tensor)
        network.train()(batch.inputs).sum().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        batch.inputs.zero_()
        batch.targets.zero_()  # type: ignore[union-attr]

    def started(self, *_: Any, **__: Any) -> None:
        self._meddle()

    def epoch_ended(self, record: dict[str, Any], **_: Any) -> None:
        self._meddle()
        record.clear()


@pytest.mark.parametrize("names", [["tensorboard"], ["own"], ["tensorboard", "own"]])
def test_a_training_is_the_same_with_loggers(names: list[str], tmp_path: Path) -> None:
    """Weights, running statistics, losses and records, of a network with dropout and pictures that are changed at random."""

    def trained(path: Path, chosen: list[str]) -> tuple[dict[str, torch.Tensor], list[float], list[dict[str, Any]]]:
        torch.manual_seed(5)
        run, trainer = logged_run(run_folder(path).path, epochs=2)
        loggers = Loggers(torch.device("cpu"), lambda name, error: pytest.fail(f"{name}: {error}"))
        for name in chosen:
            loggers.add(TensorBoard() if name == "tensorboard" else spec_of("own", Meddling), run)
        watcher = Watcher()
        fit(trainer, run_folder(path), Observers([watcher, loggers]), watcher.stop)
        loggers.ended("completed", trainer.progress.step, {})
        timeless = [{key: value for key, value in record.items() if "second" not in key} for record in watcher.records]
        return trainer.network.state_dict(), watcher.losses, timeless

    plain, logged = trained(tmp_path / "plain", []), trained(tmp_path / "logged", names)
    assert_same_bits({"model": logged[0]}, {"model": plain[0]})
    assert logged[1:] == plain[1:]


def test_what_a_run_shows_are_copies_and_settings(tmp_path: Path) -> None:
    """The network that is judged, in eval mode; what is not set is no setting, and long lists are cut."""
    run, trainer = logged_run(tmp_path)
    network = run.network()
    assert isinstance(network, nn.Module)
    assert not network.training
    assert trainer.network.training
    assert run.parameters == sum(parameter.numel() for parameter in trainer.network.parameters())
    run.config["data"]["vocabulary"] = ["word"] * 1000
    settings = run.settings()
    assert settings["train.optimizer.lr"] == 0.01
    assert settings["data.normalize.name"] == "auto"
    assert settings["train.metrics"] == "[]"
    assert not {"train.max_time", "train.loggers"} & settings.keys()
    assert len(str(settings["data.vocabulary"])) == 250


@pytest.mark.parametrize(("spec", "package"), [(TensorBoard(), "tensorboard"), (Mlflow(), "mlflow")])
def test_a_package_that_is_not_there_is_named_with_its_mend(spec: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"dlcli.training.loggers.{package}", raising=False)
    for module in ("event_file", "graph_def"):
        monkeypatch.delitem(sys.modules, f"dlcli.training.loggers.{module}", raising=False)
    with pytest.raises(UsageError, match=f"the logger `{package}` can't be used here") as caught:
        check_installed([spec])
    assert (caught.value.help or "").startswith("pip install ")


def test_what_a_plug_in_brings_needs_nothing_installed() -> None:
    """What it imports, it has imported."""
    check_installed([spec_of("own", None)])


def test_every_logger_of_the_language_has_a_meaning() -> None:
    """Each is built by a module of its own."""
    from dlcli.training.loggers.chosen import _MODULES

    assert set(_MODULES) == set(LOGGERS.values())
