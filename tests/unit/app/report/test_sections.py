"""What the sections of a report say, of outcomes made for the purpose."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.app.configs import read_experiment
from dlcli.app.kept_runs.record import KeptRun
from dlcli.app.pages.figures import Figure
from dlcli.app.report import network, rates
from dlcli.app.report.classes import class_parts
from dlcli.app.report.curves import course, curves
from dlcli.app.report.data import balance_figure, data_section
from dlcli.app.report.gather import Saved, read_saved
from dlcli.app.report.labels import label_names, label_parts
from dlcli.app.report.language import language_parts, perplexity
from dlcli.app.report.lead import banners, key_facts, lead, title_of
from dlcli.app.report.machine import config_section, environment_section, next_section, timing_section
from dlcli.app.report.mistakes import class_mistakes
from dlcli.app.report.page import result_section
from dlcli.app.report.parts import Code, Facts, Figures, Gallery, Part, Quotes, Section, Side, Table
from dlcli.app.report.shown_samples import sample_parts
from dlcli.app.report.sparklines import Line, sparkline
from dlcli.app.report.values import value_parts
from dlcli.app.report.words import listed, percent, slug, times
from dlcli.config.words import counted, duration
from dlcli.errors import CheckpointError
from dlcli.training.outcomes.answers import Calibration, Errors, JudgedOutput, JudgedValues, ShownValues, StepMistakes
from dlcli.training.outcomes.outcome import ClassCounts, DataDigest, Example, Outcome
from dlcli.training.outcomes.samples import Samples, Series, Vectors
from dlcli.training.schedules import PlateauState, Schedule
from tests.unit.app.pages.markup import Markup
from tests.unit.app.run_folders import RECORD, make_run
from tests.unit.training.outcomes.test_storage import PICTURES, TEXTS, classes, labels, outcome, values


def saved(outputs: dict[str, JudgedOutput] | None = None, *, split: str = "test", **changes: Any) -> Saved:
    """A run with this record and this outcome."""
    kept = outcome(**outputs) if outputs else None
    if kept is not None and split != "test":
        assert kept.judgement is not None
        kept = kept.model_copy(update={"judgement": kept.judgement.model_copy(update={"split": split})})
    return Saved(KeptRun(Path("runs/x"), RECORD | changes), (), kept, None, None, None, ())


def texts(section: Section) -> str:
    """All that is said in a section."""
    return " ".join(str(part) for part in section.parts)


def figures_of(parts: list[Part]) -> list[Figure]:
    return list(Section("", parts).figures())


def test_counts_are_read_with_their_noun() -> None:
    """None of it, one, and many."""
    assert [counted(number, "epoch") for number in (0, 1, 60_000)] == ["0 epochs", "1 epoch", "60,000 epochs"]


def test_numbers_in_sentences() -> None:
    """Shares, times, lists and names of files."""
    assert percent(0.98765) == "98.8\N{NO-BREAK SPACE}%"
    assert percent(0.99876) == "99.88\N{NO-BREAK SPACE}%"
    assert percent(1) == "100.0\N{NO-BREAK SPACE}%"
    assert percent(math.nan) == "nan"
    assert [duration(value) for value in (8.26, 125, 4320)] == ["8.3 s", "2 min 5 s", "1 h 12 min"]
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(list("abcdefgh"), 3) == "a, b, c and 5 more"
    assert slug("valid/Main accuracy <x>") == "valid-main-accuracy-x"
    assert slug("../..") == ""


def test_labels_have_their_scores() -> None:
    """Each of its own, with the share of right answers of both kinds; a table of many is folded up."""
    (table, figures, mistakes) = label_parts(labels(), ["sunny", "warm"], "weather-")
    assert isinstance(table, Table)
    assert list(table.rows[1]) == ["sunny", 3, 2, 0.5, 0.5, pytest.approx(1 / 3), pytest.approx(0.4)]
    assert [figure.name for figure in figures_of([figures])] == ["weather-calibration"]
    assert isinstance(mistakes, Quotes)
    many = np.ones(40, dtype=np.int64)
    (table, *_) = label_parts(labels(support=many, called=many, hits=many, mistakes=None), label_names(40, ()), "")
    assert isinstance(table, Table)
    assert table.is_long
    assert label_names(1, ("no", "yes")) == ("yes",)
    assert label_names(1, ()) == ("label",)


def test_label_mistakes_say_what_was_told_wrong() -> None:
    """Which label it is or is not, and how probable it was called."""
    (*_, mistakes) = label_parts(labels(), ["sunny", "warm"], "")
    wrong = labels().mistakes
    assert wrong is not None
    flipped = wrong.model_copy(update={"probability": 1 - wrong.probability * 0.9})
    (*_, mistakes) = label_parts(labels(mistakes=flipped), ["sunny", "warm"], "")
    assert isinstance(mistakes, Quotes)
    assert "sunny, not warm" in mistakes.quotes[0].note
    assert "called sunny with 10.0" in mistakes.quotes[0].note


def test_mistakes_show_their_samples() -> None:
    """Pictures with what they are and what they were called; texts with the wrong steps marked; series as curves."""
    (gallery,) = class_mistakes(classes().mistakes, ["cat", "dog"])  # type: ignore[arg-type]  # there are some
    assert isinstance(gallery, Gallery)
    assert [picture.title for picture in gallery.pictures] == ["dog, called cat", "cat, called dog"]
    assert gallery.pictures[0].src.startswith("data:image/png;base64,")
    steps = outcome().judgement.outputs["tags"].mistakes  # type: ignore[union-attr]  # there are some
    (quotes,) = class_mistakes(steps, ["noun", "verb"])  # type: ignore[arg-type]
    assert isinstance(quotes, Quotes)
    assert list(quotes.quotes[0].pieces) == [("a", "bad"), (" b", "")]
    assert "noun called verb" in quotes.quotes[0].note


def test_sequences_of_several_inputs_show_each() -> None:
    """Texts with their steps marked, others as they are."""
    numbers = np.array([0, 1])
    inputs = {**series(2, 4, 1).inputs, "text": TEXTS.inputs[""], "other": TEXTS.inputs[""]}
    steps = StepMistakes(
        samples=Samples(numbers=numbers, inputs=inputs), target=np.array([[0, 1], [1, -1]]),
        predicted=np.array([[1, 1], [0, -1]]), wrong=np.array([0.5, 1.0]),
    )  # fmt: skip
    assert [type(part) for part in class_mistakes(steps, ["a", "b"])] == [Gallery, Quotes, Quotes]


def test_samples_of_every_kind_are_shown() -> None:
    """Also rows of numbers, with the names of their columns or without; long texts are cut off."""
    named = Samples(numbers=np.array([0]), inputs={"": Vectors(values=np.array([[1.5, 2]], np.float32), columns=("age", "<b>"))})
    (table,) = sample_parts(named, ["ill"], ["90 % sure"], "Mistakes")
    assert isinstance(table, Table)
    assert list(table.rows[0]) == ["sample", "age", "<b>"]
    assert list(table.rows[1]) == ["ill, 90 % sure", 1.5, 2.0]
    plain = Samples(numbers=np.array([0]), inputs={"meta": Vectors(values=np.ones((1, 2), np.float32))})
    (table,) = sample_parts(plain, ["ill"], [""], "Mistakes")
    assert isinstance(table, Table)
    assert list(table.rows[0]) == ["sample", "feature 1", "feature 2"]
    assert table.caption.startswith("Mistakes: meta")
    (quotes,) = sample_parts(TEXTS, ["x", "y"], ["", ""], "Texts")
    assert isinstance(quotes, Quotes)
    assert quotes.quotes[1].pieces[0][0] == "<b> ..."
    none = Samples(numbers=np.array([], dtype=np.int64), inputs={"": Vectors(values=np.ones((0, 2), np.float32))})
    assert sample_parts(none, [], [], "Texts") == []


def series(count: int, steps: int, features: int, columns: tuple[str, ...] = ()) -> Samples:
    data = np.arange(count * steps * features, dtype=np.float32).reshape(count, steps, features)
    shown = Series(values=data, steps=np.full(count, steps), columns=columns)
    return Samples(numbers=np.arange(count), inputs={"": shown})


def shown(samples: Samples, width: int) -> ShownValues:
    count = len(samples)
    target = np.arange(count * width, dtype=np.float32).reshape(count, width)
    return ShownValues(samples=samples, target=target, predicted=target + 1)


def test_a_forecast_shows_windows_and_the_error_by_horizon() -> None:
    """Each example with what was read of its column; the worst as small curves, each in its worst column."""
    examples = shown(series(3, 5, 2, ("load", "price")), 4)
    judged = values(
        columns=("load", "price"), horizon=2, errors=Errors(absolute=np.ones(4), squared=np.array([1.0, 4, 9, 16])),
        mean=np.zeros(4), spread=np.full(4, 6.0), repeating=None, scatter=None, examples=examples, worst=examples,
    )  # fmt: skip
    table, figures, gallery = value_parts(judged, "")
    assert isinstance(table, Table)
    assert list(table.rows[0]) == ["value", "MAE", "RMSE", "R²"]
    np.testing.assert_allclose([row[2] for row in table.rows[1:]], [math.sqrt(10 / 12), math.sqrt(20 / 12)])  # type: ignore[arg-type]
    drawn = {figure.name: figure for figure in figures_of([figures])}
    assert list(drawn) == ["horizon", "example-1", "example-2", "example-3"]
    np.testing.assert_allclose([row[1] for row in drawn["horizon"].numbers[1:]], [math.sqrt(5 / 12), math.sqrt(25 / 12)])  # type: ignore[arg-type]
    assert [row[0] for row in drawn["example-2"].numbers[1:6]] == [-4, -3, -2, -1, 0]
    assert [row[1] for row in drawn["example-2"].numbers[1:6]] == [11, 13, 15, 17, 19]
    assert isinstance(gallery, Gallery)
    assert len(gallery.pictures) == 3
    assert Markup(gallery.pictures[0].svg).odd == []


def test_a_column_that_was_not_read_is_shown_without_its_past() -> None:
    """As is one step alone, which is no curve; a target that never changes has no share of explained variance."""
    samples = series(2, 5, 1, ("other",))
    judged = values(examples=shown(samples, 2), worst=shown(samples, 2), scatter=None)
    _, figures, _ = value_parts(judged, "")
    assert figures_of([figures])[1].numbers[1][1] is None
    single = JudgedValues(
        per_step=False, columns=("price",), horizon=1, count=2, errors=Errors(absolute=np.ones(1), squared=np.ones(1)),
        mean=np.zeros(1), spread=np.zeros(1), repeating=None,
        scatter=(np.array([[1.0], [np.inf]]), np.array([[1.0], [2.0]])),
        examples=shown(samples, 1), worst=shown(samples, 1),
    )  # fmt: skip
    table, figures, gallery = value_parts(single, "price-")
    assert isinstance(table, Table)
    assert table.rows[1][3] is None
    assert [figure.name for figure in figures_of([figures])] == ["price-predicted-1"]
    assert len(figures_of([figures])[0].numbers) == 2
    assert isinstance(gallery, Gallery)
    assert gallery.pictures[1].title == "price 1, predicted 2"


def test_values_of_each_step_are_curves_over_the_sequence() -> None:
    """Beside what was read, at the same steps; of several inputs without names nothing is said to have been read."""
    samples = series(2, 6, 1)
    judged = values(per_step=True, columns=("value",), horizon=1, errors=Errors(absolute=np.ones(1), squared=np.ones(1)),
                    mean=np.zeros(1), spread=np.ones(1), repeating=None, scatter=None,
                    examples=shown(samples, 6), worst=shown(samples, 6))  # fmt: skip
    _, figures, gallery = value_parts(judged, "")
    rows = figures_of([figures])[0].numbers
    assert [row[0] for row in rows[1:7]] == [1, 2, 3, 4, 5, 6]
    assert isinstance(gallery, Gallery)
    other = shown(PICTURES, 6)
    assert value_parts(judged.model_copy(update={"examples": other, "worst": other}), "")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ({"": labels()}, "It answers 58.3\N{NO-BREAK SPACE}% of the questions right about the 6 samples"),
        ({"": labels(count=0, support=np.zeros(2, int), called=np.zeros(2, int), hits=np.zeros(2, int))}, "It was judged on"),
        ({"": values(spread=np.ones(2, np.float32))}, "of the variance is explained"),
        ({"": values(spread=np.full(2, 1e-3, np.float32))}, "the mean would be closer"),
        ({"": values(spread=np.zeros(2, np.float32))}, "It has a root mean squared error of 0.2500 on the 6 samples"),
        ({"": classes()}, "It is right on 50.0\N{NO-BREAK SPACE}% of the 6 samples of the test split; always naming"),
        ({"": classes(per_step=True)}, "of the 6 steps in the 6 samples"),
        ({"digit": classes()}, "The output digit is right on"),
        (
            {"": classes(support=np.zeros(2, int), called=np.zeros(3, int), hits=np.zeros(2, int), confusion=None)},
            "It was judged on",
        ),
    ],
)
def test_the_outcome_in_a_sentence(output: dict[str, JudgedOutput], told: str) -> None:
    """How good, against what who knows nothing would do."""
    assert told in lead(saved(output))


def test_a_forecast_is_told_against_repeating_the_last_value() -> None:
    """Better or worse."""
    forecast: dict[str, JudgedOutput] = {"": values()}
    test = {"loss": 0.5}
    assert "50.0\N{NO-BREAK SPACE}% less than repeating the last value" in lead(
        saved(forecast, test=test, baseline={"loss": 1.0})
    )
    assert "more than repeating the last value (0.2500)" in lead(saved(forecast, test=test, baseline={"loss": 0.25}))


def test_what_was_not_judged_on_a_test_split_says_so() -> None:
    """In the sentence and at the figures."""
    found = saved({"": classes()}, split="valid", test=None)
    assert "There is no test split" in lead(found)
    assert ("loss (validation)", 0.5) in key_facts(found)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": "killed"}, "This run was killed. Go on with: dlcli train --resume runs/x"),
        ({"status": "running"}, "This run was killed"),
        ({"status": "failed", "error": "no memory"}, "This run failed: no memory. When that is mended: go on with:"),
        ({"status": "diverged", "error": "the loss is nan"}, "This run diverged: the loss is nan"),
        ({"data": {**RECORD["data"], "notice": "mnist can't be had here"}}, "mnist can't be had here"),
        ({"data": {**RECORD["data"], "notice": None}}, "The run was trained on digits in place of mnist."),
    ],
)
def test_what_a_reader_has_to_know_first(changes: dict[str, Any], told: str) -> None:
    """That the run is not whole, and that its data is another."""
    assert told in " ".join(banners(saved(**changes)))


def test_a_run_that_somebody_trains_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is to be done."""
    monkeypatch.setattr("dlcli.app.kept_runs.record.holder_of", lambda _: object())
    assert banners(saved(status="running", data={"used": "digits"})) == ["This run is still under way."]
    assert title_of(saved(status="running").run) == "x, running"


