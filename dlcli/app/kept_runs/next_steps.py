"""What a run can be put to as it stands: commands, the same wherever they are told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dlcli.app.kept_runs.record import KILLED, UNREADABLE, KeptRun, plugin_words, text_at, value_at
from dlcli.config.data import SOURCES, MadeUp, Text

_CAN_GO_ON: Final = (KILLED, "interrupted", "failed")


@dataclass(frozen=True)
class NextStep:
    """A command.

    Attributes:
        command: quoted for a shell; what a person has to fill in stands in capitals, or is `..`.
        meaning: what it is for.
    """

    command: str
    meaning: str


def next_steps(run: KeptRun, *, has_checkpoint: bool) -> Iterator[NextStep]:
    """What can be done, the likeliest first.

    Args:
        run: its record may be a stranger's.
        has_checkpoint: whether there are weights to be asked.
    """
    plugins, path = plugin_words(run.record), str(run.path)

    def step(meaning: str, *words: str) -> NextStep:
        return NextStep(shlex.join(["dlcli", *words, *plugins]), meaning)

    if run.status in (UNREADABLE, "running"):
        yield NextStep(shlex.join(["dlcli", "verify", path]), "is everything as it was written?")
    elif run.status in _CAN_GO_ON:
        yield step("go on with the training", "train", "--resume", path)
    elif run.status == "diverged" and run.config is not None:
        yield step("train anew with another learning rate", "train", run.config, "--set", "train.optimizer.lr=..")
    if run.status == UNREADABLE or not has_checkpoint:
        return
    split = next((name for name in ("test", "valid") if value_at(run.record, "data", "samples", name)), "train")
    yield step("judge it again", "eval", path, *([] if split == "test" else ["--split", split]))
    yield step("see what its answers rest on", "explain", path)
    source = SOURCES.get(text_at(run.record, "data", "used") or "")
    if source is not None and issubclass(source, Text):
        yield step("let it go on with a text", "predict", path, "--prompt", "TEXT")
    elif source is None or not issubclass(source, MadeUp):
        yield step("ask it about new samples", "predict", path, "FILE")
    yield step("take the network along as plain PyTorch", "export", path, "--to", "python")
    if run.status == "completed" and run.epochs and text_at(run.record, "finished") == "epochs":
        yield step("train longer", "train", "--resume", path, "--set", f"train.epochs={2 * run.epochs}")
