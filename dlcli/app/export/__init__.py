"""Networks taken elsewhere: as plain PyTorch, weights, a program of torch or ONNX; checked to say what dlcli's network says."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

import dlcli
from dlcli.app.export import writing
from dlcli.app.export.facts import facts_of
from dlcli.app.export.subject import Subject, read_subject
from dlcli.app.export.targets import TARGETS, Target
from dlcli.app.export.verification import Verified, verify
from dlcli.runtime.durable_files import disk_errors

__all__ = ["STDOUT", "TARGETS", "Export", "export", "write"]

STDOUT: Final = Path("-")
"""For code that is printed."""


@dataclass(frozen=True)
class Export:
    """A network as a file, which is not kept yet.

    Attributes:
        origin: `run` or `config`, and which.
        to: the target.
        file: where it is to be put, or STDOUT.
        contents: of the file and of those beside it, by their endings.
        verified: how well it agrees with the network.
        exports: of a run, the folder of its exports.
        notes: what is noted there of it, beside how it was verified.
    """

    origin: tuple[str, str]
    to: str
    file: Path
    contents: Mapping[str, bytes]
    verified: Verified
    exports: Path | None
    notes: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The file itself, where it is one."""
        return self.contents[TARGETS[self.to].suffix].decode()

    def as_json(self) -> dict[str, Any]:
        """What `export --json` prints."""
        key, value = self.origin
        return {key: value, "to": self.to, "file": str(self.file), "verified": self.verified.as_json()}


def export(
    what: str | None,
    to: str,
    overrides: tuple[str, ...] = (),
    *,
    runs: Path,
    data_dir: Path | None,
    output: Path | None,
    on_progress: Callable[[str], None],
) -> Export:
    """Writes out a network and checks it; nothing is kept yet.

    Args:
        what: a run, by its folder or its name, a config, or `-` for one from standard input; None for the newest run.
        to: one of TARGETS.
        overrides: for a config: as for `--set`.
        runs: the folder of all runs.
        data_dir: for a config: where its data is looked for first.
        output: where it is to be put, or STDOUT; None for its own place.
        on_progress: takes a line about what is being done.

    Raises:
        UsageError: there are overrides for a run, another file is in the way, or the network or the installation does not
            allow such an export.
        DlcliError: run or config can't be read.
        CheckpointError: the network can't be written, or the file says something else than it.
        ResourceError: there is not enough memory or room on the disk.
    """
    target = TARGETS[to]
    target.check_installed()
    if output not in (None, STDOUT):
        writing.check_free(writing.beside(output, target.beside))
    subject = read_subject(what, overrides, runs=runs, data_dir=data_dir)
    file = output or subject.folder / f"{subject.stem}{target.suffix}"
    if output is None:
        writing.check_own_place(subject.folder, writing.beside(file, target.beside))
    target.check(subject)
    contents, verified = _made(subject, target, on_progress)
    exports = subject.folder if subject.checkpoint is not None else None
    versions = {"dlcli": dlcli.__version__, "torch": torch.__version__}
    versions |= {name: metadata.version(name) for name in target.packages}
    notes = {"checkpoint": subject.checkpoint, "versions": versions}
    return Export(subject.origin, to, file, contents, verified, exports, notes)


def _made(subject: Subject, target: Target, on_progress: Callable[[str], None]) -> tuple[dict[str, bytes], Verified]:
    """The files by their endings, read back and compared."""
    facts = facts_of(subject)
    room = "point TMPDIR at a folder with more room"
    with tempfile.TemporaryDirectory(prefix="dlcli-export-") as folder, disk_errors(Path(folder), help=room):
        file = Path(folder) / f"model{target.suffix}"
        on_progress(f"writing the network of {subject.title}")
        target.write(subject, facts, file)
        on_progress("comparing what the file says with what the network says")
        verified = verify(subject.network, target.open(subject, file), target.tolerance)
        return {ending: file.with_suffix(ending).read_bytes() for ending in (target.suffix, *target.beside)}, verified


def write(made: Export) -> None:
    """Puts an export where it belongs, and notes beside those of a run how it was verified.

    Raises:
        UsageError: another file is in the way.
        ResourceError: the file system refuses.
    """
    is_kept = made.exports is not None and made.file.absolute().parent == made.exports.absolute()
    if is_kept:
        with disk_errors(made.file, help=writing.ANOTHER_FILE):
            made.file.parent.mkdir(exist_ok=True)
    suffix, *_ = made.contents
    named = {
        made.file if ending == suffix else made.file.with_suffix(ending): content for ending, content in made.contents.items()
    }
    writing.put(named)
    if is_kept:
        entry = {"file": made.file.name, "sha256": writing.sums(named), **made.verified.as_json(), **made.notes}
        writing.note(made.file.parent, made.to, entry)