def test_commands_to_go_on_are_quoted() -> None:
    """For a shell; plug-ins come along, and a run that has no checkpoint can't be asked."""
    found = Saved(KeptRun(Path("runs/my run"), RECORD | {"plugins": ["own layers.py", 3]}), (), None, None, None, None, ())
    (code,) = next_section(found).parts
    assert isinstance(code, Code)
    assert code.text == ""
    stopped = RECORD | {"plugins": ["own layers.py", 3], "status": "interrupted"}
    found = Saved(KeptRun(Path("runs/my run"), stopped), (), None, None, None, None, ())
    (code,) = next_section(found).parts
    assert isinstance(code, Code)
    assert code.text == "# go on with the training\ndlcli train --resume 'runs/my run' --plugin 'own layers.py'"


def test_a_run_with_plug_ins_goes_on_with_them() -> None:
    """They stand in the command at the top of the page too."""
    (told,) = banners(saved(status="interrupted", plugins=["own layers.py", 3], data={"used": "digits"}))
    assert told.endswith("--plugin 'own layers.py'")


def test_settings_and_times_are_listed() -> None:
    """As far as they are known."""
    found = saved(
        versions={"torch": "2.14", "command": ["dlcli", "a b"], "torchvision": None}, resumed=[{"at": "x"}], git_commit="abc"
    )
    text = texts(environment_section(found))
    assert "'torch', '2.14'" in text
    assert "dlcli 'a b'" in text
    assert "torchvision" not in text
    assert "taken up again once; run.json says when, under', tone='', code='resumed'" in text
    assert [times(count) for count in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert "--set train.epochs=3" in texts(config_section(found))
    assert "2.5 s" in texts(timing_section(found))
    assert texts(timing_section(saved(train_seconds=None, total_seconds=None, samples_per_second=None))) == "Facts(pairs=[])"


def test_of_settings_given_again_the_last_is_shown() -> None:
    """A run that was taken up again with another value has both in its record."""
    overrides = ["train.epochs=2", "~train.schedule", "data.limit=[1]", "train.epochs=3"]
    code = config_section(saved(overrides=overrides)).parts[0]
    assert isinstance(code, Code)
    assert code.text == "--set train.epochs=3\n--set ~train.schedule\n--set data.limit=[1]"


def test_curves_of_many_runs_are_told_apart() -> None:
    """By colour, then by dashes; a scale of powers of ten where values go over several."""
    lines = {f"run {number}": [1.0, 100.0] for number in range(10)}
    found = curves([1, 2], "loss", "Loss", "", lines, best=7)
    assert found.svg.count("stroke-dasharray") >= 2
    assert "mathdefault" not in found.svg
    assert ">100<" in found.svg
    assert len(found.numbers[0]) == 11
    assert "legend" not in curves([1, 2], "loss", "Loss", "", {"one": [1.0, 2.0]}).svg


def events(*values: Any) -> tuple[dict[str, Any], ...]:
    return tuple({"epoch": place, "train/loss": value, "valid/loss": None} for place, value in enumerate(values, start=1))


def test_the_course_of_a_training() -> None:
    """No epoch, one, and many: with what can be drawn of them."""
    none, one = (Saved(KeptRun(Path("x"), RECORD), logged, None, None, None, None, ()) for logged in ((), events(0.5)))
    assert "No epoch has come to its end" in texts(course(none))
    (table,) = course(one).parts
    assert isinstance(table, Table)
    assert list(table.rows[1:]) == [["train/loss", 0.5]]
    odd = Saved(KeptRun(Path("x"), RECORD), events(1.0, 1e300, "text", 2.0), None, None, None, None, ())
    (figure,) = figures_of(course(odd).parts)
    assert [row[1] for row in figure.numbers[1:]] == [1.0, None, None, 2.0]
    long = Saved(KeptRun(Path("x"), RECORD), events(*np.linspace(1, 0, 60).tolist()), None, None, None, None, ())
    assert figures_of(course(long).parts)[0].name == "loss"


SCHEDULES = {
    "one_cycle": "one_cycle",
    "warmup": "{name: constant, warmup: 7}",
    "step": "{name: step, step_size: 1}",
    "plateau": "plateau",
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_learning_rate_is_that_of_each_step(name: str, tmp_path: Path) -> None:
    """As the schedule has it; where it does not tell the rates that were logged, those are shown, and the page says which."""
    text = f"data: digits\nmodel: {{layers: [flatten, {{linear: 10}}]}}\ntrain: {{epochs: 3, schedule: {SCHEDULES[name]}}}\n"
    (tmp_path / "a.yaml").write_text(text)
    experiment = read_experiment(tmp_path / "a.yaml", (), None)
    schedule = Schedule(experiment.train.schedule, experiment.train.optimizer.lr, 10, 30)
    rates = [schedule.rate(step, PlateauState()) for step in range(30)]
    logged = [{"epoch": epoch, "step": 10 * epoch, "train/loss": 1.0, "lr": rates[10 * epoch - 10]} for epoch in (1, 2, 3)]
    whole = Saved(KeptRun(Path("x"), RECORD), tuple(logged), None, experiment, None, None, ())
    (rate,) = (figure for figure in figures_of(course(whole).parts) if figure.name == "learning-rate")
    if name == "plateau":
        assert "first step" in rate.reading
        assert len(rate.numbers) == 4
        return
    assert [list(row) for row in rate.numbers] == [["step", "learning rate"], *([step + 1, rates[step]] for step in range(30))]
    for event in ({**logged[2], "lr": 0.5}, {**logged[2], "step": None}):
        other = Saved(KeptRun(Path("x"), RECORD), (*logged[:2], event), None, experiment, None, None, ())
        (rate,) = (figure for figure in figures_of(course(other).parts) if figure.name == "learning-rate")
        assert rate.reading == "The rate of each epoch's first step; within the epoch it may go on changing."


def test_of_very_many_steps_some_are_drawn() -> None:
    """Evenly spread, the first and the last among them."""
    spread = rates._spread(10_000)
    assert (spread[0], spread[-1], len(spread)) == (0, 9999, 1000)


def test_of_very_many_classes_only_the_most_frequent_have_a_row() -> None:
    """And no name is looked at of any other; of labels the first, and the page says so."""
    support = np.arange(100_000)
    large = classes(support=support, called=np.append(support, 0), hits=support, confusion=None, answers=None, mistakes=None)
    (_, side) = class_parts(large, range(100_000), "")  # type: ignore[arg-type]  # numbers as names
    assert isinstance(side, Side)
    rows = side.parts[0].rows  # type: ignore[union-attr]  # a table
    assert len(rows) == 502
    assert [rows[1][0], rows[2][:2], rows[-1][:2]] == ["mean", ["99999", 99_999], ["99500", 99_500]]
    many = np.ones(600, dtype=np.int64)
    (table, *_) = label_parts(labels(support=many, called=many, hits=many, mistakes=None), label_names(600, ()), "")
    assert isinstance(table, Table)
    assert len(table.rows) == 501
    assert "The first 500 of 600 labels." in table.caption


def test_a_judgement_without_outputs_has_its_figures() -> None:
    """Where they were too large to be kept."""
    kept = outcome()
    assert kept.judgement is not None
    bare = kept.model_copy(update={"judgement": kept.judgement.model_copy(update={"outputs": {}, "split": "valid"})})
    assert "On the validation split: accuracy 0.8" in lead(Saved(KeptRun(Path("x"), RECORD), (), bare, None, None, None, ()))


def test_data_of_many_classes_is_told_in_words() -> None:
    """Which are the rarest; of one class alone there is nothing to say."""
    counts = np.arange(100)
    digest = DataDigest(
        answers={"": ClassCounts(splits={"train": counts})}, steps=None, examples=PICTURES,
        told={"": Example(kind="classes", answers=np.array([[7.0], [300.0]]))},
    )  # fmt: skip
    found = Saved(KeptRun(Path("x"), RECORD), (), Outcome(data=digest, judgement=None), None, None, None, ())
    section = data_section(found)
    assert "Of 100 classes the most frequent in train is '99' (99 times), the rarest '0' (0 times)." in texts(section)
    (gallery,) = (part for part in section.parts if isinstance(part, Gallery))
    assert [picture.title for picture in gallery.pictures] == ["7", "300"]
    one = digest.model_copy(update={"answers": {"": ClassCounts(splits={"train": np.array([3])})}})
    assert not figures_of(
        data_section(Saved(KeptRun(Path("x"), RECORD), (), Outcome(data=one, judgement=None), None, None, None, ())).parts
    )


def test_the_balance_of_one_split_needs_no_legend() -> None:
    """Of several each has its colour."""
    one, two = ({"train": np.array([3, 1])}, {"train": np.array([3, 1]), "test": np.array([1, 1])})
    drawn = [balance_figure(ClassCounts(splits=splits), ["a", "b"], "") for splits in (one, two)]
    assert ["legend" in figure.svg for figure in drawn] == [False, True]
    assert [list(row) for row in drawn[1].numbers] == [["class", "train", "test"], ["a", 3, 1], ["b", 1, 1]]


def test_data_of_values_is_told_by_its_ranges() -> None:
    """With some values of each example, by their columns where there are few."""
    kept = outcome().data
    told = {"load": Example(kind="values", answers=np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]))}
    found = Saved(
        KeptRun(Path("x"), RECORD), (), Outcome(data=kept.model_copy(update={"told": told}), judgement=None), None, None, None, ()
    )
    section = data_section(found)
    assert "What is to be predicted of load" in texts(section)
    (gallery,) = (part for part in section.parts if isinstance(part, Gallery))
    assert gallery.pictures[0].title == "load: 1, 2, 3, ..."
    few = {"load": Example(kind="values", answers=np.array([[1.0, 2], [5, 6]]))}
    kept = kept.model_copy(update={"told": few})
    section = data_section(Saved(KeptRun(Path("x"), RECORD), (), Outcome(data=kept, judgement=None), None, None, None, ()))
    (gallery,) = (part for part in section.parts if isinstance(part, Gallery))
    assert gallery.pictures[1].title == "load: a 5, b 6"


