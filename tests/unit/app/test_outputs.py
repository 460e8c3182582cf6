"""Files that a person asked for, on a disk that does not take them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from dlcli.app import export, predictions, starter_configs
from dlcli.app.export import Export
from dlcli.app.export.verification import Verified
from dlcli.app.predictions import Predictions
from dlcli.app.starter_configs import StarterConfig
from dlcli.errors import ResourceError
from tests.unit.runtime.file_operations import FileOperations

VERIFIED: Final = Verified((1, 5), None, {"linear_1": 0.0}, 1e-6)


def write_predictions(file: Path) -> None:
    """One row."""
    predictions.write_predictions(Predictions(file.parent, "step-00000010", ("in.csv",), 1, [{"sample": "1", "class": 3}]), file)


def write_export(file: Path) -> None:
    """To where a person says."""
    export.write(Export(("run", "a"), "python", file, {".py": b"text"}, VERIFIED, None, {}))


def write_export_of_run(file: Path) -> None:
    """To its own place, whose folder is made first."""
    place = file.parent / "exports"
    export.write(Export(("run", "a"), "python", place / file.name, {".py": b"text"}, VERIFIED, place, {}))


def write_config(file: Path) -> None:
    """A new one."""
    starter_configs.write(StarterConfig(file, "text", ("template", "cnn"), "dlcli train"), force=False)


ANOTHER_FILE: Final = "give another file: --output FILE"


@pytest.mark.parametrize(("number", "mend"), [(errno.ENOSPC, "free some space, or "), (errno.EIO, "")], ids=["full", "broken"])
@pytest.mark.parametrize(
    ("write", "name", "help"),
    [
        (write_predictions, "out.csv", ANOTHER_FILE),
        (write_export, "model.py", ANOTHER_FILE),
        (write_export_of_run, "model.py", ANOTHER_FILE),
        (write_config, "my.yaml", "give another path: dlcli init PATH.yaml"),
    ],
)
def test_a_disk_that_refuses_an_output_is_told_with_what_to_do(
    write: Callable[[Path], None], name: str, help: str, number: int, mend: str, tmp_path: Path
) -> None:
    """The file by name, and how to name another, which `--runs-dir` does not: exit code 6, and nothing is left."""
    with FileOperations(0, number).watching(), pytest.raises(ResourceError, match=f"{name} can't be written") as caught:
        write(tmp_path / name)
    assert caught.value.help == f"{mend}{help}"
    assert caught.value.exit_code == 6
    assert list(tmp_path.iterdir()) == []
