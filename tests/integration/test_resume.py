"""What a run that goes on says of itself, and what it keeps."""

from __future__ import annotations

import csv
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlcli.app import use
from dlcli.errors import ResourceError
from dlcli.runtime.lock import locked
from dlcli.training import checkpoint_writer
from dlcli.training.checkpoint import Checkpoint
from dlcli.training.checkpoint_folder import write_hint
from tests.integration.conftest import Cli

RUN = Path("runs/a")


@pytest.fixture
def cut(cli: Cli, quick: Path) -> Cli:
    """The command line beside a run that its limit ended in the middle of the second epoch of ten steps."""
    assert cli("train", quick, "--name", "a", "--set", "train.max_steps=15").code == 0
    return cli


def _record() -> dict[str, Any]:
    record = json.loads((RUN / "run.json").read_text())
    assert isinstance(record, dict)
    return record


def _edit(change: Callable[[dict[str, Any]], None]) -> None:
    record = _record()
    change(record)
    (RUN / "run.json").write_text(json.dumps(record))


def test_a_cut_epoch_goes_on_to_the_same_end(cut: Cli, quick: Path) -> None:
    """`max_steps` raised: weights, log and result of a run that nothing cut, and run.json says what was changed."""
    assert [epoch["step"] for epoch in _log(RUN)] == [10, 15]
    outcome = cut("train", "--resume", "--set", "train.max_steps=20")
    assert outcome.code == 0
    assert "note: train.max_steps: 15 -> 20 (changes the course from here on)" in outcome.err
    assert cut("train", quick, "--name", "b").code == 0
    assert _log(RUN) == _log(Path("runs/b"))
    files = [(run / "checkpoints" / "step-00000020" / "model.safetensors").read_bytes() for run in (RUN, Path("runs/b"))]
    assert files[0] == files[1]
    (resumed,) = _record()["resumed"]
    assert resumed["step"] == 15
    assert resumed["differences"] == []
    changed = {"setting": "train.max_steps", "before": 15, "now": 20, "is_harmless": False}
    assert resumed["changes"] == [changed]


def _log(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key} for line in lines]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("train.max_time=1h", "train.max_time: not set -> 3600s"),
        ("train.save_every=1m", "train.save_every: 300s -> 60s"),
        ("train.early_stopping.patience=3", "train.early_stopping.patience: not set -> 3"),
    ],
)
def test_what_takes_the_same_steps_is_harmless(cut: Cli, setting: str, told: str) -> None:
    """And said to be so, with values as a config has them."""
    outcome = cut("train", "--resume", "--set", setting, "--set", "train.max_steps=20")
    assert outcome.code == 0, outcome.err
    assert f"note: {told} (harmless)\n" in outcome.err


@pytest.mark.parametrize(
    ("limits", "told", "least"),
    [
        (["train.max_steps=12"], "15 steps are done, and train.max_steps is 12", "train.max_steps=15"),
        (["train.epochs=1"], "2 epochs are done, and train.epochs is 1", "train.epochs=2"),
        (["train.epochs=1", "train.max_steps=20"], "epoch 2 is under way, and train.epochs is 1", "train.epochs=2"),
    ],
)
def test_a_limit_that_was_passed_is_refused(cut: Cli, limits: list[str], told: str, least: str) -> None:
    """A run does not go on beyond it, nor end before where it is: exit code 2, what is done, and not a byte is changed."""
    before = _files()
    outcome = cut("train", "--resume", *_set(*limits))
    assert outcome.code == 2
    assert f"error: {told}\nhelp: give what is done or more: --set {least}\n" in outcome.err
    assert _files() == before


def test_a_limit_that_was_just_reached_ends_the_run(cli: Cli, quick: Path) -> None:
    """What was given is what is done."""
    assert cli("train", quick, "--name", "a", *_set("train.epochs=5", "train.max_steps=15")).code == 0
    assert cli("train", "--resume", *_set("train.epochs=2", "train.max_steps=20"), "--json").json["step"] == 20


@pytest.mark.parametrize("setting", ["train.optimizer.lr=1e-3", "train.max_time=1h", None])
def test_a_run_that_is_over_and_stays_so_is_not_changed(cut: Cli, setting: str | None) -> None:
    """No byte of its folder, so that it can be replayed still; what would let it go on is told, and the result shown."""
    before, result = _files(), _record()["test"]
    outcome = cut("train", "--resume", "--json", *_set(*([setting] if setting else [])))
    assert (outcome.code, outcome.json["test"]) == (0, result)
    unchanged = ", and nothing of it is changed" if setting else ""
    told = (
        f"the run is over (max_steps, after epoch 2){unchanged}: a higher limit, such as --set train.max_steps=30, lets it go on"
    )
    assert outcome.err == f"note: {told}\n"
    assert _files() == before


