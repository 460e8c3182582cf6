"""Filters of the first convolution and feature maps."""

from __future__ import annotations

import numpy as np
import torch

from dlcli.app.explain.attributions import Explainer
from dlcli.app.explain.effort import Effort
from dlcli.app.explain.layers import MOST_FILTERS, MOST_STAGES, Stage, feature_maps, first_filters, shown_stages, stages
from dlcli.models.recorded_calls import Call
from tests.unit.app.explain.subjects import sample_with, subject_of

EFFORT = Effort(samples=1, steps=32, hidden=50, rows=16)


def _calls(data: str, layers: str, raw: torch.Tensor) -> tuple[list[Call], list[torch.Tensor]]:
    subject = subject_of(data, layers)
    sample = sample_with(subject, raw)
    return Explainer(subject, sample, EFFORT).calls, list(sample.inputs.values())


def test_a_layer_is_seen_behind_its_activation_and_its_normalisation() -> None:
    """Dropout changes nothing and is not named; what has one place only is no map."""
    layers = """
- conv2d: {out_channels: 3, kernel_size: 3, bias: false}
- batch_norm2d
- dropout2d: 0.1
- relu
- max_pool2d: 2
- conv2d: {out_channels: 5, kernel_size: 3}
- flatten
- linear: 10
"""
    calls, inputs = _calls("{name: digits, limit: 20}", layers, torch.randint(0, 255, (1, 8, 8, 1), dtype=torch.uint8))
    found = stages(calls)
    assert [stage.title for stage in found] == ["conv2d_1 → batch_norm2d_1 → relu_1", "max_pool2d_1"]
    assert found[0].output is calls[3].output
    first, _ = feature_maps(found, name="explain-maps")
    strength = calls[3].output[0].mean((1, 2))
    assert [picture.title for picture in first.pictures] == [
        f"channel {channel}" for channel in strength.argsort(descending=True).tolist()
    ]
    assert first.reading == "3 of 3 channels of 6x6."
    values = {tuple(row[:3]): row[3] for row in first.numbers[1:]}
    assert abs(float(values[2, 1, 6] or 0) - float(calls[3].output[0, 2, 0, 5])) < 1e-4
    gallery = first_filters(calls, inputs, name="explain-filters")
    assert gallery is not None
    assert len(gallery.pictures) == 3
    assert len(gallery.numbers) == 1 + 3 * 9


def test_a_branch_does_not_take_the_activation_of_another() -> None:
    """An activation belongs to what it reads."""
    layers = "[conv2d: {out_channels: 2, kernel_size: 3, name: a}, conv2d: {out_channels: 2, kernel_size: 3, from: input, name: b}, relu: {from: a, name: r}, add: [r, b], flatten, linear: 10]"
    calls, _ = _calls("{name: digits, limit: 20}", layers, torch.zeros(1, 8, 8, 1, dtype=torch.uint8))
    assert [stage.title for stage in stages(calls)] == ["a", "b"]


def test_coloured_filters_are_colours_and_many_are_thinned() -> None:
    """Grey where a weight is 0; the first 32, and the sentence says of how many."""
    layers = f"[conv2d: {{out_channels: {MOST_FILTERS + 8}, kernel_size: 3}}, global_avg_pool, linear: 10]"
    calls, inputs = _calls("{name: cifar10}", layers, torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
    with torch.no_grad():
        calls[0].module.weight[0] = 0
        calls[0].module.weight[1] = torch.arange(-13.0, 14).view(3, 3, 3)
    gallery = first_filters(calls, inputs, name="explain-filters")
    assert gallery is not None
    assert len(gallery.pictures) == MOST_FILTERS
    assert "the first 32 of 40" in gallery.reading
    assert set(gallery.pictures[0].pixels.flatten().tolist()) == {128}
    assert gallery.pictures[1].pixels[0, 0].tolist() == [
        0,
        int(np.round((1 - 4 / 13) * 127.5)),
        int(np.round((1 + 5 / 13) * 127.5)),
    ]


def test_filters_over_several_channels_are_means_and_single_weights_are_nothing() -> None:
    """Two channels are neither grey nor colours; a kernel of 1 looks like nothing; what reads another layer is not the first."""
    data, raw = "{name: random, sizes: [2, 6, 6], num_samples: 20}", torch.randn(1, 6, 6, 2)
    calls, inputs = _calls(data, "[conv2d: {out_channels: 2, kernel_size: 3}, flatten, linear: 10]", raw)
    gallery = first_filters(calls, inputs, name="x")
    assert gallery is not None
    assert "mean over its 2 channels" in gallery.reading
    calls, inputs = _calls(data, "[conv2d: {out_channels: 2, kernel_size: 1}, flatten, linear: 10]", raw)
    assert first_filters(calls, inputs, name="x") is None
    calls, inputs = _calls(data, "[relu, conv2d: {out_channels: 2, kernel_size: 3}, flatten, linear: 10]", raw)
    assert first_filters(calls, inputs, name="x") is None


def test_maps_over_time_have_a_row_for_each_channel() -> None:
    """Long ones in means of neighbouring steps; large pictures smaller; of clips and volumes the middle."""
    output = torch.randn(1, 700, 60)
    [gallery] = feature_maps([Stage(("conv1d_1",), output)], name="explain-maps")
    assert gallery.size == "wide"
    assert gallery.pictures[0].pixels.shape == (48, 234, 3)
    [large] = feature_maps([Stage(("conv2d_1",), torch.rand(1, 4, 224, 112))], name="explain-maps")
    assert large.pictures[0].pixels.shape == (56, 28, 3)
    [clip] = feature_maps([Stage(("conv2d_1",), torch.rand(6, 2, 5, 5))], name="explain-maps")
    assert clip.reading.endswith(", frame 4 of 6.")
    [volume] = feature_maps([Stage(("conv3d_1",), torch.rand(1, 2, 7, 5, 5))], name="explain-maps")
    assert volume.reading.endswith(", slice 4 of 7.")


def test_of_many_layers_some_are_shown_the_first_and_the_last_among_them() -> None:
    """Evenly spread."""
    found = [Stage((str(number),), torch.zeros(1, 1, 2, 2)) for number in range(40)]
    shown = shown_stages(found)
    assert len(shown) == MOST_STAGES
    assert (shown[0], shown[-1]) == (found[0], found[-1])
    assert shown_stages(found[:3]) == found[:3]
