"""Commands that read pictures which an earlier start has decoded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image

from dlcli.data import decoded_cache, pictures
from tests.integration.conftest import Cli

_AUDITED: Final = """
import json, sys
from pathlib import Path
from dlcli.config.data import ImageFolder
from dlcli.data import decoded_cache
from dlcli.data.directories import Directories
from dlcli.data.sources import image_folder
from tests.integration import audited

decoded_cache.LEAST_SAVED = -1e9
sys.addaudithook(audited._note)
for _ in range(2):
    image_folder.read(ImageFolder(path=sys.argv[1]), Directories((), Path()), False)
print(json.dumps(audited._events))
"""
_CHANGES: Final = ("open", "os.mkdir", "os.remove", "os.rename", "os.utime", "os.chmod", "os.link", "os.symlink", "shutil.")

_CONFIG: Final = """
data: {name: image_folder, path: pictures}
model: {layers: [conv2d: {out_channels: 4, kernel_size: 3}, relu, flatten, linear: "${data.num_classes}"]}
train: {epochs: 1, batch_size: 8, metrics: [accuracy]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures of two classes, one of which is brighter."""
    rng = np.random.default_rng(0)
    place = tmp_path / "pictures"
    for number in range(40):
        path = place / ("dark", "bright")[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 100 + 100 * (number % 2), (8, 8), dtype=np.uint8)).save(path)
    return place


def _weights(run: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path("runs", run).glob("checkpoints/*/model.safetensors"))]


def test_a_second_training_decodes_nothing_and_ends_with_the_same_weights(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither do eval and a look at the data."""
    Path("pictures.yaml").write_text(_CONFIG)
    monkeypatch.setattr(decoded_cache, "LEAST_SAVED", -1e9)
    assert cli("train", "pictures.yaml", "--name", "first").code == 0
    monkeypatch.setattr(pictures, "read_picture", lambda path, channels: pytest.fail(f"{path} is decoded"))
    assert cli("train", "pictures.yaml", "--name", "second").code == 0
    assert _weights("second") == _weights("first") != []
    assert cli("eval", "second").code == 0
    assert cli("data", "check", "pictures.yaml").code in (0, 3)
    assert len([*(tmp_path / "cache" / "dlcli" / "decoded").iterdir()]) == 1


def test_a_run_notices_a_changed_picture_when_it_goes_on(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of before lie in the cache, and are not taken for those of now."""
    Path("pictures.yaml").write_text(_CONFIG)
    monkeypatch.setattr(decoded_cache, "LEAST_SAVED", -1e9)
    assert cli("train", "pictures.yaml", "--name", "run").code == 0
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folder / "dark" / "00.png")
    refused = cli("train", "--resume", "run", "--set", "train.epochs=2")
    assert refused.code == 3
    assert "has changed since the run began" in refused.err


def test_nothing_is_written_outside_the_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python's audit hooks see it: neither by the start that decodes nor by the one that reads; and no pickle is read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkout = Path(__file__).parents[2]
    command = [sys.executable, "-B", "-c", _AUDITED, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout)
    events = json.loads(done.stdout)
    changed = {(name, subject) for name, subject, _ in events if name.startswith(_CHANGES) and not subject.isdigit()}
    assert {name for name, _ in changed} == {"open", "os.mkdir", "os.rename", "os.remove", "os.utime"}
    assert [subject for _, subject in changed if not subject.startswith(str(tmp_path / "cache"))] == []
    assert [name for name, *_ in events if name.startswith("pickle.")] == []


def test_processes_that_start_at_once_leave_one_whole_entry(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    command = [sys.executable, "-c", _AUDITED, str(folder)]
    checkout = Path(__file__).parents[2]
    begun = [subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=checkout) for _ in range(2)]
    assert [process.wait(timeout=120) for process in begun] == [0, 0]
    [entry] = (tmp_path / "cache" / "dlcli" / "decoded").iterdir()
    assert np.load(entry, allow_pickle=False).shape == (40, 8, 8, 1)
