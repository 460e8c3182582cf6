"""Outputs, losses, metrics and targets: what fits together, with one output and with several."""

from __future__ import annotations

import pytest

from dlcli.config.facts import DataFacts, Target
from dlcli.config.losses import CrossEntropy, MeanSquaredError
from dlcli.config.metrics import F1, Accuracy, MeanAbsoluteError
from dlcli.config.objectives import Objective
from dlcli.config.optimizers import Adam
from dlcli.config.shapes import Sequence, Time, Vector
from tests.unit.config.configs import load, mistakes, places

TWO = DataFacts({"input": Vector(6)}, {"digit": Target(num_classes=4), "size": Target(num_targets=1)})
CLASSES = DataFacts.of(Vector(6), num_classes=4)
STEPS = DataFacts.of(Sequence(5, Vector(6)), num_classes=4, per_step=True)

TWO_HEADS = """\
data: mnist
model:
  layers:
    - linear: {out_features: 8, name: trunk}
    - linear: {out_features: 4, from: trunk, name: digit}
    - linear: {out_features: 1, from: trunk, name: size}
  outputs: [digit, size]
"""


def test_each_output_has_its_loss_weight_and_metrics() -> None:
    """Under `train.loss` by the output's name; without metrics of its own it has those of `train.metrics`."""
    text = (
        TWO_HEADS + "train: {loss: {digit: cross_entropy, size: {name: mse, weight: 0.3, metrics: [mae]}}, metrics: [accuracy]}\n"
    )
    train = load(text, facts=TWO).train
    assert train.loss == {
        "digit": Objective(loss=CrossEntropy(), metrics=(Accuracy(),)),
        "size": Objective(loss=MeanSquaredError(), weight=0.3, metrics=(MeanAbsoluteError(),)),
    }
    assert list(train.measured) == ["digit/accuracy", "size/mae"]
    assert train.monitored == "digit/accuracy"


def test_one_loss_serves_several_outputs_of_one_target() -> None:
    """An auxiliary head is compared with the same classes."""
    text = TWO_HEADS.replace("out_features: 1", "out_features: 4") + "train: {metrics: [f1]}\n"
    train = load(text, facts=CLASSES).train
    assert train.loss == {name: Objective(loss=CrossEntropy(), metrics=(F1(),)) for name in ("digit", "size")}


def test_a_mapping_for_the_only_output_is_its_loss() -> None:
    """So that a second head can be taken away without rewriting the rest."""
    text = "data: mnist\nmodel: {layers: [linear: {out_features: 4, name: digit}]}\ntrain: {loss: {digit: {name: cross_entropy, metrics: [f1]}}}\n"
    train = load(text, facts=CLASSES).train
    assert (train.loss, train.metrics) == (CrossEntropy(), (F1(),))


def test_the_resolved_config_with_several_outputs_reads_back() -> None:
    """Losses, weights, metrics and outputs are written out."""
    text = (
        TWO_HEADS
        + "train: {loss: {digit: cross_entropy, size: {name: huber, delta: 2, weight: 0.3}}, monitor: digit/f1, metrics: []}\n"
    )
    first = load(text.replace("monitor: digit/f1, ", ""), facts=TWO).resolved()
    assert first["model"]["outputs"] == ["digit", "size"]
    assert first["train"]["loss"]["size"] == {"name": "huber", "delta": 2.0, "weight": 0.3, "metrics": []}


