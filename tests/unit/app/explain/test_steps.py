"""Sequences: sums over steps, thinned ones, texts in colours, gates and ways of states."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from dlcli.app.explain.answers import Head
from dlcli.app.explain.attributions import Attribution, Explainer
from dlcli.app.explain.blocks import Gallery, Note, Picture, Section, Strip, Token
from dlcli.app.explain.effort import Effort
from dlcli.app.explain.gates import MOST_PASSES, MOST_UNITS, gate_figures, num_passes, recurrent_calls, top_states, way_figure
from dlcli.app.explain.number_blocks import blocks_of
from dlcli.app.explain.reading_guide import readings
from dlcli.app.explain.sample_section import report_of
from dlcli.app.explain.steps import MOST_DRAWN, MOST_TOKENS, over_steps, reach_figure, shown_tokens, strips
from dlcli.app.explain.vectors import MOST_FEATURES, vector_figure
from dlcli.app.pages.figures import Figure
from dlcli.models.attribution.entries import Entry
from tests.unit.app.explain.subjects import shown_with, subject_of

EFFORT = Effort(samples=1, steps=32, hidden=50, rows=16)


def _attribution(values: torch.Tensor, part: tuple[int, ...] = (1,)) -> Attribution:
    return Attribution(Entry("input", values[None], is_embedded=False), values, values, values, part)


def test_shares_are_summed_gradients_are_measured_and_falls_are_as_they_are() -> None:
    """Of each step over its features; of groups of steps the sum, the largest and the mean."""
    values = torch.tensor([[3.0, -4.0], [0.0, 1.0], [2.0, 2.0]])
    found = over_steps(_attribution(values), None, ["a", "b", "c"], 1)
    assert found.values["integrated gradients"].tolist() == [-1, 1, 4]
    assert found.values["saliency"].tolist() == pytest.approx([5, 1, 8**0.5])
    assert found.values["occlusion"].tolist() == [-0.5, 0.5, 2]
    grouped = over_steps(_attribution(values), torch.tensor([[1.0, 2.0, 3.0]]), ["a", "b", "c"], 2)
    assert grouped.labels == ["a", "c"]
    assert grouped.values["integrated gradients"].tolist() == [0, 4]
    assert grouped.values["saliency"].tolist() == pytest.approx([5, 8**0.5])
    assert grouped.values["Grad-CAM"].tolist() == [1.5, 3]


def test_long_sequences_are_thinned_and_the_page_says_so() -> None:
    """1,000 steps: at most 400 bars, parts of several steps hidden at a time, the mean of steps in the gates."""
    subject = subject_of("{name: sine, steps: 1000, num_samples: 5}", "[rnn: {hidden_size: 3}, linear: 1]", train={"loss": "mse"})
    shown = shown_with(subject, torch.randn(1, 1000, 1), in_depth=True)
    explainer = Explainer(subject, shown.sample, EFFORT)
    [question] = Head("linear_1", subject).answer(explainer.entries.outputs["linear_1"], None).questions
    explained = explainer.explain(question)
    assert explained.inputs[0].part == (20,)
    figures = [block for block in blocks_of(shown, explained) if isinstance(block, Figure)]
    assert len(figures[0].numbers) == 1 + 334
    assert "20 steps in a row" in figures[0].reading
    assert f"each bar stands for 3: there are at most {MOST_DRAWN} bars" in figures[0].reading
    calls = recurrent_calls(explainer.calls)
    [gates] = gate_figures(calls, shown.labels["input"], name="explain-gates")
    assert "each column is the mean of 3 steps" in gates.reading
    assert len(reach_figure(explained.inputs[0].gradient, shown.labels["input"], 999, name="explain-reach").numbers) == 1 + 334


def test_of_many_units_those_that_change_most_are_drawn() -> None:
    """In their order; those of a projected LSTM's cell are others than those of its output."""
    subject = subject_of(
        "{name: sine, steps: 6, num_samples: 5}", "[lstm: {hidden_size: 80, proj_size: 70}, linear: 1]", train={"loss": "mse"}
    )
    shown = shown_with(subject, torch.randn(1, 6, 1))
    [call] = recurrent_calls(Explainer(subject, shown.sample, EFFORT).calls)
    [figure] = gate_figures([call], shown.labels["input"], name="explain-gates")
    assert f"the {MOST_UNITS} of 70 units that change most" in figure.reading
    span = top_states(call).amax(0) - top_states(call).amin(0)
    expected = sorted(span.argsort(descending=True)[:MOST_UNITS].tolist())
    assert [row[2] for row in figure.numbers[1 : 1 + MOST_UNITS]] == expected


