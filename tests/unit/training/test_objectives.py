"""Several outputs: their losses, their figures and the gradients of batches that are put together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlcli.config.data import Arrays
from dlcli.config.facts import DataFacts, Target
from dlcli.config.losses import L1, BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from dlcli.config.metrics import F1, Accuracy, MeanAbsoluteError
from dlcli.config.normalisation import NoNormalize
from dlcli.config.objectives import Objective as ObjectiveSpec
from dlcli.config.optimizers import Sgd
from dlcli.config.shapes import Sequence, Vector
from dlcli.config.training import EarlyStoppingSpec, TrainSpec
from dlcli.data.dataset import Dataset, Split
from dlcli.training.objectives import build_objective
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import CPU, fitted, make_trainer, train_spec

CLASS_WEIGHTS = (0.2, 1.0, 5.0)
KIND, YES, SIZE = (
    ObjectiveSpec(loss=CrossEntropy(class_weights=CLASS_WEIGHTS, label_smoothing=0.1), weight=2.0, metrics=(Accuracy(),)),
    ObjectiveSpec(loss=BinaryCrossEntropy(), weight=0.5, metrics=(Accuracy(), F1())),
    ObjectiveSpec(loss=MeanSquaredError(), weight=0.25, metrics=(MeanAbsoluteError(),)),
)
LOSS = {"kind": KIND, "yes": YES, "size": SIZE}
OUTPUTS = tuple(LOSS)
FACTS = DataFacts(
    {"left": Vector(4), "right": Vector(3)},
    {"size": Target(num_targets=2), "kind": Target(num_classes=3), "yes": Target(num_classes=2)},
)


class Heads(nn.Module):
    """Two inputs (batch, 4) and (batch, 3) to outputs (batch, 3), (batch, 1) and (batch, 2)."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.trunk = nn.Linear(7, 5, dtype=torch.float64)
            self.heads = nn.ModuleDict(
                {name: nn.Linear(5, size, dtype=torch.float64) for name, size in (("kind", 3), ("yes", 1), ("size", 2))}
            )

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        trunk = self.trunk(torch.cat([inputs["left"], inputs["right"]], dim=1)).tanh()
        return {name: head(trunk) for name, head in self.heads.items()}


def several(train: int = 26, valid: int = 9) -> Dataset:
    """Random vectors in float64 with a class of three, a class of two and two values to predict."""
    generator = torch.Generator().manual_seed(1)

    def split(count: int) -> Split:
        left, right = (torch.randn(count, size, generator=generator, dtype=torch.float64) for size in (4, 3))
        targets = {"size": left[:, :2] + right[:, :2], "kind": left[:, :3].argmax(dim=1), "yes": (right[:, 0] > 0).long()}
        return Split({"left": left, "right": right}, targets)

    spec = Arrays(path="nowhere.npz", inputs=("left", "right"), targets=tuple(FACTS.targets), normalize=NoNormalize())
    return Dataset(spec, "arrays", "arrays", None, FACTS, split(train), split(valid), split(7), None, "a test")


def several_trainer(**fields: object) -> Trainer:
    """A trainer of three outputs."""
    return make_trainer(train_spec(**{"loss": LOSS, "metrics": (), **fields}), several(), Heads(), OUTPUTS)