def test_each_kind_of_result_has_its_section() -> None:
    """Also where the classes are told for each step, and there are no mistakes."""
    found = saved({"digit": classes(mistakes=None), "array": labels(), "load": values()})
    for name, told in (("digit", "Confusion matrix"), ("array", "called yes"), ("load", "Error by horizon")):
        section = result_section(found, name)
        assert section.title == f"Result of {name}"
        assert told in texts(section)


def test_a_language_model_without_a_loss_has_its_steps() -> None:
    """What it wrote, how far it can be trusted, and the most frequent steps: what there is of these."""
    parts = language_parts(classes(per_step=True), (), {}, ["space", "\x00"], "")
    assert [type(part) for part in parts] == [Figures, Table]
    table = parts[1]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows[1:]] == ["space", "<U+0000>"]
    empty = classes(
        per_step=True, support=np.array([0, 0]), called=np.zeros(3, int), hits=np.zeros(2, int), confusion=None,
        calibration=Calibration(counts=np.zeros(15, int), confidence=np.zeros(15), hits=np.zeros(15, int)),
    )  # fmt: skip
    (table,) = language_parts(empty, (), {}, ["a", "b"], "")
    assert isinstance(table, Table)
    assert len(table.rows) == 1
    assert not figures_of(class_parts(empty, ["a", "b"], ""))
    (table, *_) = label_parts(labels(calibration=empty.calibration, mistakes=None), ["a", "b"], "")
    assert isinstance(table, Table)


