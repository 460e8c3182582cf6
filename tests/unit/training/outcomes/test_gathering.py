"""What is kept of a judgement, against scikit-learn and plain torch over all samples at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor, nn

from dlcli.config.data import Arrays, Csv
from dlcli.config.facts import DataFacts, Target
from dlcli.config.losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from dlcli.config.metrics import MeanAbsoluteError
from dlcli.config.normalisation import FixedNormalize, NoNormalize
from dlcli.config.objectives import Objective as ObjectiveSpec
from dlcli.config.shapes import Sequence, Time, Token, Vector
from dlcli.data.dataset import Dataset, Split
from dlcli.training.outcomes import arrays
from dlcli.training.outcomes.answers import (
    ClassMistakes,
    JudgedClasses,
    JudgedLabels,
    JudgedOutput,
    JudgedValues,
    LabelMistakes,
    StepMistakes,
)
from dlcli.training.outcomes.digest import digest
from dlcli.training.outcomes.gatherer import Gatherer
from dlcli.training.outcomes.outcome import Judgement, Outcome
from dlcli.training.outcomes.storage import packed, read_outcome
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import linear_network, make_trainer, text, text_network, train_spec, vectors


def gathered(trainer: Trainer, split: str = "test") -> dict[str, JudgedOutput]:
    """What is kept of a judgement; nothing may have gone wrong."""
    gatherer = Gatherer(trainer.dataset, split, trainer.objective)
    trainer.evaluate(split, look=gatherer)
    assert gatherer.failure is None
    return gatherer.outputs()


def gathered_alone(trainer: Trainer, split: str = "test") -> JudgedOutput:
    """The same of the only output."""
    return gathered(trainer, split)[""]


def _dataset(facts: DataFacts, split: Split, spec: Arrays | Csv | None = None) -> Dataset:
    spec = spec or Arrays(path="nowhere.npz", normalize=NoNormalize())
    return Dataset(spec, spec.kind, spec.kind, None, facts, split, None, split, None, "a test")


class Fixed(nn.Module):
    """Gives for each sample what stands beside it, whatever the batch: its input is its number."""

    def __init__(self, answers: Tensor | dict[str, Tensor]) -> None:
        super().__init__()
        self._answers = answers
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, numbers: Tensor, lengths: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        rows = numbers.flatten(1)[:, 0].long()
        if isinstance(self._answers, dict):
            return {name: answers[rows] for name, answers in self._answers.items()}
        return self._answers[rows][:, : numbers.shape[1]] if lengths is not None else self._answers[rows]


def test_looking_on_changes_no_digit_of_the_figures() -> None:
    """Loss and metrics are the same bits with and without."""
    trainer = make_trainer(train_spec(), vectors(train=300))
    gatherer = Gatherer(trainer.dataset, "train", trainer.objective)
    assert trainer.evaluate("train") == trainer.evaluate("train", look=gatherer)


def test_classes_are_counted_as_scikit_learn_counts_them() -> None:
    """The confusion matrix, and the class of each sample with its probability."""
    network, dataset = linear_network(), vectors(train=300)
    judged = gathered_alone(make_trainer(train_spec(), dataset, network), "train")
    assert isinstance(judged, JudgedClasses)
    probabilities = network(dataset.train.inputs).detach().softmax(1)
    sure, called = probabilities.max(1)
    targets = dataset.train.targets
    assert isinstance(targets, Tensor)
    assert judged.confusion is not None
    assert (judged.confusion[:, :3] == confusion_matrix(targets, called, labels=[0, 1, 2])).all()
    assert not judged.confusion[:, 3].any()
    assert judged.answers is not None
    assert (judged.answers.target == targets.numpy()).all()
    assert (judged.answers.predicted == called.numpy()).all()
    np.testing.assert_allclose(judged.answers.confidence, sure, rtol=1e-5)
    np.testing.assert_allclose(judged.answers.of_target, probabilities.gather(1, targets[:, None])[:, 0], rtol=1e-5)


def test_confidence_falls_into_bins_of_equal_width() -> None:
    """Each answer in the bin that its confidence lies in, with the sum and the hits."""
    sure = torch.tensor([0.51, 0.62, 0.64, 0.9, 1.0, 0.82])
    scores = torch.stack((sure.log(), (1 - sure).clamp(min=1e-30).log()), dim=1).double().float()
    targets = torch.tensor([0, 1, 0, 0, 0, 1])
    split = Split(torch.arange(6.0)[:, None], targets)
    trainer = make_trainer(train_spec(), _dataset(DataFacts.of(Vector(1), num_classes=2), split), Fixed(scores))
    found = gathered_alone(trainer)
    assert isinstance(found, JudgedClasses)
    bins = np.ceil(sure.numpy().astype(np.float64) * 15).astype(int) - 1
    assert (found.calibration.counts == np.bincount(bins, minlength=15)).all()
    assert (found.calibration.hits == np.bincount(bins[targets == 0], minlength=15)).all()
    np.testing.assert_allclose(found.calibration.confidence, np.bincount(bins, sure, minlength=15), rtol=1e-6)


def test_the_worst_mistakes_are_those_of_the_largest_loss() -> None:
    """Of all wrong answers the 24 that give the right class the least, the worst first, with their samples."""
    network, dataset = linear_network(), vectors(train=600)
    judged = gathered_alone(make_trainer(train_spec(), dataset, network), "train")
    assert isinstance(judged, JudgedClasses)
    mistakes = judged.mistakes
    assert isinstance(mistakes, ClassMistakes)
    targets = dataset.train.targets
    assert isinstance(targets, Tensor)
    probabilities = network(dataset.train.inputs).detach().softmax(1)
    of_target = probabilities.gather(1, targets[:, None])[:, 0]
    wrong = (probabilities.argmax(1) != targets).nonzero()[:, 0]
    expected = wrong[of_target[wrong].argsort()][:24]
    assert mistakes.samples.numbers.tolist() == expected.tolist()
    shown = mistakes.samples.inputs[""]
    assert shown.kind == "vectors"
    np.testing.assert_array_equal(shown.values, dataset.train.inputs[expected])
    np.testing.assert_allclose(mistakes.of_target, of_target[expected], rtol=1e-5)


def test_no_answer_of_a_perfect_network_is_a_mistake() -> None:
    """Nothing is kept among the worst."""
    targets = torch.tensor([0, 1, 1])
    split = Split(torch.arange(3.0)[:, None], targets)
    facts = DataFacts.of(Vector(1), num_classes=2)
    judged = gathered_alone(make_trainer(train_spec(), _dataset(facts, split), Fixed(nn.functional.one_hot(targets) * 9.0)))
    assert isinstance(judged, JudgedClasses)
    assert judged.mistakes is not None
    assert len(judged.mistakes.samples) == 0


def test_scores_beyond_the_classes_of_the_data_are_counted_apart() -> None:
    """A network may have more scores: what it calls one of those is in the last column."""
    scores = torch.tensor([[9.0, 0, 0, 0], [0, 0, 9.0, 0], [0, 9.0, 0, 0], [0, 0, 0, 9.0]])
    split = Split(torch.arange(4.0)[:, None], torch.tensor([0, 0, 1, 1]))
    judged = gathered_alone(make_trainer(train_spec(), _dataset(DataFacts.of(Vector(1), num_classes=2), split), Fixed(scores)))
    assert isinstance(judged, JudgedClasses)
    assert judged.confusion is not None
    assert judged.confusion.tolist() == [[1, 0, 1], [0, 1, 1]]
    assert judged.called.tolist() == [1, 1, 2]


def test_of_very_many_classes_only_counts_are_kept() -> None:
    """No matrix, and a file of a size that stays small."""
    classes = arrays.MOST_CLASSES + 1
    split = Split(torch.arange(4.0)[:, None], torch.tensor([0, 1, classes - 1, 7]))
    scores = torch.zeros(4, classes).scatter_(1, torch.tensor([[0], [0], [classes - 1], [7]]), 5.0)
    facts = DataFacts.of(Vector(1), num_classes=classes)
    judged = gathered_alone(make_trainer(train_spec(metrics=()), _dataset(facts, split), Fixed(scores)))
    assert isinstance(judged, JudgedClasses)
    assert judged.confusion is None
    assert (int(judged.support.sum()), int(judged.hits.sum()), int(judged.called[0])) == (4, 3, 2)


def test_answers_one_by_one_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first so many, while counts are of all."""
    monkeypatch.setattr("dlcli.training.outcomes.class_tally.MOST_ROWS", 100)
    judged = gathered_alone(make_trainer(train_spec(), vectors(train=300)), "train")
    assert isinstance(judged, JudgedClasses)
    assert judged.answers is not None
    assert len(judged.answers.target) == 100
    assert judged.support.sum() == 300