def losses_by_hand(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
    """The loss of each output, by torch's own functions."""
    weights = torch.tensor(CLASS_WEIGHTS).double()
    return {
        "kind": functional.cross_entropy(outputs["kind"], targets["kind"], weights, label_smoothing=0.1),
        "yes": functional.binary_cross_entropy_with_logits(outputs["yes"][:, 0], targets["yes"].double()),
        "size": functional.mse_loss(outputs["size"], targets["size"]),
    }


def total_by_hand(losses: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return 2.0 * losses["kind"] + 0.5 * losses["yes"] + 0.25 * losses["size"]


def test_the_loss_is_the_weighted_sum_of_those_of_the_outputs() -> None:
    """Each output against the target of its name, whatever the order of the targets."""
    train = several().train
    assert isinstance(train.targets, dict)
    outputs = Heads()(train.inputs)
    objective = build_objective(train_spec(loss=LOSS, metrics=()), FACTS, OUTPUTS, CPU)
    torch.testing.assert_close(objective(outputs, train.targets), total_by_hand(losses_by_hand(outputs, train.targets)))


def test_figures_are_those_of_all_samples_at_once() -> None:
    """`loss` is the total; each output's loss without its weight and its metrics carry its name, as the config lists them."""
    trainer = several_trainer(batch_size=2)
    train = trainer.dataset.train
    assert isinstance(train.targets, dict)
    outputs, targets = {name: output.detach() for name, output in trainer.network(train.inputs).items()}, train.targets
    losses = losses_by_hand(outputs, targets)
    found = trainer.evaluate("train")
    assert found["loss"] == pytest.approx(float(total_by_hand(losses)), rel=1e-6)
    for name, loss in losses.items():
        assert found[f"{name}/loss"] == pytest.approx(float(loss), rel=1e-6)
    assert found["kind/accuracy"] == pytest.approx(float((outputs["kind"].argmax(1) == targets["kind"]).double().mean()))
    assert found["yes/accuracy"] == pytest.approx(float(((outputs["yes"][:, 0] > 0) == targets["yes"]).double().mean()))
    assert found["size/mae"] == pytest.approx(float((outputs["size"] - targets["size"]).abs().mean()))
    assert set(found) == {"loss", *(f"{name}/loss" for name in OUTPUTS), *trainer.spec.measured}


@pytest.mark.parametrize(("batch_size", "accumulate"), [(1, 12), (4, 3), (6, 2)])
def test_accumulated_batches_are_one_large_batch(batch_size: int, accumulate: int) -> None:
    """Each output's batches are put together by its own weights: of classes here, of samples there."""

    def after_epoch(batch_size: int, accumulate: int) -> tuple[nn.Module, list[float]]:
        trainer = several_trainer(batch_size=batch_size, accumulate=accumulate, optimizer=Sgd(lr=0.3, momentum=0.9))
        return trainer.network, [float(trainer.step(group)) for group in trainer.groups()]

    network, losses = after_epoch(batch_size, accumulate)
    large_network, large_losses = after_epoch(12, 1)
    assert losses == pytest.approx(large_losses, rel=1e-6)  # the weights of classes are float32
    for found, expected in zip(network.parameters(), large_network.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_the_training_loss_is_the_total(tmp_path: Path) -> None:
    """`train/loss` of an epoch with a single step is the weighted sum before that step."""
    trainer = several_trainer(batch_size=26, epochs=1)
    train = trainer.dataset.train
    assert isinstance(train.targets, dict)
    expected = float(total_by_hand(losses_by_hand(trainer.network(train.inputs), train.targets)).detach())
    [record] = fitted(trainer, tmp_path).records
    assert record["train/loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("monitor", "larger"), [("yes/accuracy", True), ("size/mae", False), ("loss", False)])
def test_one_figure_of_one_output_can_be_watched(monitor: str, larger: bool, tmp_path: Path) -> None:
    """The best epoch is the one where that figure is best."""
    trainer = several_trainer(monitor=monitor, epochs=4, early_stopping=EarlyStoppingSpec(patience=4))
    watcher = fitted(trainer, tmp_path)
    values = [record[f"valid/{monitor}"] for record in watcher.records]
    best = trainer.progress.best
    assert best is not None
    assert best.value == (max(values) if larger else min(values))


def test_one_output_reads_the_target_of_its_name() -> None:
    """Where the data has several targets."""
    train = several().train
    assert isinstance(train.targets, dict)
    values = torch.zeros(26, 2, dtype=torch.float64)
    objective = build_objective(train_spec(loss=L1(), metrics=(MeanAbsoluteError(),)), FACTS, ("size",), CPU)
    torch.testing.assert_close(objective(values, train.targets), train.targets["size"].abs().mean())
    tally = objective.tally()
    tally.update(values, train.targets)
    assert tally.figures() == pytest.approx(
        {"loss": float(train.targets["size"].abs().mean())} | {"mae": tally.figures()["loss"]}
    )


def test_outputs_share_the_only_target() -> None:
    """A second head may learn the same answers, for example from an earlier layer."""
    generator = torch.Generator().manual_seed(3)
    early, late = torch.randn(2, 8, 3, generator=generator)
    classes = torch.randint(0, 3, (8,), generator=generator)
    loss = {"late": ObjectiveSpec(loss=CrossEntropy(), metrics=()), "early": ObjectiveSpec(loss=CrossEntropy(), weight=0.3)}
    objective = build_objective(TrainSpec(loss=loss), DataFacts.of(Vector(4), num_classes=3), ("late", "early"), CPU)
    expected = functional.cross_entropy(late, classes) + 0.3 * functional.cross_entropy(early, classes)
    torch.testing.assert_close(objective({"late": late, "early": early}, classes), expected)


def test_each_step_of_a_sequence_can_have_an_answer(tmp_path: Path) -> None:
    """Loss and accuracy of a recurrent network are those over all steps of all samples."""
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(20, 6, 4, generator=generator)
    split = Split(inputs, inputs[..., :3].argmax(dim=-1))
    facts = DataFacts.of(Sequence(6, Vector(4)), num_classes=3, per_step=True)
    spec = Arrays(path="nowhere.npz", normalize=NoNormalize())
    dataset = Dataset(spec, "arrays", "arrays", None, facts, split, split, split, None, "a test")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = nn.Linear(4, 3)
    trainer = make_trainer(train_spec(batch_size=3), dataset, network)
    fitted(trainer, tmp_path)
    outputs = trainer.network(inputs).detach()
    assert isinstance(split.targets, Tensor)
    found = trainer.evaluate("test")
    assert found["accuracy"] == pytest.approx(float((outputs.argmax(dim=-1) == split.targets).double().mean()))
    assert found["loss"] == pytest.approx(float(functional.cross_entropy(outputs.reshape(120, 3), split.targets.reshape(120))))