@pytest.mark.parametrize(
    ("train", "expected", "message"),
    [
        ("loss: {digit: cross_entropy}", (8, 15, "missing-key"), "the output `size` has no loss"),
        ("loss: {digit: cross_entropy, sise: mse}", (8, 15, "missing-key"), "the output `size` has no loss"),
        ("loss: {digit: cross_entropy, size: mse, more: mse}", (8, 49, "unknown-name"), "the network has no output `more`"),
        ("loss: {digit: mse, size: mse}", (8, 23, "head"), "`mse` needs values to predict, and the data has classes"),
        ("loss: {digit: cross_entropy, size: {name: mse, weight: -1}}", (8, 64, "range"), "`weight` must be at least 0, not -1"),
        ("loss: {digit: cross_entropy, size: {weight: 1}}", (8, 44, "missing-key"), "the loss has no `name`"),
        (
            "loss: {digit: cross_entropy, size: mse}, monitor: accuracy, metrics: []",
            (8, 59, "value"),
            "`monitor` is 'accuracy', and what is measured is: loss",
        ),
        (
            "loss: {digit: {name: cross_entropy, metrics: [mae]}, size: mse}",
            (8, 55, "head"),
            "`mae` judges values, and the loss classes",
        ),
    ],
)
def test_a_loss_that_fits_no_output_is_shown_at_its_key(train: str, expected: tuple[int, int, str], message: str) -> None:
    """The output's key, the loss or the metric that is wrong."""
    found = mistakes(TWO_HEADS + f"train: {{{train}}}\n", facts=TWO)
    assert expected in places(found)
    assert message in [mistake.message for mistake in found]


def test_an_output_without_a_target_is_told_which_there_are() -> None:
    """With several targets an output has the name of its target."""
    text = TWO_HEADS.replace("name: size", "name: other").replace("[digit, size]", "[digit, other]")
    found = mistakes(text, facts=TWO)
    assert places(found) == [(6, 7, "head")]
    assert found[0].help == "the data has the targets `digit`, `size`: name the layer so"


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [("[digit, sise]", (7, 20, "unknown-name")), ("[digit, digit]", (7, 20, "name")), ("nothing", (7, 12, "unknown-name"))],
)
def test_outputs_are_layers(outputs: str, expected: tuple[int, int, str]) -> None:
    """Each named once."""
    assert places(mistakes(TWO_HEADS.replace("[digit, size]", outputs), facts=TWO)) == [expected]


@pytest.mark.parametrize(
    ("layers", "facts", "ok"),
    [
        ("lstm: 8, linear: 4", STEPS, True),
        ("lstm: {hidden_size: 8, return: last}, linear: 4", STEPS, False),
        ("conv1d: {out_channels: 4, kernel_size: 3}", STEPS, False),
        ("conv1d: {out_channels: 4, kernel_size: 3, padding: same}", STEPS, True),
        ("gru: 4", DataFacts.of(Sequence(Time(), Vector(6)), num_classes=4, per_step=True), True),
        ("lstm: 8, linear: 4", DataFacts.of(Sequence(5, Vector(6)), num_classes=4), False),
    ],
)
def test_an_answer_for_each_step_needs_an_output_for_each_step(layers: str, facts: DataFacts, ok: bool) -> None:
    """As many as the data has steps; one answer for all needs one output."""
    text = f"data: mnist\nmodel: {{layers: [{layers}]}}\n"
    if ok:
        assert load(text, facts=facts).graph.output_shape.sizes[-1] == 4
    else:
        assert {mistake.code for mistake in mistakes(text, facts=facts)} == {"head"}


def test_an_output_may_be_called_like_a_field_of_a_loss() -> None:
    """What stands under its key is a loss, and so the key is an output; written out in full it reads back."""
    text = TWO_HEADS.replace("name: digit", "name: delta").replace("[digit,", "[delta,")
    facts = DataFacts(TWO.inputs, {"delta": Target(num_classes=4), "size": Target(num_targets=1)})
    train = "train: {loss: {delta: {name: cross_entropy}, size: {name: huber, delta: 2.0}}}\n"
    assert isinstance(load(text + train, facts=facts).train.loss, dict)


def test_a_loss_without_a_name_is_the_default_with_other_fields() -> None:
    """As for the optimiser: what is not said is as without the section."""
    text = "data: mnist\nmodel: {layers: [linear: 4]}\n"
    train = load(text + "train: {loss: {label_smoothing: 0.1}, optimizer: {lr: 0.1}}\n", facts=CLASSES).train
    assert (train.loss, train.optimizer) == (CrossEntropy(label_smoothing=0.1), Adam(lr=0.1))


