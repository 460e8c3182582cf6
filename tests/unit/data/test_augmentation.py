"""Random changes of pictures, against SciPy, NumPy and counting."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch import Tensor

from dlcli.config.augmentation import AUGMENTATIONS, AugmentationSpec, Crop, Elastic, Erase, Flip, Rotate, Scale, Shear, Shift
from dlcli.data import augmentation
from dlcli.data.augmentation import Augmenter

ALL = (Shift(), Rotate(), Scale(), Elastic(), Flip(), Crop(), Shear(), Erase())


def _images(batch: int = 8, channels: int = 1, height: int = 12, width: int = 10) -> Tensor:
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0)) + 0.1


def _changed(images: Tensor, *specs: AugmentationSpec, seed: int = 0, epoch: int = 0) -> Tensor:
    return Augmenter(specs, seed)(images, torch.arange(len(images)), epoch)


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts given numbers in the place of the random ones."""

    def fix(*numbers: float) -> None:
        monkeypatch.setattr(augmentation, "uniform", lambda _, __, samples, ___: torch.tensor(numbers).repeat(len(samples), 1))

    return fix


def _warped(images: Tensor, forward: np.ndarray) -> np.ndarray:
    """SciPy's: `forward` takes (x, y, 1) in pixels from the centre to where they go."""
    height, width = images.shape[2:]
    swap = np.eye(3)[[1, 0, 2]]
    centre = np.array([[1, 0, (height - 1) / 2], [0, 1, (width - 1) / 2], [0, 0, 1]])
    back = centre @ swap @ np.linalg.inv(forward) @ swap @ np.linalg.inv(centre)
    return np.stack(
        [[ndimage.affine_transform(p, back, order=1, mode="grid-constant") for p in image] for image in images.double().numpy()]
    )


def _move(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=float)


def _linear(a: float, b: float, c: float, d: float) -> np.ndarray:
    return np.array([[a, b, 0], [c, d, 0], [0, 0, 1]], dtype=float)


def _turn(degrees: float) -> np.ndarray:
    angle = math.radians(degrees)
    return _linear(math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle))


def _slant(degrees: float) -> np.ndarray:
    return _linear(1, -math.tan(math.radians(degrees)), 0, 1)


