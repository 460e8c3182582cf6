"""What is said of a pixel is shown at that pixel, however the network reads the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.app.explain.answers import Head
from dlcli.app.explain.attributions import Attribution, Explainer, last_convolution
from dlcli.app.explain.blocks import Gallery, Note
from dlcli.app.explain.colours import grey, heat, overlaid, scaled, signed, tint
from dlcli.app.explain.effort import Effort
from dlcli.app.explain.number_blocks import blocks_of
from dlcli.app.explain.pictures import MOST_SIDE, cam_gallery, galleries, input_of_cam, is_picture, maps_of, pictures_of
from dlcli.app.explain.shown import Shown
from dlcli.errors import CheckpointError
from dlcli.models.attribution.entries import Entry
from tests.unit.app.explain.subjects import sample_with, shown_with, subject_of

LINEAR = "[flatten, linear: 10]"
EFFORT = Effort(samples=1, steps=32, hidden=50, rows=16)


def _marked(shape: tuple[int, ...], place: tuple[int, ...]) -> Tensor:
    values = torch.zeros(shape)
    values[place] = -2
    return values


@pytest.mark.parametrize(
    ("data", "raw", "shape", "place", "expected"),
    [
        ("{name: digits, limit: 20}", (1, 8, 8, 1), (1, 8, 8), (0, 2, 5), (0, 2, 5)),
        ("{name: cifar10}", (1, 32, 32, 3), (3, 32, 32), (1, 30, 4), (0, 30, 4)),
        ("{name: digits, limit: 20, view: rows}", (1, 8, 8, 1), (8, 8), (3, 6), (0, 3, 6)),
        ("{name: cifar10, view: rows}", (1, 32, 32, 3), (32, 96), (7, 3 * 20 + 2), (0, 7, 20)),
        ("{name: digits, limit: 20, view: pixels}", (1, 8, 8, 1), (64, 1), (8 * 4 + 1, 0), (0, 4, 1)),
        ("{name: moving_digits, num_samples: 20, frames: 3}", (1, 3, 16, 16, 1), (3, 1, 16, 16), (2, 0, 9, 15), (2, 9, 15)),
        ("{name: random, sizes: [2, 3, 4, 5], num_samples: 20}", (1, 3, 4, 5, 2), (2, 3, 4, 5), (1, 2, 0, 3), (2, 0, 3)),
    ],
)
def test_each_pixel_has_its_own_numbers(
    data: str, raw: tuple[int, ...], shape: tuple[int, ...], place: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """One value that is not 0, in the order of axes that the network reads."""
    subject = subject_of(
        data, "[gru: {hidden_size: 2, return: last}, linear: 10]" if "rows" in data or "pixels" in data else LINEAR
    )
    sample = sample_with(subject, torch.zeros(raw, dtype=torch.uint8))
    assert is_picture(subject, "input")
    assert tuple(sample.inputs["input"].shape) == (1, *shape)
    values = _marked(shape, place)
    maps = maps_of(
        subject, sample, Attribution(Entry("input", values[None], is_embedded=False), values, values, values, (1,)), None
    )
    channels = shape[0] if len(shape) > 2 and "moving" not in data else raw[-1]
    for method, sign, share in (("saliency", 1, 1), ("integrated gradients", -1, 1), ("occlusion", -1, channels)):
        found = maps.values[method]
        assert np.unravel_index(np.abs(found).argmax(), found.shape) == expected, method
        assert found[expected] == pytest.approx(sign * 2 / share)
        assert np.count_nonzero(found) == 1


def test_large_pictures_are_shown_smaller_with_the_same_mean() -> None:
    """And the page says so."""
    subject = subject_of("{name: random, sizes: [1, 200, 150], num_samples: 20}", LINEAR)
    sample = sample_with(subject, torch.randn(1, 200, 150, 1))
    values = torch.rand(1, 200, 150)
    maps = maps_of(
        subject, sample, Attribution(Entry("input", values[None], is_embedded=False), values, values, values, (1,)), None
    )
    assert maps.was_larger == (200, 150)
    assert maps.pictures.shape == (1, MOST_SIDE, 84, 3)
    assert maps.values["saliency"].mean() == pytest.approx(float(values.mean()), rel=1e-2)
    shown = Shown(subject, sample, place=1, in_depth=False)
    explainer = Explainer(subject, sample, Effort(samples=1, steps=16, hidden=9, rows=16))
    [question] = Head("linear_1", subject).answer(explainer.entries.outputs["linear_1"], None).questions
    notes = [block.text for block in blocks_of(shown, explainer.explain(question)) if isinstance(block, Note)]
    assert notes[-1] == f"The pictures are 200x150 and shown with sides of {MOST_SIDE}."
    [gallery] = galleries(maps, "explain-x", "title", "")
    assert len(gallery.numbers) == 1 + MOST_SIDE * 84


def test_pictures_of_other_values_go_from_black_to_white() -> None:
    """Grey ones and coloured ones; of one value throughout, black."""
    subject = subject_of("{name: random, sizes: [3, 2, 2], num_samples: 20}", LINEAR)
    values = torch.tensor([-1.0, 0, 1, 3]).view(1, 2, 2, 1).expand(1, 2, 2, 3)
    assert pictures_of(sample_with(subject, values), "input")[0, :, :, 0].tolist() == [[0, 64], [128, 255]]
    assert pictures_of(sample_with(subject, torch.ones(1, 2, 2, 3)), "input").max() == 0


def test_grad_cam_lies_over_the_only_input_that_it_can_be_of() -> None:
    """A map of places over a picture, one over time over a sequence; of two pictures it lies over none."""
    picture = subject_of("{name: digits, limit: 20}", LINEAR)
    assert input_of_cam(picture, torch.zeros(1, 3, 3)) == "input"
    assert input_of_cam(picture, torch.zeros(1, 3)) is None
    views = subject_of(
        "{name: digits, limit: 20, view: [image, rows]}",
        "[flatten: {from: image}, gru: {hidden_size: 2, return: last, from: rows}, concat: [flatten_1, gru_1], linear: 10]",
    )
    assert input_of_cam(views, torch.zeros(1, 3, 3)) == "image"
    assert input_of_cam(views, torch.zeros(1, 3)) == "rows"


@pytest.mark.parametrize(
    ("cam", "titles"),
    [
        (torch.rand(1, 4, 4), [""]),
        (torch.rand(9, 4, 4), ["frame 1", "frame 3"]),
        (torch.rand(1, 5, 4, 4), ["frame 1"]),
        (torch.rand(1, 6), [""]),
    ],
)
def test_grad_cam_by_itself(cam: Tensor, titles: list[str]) -> None:
    """Of a picture, of some frames, of slices, and over time."""
    gallery = cam_gallery(cam, "conv", name="explain-cam")
    assert [picture.title for picture in gallery.pictures][: len(titles)] == titles
    assert gallery.title == "Grad-CAM of conv"


def test_a_convolution_over_a_vector_has_a_map_of_its_own() -> None:
    """A vector laid out as a picture inside of the network: nothing on the page to lay the map over."""
    subject = subject_of(
        "{name: random, sizes: [16], num_samples: 20}",
        "[reshape: [1, 4, 4], conv2d: {out_channels: 2, kernel_size: 2}, relu, flatten, linear: 10]",
    )
    shown = shown_with(subject, torch.randn(1, 16))
    explainer = Explainer(subject, shown.sample, EFFORT)
    [question] = Head("linear_1", subject).answer(explainer.entries.outputs["linear_1"], None).questions
    explained = explainer.explain(question)
    assert explained.cam_layer == "relu_1"
    blocks = list(blocks_of(shown, explained))
    assert [block.title for block in blocks if isinstance(block, Gallery)] == ["Grad-CAM of relu_1"]


def test_grad_cam_looks_where_the_output_comes_from() -> None:
    """The last convolution that leads to it, and not one behind another output; the last that still has places."""
    layers = """