def test_the_first_layers_and_directions_are_drawn() -> None:
    """Four of six; titles say which layer, and which way it reads."""
    subject = subject_of(
        "{name: sine, steps: 4, num_samples: 5}",
        "[gru: {hidden_size: 2, num_layers: 3, bidirectional: true}, linear: 1]",
        train={"loss": "mse"},
    )
    shown = shown_with(subject, torch.randn(1, 4, 1))
    calls = recurrent_calls(Explainer(subject, shown.sample, EFFORT).calls)
    assert num_passes(calls) == 6
    figures = list(gate_figures(calls, shown.labels["input"], name="explain-gates"))
    assert len(figures) == MOST_PASSES
    assert figures[3].title == "Inside gru_1, layer 2 of 3, reading from the end"
    assert top_states(calls[0]).shape == (4, 2)


def test_what_is_left_out_of_the_gates_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers and directions beyond the fourth; all of them where a sequence is too long to keep what goes on in it."""
    subject = subject_of(
        "{name: sine, steps: 4, num_samples: 5}", "[rnn: {hidden_size: 2, num_layers: 5}, linear: 1]", train={"loss": "mse"}
    )
    shown = shown_with(subject, torch.randn(1, 4, 1), in_depth=True)
    notes = [block.text for block in report_of(shown, EFFORT).section.blocks if isinstance(block, Note)]
    assert "Shown are the first 4 of 5 layers and directions." in notes
    monkeypatch.setattr("dlcli.app.explain.sample_section.MOST_STEPS", 3)
    report = report_of(shown, EFFORT)
    notes = [block.text for block in report.section.blocks if isinstance(block, Note)]
    assert "The gates of sequences of more than 3 steps are not computed." in notes
    assert report.states is None


def test_layers_that_read_other_steps_than_the_sample_count_their_own() -> None:
    """Behind a pool there are fewer."""
    subject = subject_of(
        "{name: random, sizes: [8, 2], num_samples: 5}",
        "[max_pool1d: 2, gru: {hidden_size: 2, return: last}, linear: 10]",
    )
    shown = shown_with(subject, torch.randn(1, 8, 2))
    [figure] = gate_figures(
        recurrent_calls(Explainer(subject, shown.sample, EFFORT).calls), shown.labels["input"], name="explain-gates"
    )
    assert [row[1] for row in figure.numbers[1::2]] == ["1", "2", "3", "4"]


def test_the_way_of_states_is_that_of_their_principal_components() -> None:
    """scikit-learn's, up to the sign of each; all samples in one plane. Single steps have no way."""
    generator = np.random.default_rng(0)
    states = {name: torch.from_numpy(generator.normal(size=(7, 5)).cumsum(0)) for name in ("one", "two")}
    figure = way_figure(states, "gru_1", name="explain-ways")
    assert figure is not None
    expected = PCA(2).fit(np.concatenate([values.numpy() for values in states.values()]))
    points = expected.transform(np.concatenate([values.numpy() for values in states.values()]))
    found = np.array([row[2:] for row in figure.numbers[1:]], float)
    np.testing.assert_allclose(np.abs(found), np.abs(points), rtol=1e-4)
    assert f"{100 * expected.explained_variance_ratio_.sum():.0f} % of the variance" in figure.reading
    assert way_figure({"one": torch.zeros(1, 4)}, "gru_1", name="x") is None
    assert way_figure({"one": torch.full((5, 4), torch.nan)}, "gru_1", name="x") is not None


def test_of_a_long_text_the_part_around_what_is_explained_is_shown() -> None:
    """The end where nothing is marked, else a little beyond the mark."""
    assert shown_tokens(50, None) == (0, 50)
    assert shown_tokens(2000, None) == (2000 - MOST_TOKENS, 2000)
    assert shown_tokens(2000, 3) == (0, MOST_TOKENS)
    begin, end = shown_tokens(2000, 1000)
    assert begin < 1000 < end
    assert end - begin == MOST_TOKENS
    found = over_steps(_attribution(torch.randn(900, 2)), None, ["x"] * 900, 1)
    readings = dict.fromkeys(found.values, "words.")
    for strip in strips(found, 899, name="explain-text", readings=readings):
        assert len(strip.tokens) == MOST_TOKENS
        assert strip.tokens[-1].is_marked
        assert len(strip.numbers) == 1 + 900


def test_a_gradient_that_reaches_nothing_is_drawn_all_the_same() -> None:
    """Zeros have no logarithm."""
    figure = reach_figure(torch.zeros(3, 2), ["a", "b", "c"], None, name="explain-reach")
    assert [row[3] for row in figure.numbers[1:]] == [0, 0, 0]
    partly = reach_figure(torch.tensor([[0.0], [1e-9], [2.0]]), ["a", "b", "c"], 2, name="explain-reach")
    assert [row[3] for row in partly.numbers[1:]] == pytest.approx([0, 5e-10, 1])


