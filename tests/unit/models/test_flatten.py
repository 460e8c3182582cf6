"""`flatten` of images: torch's values and derivatives, in the memory layout that the image came in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from dlcli.models.flatten import FlattenImage
from tests.unit.models.layer_cases import PROFILE

LAYOUTS = [torch.contiguous_format, torch.channels_last]
sizes = st.tuples(*(st.integers(1, 4) for _ in range(4)))


def _image(sizes: tuple[int, ...], layout: torch.memory_format) -> Tensor:
    return torch.randn(sizes, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()


@PROFILE
@given(sizes=sizes, layout=st.sampled_from(LAYOUTS))
def test_values_and_gradients_are_those_of_torch(sizes: tuple[int, ...], layout: torch.memory_format) -> None:
    """Whatever the layout in memory, values come channel by channel and gradients go back where they belong."""
    image = _image(sizes, layout)
    ours, theirs = FlattenImage()(image), nn.Flatten()(image)
    weights = torch.randn_like(theirs)
    assert torch.equal(ours, theirs)
    assert torch.equal(torch.autograd.grad(ours, image, weights)[0], torch.autograd.grad(theirs, image, weights)[0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_first_and_second_derivatives_are_right(layout: torch.memory_format) -> None:
    """Autograd's own numerical check holds, twice."""
    image = _image((2, 3, 2, 4), layout)
    cubed = lambda x: FlattenImage()(x) ** 3  # noqa: E731  # something with a second derivative
    assert gradcheck(cubed, image)
    assert gradgradcheck(cubed, image)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_comes_in_the_layout_of_the_image(layout: torch.memory_format) -> None:
    """What stands before `flatten` gets a gradient laid out as its own output, and need not copy it."""
    image = _image((2, 3, 4, 5), layout)
    flat = FlattenImage()(image)
    (gradient,) = torch.autograd.grad(flat, image, torch.randn_like(flat))
    assert gradient.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_no_gradients_are_recorded(mode: type[torch.no_grad]) -> None:
    """Evaluation and prediction flatten as training does."""
    image = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    with mode():
        assert torch.equal(FlattenImage()(image), image.flatten(1))