def test_a_run_that_is_over_without_its_result_gets_that_alone(cut: Cli) -> None:
    """Stopped while the test split was judged: what is given beside is forgotten."""
    resolved = (RUN / "config.resolved.yaml").read_bytes()
    test, overrides = _record()["test"], _record()["overrides"]
    _edit(lambda record: record.update(status="interrupted", test=None, exit_code=143))
    outcome = cut("train", "--resume", "--set", "train.optimizer.lr=1e-3")
    assert outcome.code == 0
    assert "and nothing of it is changed" in outcome.err
    record = _record()
    assert (record["status"], record["test"], record["overrides"]) == ("completed", test, overrides)
    assert [resumed["changes"] for resumed in record["resumed"]] == [[]]
    assert (RUN / "config.resolved.yaml").read_bytes() == resolved


def _files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}


def _set(*settings: str) -> list[str]:
    return [argument for setting in settings for argument in ("--set", setting)]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("epochs: 2", "epochs: 3", {"train.epochs": (2, 3)}),
        ("weight_decay: 0", "weight_decay: 0.1", {"train.optimizer.weight_decay": (0.0, 0.1)}),
        (
            "clip_gradients: {max_norm: 1}",
            "clip_gradients: {max_value: 2}",
            {"train.clip_gradients.max_norm": (1.0, None), "train.clip_gradients.max_value": (None, 2.0)},
        ),
        (
            "early_stopping: {patience: 9}",
            "max_time: 1h",
            {
                "train.early_stopping.min_delta": (0.0, None),
                "train.early_stopping.patience": (9, None),
                "train.max_time": (None, 3600.0),
            },
        ),
    ],
)
def test_a_config_that_was_edited_where_it_may_be_is_gone_on_with(
    cli: Cli, quick: Path, before: str, after: str, changes: dict[str, tuple[Any, Any]]
) -> None:
    """As if --set had said it: told, kept in run.json, and the same config then is the run's own."""
    edited = quick.read_text()
    if "weight_decay" in before:
        edited = edited.replace("lr: 1e-2", f"lr: 1e-2, {before}")
    elif before not in edited:
        edited += f"  {before}\n"
    quick.write_text(edited)
    assert cli("train", quick, "--name", "a", "--set", "train.max_steps=12").code == 0
    quick.write_text(edited.replace(before, after))
    for limit in (14, 15):
        outcome = cli("train", quick, "--resume", "--set", f"train.max_steps={limit}")
        assert outcome.code == 0, outcome.err
    first, second = _record()["resumed"]
    found = {change["setting"]: (change["before"], change["now"]) for change in first["changes"]}
    assert found.pop("train.max_steps") == (12, 14)
    assert found == changes
    assert [change["setting"] for change in second["changes"]] == ["train.max_steps"]


def test_of_an_edited_config_what_may_not_change_is_named_alone(cut: Cli, quick: Path) -> None:
    """The epochs may, so they are no reason."""
    quick.write_text(quick.read_text().replace("epochs: 2", "epochs: 3").replace("batch_size: 32", "batch_size: 16"))
    outcome = cut("train", quick, "--resume")
    assert outcome.code == 2
    assert "is no longer what the run began with: train.batch_size changed\n" in outcome.err


@pytest.mark.parametrize(
    ("key", "called"), [("torch", "torch"), ("threads", "threads"), ("device_name", "processor"), ("dlcli", "dlcli")]
)
def test_another_machine_goes_on_and_says_that_bits_may_differ(cut: Cli, key: str, called: str) -> None:
    """What decides on the last bit and is another: named in a note and in run.json, and the run goes on."""
    _edit(lambda record: record["versions"].update({key: "another"}))
    outcome = cut("train", "--resume", "--set", "train.max_steps=20")
    assert outcome.code == 0
    assert f"not bit for bit what an undisturbed run would be from here on: {called} was another, and is" in outcome.err
    assert [text.partition(" was")[0] for text in _record()["resumed"][0]["differences"]] == [called]


def test_another_device_is_such_a_difference(cut: Cli) -> None:
    """Begun on a GPU, gone on without."""
    _edit(lambda record: record.update(device="cuda:0"))
    outcome = cut("train", "--resume", "--set", "train.max_steps=20")
    assert outcome.code == 0
    assert "the device was cuda:0, and is cpu" in outcome.err


def test_a_record_from_before_that_was_noted_differs_in_all(cut: Cli) -> None:
    """What is not known is not taken for equal."""
    _edit(lambda record: record.update(versions=None))
    assert "torch was None, and is" in cut("train", "--resume", "--set", "train.max_steps=20").err


def test_a_run_that_was_killed_is_told(cut: Cli) -> None:
    """Its record still says that it is running, and nobody holds its lock."""
    _edit(lambda record: record.update(status="running"))
    assert "did not end in order: its process was killed, or the machine stopped" in cut("train", "--resume").err


