"""The pictures of a batch, side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlcli.config.shapes import Image, Sequence, Vector
from dlcli.data.batches import Batch
from dlcli.training.loggers.picture_grid import picture_grids


def grid_of(inputs: torch.Tensor, shape: Image | Sequence) -> np.ndarray:
    [(name, grid)] = picture_grids(Batch(inputs, torch.zeros(len(inputs)), len(inputs)), {"input": shape})
    assert name == "input"
    assert grid.dtype == np.uint8
    return grid


def test_each_picture_stands_at_its_place() -> None:
    """Row by row, eight in a row, with grey between them; large ones as they are."""
    pictures = torch.zeros(11, 3, 40, 50)
    for number in range(11):
        pictures[number, :, number, 2 * number] = 1
    grid = grid_of(pictures, Image(3, 40, 50))
    assert grid.shape == (40 + 2 + 40, 8 * 50 + 7 * 2, 3)
    for number in range(11):
        top, left = number // 8 * 42, number % 8 * 52
        tile = grid[top : top + 40, left : left + 50]
        assert np.argwhere(tile[:, :, 0] == 255).tolist() == [[number, 2 * number]]
        assert tile.sum() == 3 * 255
    assert (grid[40:42] == 128).all()
    assert (grid[:40, 50:52] == 128).all()
    assert (grid[42:, 3 * 52 :] == 128).all()


@pytest.mark.parametrize(("size", "factor"), [(8, 4), (28, 1), (15, 2), (33, 1)])
def test_small_pictures_are_made_larger(size: int, factor: int) -> None:
    """Each pixel a square."""
    picture = torch.rand(1, 1, size, size)
    grid = grid_of(picture, Image(1, size, size))
    low, high = picture.min(), picture.max()
    expected = ((picture[0, 0] - low) / (high - low) * 255).round().to(torch.uint8)
    assert np.array_equal(grid, np.kron(expected.numpy()[:, :, None].repeat(3, 2), np.ones((factor, factor, 1), np.uint8)))


def test_colours_keep_their_relations() -> None:
    """The least value of all is black, the largest white, whatever the normalisation made of them."""
    picture = torch.tensor([-2.0, 0.0, 2.0]).reshape(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert grid_of(picture, Image(3, 32, 32))[0, 0].tolist() == [0, 128, 255]


def test_other_channels_become_their_mean() -> None:
    """In grey."""
    picture = torch.stack([torch.zeros(32, 32), torch.ones(32, 32)])[None]
    assert np.unique(grid_of(picture, Image(2, 32, 32))).tolist() == [128]


def test_a_picture_of_one_value_is_black() -> None:
    """Nothing is divided by zero."""
    assert np.unique(grid_of(torch.full((1, 1, 32, 32), 7.0), Image(1, 32, 32))).tolist() == [0]


def test_clips_are_a_row_each() -> None:
    """Eight clips at most, with all their frames."""
    clips = torch.zeros(10, 5, 1, 32, 32)
    for clip in range(10):
        for frame in range(5):
            clips[clip, frame, 0, clip, frame] = 1
    grid = grid_of(clips, Sequence(5, Image(1, 32, 32)))
    assert grid.shape == (8 * 34 - 2, 5 * 34 - 2, 3)
    for clip in range(8):
        for frame in range(5):
            tile = grid[34 * clip : 34 * clip + 32, 34 * frame : 34 * frame + 32, 0]
            assert np.argwhere(tile == 255).tolist() == [[clip, frame]]


def test_a_batch_shows_64_pictures_at_most() -> None:
    """Eight rows."""
    assert grid_of(torch.rand(100, 1, 32, 32), Image(1, 32, 32)).shape == (8 * 34 - 2, 8 * 34 - 2, 3)


def test_of_several_inputs_the_pictures_are_shown() -> None:
    """By their names; vectors and series are no pictures."""
    inputs = {"photo": torch.rand(2, 1, 32, 32), "table": torch.rand(2, 4), "series": torch.rand(2, 6, 3)}
    shapes = {"photo": Image(1, 32, 32), "table": Vector(4), "series": Sequence(6, Vector(3))}
    assert [name for name, _ in picture_grids(Batch(inputs, torch.zeros(2), 2), shapes)] == ["photo"]