def test_a_config_that_is_extended_can_go_from_one_loss_to_one_for_each_output() -> None:
    """`--set train.loss.digit=...` over `loss: cross_entropy`."""
    overrides = ["train.loss.digit=cross_entropy", "train.loss.size=mse"]
    assert isinstance(load(TWO_HEADS + "train: {loss: cross_entropy}\n", overrides, facts=TWO).train.loss, dict)


@pytest.mark.parametrize(
    ("train", "place"),
    [
        ("loss: {head: {name: cross_entropy, weight: 0.3}}", (3, 52, "value")),
        ("loss: {head: {name: cross_entropy, metrics: [f1, f1]}}", (3, 53, "value")),
    ],
)
def test_what_an_objective_can_not_say(train: str, place: tuple[int, int, str]) -> None:
    """A share where there is nothing to share with, and a metric twice."""
    text = f"data: mnist\nmodel: {{layers: [linear: {{out_features: 4, name: head}}]}}\ntrain: {{{train}}}\n"
    assert places(mistakes(text, facts=CLASSES)) == [place]


def test_steps_count_for_batch_norm_in_a_batch_of_one() -> None:
    """Twenty steps are twenty values of each feature, as torch has it."""
    text = (
        "data: mnist\nmodel: {layers: [time_distributed: [batch_norm1d], global_avg_pool, linear: 4]}\ntrain: {batch_size: 1}\n"
    )
    load(text, facts=DataFacts.of(Sequence(20, Vector(3)), num_classes=4))
    load(text, facts=DataFacts.of(Sequence(Time(), Vector(3)), num_classes=4))
    assert places(mistakes(text, facts=DataFacts.of(Sequence(1, Vector(3)), num_classes=4))) == [(3, 21, "range")]


@pytest.mark.parametrize(
    ("train", "place"),
    [
        ("loss: {digit: {name: cross_entropy, weight: 0}, size: {name: mse, weight: 0}}", (8, 15, "value")),
        ("loss: {digit: {name: cross_entropy, class_weights: [0, 0, 0, 0]}, size: mse}", (8, 60, "value")),
    ],
)
def test_weights_that_leave_nothing_to_learn_are_refused(train: str, place: tuple[int, int, str]) -> None:
    """Of all outputs, or of all classes: the loss would be 0, or 0 divided by 0."""
    assert places(mistakes(TWO_HEADS + f"train: {{{train}}}\n", facts=TWO)) == [place]


def test_every_mistake_of_an_objective_is_told() -> None:
    """A loss that is not there does not hide a weight that can't be."""
    found = mistakes(TWO_HEADS + "train: {loss: {digit: {name: msee, weight: -1}, size: mse}}\n", facts=TWO)
    assert places(found) == [(8, 30, "unknown-name"), (8, 44, "range")]
    assert found[0].help == "did you mean `mse`?"


def test_an_objective_without_a_loss_is_told_at_its_place() -> None:
    """Weight and metrics alone train nothing."""
    (found,) = mistakes(TWO_HEADS + "train: {loss: {digit: {weight: 1, metrics: [f1]}, size: mse}}\n", facts=TWO)
    assert places([found]) == [(8, 23, "missing-key")]
    assert found.message == "the loss has no `name`"


def test_a_loss_may_be_written_as_a_layer_is() -> None:
    """`{mse: ...}` is told how a choice is written, and is not taken for an output of that name."""
    (found,) = mistakes("data: mnist\nmodel: {layers: [linear: 4]}\ntrain: {loss: {mse: {}}}\n", facts=CLASSES)
    assert places([found]) == [(3, 15, "missing-key")]
    assert found.help == "write `{name: mse}`"


def test_fields_alone_are_those_of_the_usual_loss() -> None:
    """`{label_smoothing: 0.1}` is cross-entropy's, and its mistakes are told as such."""
    text = "data: mnist\nmodel: {layers: [linear: 4]}\ntrain: {loss: {label_smoothing: %s}}\n"
    assert load(text % "0.1", facts=CLASSES).train.loss == CrossEntropy(label_smoothing=0.1)
    (found,) = mistakes(text % "0.1, smoothing: 1", facts=CLASSES)
    assert found.message == "`cross_entropy` has no key `smoothing`"
    assert places([found]) == [(3, 38, "unknown-key")]
