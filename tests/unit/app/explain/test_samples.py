"""Which samples are chosen, and how far off the network is on each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from dlcli.app.explain.effort import effort_for, judged_samples, operations
from dlcli.app.explain.samples import Choice, Judged, chosen, judge, sample_of, worst
from dlcli.app.inference import score
from dlcli.config.shapes import Image, Sequence, ShapeError, Time, Vector
from dlcli.data.dataset import Split
from dlcli.errors import UsageError
from tests.unit.app.explain.subjects import subject_of
from tests.unit.models.graphs import read_layers


def test_one_way_to_choose_is_given() -> None:
    """Each says which samples; two would say different things."""
    for options in ({"index": 0, "worst": True}, {"worst": True, "input": "x.png"}, {"index": 3, "input": "x.png"}):
        with pytest.raises(UsageError, match="were given"):
            Choice(**options)  # type: ignore[arg-type]
    assert Choice().split == "test"
    with pytest.raises(UsageError, match="--invert is for new pictures"):
        Choice(worst=True, inverts=True)
    assert Choice(input="x.png", inverts=True).inverts


def test_right_ones_are_the_first_of_each_class_and_mistakes_the_worst() -> None:
    """In the order of the classes, and of the losses."""
    judged = Judged(
        losses=torch.tensor([0.1, 3.0, 0.2, 0.3, 5.0, 0.2, 4.0]),
        is_right=torch.tensor([True, False, True, True, False, True, False]),
        classes=torch.tensor([2, 0, 0, 2, 1, 1, 0]),
    )
    assert chosen(judged, right=10, wrong=2) == ([2, 5, 0], [4, 6])
    assert chosen(judged, right=1, wrong=9) == ([2], [4, 6, 1])
    assert worst(judged, 4) == [4, 6, 1, 3]


def test_where_nothing_is_right_or_wrong_the_first_and_the_largest_losses() -> None:
    """Values have no mistakes; and a network that gets all steps of no text right has only such."""
    losses = torch.tensor([0.5, 3.0, 1.0, 2.0])
    assert chosen(Judged(losses, None, None), right=2, wrong=2) == ([0, 1], [3, 2])
    none_right = Judged(losses, torch.zeros(4, dtype=torch.bool), None)
    assert chosen(none_right, right=1, wrong=2) == ([0], [1, 3])
    answers_of_steps = Judged(losses, torch.tensor([False, True, True, False]), None)
    assert chosen(answers_of_steps, right=5, wrong=5) == ([1, 2], [3, 0])


def test_losses_of_classes_of_padded_steps_count_what_is_there() -> None:
    """The mean over the valid steps, as plain torch has it for each sequence alone; right is who has all of these."""
    subject = subject_of("{name: parity, steps: 6, min_steps: 2, num_samples: 20}", "[embedding: 3, gru: 4, linear: 2]")
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 2, (5, 6), generator=generator)
    lengths = torch.tensor([6, 2, 4, 3, 6])
    targets = tokens.cumsum(1) % 2
    judged = judge(subject, Split(tokens, targets, lengths), 5)
    assert judged.classes is None
    for row, length in enumerate(lengths.tolist()):
        scores = subject.network(tokens[row : row + 1, :length])[0]
        expected = functional.cross_entropy(scores, targets[row, :length])
        torch.testing.assert_close(judged.losses[row], expected.detach())
        assert judged.is_right is not None
        assert bool(judged.is_right[row]) == bool((scores.argmax(1) == targets[row, :length]).all())
    sample = sample_of(subject, Split(tokens, targets, lengths), 1, 0.5)
    assert sample.inputs["input"].tolist() == [tokens[1, :2].tolist()]
    assert sample.targets["target"].shape == (1, 2)


def test_a_split_is_judged_in_parts_whose_outputs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than so many values of outputs at a time, of all padded steps; the same losses, hits and classes."""
    steps = subject_of("{name: parity, steps: 6, min_steps: 2, num_samples: 20}", "[embedding: 3, gru: 4, linear: 2]")
    tokens = torch.randint(0, 2, (7, 6), generator=torch.Generator().manual_seed(0))
    of_steps = Split(tokens, tokens.cumsum(1) % 2, torch.tensor([6, 2, 4, 3, 6, 5, 2]))
    classes = subject_of("{name: random, sizes: [4], num_samples: 9}", "[linear: 10]")
    of_classes = Split(torch.randn(7, 4), torch.arange(7))
    values = subject_of("{name: random, sizes: [4], num_samples: 9, num_targets: 12}", "[linear: 12]", train={"loss": "mse"})
    of_values = Split(torch.randn(7, 4), torch.randn(7, 12))
    for subject, split, each in ((steps, of_steps, 6 * 2), (classes, of_classes, 10), (values, of_values, 12)):
        expected = judge(subject, split, 7)
        sizes: list[int] = []

        def noting(*arguments: Any, sizes: list[int] = sizes) -> dict[str, torch.Tensor]:
            outputs = score(*arguments)
            sizes.append(sum(output.numel() for output in outputs.values()))
            return outputs

        with monkeypatch.context() as context:
            context.setattr("dlcli.app.explain.samples.score", noting)
            context.setattr("dlcli.app.explain.effort._KEPT_VALUES", 3 * each)
            judged = judge(subject, split, 7)
            assert sizes == [3 * each, 3 * each, each]
            context.setattr("dlcli.app.explain.effort._KEPT_VALUES", 1)
            assert len(judge(subject, split, 2).losses) == 2
            assert sizes[3:] == [each, each]
        torch.testing.assert_close(judged.losses, expected.losses)
        for part, whole in ((judged.is_right, expected.is_right), (judged.classes, expected.classes)):
            assert (part is None and whole is None) or (part is not None and whole is not None and part.equal(whole))


