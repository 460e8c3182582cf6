"""What a network says, in words, and which number of its output is explained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dlcli.app.explain.answers import Head
from tests.unit.app.explain.subjects import subject_of

DIGITS = "{name: digits, limit: 20}"
LINEAR = "[flatten, linear: '${data.num_classes}']"


def _random(**fields: object) -> str:
    return str({"name": "random", "sizes": [4], "num_samples": 10, **fields}).replace("True", "true").replace("'", "")


def test_of_classes_the_likeliest_is_explained_and_if_it_is_wrong_the_right_one_too() -> None:
    """By their names, with their probabilities; the details are the five likeliest."""
    names = [f"n{number}" for number in range(10)]
    head = Head("linear_1", subject_of(DIGITS, LINEAR, classes=names))
    scores = torch.arange(10.0)[None]
    answer = head.answer(scores, torch.tensor([9]))
    assert (answer.says, answer.truth, answer.is_right) == ("“n9” (0.632)", "“n9” (0.632)", True)
    [question] = answer.questions
    assert question.what == "the score of “n9”"
    assert question.score({"linear_1": torch.stack([scores[0], 2 * scores[0]])}).tolist() == [9, 18]
    assert [row[0] for row in answer.details] == ["class", "n9", "n8", "n7", "n6", "n5"]
    wrong = head.answer(scores, torch.tensor([1]))
    assert (wrong.truth, wrong.is_right) == ("“n1” (< 0.001)", False)
    assert [question.what for question in wrong.questions] == ["the score of “n9”", "the score of “n1”"]
    assert wrong.questions[1].score({"linear_1": scores}).tolist() == [1]
    unknown = head.answer(scores, None)
    assert (unknown.truth, unknown.is_right, len(unknown.questions)) == (None, None, 1)


def test_scores_beyond_the_classes_have_numbers() -> None:
    """A network may tell apart more than the data has."""
    head = Head("linear_1", subject_of(DIGITS, "[flatten, linear: 12]", classes=[f"n{number}" for number in range(10)]))
    scores = torch.zeros(1, 12)
    scores[0, 11] = 3
    assert head.answer(scores, None).says.startswith("“11”")


@pytest.mark.parametrize(("score", "says", "sign"), [(2.0, "“label” (0.881)", 1), (-2.0, "“not label” (0.881)", -1)])
def test_a_single_label_is_explained_for_what_is_said_of_it(score: float, says: str, sign: int) -> None:
    """That it is not there, by the score turned around."""
    head = Head("linear_1", subject_of(_random(num_targets=1), "[linear: 1]", train={"loss": "binary_cross_entropy"}))
    answer = head.answer(torch.tensor([[score]]), torch.tensor([[1.0]]))
    assert answer.says == says.replace("label", "value")
    assert (answer.truth, answer.is_right) == ("“value”", score > 0)
    assert answer.questions[0].score({"linear_1": torch.tensor([[score], [0.5]])}).tolist() == [abs(score), sign * 0.5]
    assert head.answer(torch.tensor([[score]]), None).is_right is None


def test_of_two_classes_with_one_score_each_side_is_a_class() -> None:
    """As `binary_cross_entropy` reads them."""
    data = _random(num_classes=2)
    head = Head("linear_1", subject_of(data, "[linear: 1]", classes=["cat", "dog"], train={"loss": "binary_cross_entropy"}))
    assert head.answer(torch.tensor([[-1.0]]), torch.tensor([1])).says == "“cat” (0.731)"
    assert head.answer(torch.tensor([[-1.0]]), torch.tensor([1])).truth == "“dog”"


def test_of_several_labels_the_likeliest_is_explained() -> None:
    """Also where none is likely; right is who has all of them."""
    head = Head("linear_1", subject_of(_random(num_targets=3), "[linear: 3]", train={"loss": "binary_cross_entropy"}))
    answer = head.answer(torch.tensor([[-3.0, -1.0, -2.0]]), torch.tensor([[0.0, 0.0, 0.0]]))
    assert answer.says == "“value 2” (0.269)"
    assert answer.is_right
    assert answer.truth == "“not value 1”, “not value 2”, “not value 3”"
    assert answer.questions[0].score({"linear_1": torch.tensor([[5.0, 7.0, 9.0]])}).tolist() == [7]


def test_values_are_explained_one_by_one_in_the_units_of_the_data() -> None:
    """Also the number that is explained: differences of it are in them, and its offset makes it the value itself."""
    data = "{name: random, sizes: [4], num_samples: 10, num_targets: 2, normalize_targets: {name: fixed, mean: [10, 0], std: [2, 1]}}"
    head = Head("linear_1", subject_of(data, "[linear: 2]", train={"loss": "mse"}))
    answer = head.answer(torch.tensor([[1.5, -1.0]]), torch.tensor([[12.0, 3.0]]))
    assert (answer.says, answer.truth, answer.is_right) == ("13.0000, -1.0000", "12.0000, 3.0000", None)
    assert [question.what for question in answer.questions] == ["the prediction of value 1", "the prediction of value 2"]
    assert {question.noun for question in answer.questions} == {"prediction"}
    scores = [float(question.score({"linear_1": torch.tensor([[1.5, -1.0]])})) for question in answer.questions]
    assert scores == [3.0, -1.0]
    assert [score + question.offset for score, question in zip(scores, answer.questions, strict=True)] == [13.0, -1.0]


def test_the_mean_of_a_forecast_is_in_the_units_of_its_column(tmp_path: Path) -> None:
    """Of several columns, whose units may differ, it is that of the standardised values, and says so."""
    (tmp_path / "hours.csv").write_text("load,wind\n" + "\n".join(f"{hour}.5,{hour % 3}" for hour in range(40)))
    data = f"{{name: csv, path: {tmp_path / 'hours.csv'}, window: 3, horizon: 2, features: [load, wind], "
    layers = "[gru: {hidden_size: 2, return: last}, linear: '${data.num_targets}']"
    one = data + "target: load, normalize_targets: {name: fixed, mean: [10, 20], std: [2, 4]}}"
    [question] = Head("linear_1", subject_of(one, layers, train={"loss": "mse"})).answer(torch.ones(1, 2), None).questions
    assert question.what == "the mean of the 2 values of the forecast"
    assert float(question.score({"linear_1": torch.ones(1, 2)})) + question.offset == (10 + 2 + 20 + 4) / 2
    two = (
        data.replace("load, wind]", "load]")
        + "target: [wind, load], normalize_targets: {name: fixed, mean: [1, 1, 1, 1], std: [2, 2, 2, 2]}}"
    )
    answer = Head("linear_1", subject_of(two, layers, train={"loss": "mse"})).answer(torch.ones(1, 4), None)
    assert answer.questions[0].what.endswith("(in standard deviations of the training data)")
    assert float(answer.questions[0].score({"linear_1": torch.ones(1, 4)})) == 1
    assert answer.said == {"names": ["wind", "load"] * 2, "values": [3.0] * 4}


def test_answers_for_programs_have_their_parts_apart() -> None:
    """Classes, one yes-or-no score, several labels, and values."""
    head = Head("linear_1", subject_of(DIGITS, LINEAR, classes=[f"n{number}" for number in range(10)]))
    answer = head.answer(torch.arange(10.0)[None], torch.tensor([1]))
    assert answer.right is not None
    assert (answer.said["class"], answer.right["class"]) == ("n9", "n1")
    chances = torch.arange(10.0).softmax(0)
    assert [answer.said["probability"], answer.right["probability"]] == pytest.approx([float(chances[9]), float(chances[1])])
    yes_no = subject_of(_random(num_classes=2), "[linear: 1]", classes=["cat", "dog"], train={"loss": "binary_cross_entropy"})
    answer = Head("linear_1", yes_no).answer(torch.zeros(1, 1), torch.tensor([1]))
    assert (answer.said, answer.right) == ({"class": "cat", "probability": 0.5}, {"class": "dog", "probability": 0.5})
    labels = subject_of(_random(num_targets=2), "[linear: 2]", train={"loss": "binary_cross_entropy"})
    answer = Head("linear_1", labels).answer(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))
    assert answer.said == {"names": ["value 1", "value 2"], "probabilities": [0.5, 0.5]}
    assert answer.right == {"names": ["value 1", "value 2"], "labels": [0, 1]}
    value = Head("linear_1", subject_of(_random(num_targets=1), "[linear: 1]", train={"loss": "mse"}))
    answer = value.answer(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    assert answer.right == {"value": 3.0}
    assert list(answer.said) == ["value"]


def test_one_step_is_explained_where_each_has_an_answer() -> None:
    """The one that the network is least sure of; of values the last."""
    layout = {"layout": "tokens", "sizes": [3], "vocabulary_size": 5, "per_step": True}
    head = Head("linear_1", subject_of(_random(**layout, num_classes=2), "[embedding: 2, gru: 2, linear: 2]"))
    scores = torch.tensor([[[0.0, 4.0], [0.3, 0.0], [5.0, 0.0]]])
    answer = head.answer(scores, torch.tensor([[1, 1, 0]]))
    assert (answer.step, answer.is_right) == (1, False)
    assert answer.questions[0].score({"linear_1": scores}).tolist() == pytest.approx([0.3])
    torch.testing.assert_close(
        head.step_losses(scores, torch.tensor([[1, 1, 0]])),
        torch.nn.functional.cross_entropy(scores[0], torch.tensor([1, 1, 0]), reduction="none"),
    )
    series = "{name: sine, steps: 4, num_samples: 10}"
    values = Head("linear_1", subject_of(series, "[gru: 2, linear: 1]", train={"loss": "mse"}))
    assert values.answer(torch.zeros(1, 4, 1), None).step == 3
    labels = {"sizes": [3, 2], "layout": "series", "per_step": True, "num_targets": 1}
    unsure = Head("linear_1", subject_of(_random(**labels), "[gru: 2, linear: 1]", train={"loss": "binary_cross_entropy"}))
    assert unsure.answer(torch.tensor([[[2.0], [-0.1], [1.0]]]), None).step == 1
