"""`dlcli verify`: a user's own proof."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from dlcli.app.replay import replay
from dlcli.runtime.lock import locked
from dlcli.training import loop
from dlcli.training.manifest import MANIFEST, entry_of, manifest_of, read_manifest
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.integration.conftest import Cli

RUN = Path("runs/a")


@pytest.fixture
def trained(cli: Cli, quick: Path) -> Cli:
    """The command line beside a run that has ended."""
    assert cli("train", quick, "--name", "a").code == 0
    return cli


def _checkpoints() -> list[Path]:
    return sorted((RUN / "checkpoints").glob("step-*"))


def test_a_run_as_it_was_written_verifies(trained: Cli) -> None:
    """Every file is counted, on stdout; --json says the same; nothing is changed by it."""
    files = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}
    outcome = trained("verify", "--json")
    assert outcome.code == 0
    assert outcome.json == {
        "run": str(RUN),
        "status": "completed",
        "files": len(files),
        "problems": [],
        "help": None,
        "notes": [],
        "replay": None,
        "verified": True,
    }
    plain = trained("verify", "a")
    assert plain.code == 0
    assert "all is as it was written" in plain.out
    assert {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("name", ["config.yaml", "config.resolved.yaml", "run.json", "metrics.jsonl", "metrics.csv", "train.log"])
def test_a_changed_file_is_found(trained: Cli, name: str) -> None:
    """One bit in any file of the folder: exit code 5 and the file's name."""
    content = bytearray((RUN / name).read_bytes())
    content[len(content) // 2] ^= 1
    (RUN / name).write_bytes(content)
    outcome = trained("verify", RUN)
    assert outcome.code == 5
    assert f"{RUN / name} is damaged: its content is not what was written" in outcome.out
    told = ("1 thing in runs/a is not as it was written", "2 things in runs/a are not as they were written")
    assert any(f"error: {text}\nhelp: restore the run from a copy, or train anew\n" in outcome.err for text in told)


@pytest.mark.parametrize(
    "part", ["model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "MANIFEST.json"]
)
def test_a_changed_file_of_any_checkpoint_is_found(trained: Cli, part: str) -> None:
    """Not only in the newest: each checkpoint is read, and each damaged one is named, in one go."""
    for path in _checkpoints():
        (path / part).write_bytes((path / part).read_bytes()[:-1])
    outcome = trained("verify", "--json")
    assert outcome.code == 5
    assert len(outcome.json["problems"]) == len(_checkpoints()) == 2
    for path, problem in zip(_checkpoints(), outcome.json["problems"], strict=True):
        assert str(path / part) in problem


def _remove(name: str) -> Callable[[], None]:
    return (RUN / name).unlink


def _add_file() -> None:
    (_checkpoints()[0] / "more.bin").write_bytes(b"x")


def _point_nowhere() -> None:
    (RUN / "checkpoints" / "best.json").write_text('{"checkpoint": "step-00000099", "step": 99}')


def _repeat_line() -> None:
    log = RUN / "metrics.jsonl"
    log.write_text(log.read_text() + log.read_text().splitlines()[-1] + "\n")


def _cut_line() -> None:
    log = RUN / "metrics.jsonl"
    log.write_text(log.read_text().splitlines()[0] + "\n")


def _break_config() -> None:
    (RUN / "config.resolved.yaml").write_text("model: [")


def _remove_config() -> None:
    (RUN / "config.resolved.yaml").unlink()


def _empty_manifest() -> None:
    (RUN / "MANIFEST.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_remove("run.json"), "there is no run"),
        (_remove("metrics.csv"), "metrics.csv can't be read: No such file"),
        (_add_file, "more.bin belongs to no checkpoint"),
        (_point_nowhere, "best.json names no checkpoint that is there"),
        (_repeat_line, "does not have each epoch once, in order: [1, 2, 2]"),
        (_cut_line, "ends with epoch 1, and step-00000020 with 2"),
        (_break_config, "config.resolved.yaml can't be read"),
        (_remove_config, "config.resolved.yaml"),
        (_empty_manifest, "MANIFEST.json can't be read"),
    ],
)
def test_whatever_does_not_fit_is_named(trained: Cli, damage: Callable[[], None], words: str) -> None:
    """A file that is gone or too many, a hint that leads nowhere, a log that does not agree with the checkpoints."""
    damage()
    outcome = trained("verify", RUN)
    assert outcome.code == (2 if words == "there is no run" else 5)
    assert words in outcome.out + outcome.err


def test_a_run_that_was_killed_is_told_apart(trained: Cli) -> None:
    """Its record says that it is running, and nothing runs: that is no fault of its files."""
    record = json.loads((RUN / "run.json").read_text())
    (RUN / "run.json").write_text(json.dumps({**record, "status": "running"}))
    (RUN / "MANIFEST.json").unlink()
    outcome = trained("verify", "--json")
    assert outcome.code == 0
    assert outcome.json["status"] == "killed"
    assert "did not end in order" in outcome.json["notes"][0]


def test_a_run_that_is_being_trained_is_told_apart(trained: Cli) -> None:
    """Its log and its record change under our eyes: the checkpoints alone are checked, and its process is named."""
    (RUN / "metrics.csv").write_text("half written")
    with locked(RUN):
        outcome = trained("verify", "--json")
    assert outcome.code == 0
    assert outcome.json["notes"] == [outcome.json["notes"][0]]
    assert f"it is being trained by process {os.getpid()}, since " in outcome.json["notes"][0]


def test_a_run_without_a_checkpoint(trained: Cli) -> None:
    """Killed before its first one: nothing is wrong, and a replay has nothing to compare with."""
    for path in (RUN / "checkpoints").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    outcome = trained("verify", "--json")
    assert outcome.json["notes"] == ["it has no checkpoint yet"]
    assert outcome.code == 0
    assert "has no checkpoint to compare with" in trained("verify", "--replay").err


def test_a_run_that_was_killed_before_its_first_checkpoint(trained: Cli) -> None:
    """Nothing has a checksum yet: nobody is told that all is as it was written."""
    _edited(lambda record: record.update(status="running"))
    shutil.rmtree(RUN / "checkpoints")
    outcome = trained("verify")
    assert outcome.code == 0
    assert "0 files compared" in outcome.out
    assert "it has no checkpoint yet" in outcome.out
    assert outcome.out.splitlines()[-1] == "nothing was saved yet that could be compared"


def test_the_help_for_newer_checkpoints_alone_is_to_go_on(trained: Cli) -> None:
    """What `--resume` mends needs no copy; it does, and nothing is left to tell. With a damaged log beside, it does not."""
    _damage(_checkpoints()[-1])
    outcome = trained("verify", "--json")
    assert outcome.code == 5
    assert outcome.json["help"] == "dlcli train --resume runs/a goes on from step-00000010, and sets what is damaged aside"
    assert f"help: {outcome.json['help']}" in trained("verify").err
    log = (RUN / "train.log").read_bytes()
    (RUN / "train.log").write_bytes(b"another log")
    assert trained("verify", "--json").json["help"] == "restore the run from a copy, or train anew"
    (RUN / "train.log").write_bytes(log)
    assert trained("train", "--resume", "runs/a").code == 0
    assert trained("verify").code == 0


@pytest.mark.parametrize("which", [[0], [0, 1]], ids=["an older one", "all"])
def test_the_help_for_other_checkpoints_is_a_copy(which: list[int], trained: Cli) -> None:
    """A run that goes on does not bring back an older checkpoint, and does not go on without any."""
    for number in which:
        _damage(_checkpoints()[number])
    assert trained("verify", "--json").json["help"] == "restore the run from a copy, or train anew"


def test_a_checkpoint_of_a_newer_version_is_not_gone_back_from(trained: Cli) -> None:
    """`--resume` refuses it, so the help does not name that."""
    manifest = _checkpoints()[-1] / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    assert trained("verify", "--json").json["help"] == "restore the run from a copy, or train anew"


def test_eval_of_a_damaged_best_names_another_checkpoint(trained: Cli) -> None:
    """By the step that --checkpoint takes; where none verifies, a copy is asked for."""
    best, other = reversed(_checkpoints())
    assert json.loads((RUN / "checkpoints" / "best.json").read_text())["checkpoint"] == best.name
    _damage(best)
    outcome = trained("eval")
    assert outcome.code == 5
    assert "help: take another one: --checkpoint 10\n" in outcome.err
    assert trained("eval", "--checkpoint", "10").code == 0
    _damage(other)
    assert "help: restore the run from a copy, or train anew\n" in trained("eval").err


def _damage(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"damaged")


def test_a_damaged_checkpoint_is_set_aside_when_the_run_goes_on(trained: Cli) -> None:
    """It is no more counted among the newest two, nothing of it is removed, and verify says where it is."""
    path = _checkpoints()[-1]
    (path / "model.safetensors").write_bytes(b"damaged")
    outcome = trained("train", "--resume", "a")
    assert outcome.code == 0
    assert "model.safetensors has 7 bytes" in outcome.err
    assert "going back to step-00000010" in outcome.err
    aside = path.with_name(f"damaged-{path.name}")
    assert (aside / "model.safetensors").read_bytes() == b"damaged"
    found = trained("verify", "--json")
    assert (found.code, found.json["status"]) == (0, "completed")
    assert f"{aside} was damaged when the run went on: it was set aside" in found.json["notes"]


def test_a_replay_gives_the_weights_of_the_run(trained: Cli) -> None:
    """Trained again in a process that is killed with SIGKILL at a random step, and taken up by another one."""
    outcome = trained("verify", "--replay", "--json")
    assert outcome.code == 0, outcome.err
    replay = outcome.json["replay"]
    assert replay["steps"] == 20
    assert 1 <= replay["killed_after"] < 20
    assert replay["went_on_after"] <= replay["killed_after"]
    assert replay["differing"] == []
    assert f"step {replay['killed_after']} of 20, to be killed there" in outcome.err
    assert sorted(path.name for path in Path("runs").iterdir()) == ["a", "latest"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step of a training in this process takes a second, and nothing else takes any time."""
    take_step, seconds = Trainer.step, 0.0

    def step(trainer: Trainer, *arguments: Any) -> Any:
        nonlocal seconds
        seconds += 1
        return take_step(trainer, *arguments)

    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: seconds))


STREAMS = """\
data: {name: text, path: numbers.txt, window: 16}
model: {layers: [embedding: 8, lstm: 8, linear: '${data.vocabulary_size}']}
train: {epochs: 3, batch_size: 4, stateful: true}
"""
"""Of which a checkpoint within an epoch holds what its layers carry on."""


@pytest.fixture
def streams(clock: None, cli: Cli, tmp_path: Path) -> Cli:
    """The command line beside a config whose epochs have ten steps."""
    (tmp_path / "streams.yaml").write_text(STREAMS)
    (tmp_path / "numbers.txt").write_text(" ".join(str(number * number) for number in range(200)))
    return cli


@pytest.mark.parametrize("step", [10, 15], ids=["at the end of an epoch", "within an epoch"])
def test_a_replay_of_a_run_that_was_cut_short(step: int, streams: Cli) -> None:
    """A run that a limit of time ended is repeated up to that step, wherever that is in its epoch."""
    outcome = streams("train", "streams.yaml", "--name", "a", "--json", "--set", f"train.max_time={step}")
    assert (outcome.code, outcome.json["step"]) == (0, step), outcome.err
    outcome = streams("verify", "--replay", "--json")
    assert (outcome.code, outcome.json["replay"]["steps"]) == (0, step), outcome.err


def test_a_run_of_one_step_is_not_replayed(streams: Cli) -> None:
    """There is nothing before its end to kill it at."""
    assert streams("train", "streams.yaml", "--name", "a", "--set", "train.max_time=1").code == 0
    outcome = streams("verify", "--replay")
    assert outcome.code == 2
    assert "has 1 step, too few to kill it in between" in outcome.err


def test_a_replay_compares_what_layers_carry_on(streams: Cli) -> None:
    """Another state in a checkpoint within an epoch, with a manifest that fits, is found out, and nothing else is."""
    assert streams("train", "streams.yaml", "--name", "a", "--set", "train.max_time=15").code == 0
    path = _checkpoints()[-1]
    content = save({**load_file(path / "carried.safetensors"), "lstm_1.hidden": torch.zeros(1, 4, 8)})
    (path / "carried.safetensors").write_bytes(content)
    (path / MANIFEST).write_bytes(manifest_of({**read_manifest(path), "carried.safetensors": entry_of(content)}))
    outcome = streams("verify", "--replay", "--json")
    assert outcome.code == 5
    assert outcome.json["replay"]["differing"] == ["carried/lstm_1.hidden"]


def test_a_replay_compares_each_epoch_of_the_log(trained: Cli) -> None:
    """Also where one of the two logs lacks it."""
    _cut_line()
    found = replay(RunFolder(RUN), None, lambda _: None)
    assert found.differing == ("metrics of epoch 2",)


def test_a_replay_of_a_run_that_lost_its_patience_on_the_way(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that was lowered at a resume ends the run there alone: it is repeated up to that end, and not to an earlier one."""
    take_step, patient = Trainer.step, "train.early_stopping={patience: 50, min_delta: 1000}"

    def step(trainer: Trainer, *arguments: Any) -> Any:
        if trainer.progress.step == 34:
            os.kill(os.getpid(), signal.SIGTERM)
        return take_step(trainer, *arguments)

    monkeypatch.setattr(Trainer, "step", step)
    assert cli("train", quick, "--name", "a", "--set", "train.epochs=6", "--set", patient).code == 143
    outcome = cli("train", "--resume", "--set", "train.early_stopping.patience=1", "--json")
    assert (outcome.code, outcome.json["step"]) == (0, 40), outcome.err
    assert json.loads((RUN / "run.json").read_text())["finished"] == "early_stopping"
    outcome = cli("verify", "--replay", "--json")
    assert (outcome.code, outcome.json["replay"]["steps"]) == (0, 40), outcome.err


def test_a_run_that_is_not_what_its_config_gives_is_found_out(trained: Cli) -> None:
    """Somebody put in weights of another training, with manifests that fit: the replay names each tensor that differs."""
    assert trained("train", "quick.yaml", "--name", "b", "--seed", "5").code == 0
    shutil.rmtree(RUN / "checkpoints")
    shutil.copytree("runs/b/checkpoints", RUN / "checkpoints")
    outcome = trained("verify", "a", "--replay")
    assert outcome.code == 5
    assert "differs: model/" in outcome.out
    assert "training again does not give what runs/a holds" in outcome.err


def _edited(change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((RUN / "run.json").read_text())
    change(record)
    (RUN / "run.json").write_text(json.dumps(record))
    (RUN / "MANIFEST.json").unlink()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record["versions"].update(torch="1.0"), "torch was 1.0, and is"),
        (lambda record: record["versions"].update(threads=99), "threads was 99, and is"),
        (lambda record: record.update(device="cuda:7"), "cuda"),
    ],
)
def test_a_run_of_another_machine_is_not_replayed(trained: Cli, change: Callable[[dict[str, Any]], None], words: str) -> None:
    """It can't be equal to the last bit, so nothing is trained for minutes to find that out."""
    _edited(change)
    outcome = trained("verify", "--replay")
    assert outcome.code == 2
    assert words in outcome.err


def test_a_run_that_changed_its_course_is_not_replayed(trained: Cli) -> None:
    """More epochs on the way, by --set: its config alone does not lead to its weights."""
    assert trained("train", "--resume", "--set", "train.epochs=3").code == 0
    assert trained("verify").code == 0
    outcome = trained("verify", "--replay")
    assert outcome.code == 2
    assert "train.epochs was changed on the way" in outcome.err
