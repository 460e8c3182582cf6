"""What a run's network says of samples in files, as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlcli.app.inference import score
from dlcli.app.prediction_inputs import Progress, open_inputs
from dlcli.app.prediction_rows import PROBABILITIES, PROBABILITY, Record, Rows, beside
from dlcli.app.runs import Run, open_run, recorded_experiment
from dlcli.app.spreadsheet import Cell, as_csv
from dlcli.app.use import find_checkpoint, restored
from dlcli.config.tree import shortened
from dlcli.errors import DataError, UsageError
from dlcli.runtime.device import choose_device
from dlcli.runtime.durable_files import write_durably
from dlcli.runtime.memory import memory_errors

CSV: Final = ".csv"
JSON_LINES: Final = ".jsonl"
_ELSEWHERE: Final = "choose another with --output FILE"


@dataclass(frozen=True)
class Wish:
    """What somebody wants to know.

    Attributes:
        inputs: files, folders, or `-` for texts from standard input, one a line. Files are written as those of the training
            are, with their answers left out or left unread.
        data_dir: where files are looked for first.
        top: how many of the most probable classes a row tells; None for the most probable one.
        spreads: whether a table has a column for the probability of each class.
        inverts: whether bright becomes dark in picture files.
        lists: whether a row lists the probabilities of all classes where no table spreads them.
        output: the file that the predictions will be written to, which is none of the inputs.
    """

    inputs: Sequence[str]
    data_dir: Path | None = None
    top: int | None = None
    spreads: bool = False
    inverts: bool = False
    lists: bool = False
    output: Path | None = None


@dataclass(frozen=True)
class Predictions:
    """What `dlcli predict RUN INPUT...` found.

    Attributes:
        run: the run's folder.
        checkpoint: the name of the checkpoint that was asked.
        inputs: whose samples they are.
        samples: how many.
        records: the rows: one for each sample, for each step of each sample, or for each step of a forecast.
        notices: what a person should know of the samples, a line each.
        spreads: as for `Wish`.
    """

    run: Path
    checkpoint: str
    inputs: tuple[str, ...]
    samples: int
    records: list[Record]
    notices: tuple[str, ...] = ()
    spreads: bool = False

    def as_json(self) -> Record:
        """What `predict --json` prints."""
        found = {"run": str(self.run), "checkpoint": self.checkpoint, "inputs": [*self.inputs], "samples": self.samples}
        return {**found, "notices": [*self.notices], "predictions": self.records}

    def cells(self) -> Iterator[list[Cell]]:
        """The rows of a table, its head first."""
        yield [*self._flat(self.records[0])]
        for record in self.records:
            yield [*self._flat(record).values()]

    def as_text(self, format: str) -> str:
        """The rows as a file of the format CSV or JSON_LINES."""
        if format == JSON_LINES:
            return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self.records)
        return as_csv(self.cells())

    def _flat(self, record: Record) -> Record:
        """A row without mappings, or with their values in columns of their own."""
        row: Record = {}
        for name, value in record.items():
            if not isinstance(value, Mapping):
                row[name] = value
            elif self.spreads:
                row |= {f"{name.removesuffix(PROBABILITIES)}{PROBABILITY}/{key}": share for key, share in value.items()}
        return row


def predict_inputs(
    run: Run | str | Path | None, wish: Wish, *, checkpoint: str, device: str, runs: Path, on_progress: Progress
) -> Predictions:
    """Asks a run's network.

    Args:
        run: a run, its folder, its name, or None for the newest.
        wish: for which samples, and what of them.
        checkpoint: best, last or the number of a step.
        device: as for `--device`.
        runs: the folder of all runs.
        on_progress: is told how many pictures are done.

    Raises:
        UsageError: there is no such run or checkpoint, the run reads no such files, has not so many classes, or the output
            is among the inputs.
        DataError: a file is not there, is damaged, or its samples don't fit the network.
    """
    chosen = choose_device(device)
    opened = open_run(run, runs)
    experiment = recorded_experiment(opened.folder)
    found = find_checkpoint(opened.folder, checkpoint)
    rows = Rows(experiment, opened.record["data"].get("classes"), wish.top, wish.spreads or wish.lists)
    if wish.spreads:
        rows.check_classes("--probabilities")
    inputs = open_inputs(experiment, wish.inputs, data_dir=wish.data_dir, run=opened.path, inverts=wish.inverts)
    if wish.output is not None and inputs.reads(wish.output):
        raise UsageError(f"{wish.output} is the file that is to be read", help=_ELSEWHERE)
    network = restored(experiment, found).to(chosen).eval()
    records: list[Record] = []
    samples = 0
    with memory_errors():
        for part in inputs.parts(on_progress):
            try:
                scores = score(network, experiment, part.inputs, part.lengths, chosen)
            except DataError as error:
                raise DataError(f"{part.title}: {error.message}", help=error.help) from error
            of_part = rows.records(part.samples, scores, part.lengths)
            records += of_part if part.file is None else (beside({"file": part.file}, record) for record in of_part)
            samples += len(part.samples.names)
    return Predictions(opened.path, found.path.name, tuple(wish.inputs), samples, records, tuple(inputs.notices), wish.spreads)


def check_output(output: Path) -> None:
    """Whether predictions can be written to a file of this name.

    Raises:
        UsageError: they can't.
    """
    if output.suffix.lower() not in (CSV, JSON_LINES):
        raise UsageError(
            f"'{output}' ends neither in {CSV} nor in {JSON_LINES}", help=f"write for example --output predictions{CSV}"
        )
    try:
        is_folder, has_folder = output.is_dir(), output.absolute().parent.is_dir()
    except OSError as error:  # its name is too long, or a folder on the way can't be looked into
        raise UsageError(f"{shortened(str(output))} can't be written: {error.strerror}", help=_ELSEWHERE) from error
    if is_folder:
        raise UsageError(f"{output} is a folder", help=_ELSEWHERE)
    if not has_folder:
        raise UsageError(f"there is no folder {output.parent}", help="make it first, or write elsewhere")


def write_predictions(predictions: Predictions, output: Path) -> None:
    """Writes them, whole or not at all, in the format that the name of the file ends in.

    Raises:
        ResourceError: the file system refuses.
    """
    content = predictions.as_text(output.suffix.lower()).encode(errors="replace")
    write_durably(output, content, help="give another file: --output FILE")