@pytest.mark.parametrize(
    ("specs", "numbers", "forward"),
    [
        ((Shift(pixels=3.0),), (0.9, 0.2), _move(2.4, -1.8)),
        ((Rotate(degrees=90.0),), (0.75,), _turn(45)),
        ((Scale(factor=0.5),), (0.9,), _linear(1.4, 0, 0, 1.4)),
        ((Shear(degrees=30.0),), (0.9,), _slant(24)),
        (
            (Shift(pixels=2.0), Rotate(degrees=40.0), Scale(factor=0.4), Shear(degrees=20.0)),
            (0.8, 0.1, 0.7, 0.2, 0.75),
            _slant(10) @ _linear(0.76, 0, 0, 0.76) @ _turn(16) @ _move(1.2, -1.6),
        ),
        (
            (Scale(factor=0.4), Shift(pixels=2.0), Rotate(degrees=40.0)),
            (0.2, 0.8, 0.1, 0.7),
            _turn(16) @ _move(1.2, -1.6) @ _linear(0.76, 0, 0, 0.76),
        ),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_moves_are_scipys_in_their_order(
    draw: Callable[..., None],
    specs: tuple[AugmentationSpec, ...],
    numbers: tuple[float, ...],
    forward: np.ndarray,
    channels: int,
) -> None:
    """Bilinear, black outside, around the centre; several are one product of matrices, the first applied first."""
    draw(*numbers)
    images = _images(channels=channels)
    np.testing.assert_allclose(_changed(images, *specs).numpy(), _warped(images, forward), atol=1e-4)


def test_a_shift_by_whole_pixels_copies(draw: Callable[..., None]) -> None:
    """Two to the right and two up, black behind."""
    draw(1.0, 0.0)
    images = _images()
    expected = torch.zeros_like(images)
    expected[:, :, :-2, 2:] = images[:, :, 2:, :-2]
    torch.testing.assert_close(_changed(images, Shift(pixels=2.0)), expected, atol=1e-5, rtol=0)


def test_a_bend_between_moves_follows_the_pixels(draw: Callable[..., None]) -> None:
    """A bend that is the same everywhere is a shift: before and after a turn it is another one."""
    images = _images(height=9, width=9)
    field = torch.full((len(images), 9, 9, 2), 1.0) * torch.tensor([2.0, -1.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentation, "_random_field", lambda *_: field)
        draw(*[0.5] * 8, 1.0)
        first = _changed(images, Elastic(grid=2), Rotate(degrees=30.0))
        draw(1.0, *[0.5] * 8)
        last = _changed(images, Rotate(degrees=30.0), Elastic(grid=2))
    np.testing.assert_allclose(first.numpy(), _warped(images, _turn(30) @ _move(-2, 1)), atol=1e-4)
    np.testing.assert_allclose(last.numpy(), _warped(images, _move(-2, 1) @ _turn(30)), atol=1e-4)


def test_a_bend_moves_every_pixel_by_its_standard_deviation() -> None:
    """Measured on ramps, whose value is the place it was taken from: normal, the same in the middle, between points, at edges."""
    size, spec = 41, Elastic(pixels=1.5, grid=4)
    ramp = torch.arange(size, dtype=torch.float32).expand(size, size)
    images = torch.stack([ramp, ramp.T]).expand(3000, 2, size, size)
    moved = (_changed(images, spec) - images)[:, :, 9:-9, 9:-9]
    deviation = moved.std(dim=0)
    assert deviation.min() > 1.5 * 0.93
    assert deviation.max() < 1.5 * 1.07
    assert stats.kstest(moved[:, 0, 11, 11].numpy() / 1.5, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(moved[:, 0, 11, 11], moved[:, 1, 11, 11])[0, 1]) < 0.1


def test_a_bend_is_smooth() -> None:
    """Neighbouring pixels go nearly the same way; distant ones do not."""
    size = 41
    ramp = torch.arange(size, dtype=torch.float32).expand(2000, 1, size, size)
    moved = (_changed(ramp, Elastic(pixels=1.5, grid=4)) - ramp)[:, 0, 20].numpy()
    assert np.corrcoef(moved[:, 10], moved[:, 11])[0, 1] > 0.95
    assert abs(np.corrcoef(moved[:, 10], moved[:, 33])[0, 1]) < 0.1


@pytest.mark.parametrize(("axis", "dim"), [("horizontal", 3), ("vertical", 2)])
def test_flips_are_exact_and_as_frequent_as_they_should_be(axis: str, dim: int) -> None:
    """Each picture is as it was or its mirror image, with chance p."""
    images = _images(batch=2000, channels=3, height=3, width=4)
    changed = _changed(images, Flip(axis=axis, p=0.3))
    same = (changed == images).flatten(1).all(1)
    mirrored = (changed == images.flip(dim)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert stats.binomtest(int(mirrored.sum()), 2000, 0.3).pvalue > 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_crops_are_exact_and_equally_frequent(channels: int) -> None:
    """Each picture is one of the (2 padding + 1)^2 windows of the padded one."""
    images = _images(batch=2500, channels=channels, height=4, width=6)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    changed = _changed(images, Crop(padding=2))
    found = torch.stack([(changed == padded[:, :, y : y + 4, x : x + 6]).flatten(1).all(1) for y in range(5) for x in range(5)])
    assert (found.sum(0) == 1).all()
    assert stats.chisquare(found.sum(1).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("area", [0.0099, 0.02, 0.1, 0.5, 1.0])
def test_what_is_erased_is_one_black_rectangle_within_its_area(area: float) -> None:
    """At any place; nothing else changes; as frequent as it should be."""
    images = _images(batch=2000, channels=2, height=12, width=16)
    changed = _changed(images, Erase(p=0.4, area=area))
    gone = changed[:, 0] == 0
    assert torch.equal(gone, changed[:, 1] == 0)
    assert torch.equal(changed[~gone[:, None].expand_as(changed)], images[~gone[:, None].expand_as(images)])
    rows, columns = gone.any(2), gone.any(1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None, :])
    assert gone.sum((1, 2)).max() <= max(1, area * 12 * 16)
    for side in (rows, columns):
        starts = side.int().diff(dim=1, prepend=torch.zeros(2000, 1, dtype=torch.int32)) == 1
        assert starts.sum(1).max() == 1
        assert side.any(0).all()
    assert stats.binomtest(int(gone.flatten(1).any(1).sum()), 2000, 0.4).pvalue > 1e-3


@pytest.mark.parametrize("spec", [Shift(pixels=0.0), Rotate(degrees=0.0), Scale(factor=0.0), Shear(degrees=0.0)])
def test_a_change_of_nothing_changes_nothing(spec: AugmentationSpec) -> None:
    """All numbers, within rounding."""
    images = _images(channels=3)
    torch.testing.assert_close(_changed(images, spec), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "spec", [*[(spec(),) for spec in AUGMENTATIONS.values()], ALL], ids=lambda specs: "+".join(s.kind for s in specs)
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_change_is_a_function_of_seed_epoch_and_sample(spec: tuple[AugmentationSpec, ...], channels: int) -> None:
    """The same in any batch and any order; another for another seed, epoch or sample; the given pictures stay as they were."""
    images = _images(batch=40, channels=channels)
    given = images.clone()
    samples = torch.randperm(1000, generator=torch.Generator().manual_seed(1))[:40]
    augmenter = Augmenter(spec, 3)
    whole = augmenter(images, samples, 5)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    parts = [augmenter(images[part], samples[part], 5) for part in order.split(7)]
    assert torch.equal(torch.cat(parts), whole[order])
    for other in (Augmenter(spec, 4)(images, samples, 5), augmenter(images, samples, 6), augmenter(images, samples + 1, 5)):
        assert not torch.equal(other, whole)
    assert torch.equal(images, given)


@pytest.mark.parametrize("spec", [(spec(),) for spec in AUGMENTATIONS.values()], ids=lambda specs: specs[0].kind)
def test_channels_come_out_last_in_memory(spec: tuple[AugmentationSpec, ...]) -> None:
    """Also where there is one, which only strides can say; however the pictures came in."""
    for channels in (1, 3):
        for images in (_images(channels=channels), _images(channels=channels).contiguous(memory_format=torch.channels_last)):
            changed = _changed(images, *spec)
            assert changed.shape == images.shape
            assert changed.stride() == (120 * channels, 1, 10 * channels, channels)


def test_the_random_numbers_of_torch_are_left_alone() -> None:
    """Dropout and the like go on as if nothing had been changed."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    _changed(_images(), *ALL)
    assert torch.equal(before, torch.get_rng_state())