def test_a_run_in_use_is_left_alone(cut: Cli) -> None:
    """Exit code 2, the process by its number, and not a byte is changed."""
    before = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}
    with locked(RUN):
        outcome = cut("train", "--resume", "a", "--set", "train.max_steps=20")
    assert outcome.code == 2
    assert "runs/a is being trained by process" in outcome.err
    assert "stop it: kill " in outcome.err
    assert {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()} == before


def test_without_locks_a_person_is_asked_to_see_to_it(cut: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has none: the run goes on with a note."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    outcome = cut("train", "--resume", "a", "--set", "train.max_steps=20")
    assert outcome.code == 0
    assert "there are no locks here: see that nothing else trains runs/a meanwhile" in outcome.err


def test_the_run_that_went_on_last_is_the_newest(cut: Cli, quick: Path) -> None:
    """For whoever asks for the newest run, and for the link: not the one that was begun last."""
    assert cut("train", quick, "--name", "b").code == 0
    assert cut("train", "--resume", "a", "--set", "train.max_steps=16").code == 0
    assert Path("runs/latest").readlink() == Path("a")
    assert cut("eval", "--json").json["run"] == "runs/a"
    outcome = cut("train", quick, "--resume", "--json", "--set", "train.max_steps=17")
    assert (outcome.json["run"], outcome.json["step"]) == ("runs/a", 17)


def test_gradients_bounded_from_a_resume_on_are_in_the_log_and_in_the_table(cut: Cli) -> None:
    """The first epochs have no norm, those after it have one."""
    outcome = cut("train", "--resume", "--set", "train.max_steps=20", "--set", "train.clip_gradients=1")
    assert outcome.code == 0, outcome.err
    assert ["train/gradient_norm" in epoch for epoch in _log(RUN)] == [False, True]
    rows = list(csv.DictReader((RUN / "metrics.csv").read_text().splitlines()))
    assert [row["train/gradient_norm"] for row in rows] == ["", str(_log(RUN)[1]["train/gradient_norm"])]


def test_a_checkpoint_that_the_disk_does_not_give_for_now_is_not_set_aside(cut: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment without files to spare: exit code 6; a moment later the run goes on from the newest, as if nothing had been."""
    real, refused = os.open, list[str]()

    def no_more_files(path: Any, *arguments: Any, **options: Any) -> int:
        if not refused and Path(path).name == "model.safetensors":
            refused.append(Path(path).parent.name)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", no_more_files)
    outcome = cut("train", "--resume", "--set", "train.max_steps=20")
    assert refused == ["step-00000015"]
    assert outcome.code == 6
    assert "step-00000015/model.safetensors can't be read: Too many open files" in outcome.err
    assert cut("train", "--resume", "--set", "train.max_steps=20").code == 0
    assert list((RUN / "checkpoints").glob("damaged-*")) == []
    assert _record()["resumed"][-1]["step"] == 15


def test_a_best_epoch_that_the_disk_did_not_take_is_told(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest checkpoint is judged in its place, by `eval` too."""
    real, worse = checkpoint_writer.save_checkpoint, ("--set", "train.schedule={name: multistep, milestones: [1], gamma: 1000}")

    def full_for_the_first(target: Path, *arguments: Any) -> None:
        if target.name == "step-00000010":
            raise ResourceError("the disk is full")
        real(target, *arguments)

    monkeypatch.setattr(checkpoint_writer, "save_checkpoint", full_for_the_first)
    outcome = cli("train", quick, "--name", "a", "--json", *worse)
    assert outcome.code == 0, outcome.err
    assert outcome.json["best"]["epoch"] == 1, "the second epoch was to be worse"
    assert "not saved: the disk is full; going on" in outcome.err
    assert "did not take the checkpoint of the best epoch (1): step-00000020 is judged in its place" in outcome.err
    judged = cli("eval", "--json").json
    assert judged["checkpoint"] == "step-00000020"
    assert judged["metrics"] == outcome.json["test"]


def test_a_checkpoint_that_a_training_removes_meanwhile_is_looked_for_anew(cut: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`eval` beside a training: between the hint and the reading another epoch became the best."""
    real, reads = use.load_checkpoint, list[str]()

    def load(path: Path) -> Checkpoint:
        reads.append(path.name)
        if len(reads) == 1:
            write_hint(path.parent, "best", path.with_name("step-00000010"), 10)
            shutil.rmtree(path)
        return real(path)

    write_hint(RUN / "checkpoints", "best", RUN / "checkpoints" / "step-00000015", 15)
    monkeypatch.setattr(use, "load_checkpoint", load)
    outcome = cut("eval", "--json")
    assert outcome.code == 0, outcome.err
    assert reads == ["step-00000015", "step-00000010"]
    assert outcome.json["checkpoint"] == "step-00000010"