def test_features_with_the_largest_shares_come_first() -> None:
    """At most 30 as bars, all in the table; hidden several at a time where there are many."""
    share = torch.linspace(-1, 1, 40)
    figure = vector_figure(
        _attribution(share, (2,)), [f"f{number}" for number in range(40)], noun="score", name="explain-features", title="t"
    )
    assert [row[0] for row in figure.numbers[1:3]] == ["f0", "f39"]
    assert len(figure.numbers) == 41
    assert f"the {MOST_FEATURES} of 40 features" in figure.reading
    assert "2 features at a time" in figure.reading


def test_drawings_of_pictures_and_texts_are_xml_whatever_they_say() -> None:
    """Angle brackets and quotes are escaped, controls shown by their code; lines of tokens break."""
    hostile = "<b>&\"'\x07"
    pixels = np.zeros((2, 2, 3), np.uint8)
    gallery = Gallery("explain-g", hostile, "", [Picture(hostile, hostile, pixels)] * 7, [["a"], [1]])
    strip = Strip("explain-s", hostile, "", [Token(hostile, 0.5)] * 40, [["a"], [1]])
    section = Section("s", blocks=[gallery, strip])
    for figure in section.figures():
        root = ET.fromstring(figure.file)  # noqa: S314 - it is ours
        texts = [element.text for element in root.iter() if element.text and element.text.strip()]
        assert set(texts) == {"<b>&\"'<U+0007>"}
    rows = {element.get("y") for element in ET.fromstring(strip.figure.file).iter() if element.tag.endswith("rect")}  # noqa: S314
    assert len(rows) > 3


@pytest.mark.parametrize(
    ("std", "axis", "first"), [([0.5, 0.5], "raw values", [3.0, 1.0]), ([0.5, 0.001], "standardised", [4, 0])]
)
def test_a_series_is_drawn_in_its_units_where_its_features_fit_on_one_axis(
    std: list[float], axis: str, first: list[float]
) -> None:
    """Else standardised; the axis says which."""
    normalize = {"name": "fixed", "mean": [1.0, 1.0], "std": std}
    data = str({"name": "random", "sizes": [4, 2], "num_samples": 5, "normalize": normalize}).replace("'", "")
    subject = subject_of(data, "[lstm: {hidden_size: 2, return: last}, linear: 10]")
    shown = shown_with(subject, torch.tensor([[[3.0, 1.0]] * 4]), in_depth=True)
    section = report_of(shown, EFFORT).section
    steps = next(figure for figure in section.figures() if figure.name.endswith("-steps"))
    assert f">{axis}<" in steps.svg
    assert steps.numbers[1][-2:] == pytest.approx(first)


def test_gates_have_a_scale_from_0_to_1_whatever_their_values_are() -> None:
    """A colour bar beside each; that of a state has its largest value at both ends."""
    subject = subject_of("{name: sine, steps: 6, num_samples: 5}", "[lstm: {hidden_size: 3}, linear: 1]", train={"loss": "mse"})
    shown = shown_with(subject, torch.randn(1, 6, 1))
    [figure] = gate_figures(
        recurrent_calls(Explainer(subject, shown.sample, EFFORT).calls), shown.labels["input"], name="explain-gates"
    )
    texts = [element.text for element in ET.fromstring(figure.file).iter() if element.tag.endswith("text")]  # noqa: S314 - ours
    assert texts.count("0.5") == 3
    top = max(abs(float(row[-1])) for row in figure.numbers[1:])  # type: ignore[arg-type]
    assert f"{top:.2g}" in texts
    assert f"{-top:.2g}" in texts


@pytest.mark.parametrize(("layer", "gates"), [("lstm", ["input", "forget", "output"]), ("gru", ["reset", "update"]), ("rnn", [])])
def test_how_to_read_a_page_names_the_methods_and_gates_on_it(layer: str, gates: list[str]) -> None:
    """Of series; no Grad-CAM without a convolution."""
    subject = subject_of(
        "{name: sine, steps: 6, num_samples: 5}", f"[{layer}: {{hidden_size: 3}}, linear: 1]", train={"loss": "mse"}
    )
    section = report_of(shown_with(subject, torch.randn(1, 6, 1), in_depth=True), EFFORT).section
    methods = ["integrated gradients", "occlusion", "saliency", "reach of the gradient"]
    assert [method for method, _ in readings([section])] == [*methods, *(f"{gate} gate" for gate in gates)]


def test_features_of_a_table_are_called_as_its_columns_and_its_dates(tmp_path: Path) -> None:
    """Of a part of a date the sine comes first, then the cosine, as they are read."""
    rows = [f"2024-01-{day:02},{day}.5" for day in range(1, 29)]
    (tmp_path / "days.csv").write_text("\n".join(["date,load", *rows]))
    data = f"{{name: csv, path: {tmp_path / 'days.csv'}, window: 3, time: date, date_features: weekday, features: load, target: load}}"
    subject = subject_of(data, "[gru: {hidden_size: 2, return: last}, linear: 1]", train={"loss": "mse"})
    assert subject.feature_names(3) == ["load", "weekday, sine", "weekday, cosine"]
