"""The report of a run: made when a training ends, however it ends, of what the run has saved, and harmless whatever that is."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import yaml
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

import dlcli
from dlcli.app.pages.figures import Figure
from dlcli.app.report import page as report_page
from dlcli.app.report.gather import read_saved
from dlcli.app.report.page import write_report
from dlcli.app.smoke import _SMALL
from dlcli.app.train import TrainRequest, train
from dlcli.data.batches import Batch
from dlcli.errors import UsageError
from dlcli.runtime.durable_files import write_durably
from dlcli.training.outcomes.storage import read_outcome
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.integration.browser import Browser, started_browser
from tests.integration.conftest import CONFIGS, QUICK, Cli
from tests.integration.small_trainings import write_config
from tests.integration.started_commands import dlcli as dlcli_command
from tests.unit.app.pages.markup import Markup
from tests.unit.app.pages.test_figures import HOSTILE

pytestmark = pytest.mark.usefixtures("reports")

RUN: Final = Path("runs/run")
PAGE: Final = RUN / "report.html"


def text_of(page: Path) -> str:
    """What a person reads; nothing active may be in it."""
    markup = Markup(page.read_text(encoding="utf-8"))
    assert markup.odd == []
    assert markup.references <= set(markup.ids)
    assert len(set(markup.ids)) == len(markup.ids)
    return " ".join(markup.text.split())


def numbers(name: str) -> list[list[str]]:
    """The numbers behind a figure of the run."""
    with (RUN / "plots" / f"{name}.csv").open() as file:
        return list(csv.reader(file))


class Watcher:
    """An observer that remembers notices."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def started(self, *_: Any, **__: Any) -> None: ...

    def stepped(self, *_: Any) -> None: ...

    def epoch_ended(self, *_: Any, **__: Any) -> None: ...

    def notice(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on digits, with its report."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "quick.yaml").write_text(QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(report_page, "write_report", write_report)
        watcher = Watcher()
        train(TrainRequest(Path("quick.yaml"), name="run", device="cpu", observers=(watcher,)))
    assert watcher.told == []
    return folder / RUN


@pytest.fixture
def trained(cli: Cli, kept: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(kept, RUN)
    return RUN


def test_a_training_ends_with_its_report(trained: Path) -> None:
    """What was trained on what, how good it is and against what; each figure as a drawing and as numbers beside it."""
    text = text_of(PAGE)
    record = json.loads((RUN / "run.json").read_text())
    assert "A network of 810 parameters was trained on 300 samples of digits for 2 epochs in" in text
    assert f"It is right on {100 * record['test']['accuracy']:.1f} % of the 300 samples of the test split" in text
    assert "always naming the most frequent class would be right on" in text
    for heading in ("Training", "Result", "Worst mistakes", "Data", "Network", "Time", "Environment", "Config", "How to go on"):
        assert heading in text
    figures = {"loss", "valid-accuracy", "learning-rate", "confusion", "calibration", "balance", "network", "seconds"}
    assert {path.name for path in (RUN / "plots").iterdir()} == {f"{name}.{end}" for name in figures for end in ("svg", "csv")}
    assert [float(row[1]) for row in numbers("loss")[1:]] == [
        event["train/loss"] for event in map(json.loads, (RUN / "metrics.jsonl").read_text().splitlines())
    ]


def test_the_report_tells_what_the_network_does(trained: Path) -> None:
    """Confusion matrix and scores are those of scikit-learn for predictions made anew with the weights that were saved."""
    from dlcli.app.experiments import open_experiment

    _, dataset = open_experiment(trained / "config.resolved.yaml", (), None, lambda _: None)
    assert dataset.test is not None
    called = dlcli.predict(trained, dataset.test.inputs).numpy().argmax(1)  # type: ignore[union-attr]  # of one output
    truth = np.asarray(dataset.test.targets)
    rows = numbers("confusion")
    assert [list(map(int, row[1:])) for row in rows[1:]] == confusion_matrix(truth, called).tolist()
    cells = [cell.strip() for cell in re.split(r"<t[dh][^>]*>|</t[dh]>", PAGE.read_text()) if cell.strip()]
    scores = precision_recall_fscore_support(truth, called, zero_division=0)
    for label in range(10):
        row = [f"{values[label]:.4f}" for values in scores[:3]]
        assert any(cells[place : place + 3] == row for place in range(len(cells)))
    assert json.loads((RUN / "run.json").read_text())["test"]["accuracy"] == pytest.approx(accuracy_score(truth, called))


def test_the_report_takes_nothing_from_the_run(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With it or without it the same bits are trained and judged, and the run verifies; it can be left out."""
    assert cli("train", quick, "--name", "run").code == 0
    monkeypatch.setattr(report_page, "write_report", lambda _: None)
    assert cli("train", quick, "--name", "plain").code == 0
    records = [json.loads((Path("runs") / name / "run.json").read_text()) for name in ("run", "plain")]
    assert records[0]["test"] == records[1]["test"]
    assert not Path("runs/plain/report.html").exists()
    verified = cli("verify", "run", "--json").json
    assert verified["verified"]
    outcome = RUN / "outcome.safetensors"
    outcome.write_bytes(outcome.read_bytes()[:-1])
    assert any("outcome.safetensors" in problem for problem in cli("verify", "run", "--json").json["problems"])


@pytest.mark.parametrize("error", [OSError("no space left"), ValueError("a bug"), KeyboardInterrupt()])
def test_a_report_that_fails_is_one_notice(error: BaseException, cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is what it was, its exit code too, and its files are sealed."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(report_page, "rendered", fail)
    outcome = cli("train", quick, "--name", "run")
    assert outcome.code == 0
    assert outcome.err.count("there is no report of the run") == 1
    assert "to make it: dlcli report runs/run" in outcome.err
    assert json.loads((RUN / "run.json").read_text())["status"] == "completed"
    assert cli("verify", "run").code == 0


def test_a_figure_that_fails_leaves_the_others(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its section is named on top of the page."""
    monkeypatch.setattr("dlcli.app.report.classes.confusion_figure", lambda *_: 1 / 0)
    outcome = cli("train", quick, "--name", "run")
    assert (outcome.code, "no report" in outcome.err) == (0, False)
    text = text_of(PAGE)
    assert "The section Result can't be made: ZeroDivisionError" in text
    assert "Loss" in text


def test_what_can_not_be_kept_is_one_notice(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report then has what there is."""
    monkeypatch.setattr("dlcli.app.outcomes.digest", lambda _: 1 / 0)
    outcome = cli("train", quick, "--name", "run")
    assert outcome.code == 0
    assert outcome.err.count("some of what a report shows can't be kept: ZeroDivisionError") == 1
    assert cli("verify", "run").code == 0
    text = text_of(PAGE)
    assert "On the test split: accuracy" in text
    assert "The run has kept no examples of its data." in text


def test_an_interrupted_run_says_so_and_what_to_do(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On top; its data is shown, and nothing is judged. When it has gone on, the report is whole."""
    step = Trainer.step

    def interrupted(self: Trainer, group: list[Batch]) -> Any:
        if self.progress.step == 14:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, group)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted)
        assert cli("train", quick, "--name", "run").code == 130
    text = text_of(PAGE)
    assert "This run was interrupted after 15 steps, and saved. Go on with: dlcli train --resume runs/run" in text
    assert "Class balance" in text
    assert "Confusion matrix" not in text
    assert read_outcome(RUN / "outcome.safetensors").judgement is None
    assert cli("verify", "run").code == 0
    assert cli("train", "--resume", "run").code == 0
    text = text_of(PAGE)
    assert "interrupted" not in text
    assert "Confusion matrix" in text


def test_a_second_ctrl_c_waits_for_no_report(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presses it twice wants to be gone."""
    step = Trainer.step

    def interrupted(self: Trainer, group: list[Batch]) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return step(self, group)

    monkeypatch.setattr(Trainer, "step", interrupted)
    assert cli("train", quick, "--name", "run").code == 130
    assert not PAGE.exists()
    assert not (RUN / "outcome.safetensors").exists()


def test_a_diverged_run_says_what_to_do(cli: Cli, quick: Path) -> None:
    """With the reason, on top; the exit code stays."""
    assert cli("train", quick, "--name", "run", "--set", "train.optimizer.lr=1e30").code == 4
    text = text_of(PAGE)
    assert "This run diverged: the loss is nan" in text
    assert "No epoch has come to its end" in text
    assert "train anew with another learning rate" in text
    assert "judge it again" not in text


def test_a_failed_run_says_why(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug too; that the report is made hides nothing."""

    def fail(*_: object) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Trainer, "step", fail)
    assert cli("train", quick, "--name", "run").code == 1
    assert "This run failed: ZeroDivisionError: a bug" in text_of(PAGE)


def test_without_a_test_split_the_validation_split_is_shown(cli: Cli, tmp_path: Path) -> None:
    """And the page says what that means; record and figures are as ever."""
    config = write_config("language model", tmp_path / "lm")
    outcome = cli("train", config, "--name", "run", "--set", "data.split.test=0", "--set", "train.epochs=2")
    assert outcome.code == 0, outcome.err
    record = json.loads((RUN / "run.json").read_text())
    assert record["test"] is None
    text = text_of(PAGE)
    assert "There is no test split: these samples also decided which epoch is kept" in text
    judgement = read_outcome(RUN / "outcome.safetensors").judgement
    assert judgement is not None
    assert judgement.split == "valid"
    assert judgement.figures["loss"] == pytest.approx(cli("eval", "run", "--split", "valid", "--json").json["metrics"]["loss"])


def test_of_a_language_model_it_shows_what_it_writes(cli: Cli, tmp_path: Path) -> None:
    """The same for the same seed as `dlcli predict` writes; loss in nats, and the perplexity that belongs to it."""
    config = write_config("language model", tmp_path / "lm")
    assert cli("train", config, "--name", "run", "--set", "train.epochs=2").code == 0
    text, loss = text_of(PAGE), json.loads((RUN / "run.json").read_text())["test"]["loss"]
    assert f"a loss of {loss:.3f} nats, a perplexity of {np.exp(loss):.2f}" in text
    judgement = read_outcome(RUN / "outcome.safetensors").judgement
    assert judgement is not None
    assert len(judgement.written) == 3
    for written, seed in zip(judgement.written, (1, 2, 3), strict=True):
        again = cli("predict", "run", "--prompt", written.prompt, "--temperature", written.temperature, "--seed", seed,
                    "--length", 200, "--json").json  # fmt: skip
        assert again["continuation"] == written.text
        assert " ".join(written.text.split()[1:9]) in text


def test_a_language_model_that_reads_whole_windows_is_given_one(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it can't go on from fewer tokens; and no more is written than there is time for."""
    from dlcli.app import outcomes

    continued = outcomes.continued

    def strict(*given: Any, tokens: Any, **others: Any) -> Any:
        if len(tokens) < 48:
            raise UsageError("the network reads 48 characters at once, no fewer")
        return continued(*given, tokens=tokens, **others)

    monkeypatch.setattr(outcomes, "continued", strict)
    config = write_config("language model", tmp_path / "lm")
    few = ("--set", "train.max_steps=2", "--set", "data.window=48")
    assert cli("train", config, "--name", "run", *few).code == 0
    judgement = read_outcome(RUN / "outcome.safetensors").judgement
    assert judgement is not None
    assert [len(written.prompt) for written in judgement.written] == [48, 48, 48]
    monkeypatch.setattr(outcomes, "_SECONDS_FOR_TEXTS", -1)
    assert cli("train", config, "--name", "late", *few).code == 0
    judgement = read_outcome(Path("runs/late/outcome.safetensors")).judgement
    assert judgement is not None
    assert judgement.written == ()


def test_several_outputs_have_a_section_each(cli: Cli, quick: Path) -> None:
    """With figures of their own."""
    two = yaml.safe_load(QUICK)
    two["model"] = {
        "layers": ["flatten", {"linear": {"out_features": 10, "name": "main"}},
                   {"linear": {"out_features": 10, "name": "auxiliary", "from": "flatten_1"}}],
        "outputs": ["main", "auxiliary"],
    }  # fmt: skip
    quick.write_text(yaml.safe_dump(two))
    assert cli("train", quick, "--name", "run").code == 0
    text = text_of(PAGE)
    assert "Result of main" in text
    assert "The output auxiliary is right on" in text
    assert {"main-confusion.csv", "auxiliary-confusion.csv", "valid-loss.csv"} <= {
        path.name for path in (RUN / "plots").iterdir()
    }


def test_a_forecast_is_compared_with_repeating_the_last_value(cli: Cli, tmp_path: Path) -> None:
    """By the step, in a table and in words; with what was forecast of some windows."""
    steps = np.arange(300)
    rows = [f"{step},{np.sin(step / 5):.4f},{np.cos(step / 7):.4f}" for step in steps]
    (tmp_path / "waves.csv").write_text("\n".join(["step,sine,=cosine", *rows]))
    config = {
        "data": {"name": "csv", "path": "waves.csv", "time": "step", "target": "all", "window": 12, "horizon": 4},
        "model": {"layers": ["flatten", {"linear": "${data.num_targets}"}]},
        "train": {"epochs": 3, "optimizer": {"name": "adam", "lr": 0.01}, "loss": "mse", "metrics": ["mae"]},
    }
    (tmp_path / "waves.yaml").write_text(yaml.safe_dump(config))
    outcome = cli("train", tmp_path / "waves.yaml", "--name", "run")
    assert outcome.code == 0, outcome.err
    record, text = json.loads((RUN / "run.json").read_text()), text_of(PAGE)
    share = 100 * (1 - record["test"]["loss"] / record["baseline"]["loss"])
    assert f"{share:.1f} % less than repeating the last value" in text
    assert [row[0] for row in numbers("horizon")[1:]] == ["1", "2", "3", "4"]
    judged = read_outcome(RUN / "outcome.safetensors").judgement.outputs[""]  # type: ignore[union-attr]  # it was judged
    assert judged.kind == "values"
    assert judged.errors.absolute.sum() / judged.count / 8 == pytest.approx(record["test"]["mae"], rel=1e-5)
    assert judged.repeating is not None
    assert judged.repeating.absolute.sum() / judged.count / 8 == pytest.approx(record["baseline"]["mae"], rel=1e-5)
    assert numbers("example-2")[0] == ["step", "read", "as it is", "predicted"]
    assert "=cosine" in text


def test_the_report_is_made_again_without_data_and_network(trained: Path, cli: Cli) -> None:
    """The same page, to the last byte; and no torch is needed for it."""
    first = PAGE.read_bytes()
    shutil.rmtree(RUN / "checkpoints")
    shutil.rmtree(RUN / "plots")
    (RUN / "checkpoints/step-00000020").mkdir(parents=True)
    again = cli("report", "run", "--json").json
    assert again["report"] == "runs/run/report.html"
    assert "confusion" in again["figures"]
    assert again["problems"] == []
    assert PAGE.read_bytes() == first
    assert (RUN / "plots/confusion.svg").is_file()
    assert cli("report").out == "runs/run/report.html\n"


def test_the_report_goes_where_it_is_told_to(trained: Path, cli: Cli) -> None:
    """One page with all inside of it, and nothing beside it; a place that can't be meant is refused."""
    assert cli("report", "run", "--output", "mine.html").out == "mine.html\n"
    assert Path("mine.html").read_bytes() == PAGE.read_bytes()
    for output, told in (("mine.txt", ".html"), ("runs", ".html"), ("no/where.html", "there is no folder")):
        outcome = cli("report", "run", "--output", output)
        assert outcome.code == 2
        assert told in outcome.err
    Path("folder.html").mkdir()
    assert "is a folder" in cli("report", "run", "--output", "folder.html").err
    assert cli("report", "nothing").code == 2


def test_a_run_of_an_older_version_has_a_report_too(trained: Path, cli: Cli) -> None:
    """Of what there is; and one that is damaged says what can't be shown."""
    (RUN / "outcome.safetensors").unlink()
    assert cli("report", "run").code == 0
    text = text_of(PAGE)
    assert "On the test split: accuracy" in text
    assert "The network" in text
    (RUN / "outcome.safetensors").write_bytes(b"no such file")
    (RUN / "config.resolved.yaml").write_text("data: [")
    outcome = cli("report", "run")
    assert outcome.code == 0
    assert "outcome.safetensors can't be read" in outcome.err
    text = text_of(PAGE)
    assert "Some of it can't be shown" in text
    assert "The network can't be told from what the run has saved." in text


def hostile_run(run: Path) -> None:
    """Puts the hostile text wherever a stranger can put one."""
    record = json.loads((run / "run.json").read_text())

    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(item) for key, item in value.items()} | {HOSTILE: HOSTILE}
        if isinstance(value, list):
            return [*map(spoilt, value), HOSTILE]
        return HOSTILE if isinstance(value, str) else value

    kept = {"status": "failed", "plugins": [], "outputs": {}}
    facts = record["data"]["facts"]
    record = spoilt(record) | kept
    record["data"]["facts"] = facts
    record["data"]["classes"] = [f"{HOSTILE}{label}" for label in range(10)]
    write_durably(run / "run.json", json.dumps(record).encode())
    events = [json.loads(line) | {f"valid/{HOSTILE}": 0.5} for line in (run / "metrics.jsonl").read_text().splitlines()]
    write_durably(run / "metrics.jsonl", "\n".join(map(json.dumps, events)).encode())
    write_durably(run / "config.yaml", HOSTILE.encode(errors="replace"))


def test_nothing_that_a_stranger_wrote_is_active(trained: Path, cli: Cli) -> None:
    """Names of classes, metrics and devices, paths, errors and configs are texts, on the page, in drawings and in tables."""
    hostile_run(RUN)
    stranger = RUN.with_name("<script>=1+1 ${x}")
    RUN.rename(stranger)
    report = write_report(RunFolder(stranger))
    text = text_of(report.path)
    assert report.problems == ()
    assert "<script>alert(1)</script>" in text
    assert "{{ 7 * 7 }}" in text
    for path in (stranger / "plots").glob("*.svg"):
        assert Markup(path.read_text()).odd == []
    for path in (stranger / "plots").glob("*.csv"):
        with path.open() as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert not {"\u202e", "\x00", "\x1b"} & set(report.path.read_text())


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures without their drawing, which takes the most time."""

    def drawn(name: str, title: str, reading: str, numbers: Any, *_: Any, **__: Any) -> Figure:
        return Figure(name, title, reading, "<svg></svg>", numbers)

    for module in ("curves", "classes", "data", "machine", "values"):
        monkeypatch.setattr(f"dlcli.app.report.{module}.drawn", drawn)


@pytest.mark.parametrize("value", [None, 1e308, -1, "text", [[[]]], {"a": {"b": 1}}])
def test_a_record_may_say_anything(value: Any, trained: Path, undrawn: None) -> None:
    """Whatever stands in place of what a training writes: there is a page, and no section is lost to it."""
    record = json.loads((RUN / "run.json").read_text())
    for key in (*record, *(f"data.{key}" for key in record["data"])):
        if key in ("status", "plugins"):
            continue
        outer, _, inner = key.rpartition(".")
        changed = {**record, key: value} if not outer else {**record, "data": {**record["data"], inner: value}}
        (RUN / "run.json").write_text(json.dumps(changed))
        saved = read_saved(RUN)
        sections, problems = report_page._sections(saved)
        assert problems == [], key
        assert len(sections) >= 7


def test_runs_are_laid_side_by_side(trained: Path, cli: Cli, quick: Path) -> None:
    """What their configs differ in, their curves over each other, and their results."""
    assert (
        cli("train", quick, "--name", "wide", "--set", "model.layers.conv2d.out_channels=12", "--set", "train.epochs=3").code == 0
    )
    outcome = cli("report", "run", "wide", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["report"] == "runs/comparison.html"
    assert outcome.json["figures"] == ["train-loss", "valid-loss", "valid-accuracy"]
    text = text_of(Path("runs/comparison.html"))
    assert "2 runs side by side" in text
    assert "model.layers.conv2d_1.out_channels 8 12" in text
    assert "train.epochs 2 3" in text
    best = {name: json.loads((Path("runs") / name / "run.json").read_text())["best"]["value"] for name in ("run", "wide")}
    assert f"The best of them is {max(best, key=best.__getitem__)}, with valid/accuracy" in text
    assert cli("report", "run", "run", "--output", "twice.html").code == 0
    assert "Their configs are the same." in text_of(Path("twice.html"))
    assert "run (2)" in text_of(Path("twice.html"))


def test_runs_that_can_not_be_compared_are_shown_all_the_same(trained: Path, cli: Cli, quick: Path) -> None:
    """A stranger's, a diverged one, one that monitors something else; more of them than there are colours."""
    assert cli("train", quick, "--name", "bad", "--set", "train.optimizer.lr=1e30").code == 4
    for number in range(10):
        shutil.copytree(RUN, f"runs/copy{number}")
    hostile_run(Path("runs/copy1"))
    (Path("runs/copy2/config.resolved.yaml")).write_text("[")
    record = json.loads(Path("runs/copy3/run.json").read_text())
    record["best"]["metric"] = "valid/loss"
    Path("runs/copy3/run.json").write_text(json.dumps(record))
    names = ["run", "bad", *(f"copy{number}" for number in range(10))]
    outcome = cli("report", *names)
    assert outcome.code == 0
    text = text_of(Path("runs/comparison.html"))
    assert "None of them is named the best" in text
    assert "copy9" in text


@dataclass(frozen=True)
class KilledWhileReporting:
    """Ends the process before the page is written, behind the figures."""

    def install(self) -> None:
        importlib.reload(report_page)  # with its report again, which started commands leave out
        report_page.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment] # to end there


@pytest.mark.slow
def test_a_kill_while_a_report_is_made_costs_the_report_alone(quick: Path, cli: Cli) -> None:
    """The run is completed and verifies, and its report can be made."""
    outcome = dlcli_command("train", quick, "--name", "run", folder=Path.cwd(), disturbance=KilledWhileReporting())
    assert outcome.code == -signal.SIGKILL
    assert json.loads((RUN / "run.json").read_text())["status"] == "completed"
    assert not PAGE.exists()
    assert cli("verify", "run").code == 0
    assert cli("report", "run").code == 0
    assert "Confusion matrix" in text_of(PAGE)


def test_the_report_of_mnist_takes_seconds(cli: Cli, shared_data: Path) -> None:
    """Of a training on 54,000 pictures, judged on 10,000: at most five seconds of the processor's time, its imports included."""
    arguments = [
        "train",
        CONFIGS / "cnn.yaml",
        "--data-dir",
        shared_data / "mnist",
        "--name",
        "run",
        "--set",
        "train.max_steps=30",
    ]
    assert cli(*arguments).code == 0
    script = (
        "import sys, time; from pathlib import Path; import dlcli.app.train; began = time.process_time();"
        "from dlcli.app.report.page import write_report; from dlcli.training.run_folder import RunFolder;"
        "write_report(RunFolder(Path(sys.argv[1]))); print(time.process_time() - began)"
    )
    done = subprocess.run([sys.executable, "-c", script, RUN], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 5
    assert "54,000 samples of mnist" in text_of(PAGE)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started_browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def assert_shown_well(browser: Browser, page: Path) -> None:
    """No error, no question to the network, no picture that is missing, and nothing to scroll sideways; light and dark."""
    for width, dark in ((375, False), (1280, True)):
        browser.complaints.clear()
        browser.requests.clear()
        browser.open(page, width, dark=dark)
        assert browser.value("document.documentElement.scrollWidth") == width, page
        assert browser.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)"), page
        assert browser.value("document.querySelectorAll('svg').length") == page.read_text().count("<svg"), page
        assert browser.value("getComputedStyle(document.body).backgroundColor") == (
            "rgb(20, 22, 26)" if dark else "rgb(253, 253, 254)"
        )
        assert browser.complaints == [], page
        asked = [address for address in browser.requests if not address.startswith("data:")]
        assert asked == [page.resolve().as_uri()], page


def test_a_page_is_shown_well(trained: Path, cli: Cli, browser: Browser) -> None:
    """By a real browser, on a phone and on a desk; a hostile one too, and one of several runs."""
    assert_shown_well(browser, PAGE)
    hostile_run(RUN)
    write_report(RunFolder(RUN))
    assert_shown_well(browser, PAGE)
    assert cli("report", "run", "run").code == 0
    assert_shown_well(browser, Path("runs/comparison.html"))


def test_a_page_that_asks_for_something_is_found_out(browser: Browser, tmp_path: Path) -> None:
    """Else the test above would say nothing."""
    page = tmp_path / "odd.html"
    page.write_text("<script>console.error('x')</script><img src='there-is-none.png'><div style='width:2000px'>x</div>")
    browser.complaints.clear()
    browser.open(page, 375)
    assert browser.value("document.documentElement.scrollWidth") > 375
    assert not browser.value("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert len(browser.complaints) == 2


LARGE: Final = CONFIGS / "zoo" / "vgg11.yaml"
FEW: Final = ("cnn_lstm", "forecast", "tagger", "zoo/two_inputs")


def _reported(config: Path, cli: Cli) -> Path:
    """The report of a config that was trained as `dlcli smoke` trains it."""
    changes = [word for change in _SMALL for word in ("--set", change)]
    outcome = cli("train", config, "--name", config.stem, *changes)
    assert outcome.code == 0, outcome.err
    assert "no report" not in outcome.err
    assert "can't be kept" not in outcome.err
    page = Path("runs") / config.stem / "report.html"
    assert "can't be made" not in text_of(page)
    assert "can't be shown" not in text_of(page)
    return page


@pytest.mark.parametrize("name", FEW)
def test_some_configs_have_a_report(name: str, cli: Cli, browser: Browser, no_download: None) -> None:
    """Clips, forecasts, tags, several inputs: all is shown."""
    assert_shown_well(browser, _reported(CONFIGS / f"{name}.yaml", cli))


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", sorted(set(CONFIGS.rglob("*.yaml")) - {LARGE}), ids=lambda path: f"{path.parent.stem}-{path.stem}"
)
def test_every_config_has_a_report(config: Path, cli: Cli, browser: Browser, no_download: None) -> None:
    """The same for all but one, which is a matter of gigabytes and not of pictures."""
    assert_shown_well(browser, _reported(config, cli))
