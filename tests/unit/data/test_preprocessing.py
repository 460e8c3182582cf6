"""From kept samples to network inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.config.augmentation import Erase
from dlcli.config.data import Arrays, Cifar10, DataSpec, Mnist, SplitSpec
from dlcli.config.facts import DataFacts, Target
from dlcli.config.normalisation import FixedNormalize, NoNormalize
from dlcli.config.shapes import Image, Sequence, Shape, Token, Vector, Volume
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import DataError

GREY = FixedNormalize(mean=(0.25,), std=(0.5,))
COLOUR = FixedNormalize(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))


def _bytes(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _images(channels: int, **fields: Any) -> tuple[Preprocessing, np.ndarray, Tensor]:
    """For pictures of MNIST's or CIFAR's size: what they become, normalised by NumPy (N, H, W, C), and raw."""
    spec: DataSpec = Mnist(normalize=GREY, **fields) if channels == 1 else Cifar10(normalize=COLOUR, **fields)
    size = 28 if channels == 1 else 32
    raw = _bytes(5, size, size, channels)
    normalize = GREY if channels == 1 else COLOUR
    expected = (raw.numpy() / 255 - np.array(normalize.mean)) / np.array(normalize.std)
    return Preprocessing(spec, spec.facts()), expected, raw


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_scaled_normalised_and_have_their_channels_last_in_memory(channels: int) -> None:
    """(x / 255 - mean) / std as (N, C, H, W), with strides that say channels-last also for one channel."""
    preprocessing, expected, raw = _images(channels)
    before = raw.clone()
    found = preprocessing(raw)
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
    assert found.dtype == torch.float32
    size = raw.shape[1]
    assert found.stride() == (size * size * channels, 1, size * channels, channels)
    assert torch.equal(raw, before)


@pytest.mark.parametrize("channels", [1, 3])
def test_views_read_a_picture_as_a_sequence(channels: int) -> None:
    """Rows side by side with their channels; pixels one after the other."""
    rows, expected, raw = _images(channels, view="rows")
    size = raw.shape[1]
    np.testing.assert_allclose(rows(raw).numpy(), expected.reshape(5, size, size * channels), atol=1e-6)
    pixels, _, _ = _images(channels, view="pixels")
    np.testing.assert_allclose(pixels(raw).numpy(), expected.reshape(5, size * size, channels), atol=1e-6)


def test_permuted_pixels_have_one_order_for_all_that_the_split_seed_fixes() -> None:
    """A permutation; the same for every picture and training seed; another for another split seed."""
    raw = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)

    def order(split_seed: int, seed: int) -> list[int]:
        spec = Arrays(path="x", view="permuted_pixels", normalize=NoNormalize(), split=SplitSpec(seed=split_seed))
        preprocessing = Preprocessing(spec, DataFacts.of(Sequence(256, Vector(1))), seed=seed)
        return (preprocessing(raw)[0, :, 0] * 255).round().int().tolist()

    assert sorted(order(0, 0)) == list(range(256))
    assert order(0, 0) != list(range(256))
    assert order(0, 0) == order(0, 1)
    assert order(0, 0) != order(1, 0)


@pytest.mark.parametrize(
    ("shape", "raw", "axes"),
    [
        (Vector(4), (5, 4), (0, 1)),
        (Sequence(6, Vector(4)), (5, 6, 4), (0, 1, 2)),
        (Image(4, 6, 7), (5, 6, 7, 4), (0, 3, 1, 2)),
        (Sequence(2, Image(4, 6, 7)), (5, 2, 6, 7, 4), (0, 1, 4, 2, 3)),
        (Volume(4, 2, 6, 7), (5, 2, 6, 7, 4), (0, 4, 1, 2, 3)),
    ],
)
def test_floats_are_normalised_and_come_in_torchs_order(shape: Shape, raw: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """Not scaled; the samples themselves are left as they are."""
    values = torch.randn(raw, generator=torch.Generator().manual_seed(0))
    before = values.clone()
    normalize = FixedNormalize(mean=(0.0, 1.0, 2.0, 3.0), std=(1.0, 2.0, 3.0, 4.0))
    found = Preprocessing(Arrays(path="x", normalize=normalize), DataFacts.of(shape))(values)
    expected = (before.numpy() - np.array(normalize.mean)) / np.array(normalize.std)
    np.testing.assert_allclose(found.numpy(), expected.transpose(axes), atol=1e-6)
    assert found.shape[1:] == torch.Size(shape.sizes)
    assert torch.equal(values, before)


def test_without_normalisation_bytes_are_scaled_and_floats_left_alone() -> None:
    """0 to 255 become 0 to 1."""
    preprocessing = Preprocessing(Arrays(path="x", normalize=NoNormalize()), DataFacts.of(Image(1, 2, 2)))
    raw = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).view(1, 2, 2, 1)
    torch.testing.assert_close(preprocessing(raw).flatten(), torch.tensor([0.0, 0.2, 0.4, 1.0]))
    assert torch.equal(preprocessing(raw.float()).flatten(), raw.float().flatten())


def test_tokens_stay_tokens() -> None:
    """Whole numbers, untouched."""
    tokens = torch.tensor([[1, 2], [3, 0]])
    preprocessing = Preprocessing(Arrays(path="x", normalize=NoNormalize()), DataFacts.of(Sequence(2, Token(4))))
    assert torch.equal(preprocessing(tokens), tokens)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("view", ["image", "rows"])
def test_pictures_are_changed_in_training_only_and_before_they_are_normalised(channels: int, view: str) -> None:
    """What is erased is black, which normalised is not 0; without samples and epoch nothing is erased."""
    preprocessing, expected, raw = _images(channels, view=view, augment=(Erase(p=1.0, area=1.0),))
    black = (0 - np.array((GREY if channels == 1 else COLOUR).mean)) / np.array((GREY if channels == 1 else COLOUR).std)

    def as_kept(values: Tensor) -> np.ndarray:
        return (values.permute(0, 2, 3, 1) if view == "image" else values).numpy().reshape(expected.shape)

    np.testing.assert_allclose(as_kept(preprocessing(raw)), expected, atol=1e-6)
    changed = as_kept(preprocessing(raw, torch.arange(5), 0))
    gone = ~np.isclose(changed, expected, atol=1e-6).all(axis=3)
    assert gone.any(axis=(1, 2)).all()
    np.testing.assert_allclose(changed[gone], np.broadcast_to(black, changed[gone].shape), atol=1e-6)


def test_changes_depend_on_the_seed() -> None:
    """Of the training."""
    spec = Mnist(normalize=GREY, augment=(Erase(p=1.0),))
    raw = _bytes(5, 28, 28, 1)
    one, again, other = (Preprocessing(spec, spec.facts(), seed=seed)(raw, torch.arange(5), 0) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("channels", [1, 3])
def test_several_views_are_of_the_same_changed_pictures(channels: int) -> None:
    """Each as it would be alone; what is changed at random is changed once, before the views."""
    changes = (Erase(p=1.0, area=0.5),)
    several, _, raw = _images(channels, view=["rows", "image", "permuted_pixels"], augment=changes)
    for arguments in ((), (torch.arange(5), 3)):
        found = several(raw, *arguments)
        assert isinstance(found, dict)
        assert list(found) == ["rows", "image", "permuted_pixels"]
        for view, values in found.items():
            alone, _, _ = _images(channels, view=view, augment=changes)
            assert torch.equal(values, alone(raw, *arguments))


def test_several_inputs_have_their_own_normalisation_and_order() -> None:
    """Pictures beside numbers."""
    spec = Arrays(path="x", inputs=("image", "meta"), normalize={"image": COLOUR, "meta": GREY})
    facts = DataFacts({"image": Image(3, 6, 7), "meta": Vector(1)}, {"target": Target(num_classes=2)})
    image, meta = _bytes(5, 6, 7, 3), torch.arange(5.0)[:, None]
    found = Preprocessing(spec, facts)({"meta": meta, "image": image})
    assert isinstance(found, dict)
    assert list(found) == ["image", "meta"]
    expected = (image.numpy() / 255 - np.array(COLOUR.mean)) / np.array(COLOUR.std)
    np.testing.assert_allclose(found["image"].numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
    np.testing.assert_allclose(found["meta"].numpy(), (meta.numpy() - 0.25) / 0.5, atol=1e-6)


def _two_inputs() -> Preprocessing:
    spec = Arrays(path="x", inputs=("image", "meta"), normalize={"image": GREY, "meta": GREY})
    return Preprocessing(spec, DataFacts({"image": Image(1, 6, 7), "meta": Vector(1)}, {"target": Target(num_classes=2)}))


class TestChecked:
    """Samples from outside."""

    def test_several_inputs_come_by_name(self) -> None:
        """Each as it would be alone, in the network's order."""
        checked = _two_inputs().checked({"meta": torch.zeros(2, 1, dtype=torch.float64), "image": _bytes(2, 6, 7)})
        assert isinstance(checked, dict)
        assert [(name, values.shape, values.dtype) for name, values in checked.items()] == [
            ("image", (2, 6, 7, 1), torch.uint8),
            ("meta", (2, 1), torch.float32),
        ]

    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            (_bytes(2, 6, 7), r"there are 2 inputs \(image, meta\), and one array was given"),
            ({"image": _bytes(2, 6, 7)}, "the inputs are image, meta, and there is no `meta`"),
            (
                {"image": _bytes(2, 6, 7), "meta": torch.zeros(2, 1), "mta": torch.zeros(2, 1)},
                "the inputs are image, meta, and there is `mta`",
            ),
            ({"image": _bytes(2, 6, 7), "meta": torch.zeros(3, 1)}, "different numbers of samples: image 2, meta 3"),
            ({"image": _bytes(2, 6, 7), "meta": torch.zeros(2, 2)}, "the samples of meta have the shape .* don't give a vector"),
        ],
    )
    def test_several_inputs_that_do_not_fit_are_refused(self, inputs: Any, words: str) -> None:
        """With what is missing, unknown or of another size, and what to give."""
        with pytest.raises(DataError, match=words) as caught:
            _two_inputs().checked(inputs)
        assert caught.value.help

    def test_one_input_comes_without_a_name(self) -> None:
        """Also where the network reads several views of it."""
        for view in ("image", ["image", "rows"]):
            preprocessing, _, raw = _images(1, view=view)
            assert torch.equal(preprocessing.checked(raw[..., 0]), raw)
            with pytest.raises(DataError, match="there is one input, and a dict was given"):
                preprocessing.checked({"image": raw})

    def test_pictures_may_lack_the_axis_of_their_one_channel(self) -> None:
        """(N, H, W) of bytes, or of whole numbers that are bytes."""
        preprocessing, _, raw = _images(1)
        for inputs in (raw, raw[..., 0], raw[..., 0].to(torch.int64)):
            assert torch.equal(preprocessing.checked(inputs), raw)

    @pytest.mark.parametrize("view", ["rows", "pixels", "permuted_pixels"])
    def test_pictures_stay_pictures_whatever_the_view(self, view: str) -> None:
        """The view comes later."""
        preprocessing, _, raw = _images(1, view=view)
        assert preprocessing(preprocessing.checked(raw[..., 0])).shape[1:] == torch.Size(Mnist(view=view).facts().input.sizes)

    def test_pictures_of_another_size_are_scaled_where_the_config_says_so(self) -> None:
        """`resize` holds for them too."""
        preprocessing, _, _ = _images(1, resize=(14, 14))
        assert preprocessing.checked(_bytes(2, 30, 20)).shape == (2, 14, 14, 1)

    def test_floats_of_any_width_become_float32(self) -> None:
        """NumPy's are float64."""
        preprocessing = Preprocessing(Arrays(path="x", normalize=NoNormalize()), DataFacts.of(Sequence(3, Vector(2))))
        assert preprocessing.checked(torch.zeros(4, 3, 2, dtype=torch.float64)).dtype == torch.float32

    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            (_bytes(2, 27, 28), "don't give an image"),
            (_bytes(2, 28, 28, 3), "don't give an image"),
            (_bytes(28, 28), "don't give an image"),
            (torch.full((1, 28, 28), 256), "0 to 255"),
            (torch.full((1, 28, 28), -1), "0 to 255"),
        ],
    )
    def test_other_samples_are_refused(self, inputs: Tensor, words: str) -> None:
        """Wrong sizes, channels, axes or values."""
        preprocessing, _, _ = _images(1)
        with pytest.raises(DataError, match=words):
            preprocessing.checked(inputs)

    def test_channels_are_not_mistaken_for_columns(self) -> None:
        """28 columns of 3 colours are as many features as 84 grey ones."""
        preprocessing = Preprocessing(Arrays(path="x", view="rows", normalize=GREY), DataFacts.of(Sequence(28, Vector(84))))
        assert preprocessing.checked(_bytes(1, 28, 84)).shape == (1, 28, 84, 1)
        with pytest.raises(DataError):
            preprocessing.checked(_bytes(1, 28, 28, 3))

    @pytest.mark.parametrize(
        "tokens", [torch.tensor([[0, 4]]), torch.tensor([[-1, 0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0, 1])]
    )
    def test_tokens_outside_the_vocabulary_are_refused(self, tokens: Tensor) -> None:
        """As are floats and other lengths."""
        preprocessing = Preprocessing(Arrays(path="x", normalize=NoNormalize()), DataFacts.of(Sequence(2, Token(4))))
        assert preprocessing.checked(torch.tensor([[0, 3]], dtype=torch.uint8)).dtype == torch.int64
        with pytest.raises(DataError):
            preprocessing.checked(tokens)


def test_moving_to_a_device_leaves_the_numbers() -> None:
    """On the meta device only shapes are left; the original still computes."""
    preprocessing, expected, raw = _images(3)
    moved = preprocessing.to(torch.device("meta"))
    assert moved(raw.to("meta")).device.type == "meta"
    np.testing.assert_allclose(preprocessing(raw).numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)
    several, _, _ = _images(3, view=["image", "permuted_pixels"])
    assert {values.device.type for values in several.to(torch.device("meta"))(raw.to("meta")).values()} == {"meta"}