def test_a_language_model_is_told_by_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has one; else by how often it is right."""
    monkeypatch.setattr(Saved, "is_language_model", True)
    steps: dict[str, JudgedOutput] = {"": classes(per_step=True)}
    assert "with a loss of 0.400 nats, a perplexity of 1.49: who knows nothing has one of 2" in lead(saved(steps))
    assert "It is right on 50.0" in lead(saved(steps, test={"accuracy": 0.5}))
    assert "How to go on" in next_section(saved(steps)).title


def test_a_record_without_figures_has_a_sentence_all_the_same() -> None:
    """And no facts."""
    bare = saved(parameters=None, epochs=None, train_seconds=None, device_title=None, device=None, test=None, best=None)
    assert lead(bare) == "A network was trained on 3 samples of digits."
    assert key_facts(bare) == []


def test_perplexity_is_the_exponential_of_the_loss() -> None:
    """And infinite where that is."""
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(1e5) == math.inf


def test_sparklines_leave_gaps_where_there_is_nothing() -> None:
    """A line for each stretch, a dot for a lone value, and no number that can't be drawn; also of nothing at all."""
    drawing = sparkline([Line(np.array([1, np.nan, 2, 3, np.inf, 4, 5e35]), "ink")], "a line")
    assert drawing.count("<polyline") == 1
    assert drawing.count("<circle") == 2
    assert "nan" not in drawing
    assert "inf" not in drawing
    assert Markup(drawing).odd == []
    assert "<polyline" not in sparkline([Line(np.array([np.nan]), "ink")], "nothing")
    assert "<svg" in sparkline([], "nothing")