LENGTHS = torch.tensor([5, 2, 3, 1, 6])


def _ragged(targets: Tensor, target: Target, scores: Tensor, **spec: object) -> Trainer:
    """A trainer on sequences of different lengths, whose network gives these scores (5, 6, ...)."""
    facts = DataFacts({"input": Sequence(Time(), Vector(1))}, {"target": target})
    inputs = torch.arange(5.0)[:, None, None].expand(5, 6, 1).contiguous()
    return make_trainer(train_spec(**spec), _dataset(facts, Split(inputs, targets, LENGTHS)), Fixed(scores))


def test_classes_of_steps_count_steps_that_are_there() -> None:
    """Padding is in no figure; the sequences with the largest mean loss come first, with their own steps."""
    generator = torch.Generator().manual_seed(3)
    scores, targets = torch.randn(5, 6, 3, generator=generator), torch.randint(0, 3, (5, 6), generator=generator)
    judged = gathered_alone(_ragged(targets, Target(num_classes=3, per_step=True), scores, metrics=()))
    assert isinstance(judged, JudgedClasses)
    there = torch.arange(6) < LENGTHS[:, None]
    assert judged.confusion is not None
    assert (judged.confusion[:, :3] == confusion_matrix(targets[there], scores.argmax(2)[there], labels=[0, 1, 2])).all()
    assert judged.answers is None
    losses = nn.functional.cross_entropy(scores.transpose(1, 2), targets, reduction="none")
    means = torch.stack([losses[row, : LENGTHS[row]].mean() for row in range(5)])
    wrong = torch.stack([(scores.argmax(2) != targets)[row, : LENGTHS[row]].double().mean() for row in range(5)])
    expected = [row for row in means.argsort(descending=True).tolist() if wrong[row] > 0]
    mistakes = judged.mistakes
    assert isinstance(mistakes, StepMistakes)
    assert mistakes.samples.numbers.tolist() == expected
    np.testing.assert_allclose(mistakes.wrong, wrong[expected], rtol=1e-6)
    for place, row in enumerate(expected):
        steps = int(LENGTHS[row])
        assert mistakes.target[place, :steps].tolist() == targets[row, :steps].tolist()
        assert mistakes.predicted[place, :steps].tolist() == scores.argmax(2)[row, :steps].tolist()
        assert (mistakes.target[place, steps:] == arrays.NO_STEP).all()