- conv2d: {out_channels: 2, kernel_size: 3, name: low}
- relu: {name: seen}
- flatten: {name: flat}
- linear: {out_features: 10, name: first}
- conv2d: {out_channels: 2, kernel_size: 3, from: seen, name: high}
- conv2d: {out_channels: 2, kernel_size: 4, name: point}
- flatten: {name: end}
- linear: {out_features: 10, name: second}
"""
    subject = subject_of("{name: digits, limit: 20}", layers, outputs=["first", "second"])
    explainer = Explainer(subject, sample_with(subject, torch.zeros(1, 8, 8, 1, dtype=torch.uint8)), EFFORT)
    for output, expected in (("first", "seen"), ("second", "high")):
        call = last_convolution(explainer._leading_to(output))
        assert call is not None
        assert call.path == expected


def test_a_network_that_gives_no_numbers_is_not_explained() -> None:
    """As one of a stranger's run may; the message says for which sample."""
    subject = subject_of("{name: digits, limit: 20}", LINEAR)
    with torch.no_grad():
        subject.network.get_submodule("linear_1").weight.fill_(torch.inf)
    with pytest.raises(CheckpointError, match="NaN or infinity for sample 0"):
        Explainer(subject, sample_with(subject, torch.zeros(1, 8, 8, 1, dtype=torch.uint8)), EFFORT)


def test_colours_end_where_they_say() -> None:
    """Dark to bright, blue over white to orange; brighter means more, read in grey too."""
    ramp = heat(np.linspace(0, 1, 20, dtype=np.float32)[None])[0].astype(int)
    luminance = ramp @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > 0).all()
    [[blue, white, orange, more]] = signed(np.array([[-1, 0, 1, 9]], np.float32)).tolist()
    assert (blue, white, orange) == ([11, 97, 195], [248, 248, 248], [194, 65, 13])
    assert more == orange
    assert grey(np.array([[0.0, 1.0]], np.float32)).tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert scaled(np.zeros((2, 2), np.float32)).max() == 0
    assert scaled(np.array([np.nan, np.inf, -2, 1], np.float32)).tolist()[:2] == [0, 0]
    assert signed(np.array([[np.nan]], np.float32)).shape == (1, 1, 3)
    spike = np.zeros((40, 40), np.float32)
    spike[0, 0] = 4
    assert scaled(spike)[0, 0] == 1
    assert tint(-0.5) == "rgba(11,97,195,0.30)"
    assert tint(5) == "rgba(194,65,13,0.60)"
    over = overlaid(np.full((1, 2, 3), 200, np.uint8), np.array([[0.0, 1.0]], np.float32))
    assert over[0, 0].tolist() == [110, 110, 110]
    assert over[0, 1].mean() > 180