def test_a_network_that_can_not_be_drawn_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that draws it; one that can't be read is a sentence."""
    assert "can't be told" in texts(network.network_section(saved()))
    experiment = read_experiment({"data": "digits", "model": {"layers": ["flatten", {"linear": 10}]}}, (), None)
    monkeypatch.setattr(network, "network_figure", lambda _: None)
    section = network.network_section(Saved(KeptRun(Path("runs/x"), RECORD), (), None, experiment, None, None, ()))
    assert "dlcli summary runs/x --mermaid" in texts(section)
    assert not [part for part in section.parts if isinstance(part, Side | Figures)]
    assert isinstance(section.parts[0], Facts)


def test_what_a_folder_holds_is_read_with_care(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No record, no report; a plug-in that is missing, a config that is none, and whatever else goes wrong is a problem."""
    with pytest.raises(CheckpointError):
        read_saved(tmp_path)
    run = make_run(tmp_path, "a", plugins=["own.py"])
    assert any("plug-in own.py" in problem for problem in read_saved(run).problems)
    run = make_run(tmp_path, "b", data={**RECORD["data"], "facts": {"inputs": {}, "targets": {}}}, resolved="data: 3")
    assert any("the config can't be read" in problem for problem in read_saved(run).problems)

    def fail(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("dlcli.app.report.gather.recorded_experiment", fail)
    assert "the network can't be told: ZeroDivisionError: a bug" in read_saved(run).problems


def test_of_very_many_epochs_some_are_drawn(tmp_path: Path) -> None:
    """Evenly spread, the first and the last among them."""
    run = make_run(tmp_path, "a")
    lines = [json.dumps({"event": "epoch", "epoch": epoch, "train/loss": 1.0}) for epoch in range(1, 10_001)]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    epochs = [event["epoch"] for event in read_saved(run).epochs]
    assert len(epochs) == 2000
    assert (epochs[0], epochs[-1]) == (1, 10_000)
    assert epochs == sorted(set(epochs))


def test_classes_are_called_by_their_names() -> None:
    """Where there is one for each; else by their numbers."""
    assert saved(data={**RECORD["data"], "classes": ["a", "b"]}).names_of(2) == ("a", "b")
    for names in (["a"], "ab", ["a", 3], None):
        assert saved(data={**RECORD["data"], "classes": names}).names_of(2) == ("0", "1")


def test_a_judgement_of_a_run_is_used_where_its_record_has_none() -> None:
    """As for runs without a test split; figures that are none are left out."""
    assert saved({"": classes()}, test=None).figures() == {"loss": 0.5}
    assert saved(test={"loss": math.nan, "accuracy": 0.5, "odd": "text"}).figures() == {"accuracy": 0.5}


def test_nothing_that_reads_an_outcome_needs_torch() -> None:
    """A report is made again in a second."""
    code = "import sys, dlcli.app.report.page, dlcli.app.report.comparison, dlcli.training.outcomes.storage; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