def test_values_of_steps_are_summed_over_steps_that_are_there() -> None:
    """Sums, means and spread of the targets, and the curves of examples, NaN where a sequence has ended."""
    generator = torch.Generator().manual_seed(4)
    outputs, targets = torch.randn(5, 6, 2, generator=generator), torch.randn(5, 6, 2, generator=generator)
    target = Target(num_targets=2, per_step=True)
    judged = gathered_alone(_ragged(targets, target, outputs, loss=MeanSquaredError(), metrics=(MeanAbsoluteError(),)))
    assert isinstance(judged, JudgedValues)
    there = torch.arange(6) < LENGTHS[:, None]
    differences = (outputs - targets)[there].double()
    np.testing.assert_allclose(judged.errors.absolute, differences.abs().sum(0), rtol=1e-6)
    np.testing.assert_allclose(judged.errors.squared, differences.square().sum(0), rtol=1e-6)
    np.testing.assert_allclose(judged.mean, targets[there].double().mean(0), rtol=1e-6)
    np.testing.assert_allclose(judged.spread / judged.count, targets[there].double().var(0, unbiased=False), rtol=1e-6)
    assert judged.count == int(LENGTHS.sum())
    assert judged.scatter is None
    longest = judged.examples.samples.numbers.tolist().index(4)
    np.testing.assert_array_equal(judged.examples.predicted[longest], outputs[4].flatten())
    shortest = judged.examples.samples.numbers.tolist().index(3)
    assert np.isnan(judged.examples.target[shortest, 2:]).all()


def test_values_are_in_the_units_of_the_data() -> None:
    """Though the loss compares them in another scale; by that scale the worst samples are chosen."""
    scale = FixedNormalize(mean=(100.0, 0.0), std=(50.0, 0.01))
    spec = Arrays(path="nowhere.npz", normalize=NoNormalize(), normalize_targets=scale)
    targets = torch.tensor([[100.0, 0.0], [150.0, 0.01], [50.0, 0.02]])
    outputs = torch.tensor([[0.0, 0.0], [0.8, 1.0], [-1.0, 0.5]])  # in the scale; each is wrong in one value at most
    trainer = make_trainer(
        train_spec(loss=MeanSquaredError(), metrics=()),
        _dataset(DataFacts.of(Vector(1), num_targets=2), Split(torch.arange(3.0)[:, None], targets), spec),
        Fixed(outputs),
    )
    judged = gathered_alone(trainer)
    assert isinstance(judged, JudgedValues)
    np.testing.assert_allclose(judged.errors.absolute, [10, 0.015], rtol=1e-5)
    assert judged.worst.samples.numbers.tolist() == [2, 1, 0]
    assert judged.columns == ("value 1", "value 2")
    assert judged.scatter is not None
    np.testing.assert_allclose(judged.scatter[1], outputs * torch.tensor([50, 0.01]) + torch.tensor([100, 0.0]), rtol=1e-5)


