"""`dlcli predict`."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from dlcli.cli.console import is_interactive, print_json, print_notice, print_progress, print_result, table
from dlcli.cli.foreign_text import figure, one_line
from dlcli.cli.options import DataDir, Device, Json, Plugins, RunArgument, RunsDir
from dlcli.cli.picture_counter import picture_counter
from dlcli.config.hidden_characters import visible
from dlcli.errors import UsageError

if TYPE_CHECKING:  # torch: only once there is work to do
    from dlcli.app.predictions import Predictions, Wish
    from dlcli.app.spreadsheet import Cell
    from dlcli.app.text_generation import Continuation, Sampling

_STDIN: Final = "-"
_WIDEST: Final = 40
"""Characters of a cell on a terminal."""


class _Asked(NamedTuple):
    """Which network is asked, and how.

    Attributes:
        run: None for the newest.
        runs: the folder of all runs.
        checkpoint: as for `--checkpoint`.
        device: as for `--device`.
        plugins: the files that are given with `--plugin`.
    """

    run: str | None
    runs: Path
    checkpoint: str
    device: str
    plugins: list[Path]


def predict_command(
    run: RunArgument = None,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Pictures, folders of them, or files like those of the training; - for texts, one a line.",
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="In place of INPUT: what a language model goes on with.")
    ] = None,
    length: Annotated[int, typer.Option("--length", help="With --prompt: how many characters, words or bytes.")] = 400,
    temperature: Annotated[
        float, typer.Option("--temperature", help="With --prompt: 0 for the most likely text, 1 as it was learnt.")
    ] = 0.8,
    seed: Annotated[int, typer.Option("--seed", help="With --prompt: of the choice.")] = 0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="K", min=1, help="Tell the K most probable classes; else the first.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="A column with the probability of each class; .jsonl and --json have them.")
    ] = False,
    invert: Annotated[
        bool, typer.Option("--invert", help="Swap bright and dark in pictures, for digits that are dark on paper.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="OUT", help="A .csv or .jsonl file; else the predictions go to stdout.")
    ] = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="best, last or the number of a step.")] = "best",
    runs_dir: RunsDir = Path("runs"),
    device: Device = "auto",
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Ask a run's network: for the samples of files, or how a text goes on.

    Example: dlcli predict latest pictures/ --top-k 3

    Example: dlcli predict latest new.csv --output predictions.csv

    Example: dlcli predict latest --prompt "ROMEO:" --length 400
    """
    asked = inputs or []
    if prompt is None and run is not None and _is_input(run, runs_dir):
        asked.insert(0, run)
        run = None
    _check_options(run, asked, prompt, output, {"--top-k": top_k, "--probabilities": probabilities, "--invert": invert})
    network = _Asked(run, runs_dir, checkpoint, device, plugin or [])
    if prompt is None:
        from dlcli.app.predictions import JSON_LINES, Wish

        lists = json or (output is not None and output.suffix.lower() == JSON_LINES)
        _predict_files(network, Wish(asked, data_dir, top_k, probabilities, invert, lists, output), as_json=json)
    else:
        from dlcli.app.text_generation import Sampling

        _go_on_with(network, prompt, Sampling(length, temperature, seed), as_json=json)


def _predict_files(network: _Asked, wish: Wish, *, as_json: bool) -> None:
    from dlcli.app.predictions import check_output, predict_inputs, write_predictions
    from dlcli.plugins import load_plugins

    run, runs, checkpoint, device, plugins = network
    if wish.output is not None:
        check_output(wish.output)
    load_plugins(plugins)
    with picture_counter() as on_progress:
        found = predict_inputs(run, wish, checkpoint=checkpoint, device=device, runs=runs, on_progress=on_progress)
    for notice in found.notices:
        print_notice(notice)
    if wish.output is not None:
        write_predictions(found, wish.output)
    _show_predictions(found, wish.output, as_json)


def _go_on_with(network: _Asked, prompt: str, sampling: Sampling, *, as_json: bool) -> None:
    from dlcli.app.text_generation import continue_text
    from dlcli.plugins import load_plugins

    run, runs, checkpoint, device, plugins = network
    load_plugins(plugins)
    text = continue_text(run, prompt, sampling, checkpoint=checkpoint, device=device, runs=runs)
    if as_json:
        print_json({**text.as_json(), **asdict(sampling)})
    else:
        _show_text(text)


def _is_input(first: str, runs_dir: Path) -> bool:
    """Whether the first argument is something to predict, since the newest run is asked: what is a run is one."""
    from dlcli.training.run_folder import LATEST, is_run

    path = Path(first)
    with suppress(OSError, ValueError):  # no file can be called so
        if first == _STDIN or path.is_file():
            return True
        return path.is_dir() and first != LATEST and not is_run(path.resolve()) and not is_run(runs_dir / first)
    return False


def _check_options(
    run: str | None, inputs: list[str], prompt: str | None, output: Path | None, of_inputs: dict[str, object]
) -> None:
    if prompt is None and not inputs:
        what = "there is nothing to predict" if run is None else f"there is nothing to predict with {run}"
        help = 'give a run and a file: dlcli predict latest FILE, or go on with a text: dlcli predict --prompt "..."'
        raise UsageError(what, help=help)
    if prompt is None:
        return
    if inputs:
        raise UsageError("a file and --prompt were given", help="give one of them")
    if output is not None:
        raise UsageError("--output is for the predictions of files", help="send the text to a file: dlcli predict ... > FILE")
    for option, value in of_inputs.items():
        if value:
            raise UsageError(f"{option} is for the predictions of files", help="leave it out")


def _show_predictions(found: Predictions, output: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
    elif output is not None:
        print_result(f"{visible(str(output))}: {len(found.records):,} rows for {_samples(found)}")
    elif is_interactive(sys.stdout):
        print_progress(f"{visible(str(found.run))} ({found.checkpoint}), {_samples(found)}")
        rows = [*found.cells()]
        right = [column for column, cell in enumerate(rows[-1]) if not isinstance(cell, str)]
        print_result(table([[_cell(cell) for cell in row] for row in rows], right=right))
    else:
        print_result(found.as_text(".csv").removesuffix("\n"))


def _samples(found: Predictions) -> str:
    where = visible(found.inputs[0]) if len(found.inputs) == 1 else f"{len(found.inputs):,} inputs"
    return f"{found.samples:,} sample{'' if found.samples == 1 else 's'} of {where}"


def _cell(value: Cell) -> str:
    return figure(value) if isinstance(value, float) else one_line(value, _WIDEST)


def _show_text(text: Continuation) -> None:
    """As it comes where a person looks on, else at once."""
    if not is_interactive(sys.stdout):
        print_result(text.prompt + "".join(text.pieces))
        return
    print_result(visible(text.prompt), end="")
    try:
        for piece in text.pieces:
            print_result(visible(piece), end="")
    finally:  # also where it is interrupted
        print_result("")