def test_labels_and_values_are_judged_as_they_are_trained() -> None:
    """The mean of the labels' losses; the squared error in the scale of the training."""
    labels = subject_of(
        "{name: random, sizes: [4], num_samples: 9, num_targets: 3}", "[linear: 3]", train={"loss": "binary_cross_entropy"}
    )
    inputs, answers = torch.randn(6, 4), torch.randint(0, 2, (6, 3)).float()
    judged = judge(labels, Split(inputs, answers), 4)
    scores = labels.network(inputs[:4]).detach()
    torch.testing.assert_close(
        judged.losses, functional.binary_cross_entropy_with_logits(scores, answers[:4], reduction="none").mean(1)
    )
    assert judged.is_right is not None
    assert judged.is_right.tolist() == ((scores > 0) == (answers[:4] > 0.5)).all(1).tolist()
    scale = "{name: fixed, mean: [5], std: [2]}"
    values = subject_of(
        f"{{name: random, sizes: [4], num_samples: 9, num_targets: 1, normalize_targets: {scale}}}",
        "[linear: 1]",
        train={"loss": "mse"},
    )
    truth = torch.randn(6, 1)
    judged = judge(values, Split(inputs, truth), 6)
    torch.testing.assert_close(judged.losses, (values.network(inputs).detach() - (truth - 5) / 2).square()[:, 0])
    assert judged.is_right is None
    plain = subject_of(
        "{name: random, sizes: [4], num_samples: 9, num_targets: 1, normalize_targets: none}",
        "[linear: 1]",
        train={"loss": "mse"},
    )
    judged = judge(plain, Split(inputs, truth), 6)
    torch.testing.assert_close(judged.losses, (plain.network(inputs).detach() - truth).square()[:, 0])


def test_effort_is_bounded_whatever_the_network() -> None:
    """A small one gets all that is wanted; one of billions of operations fewer samples, steps and parts, but some."""
    small = read_layers("[conv2d: {out_channels: 8, kernel_size: 3}, relu, flatten, linear: 10]", Image(1, 28, 28))
    assert operations(small, 1) == small.flops()
    effort = effort_for(small, 1, 13)
    assert (effort.samples, effort.steps, effort.hidden, effort.rows) == (13, 512, 200, 64)
    assert judged_samples(small, 1, 500) == 500
    assert judged_samples(small, 1, 10**6) == 10_000
    large = read_layers(
        "[conv2d: {out_channels: 512, kernel_size: 7}, conv2d: {out_channels: 512, kernel_size: 7}, global_avg_pool, linear: 10]",
        Image(3, 224, 224),
    )
    effort = effort_for(large, 1, 13)
    assert (effort.samples, effort.steps, effort.hidden, effort.rows) == (1, 16, 25, 1)
    assert judged_samples(large, 1, 10**6) == 64


def test_effort_counts_the_steps_of_a_sample() -> None:
    """Where their number differs from sample to sample; of a network inside a step as often as it runs."""
    recurrent = read_layers(
        "[time_distributed: [linear: 8], gru: {hidden_size: 16, return: last}, linear: 2]", Sequence(Time(), Vector(3))
    )
    assert recurrent.flops() is None
    fixed = read_layers(
        "[time_distributed: [linear: 8], gru: {hidden_size: 16, return: last}, linear: 2]", Sequence(50, Vector(3))
    )
    assert operations(recurrent, 50) == fixed.flops()


def test_layers_that_do_not_say_their_operations_count_as_nothing() -> None:
    """As one of a plug-in whose number of steps differs."""
    graph = read_layers("[linear: 8, relu, linear: 2]", Vector(3))

    class Silent:
        kind = "silent"

        def flops(self, *_: object) -> int:
            raise ShapeError("nobody knows")

    silent = replace(graph, nodes=(replace(graph.nodes[0], spec=Silent()), *graph.nodes[1:]))  # type: ignore[arg-type]
    assert operations(silent, 1) == 2 * 8 * 2 == operations(graph, 1) - 2 * 3 * 8