def test_outputs_that_are_too_large_are_left_out(tmp_path: Path) -> None:
    """The judgement is kept without them, and reads back: more values than can be named, more classes than are counted."""
    for facts, targets, loss, width in (
        (DataFacts.of(Vector(1), num_targets=10_001), torch.zeros(2, 10_001), MeanSquaredError(), 10_001),
        (DataFacts.of(Vector(1), num_classes=100_001), torch.tensor([0, 100_000]), CrossEntropy(), 100_001),
    ):
        data = _dataset(facts, Split(torch.arange(2.0)[:, None], targets))
        trainer = make_trainer(train_spec(loss=loss, metrics=()), data, Fixed(torch.zeros(2, width)))
        assert gathered(trainer) == {}
        kept = Outcome(data=digest(data), judgement=Judgement(split="test", samples=2, figures={"loss": 1.0}, outputs={}))
        (tmp_path / "outcome").write_bytes(packed(kept))
        read = read_outcome(tmp_path / "outcome")
        assert read.data.answers == {}
        assert len(read.data.examples) == 2
        assert read.judgement is not None


def test_a_forecast_is_compared_with_who_repeats_the_last_value() -> None:
    """Columns by their names, steps one after the other; and the worst windows are no neighbours."""
    horizon, columns = 3, ("load", "price")
    spec = Csv(
        path="x.csv", target=columns, features=("price", "load"), window=4, horizon=horizon,
        normalize=NoNormalize(), normalize_targets=NoNormalize(),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(5)
    inputs, targets = torch.randn(40, 4, 2, generator=generator), torch.randn(40, 6, generator=generator)
    inputs[:, 0, 0] = torch.arange(40)
    facts = DataFacts({"input": Sequence(4, Vector(2))}, {"target": Target(num_targets=6)})
    outputs = torch.randn(40, 6, generator=generator)
    trainer = make_trainer(
        train_spec(loss=MeanSquaredError(), metrics=()), _dataset(facts, Split(inputs, targets), spec), Fixed(outputs)
    )
    judged = gathered_alone(trainer)
    assert isinstance(judged, JudgedValues)
    assert (judged.columns, judged.horizon) == (columns, horizon)
    repeated = torch.stack((inputs[:, -1, 1], inputs[:, -1, 0]), dim=1).repeat(1, horizon)
    assert judged.repeating is not None
    np.testing.assert_allclose(judged.repeating.squared, (repeated - targets).double().square().sum(0), rtol=1e-5)
    np.testing.assert_allclose(judged.errors.squared, (outputs - targets).double().square().sum(0), rtol=1e-5)
    worst = judged.worst.samples.numbers.tolist()
    losses = (outputs - targets).square().mean(1)
    assert worst[0] == int(losses.argmax())
    assert all(abs(first - second) >= horizon for first in worst for second in worst if first != second)
    shown = judged.worst.samples.inputs[""]
    assert shown.kind == "series"
    assert shown.columns == ("price", "load")


def test_labels_are_counted_one_by_one() -> None:
    """Yes where the score is above 0; the worst are the samples whose labels fit least."""
    generator = torch.Generator().manual_seed(6)
    scores, labels = torch.randn(50, 3, generator=generator), torch.randint(0, 2, (50, 3), generator=generator).float()
    split = Split(torch.arange(50.0)[:, None], labels)
    trainer = make_trainer(
        train_spec(loss=BinaryCrossEntropy(), metrics=()),
        _dataset(DataFacts.of(Vector(1), num_targets=3), split),
        Fixed(scores),
    )
    judged = gathered_alone(trainer)
    assert isinstance(judged, JudgedLabels)
    called = scores > 0
    assert judged.support.tolist() == labels.sum(0).tolist()
    assert judged.called.tolist() == called.sum(0).tolist()
    assert judged.hits.tolist() == (called & (labels > 0)).sum(0).tolist()
    losses = nn.functional.binary_cross_entropy_with_logits(scores, labels, reduction="none").mean(1)
    losses[(called == (labels > 0)).all(1)] = -1
    assert isinstance(judged.mistakes, LabelMistakes)
    assert judged.mistakes.samples.numbers.tolist() == losses.argsort(descending=True)[:24].tolist()
    assert judged.calibration.counts.sum() == 150


def test_labels_of_steps_are_counted_where_steps_are() -> None:
    """Padding is in no figure; sequences are not compared."""
    generator = torch.Generator().manual_seed(7)
    scores, labels = torch.randn(5, 6, 1, generator=generator), torch.randint(0, 2, (5, 6), generator=generator)
    target = Target(num_classes=2, per_step=True)
    judged = gathered_alone(_ragged(labels, target, scores, loss=BinaryCrossEntropy(), metrics=()))
    assert isinstance(judged, JudgedLabels)
    there = torch.arange(6) < LENGTHS[:, None]
    called = scores[..., 0] > 0
    assert (judged.count, judged.support.tolist()) == (17, [int(labels[there].sum())])
    assert judged.hits.tolist() == [int((called & (labels > 0))[there].sum())]
    assert judged.mistakes is None


def test_each_of_several_outputs_has_its_own() -> None:
    """By its name, with its own kind of answers."""
    targets = {"digit": torch.tensor([0, 1, 2, 0]), "size": torch.tensor([[1.0], [2.0], [3.0], [4.0]])}
    outputs = {"digit": torch.eye(3)[[0, 1, 1, 0]] * 4, "size": targets["size"] + 0.5}
    facts = DataFacts({"input": Vector(1)}, {"digit": Target(num_classes=3), "size": Target(num_targets=1)})
    loss = {"digit": ObjectiveSpec(loss=train_spec().loss), "size": ObjectiveSpec(loss=MeanSquaredError(), metrics=())}
    spec = train_spec(loss=loss, metrics=())
    dataset = _dataset(facts, Split(torch.arange(4.0)[:, None], targets))
    found = gathered(make_trainer(spec, dataset, Fixed(outputs), ("digit", "size")))
    assert list(found) == ["digit", "size"]
    digit, size = found["digit"], found["size"]
    assert isinstance(digit, JudgedClasses)
    assert digit.hits.tolist() == [2, 1, 0]
    assert isinstance(size, JudgedValues)
    np.testing.assert_allclose(size.errors.absolute, [2.0])


def test_a_language_model_keeps_no_mistakes() -> None:
    """Windows of a text that went wrong say nothing to a person."""
    judged = gathered_alone(make_trainer(train_spec(), text(), text_network(), ("linear",)))
    assert isinstance(judged, JudgedClasses)
    assert judged.per_step
    assert judged.mistakes is None
    assert judged.support.sum() == 18


def test_large_vocabularies_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same counts, whatever is made of probabilities at once."""
    trainer = make_trainer(train_spec(), text(), text_network(), ("linear",))
    whole = gathered_alone(trainer)
    monkeypatch.setattr("dlcli.training.outcomes.class_tally._AT_ONCE", 10)
    parts = gathered_alone(trainer)
    assert isinstance(whole, JudgedClasses)
    assert isinstance(parts, JudgedClasses)
    assert (whole.confusion == parts.confusion).all()
    assert (whole.calibration.counts == parts.calibration.counts).all()


def test_what_fails_ends_only_what_is_gathered() -> None:
    """The figures come out as always; what went wrong is known, and asked no further."""
    trainer = make_trainer(train_spec(), vectors(train=300))
    gatherer, calls = Gatherer(trainer.dataset, "train", trainer.objective), []

    def fail(*_: object) -> None:
        calls.append(1)
        raise RuntimeError("no memory left")

    gatherer._take = fail  # type: ignore[method-assign] # to see what becomes of it
    assert trainer.evaluate("train", look=gatherer) == trainer.evaluate("train")
    assert str(gatherer.failure) == "no memory left"
    assert calls == [1]


def test_tokens_of_no_text_are_shown_as_numbers() -> None:
    """As `random` and the memory tasks make them up."""
    facts = DataFacts({"input": Sequence(3, Token(9))}, {"target": Target(num_classes=2)})
    split = Split(torch.tensor([[1, 8, 0], [2, 2, 2]]), torch.tensor([0, 1]))

    class Swapped(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return torch.tensor([[0.0, 5.0], [5.0, 0.0]])[: len(tokens)]

    network = Swapped()
    network.weight = nn.Parameter(torch.zeros(1))
    judged = gathered_alone(make_trainer(train_spec(), _dataset(facts, split), network))
    assert isinstance(judged, JudgedClasses)
    assert judged.mistakes is not None
    shown = judged.mistakes.samples.inputs[""]
    assert shown.kind == "texts"
    assert set(shown.texts) == {("1", "8", "0"), ("2", "2", "2")}
