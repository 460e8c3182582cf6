"""`dlcli predict`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dlcli.cli.console import is_interactive, print_json, print_progress, print_result, table
from dlcli.cli.options import DataDir, Device, Json, Plugins, RunsDir
from dlcli.errors import UsageError

if TYPE_CHECKING:  # torch: only once there is work to do
    from dlcli.app.predictions import Predictions
    from dlcli.app.text_generation import Continuation

_WIDEST: Final = 40
"""Characters of a cell on a terminal."""
_STEERS_A_TERMINAL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def predict_command(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A folder or a name under runs/; else the newest.")] = None,
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Samples in a file like those of the training; - for texts, one a line."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="In place of FILE: what a language model goes on with.")
    ] = None,
    length: Annotated[int, typer.Option("--length", help="With --prompt: how many characters, words or bytes.")] = 400,
    temperature: Annotated[
        float, typer.Option("--temperature", help="With --prompt: 0 for the most likely text, 1 as it was learnt.")
    ] = 0.8,
    seed: Annotated[int, typer.Option("--seed", help="With --prompt: of the choice.")] = 0,
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
    """Ask a run's network: for the samples of a file, or how a text goes on.

    Example: dlcli predict latest new.csv --output predictions.csv

    Example: dlcli predict latest --prompt "ROMEO:" --length 400
    """
    if file is None and prompt is None and run is not None and (run == "-" or Path(run).is_file()):
        run, file = None, run
    _check_options(run, file, prompt, output)
    from dlcli.plugins import load_plugins

    if file is not None:
        from dlcli.app.predictions import check_output, predict_file, write_predictions

        if output is not None:
            check_output(output, file)
        load_plugins(plugin or ())
        found = predict_file(run, file, checkpoint=checkpoint, device=device, runs=runs_dir, data_dir=data_dir)
        if output is not None:
            write_predictions(found, output)
        _show_predictions(found, output, json)
        return
    from dlcli.app.text_generation import Sampling, continue_text

    assert prompt is not None
    sampling = Sampling(length, temperature, seed)
    load_plugins(plugin or ())
    text = continue_text(run, prompt, sampling, checkpoint=checkpoint, device=device, runs=runs_dir)
    if json:
        print_json({**text.as_json(), "length": length, "temperature": temperature, "seed": seed})
    else:
        _show_text(text)


def _check_options(run: str | None, file: str | None, prompt: str | None, output: Path | None) -> None:
    if prompt is None and file is None:
        what = "there is nothing to predict" if run is None else f"there is nothing to predict with {run}"
        help = 'give a run and a file: dlcli predict latest FILE, or go on with a text: dlcli predict --prompt "..."'
        raise UsageError(what, help=help)
    if prompt is not None and file is not None:
        raise UsageError("a file and --prompt were given", help="give one of them")
    if prompt is not None and output is not None:
        raise UsageError("--output is for the predictions of a file", help="send the text to a file: dlcli predict ... > FILE")


def _show_predictions(found: Predictions, output: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
    elif output is not None:
        print_result(f"{output}: {len(found.records):,} rows for {_samples(found)}")
    elif is_interactive(sys.stdout):
        print_progress(f"{found.run} ({found.checkpoint}), {_samples(found)}")
        rows = found.cells()
        right = [column for column, cell in enumerate(rows[-1]) if not isinstance(cell, str)]
        print_result(table([[_cell(cell) for cell in row] for row in rows], right=right))
    else:
        print_result(found.as_text(".csv").removesuffix("\n"))


def _samples(found: Predictions) -> str:
    return f"{found.samples:,} sample{'' if found.samples == 1 else 's'} of {found.file}"


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.4g}"
    text = _shown(str(value)).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _show_text(text: Continuation) -> None:
    """As it comes where a person looks on, else at once."""
    if not is_interactive(sys.stdout):
        print_result(text.prompt + "".join(text.pieces))
        return
    print_result(_shown(text.prompt), end="")
    try:
        for piece in text.pieces:
            print_result(_shown(piece), end="")
    finally:  # also where it is interrupted
        print_result("")


def _shown(text: str) -> str:
    """The text without characters that would steer the terminal."""
    return _STEERS_A_TERMINAL.sub("\N{REPLACEMENT CHARACTER}", text)
