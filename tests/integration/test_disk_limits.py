"""Disks that are full, read-only or take no large files, and checkpoints that are damaged or of another model.

Each is told with the exit code that belongs to it, what was there stays intact, and the run goes on once it is mended.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import yaml

from tests.integration.conftest import QUICK, Outcome
from tests.integration.small_trainings import assert_same_end, committed
from tests.integration.started_commands import dlcli

_SIZES: Final = {"bytes": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}

_MODEL_FILES: Final = ["MANIFEST.json", "model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"]


class Disk:
    """A file system in memory, of a size of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def remount(self, options: str) -> None:
        """Changes its size, or whether it can be written."""
        _mount("-o", f"remount,{options}", str(self.path))


def _mount(*arguments: str) -> None:
    """Raises OSError where there is no such command, CalledProcessError where it is refused."""
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)  # noqa: S607 - where systems keep it differs


@pytest.fixture
def new_disk(tmp_path: Path) -> Iterator[Callable[[str, Path], Disk]]:
    """Makes a disk of a size at a place, where this user may mount one."""
    made: list[Path] = []

    def make(size: str, path: Path) -> Disk:
        path.mkdir(parents=True, exist_ok=True)
        try:
            _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(path))
        except OSError as error:
            pytest.skip(f"needs the command mount: {error}")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"needs the right to mount a file system: {error.stderr.strip()}")
        made.append(path)
        return Disk(path)

    yield make
    for path in reversed(made):
        subprocess.run(["umount", "--lazy", path], check=True)  # noqa: S607 - as above


def write_config(folder: Path, *, epochs: int = 4, hidden: tuple[int, ...] = ()) -> Path:
    """A config that trains in seconds; layers of these sizes make its checkpoints large."""
    config = yaml.safe_load(QUICK)
    config["train"]["epochs"] = epochs
    if hidden:
        layers: list[Any] = ["flatten"]
        for size in hidden:
            layers += [{"linear": size}, "relu"]
        config["model"]["layers"] = [*layers, {"linear": "${data.num_classes}"}]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def trained(config: Path, name: str = "run") -> Path:
    """The folder of a run that nothing disturbs."""
    outcome = dlcli("train", config, "--name", name, folder=config.parent)
    assert outcome.code == 0, outcome.err
    return config.parent / "runs" / name


def contents(run: Path) -> dict[str, bytes | None]:
    """All that is in a folder, to the last byte."""
    return {str(path.relative_to(run)): path.read_bytes() if path.is_file() else None for path in sorted(run.rglob("*"))}


def verified(run: Path, folder: Path) -> dict[str, Any]:
    """What `dlcli verify` says of a run; all has to be as it was written."""
    outcome = dlcli("verify", run, "--json", folder=folder)
    assert outcome.code == 0, outcome.out + outcome.err
    return outcome.json


def needed_and_free(text: str) -> tuple[float, float]:
    """The figures of a message about a full disk, in bytes."""
    found = re.search(r"it takes ([\d.]+) (\w+) and ([\d.]+) (\w+) are free", text)
    assert found is not None, text
    return float(found[1]) * _SIZES[found[2]], float(found[3]) * _SIZES[found[4]]


@pytest.mark.parametrize(("epochs", "refused"), [(3, 1), (6, 3)])
def test_a_run_that_fills_its_disk(epochs: int, refused: int, new_disk: Callable[[str, Path], Disk], tmp_path: Path) -> None:
    """64 MB hold two checkpoints of 25 MB: the last save of a training, or the third in a row that fails, ends it with 6.

    Each failure is told, with what is needed and what is free; what was saved verifies; and with more room the run goes on
    to the end of one that had room from the begin.
    """
    runs, folder = tmp_path / "disk", tmp_path / "work"
    config = write_config(folder, epochs=epochs, hidden=(1500, 1300))
    disk = new_disk("64m", runs)
    outcome = dlcli("train", config, "--runs-dir", runs, "--name", "run", folder=folder)
    assert outcome.code == 6, outcome.err
    run = runs / "run"
    saved = committed(run)
    assert len(saved) == 2
    assert outcome.err.count("note: not saved: the disk is full: ") == refused - 1
    last = outcome.err.rpartition("the disk is full: ")[2]
    assert str(run / "checkpoints" / "step-") in last
    needed, free = needed_and_free(last)
    one_checkpoint = sum(path.stat().st_size for path in saved[-1].path.iterdir())
    assert needed == pytest.approx(one_checkpoint, rel=0.01)
    assert 15e6 < needed < 25.5e6
    assert free == pytest.approx(os.statvfs(runs).f_bavail * os.statvfs(runs).f_frsize, abs=0.2e6)
    assert free < needed
    assert "free some space" in outcome.err
    assert verified(run, folder)["status"] == "failed"
    disk.remount("size=200m")
    outcome = dlcli("train", "--resume", run, folder=folder)
    assert outcome.code == 0, outcome.err
    assert_same_end(run, trained(config))
    assert verified(run, folder)["status"] == "completed"


