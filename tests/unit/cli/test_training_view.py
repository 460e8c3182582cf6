"""What a terminal shows of a training, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from dlcli.cli.training_view import Course, frame
from dlcli.training.progress import Progress


def record(epoch: int, **values: float) -> dict[str, Any]:
    """A line of metrics.jsonl."""
    defaults = {"train/loss": 1 / epoch, "valid/loss": 1.5 / epoch, "valid/accuracy": 1 - 0.1 / epoch}
    return {"event": "epoch", "epoch": epoch, "step": 10 * epoch, **defaults, **values, "train_seconds": 2.0, "lr": 0.1}


def course(num_records: int = 0, best: int | None = None, losses: Iterable[float] = (), **fields: Any) -> Course:
    defaults = {"epochs": 30, "steps_per_epoch": 10, "total_steps": 300, "monitored": "valid/accuracy"}
    records = [record(epoch) for epoch in range(1, num_records + 1)]
    seen = Course(**{**defaults, "records": records, "best": best or num_records or None, **fields})
    for loss in losses:
        seen.losses.add(loss)
    return seen


def progress(epoch: int, step: int, **fields: Any) -> Progress:
    """After some epochs and steps of the next, each step of a tenth of a second with 5 samples."""
    return Progress(
        epoch=epoch,
        step=10 * epoch + step,
        step_in_epoch=step,
        samples=5 * step,
        epoch_seconds=step / 10,
        elapsed_seconds=(10 * epoch + step) / 5,
        **fields,
    )


def shown(course: Course, progress: Progress | None, columns: int = 80, lines: int = 24, *, has_blocks: bool = True) -> list[str]:
    drawn = frame(course, progress, columns, lines, has_blocks=has_blocks)
    return ["".join(span.text for span in line).rstrip() for line in drawn]


def test_a_training_at_a_glance() -> None:
    """The epochs with the best marked, curves with the last value, how much of the epoch is done, and how long the rest takes."""
    seen = course(3, best=2, losses=[1.0, 0.1, 0.01], memory={"memory": 500_000_000, "GPU": 2_000_000_000})
    assert shown(seen, progress(3, 5)) == [
        "epoch  train/loss  valid/loss  valid/accuracy       time",
        "    1      1.0000      1.5000          0.9000      2.0 s",
        "    2      0.5000      0.7500          0.9500      2.0 s  best",
        "    3      0.3333      0.5000          0.9667      2.0 s",
        "",
        "step loss, log  █▅▁  0.0100",
        "valid/accuracy  ▁▆█  0.9667",
        "",
        "epoch 4/30  ━━━━━━━━━━━━━━━━━━━━────────────────────   50%  0.5 s left",
        "step 35/300  in all 53.0 s left  50 samples/s  memory 500.0 MB  GPU 2.0 GB",
    ]


def test_before_the_first_epoch_has_ended_there_is_the_bar_and_the_loss() -> None:
    """A curve needs two values."""
    assert shown(course(losses=[0.5]), progress(0, 1)) == [
        "epoch 1/30  ━━━━────────────────────────────────────   10%  0.9 s left",
        "step 1/300  loss 0.5000  in all 59.8 s left  50 samples/s",
    ]


def test_nothing_is_guessed_before_a_step() -> None:
    """Neither a speed nor a time."""
    assert shown(course(epochs=1), progress(0, 0)) == [
        "epoch 1/1  ────────────────────────────────────────    0%  -",
        "step 0/300",
    ]


@pytest.mark.parametrize("at", [progress(3, 10), progress(30, 0, finished="epochs"), progress(7, 0, finished="early_stopping")])
def test_an_evaluation_is_told(at: Progress) -> None:
    """After the last step of an epoch, and after the last epoch, whichever that was."""
    *_, bar, _ = shown(course(1), at)
    assert "━" * 40 in bar
    assert bar.endswith("100%  evaluating")


def test_max_steps_shorten_what_is_left() -> None:
    """Of the epoch and of the whole."""
    *_, bar, figures = shown(course(3, total_steps=37), progress(3, 5))
    assert bar.endswith("0.2 s left")
    assert "in all 0.4 s left" in figures


def test_at_the_end_the_bar_is_gone() -> None:
    """What was measured stays, with an empty line before what the command says; of nothing, nothing."""
    lines = shown(course(2, losses=[1.0, 0.5]), None)
    assert lines[0].startswith("epoch")
    assert lines[-2].startswith("valid/accuracy")
    assert lines[-1] == ""
    assert not any("left" in line for line in lines)
    assert shown(course(), None) == []


@pytest.mark.parametrize("best", [1, 25, 30])
def test_of_many_epochs_the_last_are_shown_and_the_best(best: int) -> None:
    """At most ten rows."""
    rows = [line.split() for line in shown(course(30, best=best), None) if line[:5].strip().isdigit()]
    numbers = [int(row[0]) for row in rows]
    assert numbers == ([best, *range(22, 31)] if best < 21 else list(range(21, 31)))
    assert [int(row[0]) for row in rows if row[-1] == "best"] == [best]


@pytest.mark.parametrize("lines", range(4, 24))
def test_it_fits_into_the_height(lines: int) -> None:
    """One line stays for the cursor; curves go first, then rows of the table, and the bar never."""
    drawn = shown(course(30, best=1, losses=[1.0, 0.5]), progress(4, 5), 80, lines)
    assert len(drawn) <= lines - 1
    assert any(line.startswith("epoch 5/30") for line in drawn)
    if lines >= 8:
        assert any(line.endswith("best") for line in drawn)


LONG = "a_very_long_name_of_an_output/with_a_metric"


@pytest.mark.parametrize("columns", [20, 30, 40, 50, 60, 80, 100, 200])
@pytest.mark.parametrize("monitored", ["valid/accuracy", "train/loss", f"valid/{LONG}"])
def test_it_fits_into_the_width(columns: int, monitored: str) -> None:
    """The monitored value is always shown, other columns where there is room; figures go on in a second line."""
    records = [record(epoch, **{f"valid/{LONG}": 0.5, "valid/f1": 0.25}) for epoch in (1, 2)]
    seen = course(2, records=records, monitored=monitored, losses=[1.0, 0.5], memory={"memory": 5 * 10**8})
    drawn = shown(seen, progress(2, 5), columns)
    width = min(columns - 1, 100)
    assert max(map(len, drawn)) <= max(width, 37)  # below that, the terminal's edge cuts
    if columns >= 60:
        assert max(map(len, drawn)) <= width
        assert monitored[-24:] in drawn[0]
        assert "memory 500.0 MB" in " ".join(drawn[-2:])
    if columns >= 100:
        assert "valid/f1" in drawn[0]


def test_each_value_is_shown_once() -> None:
    """Also where the monitored value is a loss; what an epoch does not have is a dash."""
    seen = course(2, monitored="valid/loss")
    seen.records[0].pop("valid/loss")
    head, first, *_ = shown(seen, None)
    assert head.split() == ["epoch", "train/loss", "valid/loss", "valid/accuracy", "time"]
    assert first.split() == ["1", "1.0000", "-", "0.9000", "2.0", "s"]


def test_values_far_from_one_are_in_powers_of_ten() -> None:
    """Four places would say nothing of them."""
    seen = course(records=[record(1, **{"train/loss": 123456789.0, "valid/loss": 0.0000123, "valid/accuracy": 0.0})])
    assert shown(seen, None)[1].split()[1:4] == ["1.235e+08", "1.230e-05", "0.0000"]


def test_without_block_characters_there_is_a_plain_bar_and_no_curve() -> None:
    """On a terminal that has only ASCII."""
    drawn = shown(course(2, losses=[1.0, 0.5]), progress(2, 5), has_blocks=False)
    assert all(line.isascii() for line in drawn)
    assert f"{'#' * 20}{'-' * 20}" in drawn[-2]
    assert "loss 0.5000" in drawn[-1]


def test_the_curve_of_a_long_training_keeps_its_shape() -> None:
    """However many losses are seen, some hundred are kept: of a straight line, a straight line."""
    curve = course(losses=map(float, range(100_000))).losses
    assert 256 <= len(curve.points) < 512
    assert {after - before for before, after in pairwise(curve.points)} == {256.0}
    assert curve.points[0] == sum(range(256)) / 256
    assert curve.last == 99_999


def test_a_loss_of_zero_or_less_has_a_curve() -> None:
    """Its logarithm is that of the least number that is drawn."""
    assert "step loss, log  █▁▁" in "\n".join(shown(course(losses=[1.0, 0.0, -1.0]), None))
