"""`dlcli train`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlcli.cli.console import data_used, duration, print_json, print_result
from dlcli.cli.options import DataDir, Device, Json, Plugins, RunsDir, Set
from dlcli.errors import ResourceError
from dlcli.training.run_folder import LATEST

if TYPE_CHECKING:
    from dlcli.app.runs import Run


def resume_arguments(arguments: Sequence[str]) -> list[str]:
    """Gives a bare `--resume` its value: the option may stand without one, which typer does not know."""
    return [
        f"--resume={LATEST}" if argument == "--resume" and _is_no_run(following) else argument
        for argument, following in zip(arguments, [*arguments[1:], "--"], strict=False)
    ]


def _is_no_run(argument: str) -> bool:
    from dlcli.app.configs import is_config  # slow to import, and only this option needs it

    return argument.startswith("-") or is_config(argument)


def train_command(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="A YAML file, or - for standard input.")] = None,
    set_: Set = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the run.")] = None,
    runs_dir: RunsDir = Path("runs"),
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same as --set train.seed=N.")] = None,
    data_dir: DataDir = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="[RUN]", help="Go on with a run; without RUN, with the newest.")
    ] = None,
    plugin: Plugins = None,
    json: Json = False,
) -> int:
    """Train the network of CONFIG, judge it on the test split and keep it in a folder under runs/.

    Example: dlcli train configs/cnn.yaml --set train.epochs=5
    """
    from dlcli.app.train import TrainRequest, train  # torch: only once there is work to do
    from dlcli.cli.progress_display import progress_display
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    seeding = [f"train.seed={seed}"] if seed is not None else []
    with progress_display() as display:
        run = train(
            TrainRequest(
                config,
                overrides=(*(set_ or ()), *seeding),
                name=name,
                runs=runs_dir,
                device=device,
                data_dir=data_dir,
                resume=resume,
                observers=(display,),
            )
        )
    with suppress(ResourceError):  # a full disk behind stdout changes nothing of the run, which is in its folder
        if json:
            print_json(run.summary())
        else:
            print_result("\n".join(_lines(run)))
    return run.exit_code


def _lines(run: Run) -> list[str]:
    """The outcome for a person, and what to do next."""
    record, path = run.record, run.path
    data = record["data"]
    samples = ", ".join(f"{count:,} {split}" for split, count in data["samples"].items() if count)
    rows = [
        ("network", f"{record['parameters']:,} parameters"),
        ("data", f"{data_used(data['used'], data['asked'])}: {samples}"),
        ("training", _training(record)),
    ]
    if record["best"]:
        rows.append(("best", f"{record['best']['metric']} {record['best']['value']:.4f} (epoch {record['best']['epoch']})"))
    if record["test"]:
        rows += [("" if index else "test", line) for index, line in enumerate(_figures(record["test"]))]
    if record.get("baseline"):
        rows += [("", f"{line} by repeating the last value") for line in _figures(record["baseline"])]
    rows.append(("run", str(path)))
    split = next(name for name in ("test", "valid", "train") if data["samples"][name])
    judge = f"dlcli eval {path}" + (f" --split {split}" if split != "test" else "")
    following = judge if record["status"] == "completed" else f"dlcli train --resume {path}"
    rows.append(("next", " ".join([following, *(f"--plugin {plugin}" for plugin in record["plugins"])])))
    return [f"{label:<9} {text}" for label, text in rows]


def _figures(test: dict[str, float]) -> list[str]:
    """The metrics in their order, the loss behind them; of several outputs a line for each before that of all."""
    lines: dict[str, list[str]] = {}
    for name, value in sorted(test.items(), key=lambda figure: figure[0].endswith("loss")):
        output, _, figure = name.rpartition("/")
        lines.setdefault(output, []).append(f"{figure} {value:.4f}")
    own = ", ".join(lines.pop("", []))
    return [*(f"{output}: {', '.join(figures)}" for output, figures in lines.items()), own]


def _training(record: dict[str, Any]) -> str:
    rate = f"{record['samples_per_second']:,.0f} samples/s" if record["samples_per_second"] else "no sample yet"
    ended = {"early_stopping": ", stopped early", "max_time": ", out of time", "max_steps": ", out of steps"}
    state = "interrupted and saved, " if record["status"] == "interrupted" else ""
    epochs = f"{record['epochs']} epoch{'' if record['epochs'] == 1 else 's'}"
    how = ended.get(record["finished"] or "", "")
    return f"{state}{epochs} in {duration(record['train_seconds'])} on {record['device_title']}, {rate}{how}"