@dataclass(frozen=True)
class FullBetween:
    """Fills the disk before one of a run's saves, and makes room again before another.

    Attributes:
        ballast: the file that fills it.
        full_at: the save, counted from 1, that finds the disk full.
        room_at: the save that finds room again; none where that is no save of the run.
    """

    ballast: Path
    full_at: int
    room_at: int

    def install(self) -> None:
        from dlcli.training.checkpoint_writer import CheckpointWriter

        begin_save, saves = CheckpointWriter.save, 0

        def save(writer: CheckpointWriter, *arguments: Any) -> None:
            nonlocal saves
            writer.wait()
            saves += 1
            if saves == self.full_at:
                self._fill()
            if saves == self.room_at:
                self.ballast.unlink()
            begin_save(writer, *arguments)

        CheckpointWriter.save = save  # type: ignore[method-assign] # to fill the disk meanwhile

    def _fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"\0" * 4096)
                except OSError:
                    return


def test_a_disk_that_is_full_for_a_while(new_disk: Callable[[str, Path], Disk], tmp_path: Path) -> None:
    """Not a byte is left for the saves of the second and the third epoch: both are told, nothing is lost, no epoch is logged twice."""
    runs, folder = tmp_path / "disk", tmp_path / "work"
    config = write_config(folder)
    new_disk("4m", runs)
    disturbance = FullBetween(runs / "ballast", full_at=2, room_at=4)
    outcome = dlcli("train", config, "--runs-dir", runs, "--name", "run", folder=folder, disturbance=disturbance)
    assert outcome.code == 0, outcome.err
    notes = [line for line in outcome.err.splitlines() if "note: not saved: the disk is full: " in line]
    assert [note.endswith("and 0 bytes are free; going on, the next save may work") for note in notes] == [True, True]
    assert_same_end(runs / "run", trained(config))
    assert verified(runs / "run", folder)["problems"] == []


def test_a_disk_that_stays_full(new_disk: Callable[[str, Path], Disk], tmp_path: Path) -> None:
    """Not a byte is left, not even for run.json to say so: exit code 6, and with the ballast gone the run goes on."""
    runs, folder = tmp_path / "disk", tmp_path / "work"
    config = write_config(folder)
    new_disk("4m", runs)
    disturbance = FullBetween(runs / "ballast", full_at=2, room_at=0)
    outcome = dlcli("train", config, "--runs-dir", runs, "--name", "run", folder=folder, disturbance=disturbance)
    assert outcome.code == 6, outcome.err
    assert "the disk is full: " in outcome.err
    run = runs / "run"
    assert len(committed(run)) == 1
    verified(run, folder)
    refused = dlcli("train", "--resume", run, folder=folder)
    assert refused.code == 6, refused.err
    assert "the disk is full: " in refused.err
    assert len(committed(run)) == 1
    (runs / "ballast").unlink()
    outcome = dlcli("train", "--resume", run, folder=folder)
    assert outcome.code == 0, outcome.err
    assert_same_end(run, trained(config))


