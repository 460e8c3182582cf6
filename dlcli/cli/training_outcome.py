"""What is said at the end of a training: how it went, in a sentence, the figures, and what to do next."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dlcli.cli.console import data_used
from dlcli.config.words import duration

if TYPE_CHECKING:
    from dlcli.app.runs import Run

REPORT: Final = "report.html"

_LABEL: Final = 10
_ENDED: Final = {
    "early_stopping": "stopped early, since {monitored} got no better",
    "max_time": "out of time",
    "max_steps": "out of steps",
}


def outcome(run: Run, width: int | None) -> tuple[str, str]:
    """The sentence, and lines with a label.

    Args:
        run: that has ended.
        width: the columns of the terminal, for lines to be broken between words; None where there is none.
    """
    lines: list[str] = []
    for label, texts in _rows(run).items():
        for number, text in enumerate(texts):
            lines += _folded(text, width, label=label if number == 0 else "")
    return "\n".join(_folded(_sentence(run.record), width)), "\n".join(lines)


def _folded(text: str, width: int | None, label: str | None = None) -> list[str]:
    """A text in lines that the terminal holds; a path or a command is never broken inside a word."""
    first = "" if label is None else label.ljust(_LABEL)
    if width is None or len(first) + len(text) <= width:
        return [f"{first}{text}"]
    return textwrap.wrap(
        text,
        max(width, 2 * _LABEL),
        initial_indent=first,
        subsequent_indent="" if label is None else " " * (_LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sentence(record: Mapping[str, Any]) -> str:
    epochs = f"{record['epochs']} epoch{'' if record['epochs'] == 1 else 's'}"
    time = duration(record["train_seconds"])
    if record["status"] != "completed":
        return f"Interrupted after step {record['step']:,}, with {epochs} done in {time}. All of it is saved, and can go on."
    monitored = record["best"]["metric"]
    ended = _ENDED.get(record["finished"], "").format(monitored=monitored)
    how = f"{epochs} in {time}, {ended}" if ended else f"{epochs} in {time}"
    return f"Trained for {how}. Kept is the network of epoch {record['best']['epoch']}, with {_result(record)}."


def _result(record: Mapping[str, Any]) -> str:
    """The figure that counts: of the monitored value on the test split, where there is one, else where it was monitored."""
    monitored, test = record["best"]["metric"], record["test"] or {}
    name = monitored.partition("/")[2]
    if name in test:
        return f"{name} {test[name]:.4f} on {record['data']['samples']['test']:,} test samples"
    return f"{monitored} {record['best']['value']:.4f}"


def _rows(run: Run) -> dict[str, list[str]]:
    """Label -> lines."""
    record, data = run.record, run.record["data"]
    samples = ", ".join(f"{count:,} {split}" for split, count in data["samples"].items() if count)
    rate = f"{record['samples_per_second']:,.0f} samples/s" if record["samples_per_second"] else "no sample yet"
    best, baseline = record["best"], record.get("baseline") or {}
    figures = [*_figures(record["test"] or {}), *(f"{line} by repeating the last value" for line in _figures(baseline))]
    report = run.path / REPORT
    return {
        "network": [f"{record['parameters']:,} parameters"],
        "data": [f"{data_used(data['used'], data['asked'])}: {samples}"],
        "speed": [f"{rate} on {record['device_title']}"],
        "best": [f"{best['metric']} {best['value']:.4f} (epoch {best['epoch']})"] if best else [],
        "test": figures,
        "run": [str(run.path)],
        "report": [str(report)] if report.is_file() else [],
        "next": _next_commands(run),
    }


def _figures(test: Mapping[str, float]) -> list[str]:
    """The metrics in their order, the loss behind them; of several outputs a line for each before that of all."""
    lines: dict[str, list[str]] = {}
    for name, value in sorted(test.items(), key=lambda figure: figure[0].endswith("loss")):
        output, _, figure = name.rpartition("/")
        lines.setdefault(output, []).append(f"{figure} {value:.4f}")
    own = lines.pop("", [])
    return [*(f"{output}: {', '.join(figures)}" for output, figures in lines.items()), *([", ".join(own)] if own else [])]


def _next_commands(run: Run) -> list[str]:
    """What the run can be put to now; one that was interrupted first goes on."""
    from dlcli.app.kept_runs.next_steps import next_steps  # pydantic: not for --help
    from dlcli.app.kept_runs.record import KeptRun

    steps = [step.command for step in next_steps(KeptRun(run.path, run.record), has_checkpoint=True)]
    return steps if run.record["status"] == "completed" else steps[:1]
