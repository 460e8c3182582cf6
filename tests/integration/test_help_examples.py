"""Every command's help has an example, and each example does what it says."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import typer
from PIL import Image

from dlcli.cli.main import app
from dlcli.cli.main import run as run_command
from tests.integration.conftest import QUICK

_PICTURES: Final = QUICK.replace("digits, limit: 300", "digits, limit: 120")
_TABLE: Final = """\
data: {name: csv, path: old.csv, target: [y]}
model: {layers: [linear: 4, relu, linear: 1]}
train: {epochs: 1, loss: mse}
"""
_TEXT: Final = """\
data: {name: text, path: play.txt, window: 16}
model: {layers: [embedding: 8, lstm: 8, linear: '${data.vocabulary_size}']}
train: {epochs: 1, batch_size: 8}
"""


def _examples() -> Iterator[tuple[str, str]]:
    """Each command and each of its examples; an empty one for a command without."""
    root = typer.main.get_command(app)

    def of(command: object, name: str) -> Iterator[tuple[str, str]]:
        inside = getattr(command, "commands", None)
        if inside is not None:
            for word, part in inside.items():
                yield from of(part, f"{name} {word}")
            return
        lines = [line.strip() for line in (getattr(command, "help", None) or "").splitlines()]
        found = [line.removeprefix("Example: ") for line in lines if line.startswith("Example: ")]
        yield from ((name, example) for example in found or [""])

    yield from of(root, "dlcli")


EXAMPLES: Final = list(_examples())


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders in which the examples stand: with a run on pictures, on a table, on a text."""
    found = {}
    for kind, config in (("pictures", _PICTURES), ("table", _TABLE), ("text", _TEXT)):
        place = found[kind] = tmp_path_factory.mktemp(kind)
        configs = place / "configs"
        configs.mkdir()
        (configs / "cnn.yaml").write_text(config)
        (configs / "old.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 3},{n / 2 + 0.25}\n" for n in range(40)))
        (configs / "play.txt").write_text("ROMEO: but soft, what light\n" * 60)
        (place / "new.csv").write_text("a,b\n1,2\n3,4\n")
        pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 8), np.uint8)
        for number, picture in enumerate(pixels):
            folder = place / "pictures" / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{number}.png")
        for name in ("before", "NAME"):
            arguments = ["train", place / "configs" / "cnn.yaml", "--runs-dir", place / "runs", "--name", name, "--quiet"]
            assert run_command([str(argument) for argument in arguments]) == 0
    return found


@pytest.mark.parametrize(("command", "example"), EXAMPLES, ids=[example or name for name, example in EXAMPLES])
def test_an_example_of_the_help_ends_well(
    command: str,
    example: str,
    places: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Where its files and runs are there, it ends with 0."""
    assert f"{example} ".startswith(f"{command} "), f"`{command} --help` has no example"
    if "onnx" in example:
        pytest.importorskip("onnxruntime")
    kind = "table" if "new.csv" in example else "text" if "--prompt" in example else "pictures"
    monkeypatch.chdir(places[kind])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if "fetch" in example:
        monkeypatch.setenv("DLCLI_DATA", str(request.getfixturevalue("shared_data")))
    words = shlex.split(example)[1:]
    arguments = [path for word in words for path in (sorted(glob.glob(word)) if "*" in word else [word])]  # noqa: PTH207  # as a shell
    assert run_command(arguments) == 0