@dataclass(frozen=True)
class NoFileLargerThan:
    """The system's own limit on the size of files, as `ulimit -f` sets it."""

    size: int

    def install(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """The system takes the first part of a file and refuses the rest: exit code 6, the file, the limit's name, nothing half done."""
    config = write_config(tmp_path, hidden=(150,))
    run = tmp_path / "runs" / "run"
    outcome = dlcli("train", config, "--name", "run", folder=tmp_path, disturbance=NoFileLargerThan(40_000))
    assert outcome.code == 6, outcome.err
    assert outcome.err.count("note: not saved: ") == 2
    assert "not saved: runs/run/checkpoints/step-" in outcome.err
    assert "can't be written: File too large" in outcome.err
    assert "allow larger files (ulimit -f)" in outcome.err
    assert list((run / "checkpoints").iterdir()) == []
    outcome = dlcli("train", "--resume", "run", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    assert_same_end(run, trained(config, "undisturbed"))


def test_a_read_only_disk(new_disk: Callable[[str, Path], Disk], tmp_path: Path) -> None:
    """Neither a new run nor one that goes on: exit code 6, not a byte is changed, and all that reads still works."""
    runs, folder = tmp_path / "disk", tmp_path / "work"
    config = write_config(folder)
    disk = new_disk("16m", runs)
    assert dlcli("train", config, "--runs-dir", runs, "--name", "run", "--set", "train.epochs=2", folder=folder).code == 0
    before = contents(runs)
    disk.remount("ro")
    longer = ("--set", "train.epochs=4")
    for arguments in (("--resume", runs / "run", *longer), (config, "--runs-dir", runs, "--name", "new")):
        outcome = dlcli("train", *arguments, folder=folder)
        assert outcome.code == 6, outcome.err
        assert str(runs) in outcome.err
        assert "can't be written: Read-only file system" in outcome.err
        assert "make the disk writable, or write elsewhere with --runs-dir" in outcome.err
    verified(runs / "run", folder)
    assert dlcli("eval", runs / "run", folder=folder).code == 0
    assert contents(runs) == before
    disk.remount("rw")
    outcome = dlcli("train", "--resume", runs / "run", *longer, folder=folder)
    assert outcome.code == 0, outcome.err
    assert committed(runs / "run")[-1].state["progress"]["epoch"] == 4


def test_a_run_on_a_disk_of_its_own_among_read_only_ones(new_disk: Callable[[str, Path], Disk], tmp_path: Path) -> None:
    """The folder of runs can't be written, that of the run can: it goes on, and `latest` stays as it is."""
    runs, folder = tmp_path / "disk", tmp_path / "work"
    config = write_config(folder)
    ended = trained(config)
    outer = new_disk("1m", runs)
    (runs / "run").mkdir()
    outer.remount("ro")
    new_disk("16m", runs / "run")
    shutil.copytree(ended, runs / "run", dirs_exist_ok=True)
    outcome = dlcli("train", "--resume", runs / "run", "--set", "train.epochs=5", folder=folder)
    assert outcome.code == 0, outcome.err
    assert [path.name for path in runs.iterdir()] == ["run"]


def _another_model(folder: Path) -> Path:
    """A run whose checkpoints are those of a network with more channels."""
    run, other = trained(write_config(folder)), folder / "other"
    wider = write_config(other)
    wider.write_text(wider.read_text().replace("out_channels: 8", "out_channels: 9"))
    shutil.rmtree(run / "checkpoints")
    shutil.copytree(trained(wider) / "checkpoints", run / "checkpoints")
    return run


def test_checkpoints_of_another_model(tmp_path: Path) -> None:
    """They verify and don't fit: exit code 5, what differs and what to do, and not a byte is changed."""
    run = _another_model(tmp_path)
    before = contents(run)
    outcome = dlcli("train", "--resume", run, "--set", "train.epochs=5", folder=tmp_path)
    assert outcome.code == 5, outcome.err
    assert f"{run / 'checkpoints' / 'step-'}" in outcome.err
    assert "is of another network: " in outcome.err
    assert re.search(r"\b9\b", outcome.err)
    assert re.search(r"\b8\b", outcome.err)
    assert "use the config that it was trained with" in outcome.err
    assert contents(run) == before


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that nothing disturbed."""
    return trained(write_config(tmp_path_factory.mktemp("undisturbed"), epochs=3))


def _damage(path: Path, random: Random) -> str:
    """Turns one bit of a file over, or cuts it off, at random; gives what is said of it."""
    content = bytearray(path.read_bytes())
    if random.random() < 0.5:
        bit = random.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
    else:
        del content[random.randrange(len(content)) :]
    path.write_bytes(content)
    return str(path.parent if path.name == "MANIFEST.json" else path)


def _resumed_copy(three_epochs: Path, folder: Path, damaged: list[str], random: Random) -> tuple[Path, list[str], Outcome]:
    """Damages a file of each of these checkpoints of a copy, and takes the run up again."""
    run = folder / "run"
    shutil.copytree(three_epochs, run)
    named = [_damage(run / "checkpoints" / name / random.choice(_MODEL_FILES), random) for name in damaged]
    before = contents(run)
    outcome = dlcli("train", "--resume", run, folder=folder)
    if outcome.code:
        assert contents(run) == before, "a run that can't go on is left as it is"
    return run, named, outcome


@pytest.mark.parametrize("tries", [pytest.param(3, id="sample"), pytest.param(40, id="40", marks=pytest.mark.slow)])
def test_a_run_falls_back_one_checkpoint(tries: int, three_epochs: Path, tmp_path: Path) -> None:
    """The newest is damaged, wherever: that is said, with the file and the checkpoint in its place, and the end is the same."""
    random = Random(2024)  # noqa: S311 - damage to choose, no secret
    before, newest = [checkpoint.path.name for checkpoint in committed(three_epochs)][-2:]
    for trial in range(tries):
        folder = tmp_path / str(trial)
        folder.mkdir()
        run, (named,), outcome = _resumed_copy(three_epochs, folder, [newest], random)
        assert outcome.code == 0, outcome.err
        (note,) = [line for line in outcome.err.splitlines() if f"; going back to {before}" in line]
        assert named in note
        assert_same_end(run, three_epochs)
        assert (run / "checkpoints" / f"damaged-{newest}").is_dir()
        verified(run, folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("tries", [pytest.param(2, id="sample"), pytest.param(20, id="20", marks=pytest.mark.slow)])
def test_a_run_without_a_whole_checkpoint_does_not_start_over(tries: int, three_epochs: Path, tmp_path: Path) -> None:
    """All are damaged: exit code 5, each bad file named, what to do, and not a byte is changed."""
    random = Random(7)  # noqa: S311 - damage to choose, no secret
    names = [checkpoint.path.name for checkpoint in committed(three_epochs)]
    for trial in range(tries):
        folder = tmp_path / str(trial)
        folder.mkdir()
        _, named, outcome = _resumed_copy(three_epochs, folder, names, random)
        assert outcome.code == 5, outcome.err
        assert "no checkpoint verifies" in outcome.err
        assert [name for name in named if name not in outcome.err] == []
        assert "restore the run from a copy, or train anew" in outcome.err
        shutil.rmtree(folder)
