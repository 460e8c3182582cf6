"""Layers that run as one, against the same layers one by one in plain torch.

Most values here are small integers: their sums are exact in any order, so that results are equal to the bit, and windows are full of
equal values.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Image, Sequence
from dlcli.models import kernels
from dlcli.models.flatten import FlattenImage
from dlcli.models.fusion import convolve_and_pool, fused, rectify_and_pool
from dlcli.models.network import Network
from tests.unit.models.compiled import LEVELS, WAYS, take
from tests.unit.models.graphs import read_layers

ORDERS = ["relu-pool", "pool-relu"]
CHAINS = [(order, end) for order in ORDERS for end in ("flatten", "no flatten")]
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "3 x 3": {},
    "1 x 1": {"kernel_size": 1},
    "5 x 5": {"kernel_size": 5},
    "3 x 5": {"kernel_size": (3, 5)},
    "three channels": {"in_channels": 3},
    "three channels, 5 x 5": {"in_channels": 3, "kernel_size": 5},
    "32 filters": {"out_channels": 32},
    "48 filters of three channels": {"in_channels": 3, "out_channels": 48},
    "no bias": {"bias": False},
    "padded": {"padding": 1},
    "padded by 2 and 1": {"kernel_size": (5, 3), "padding": (2, 1)},
}
"""Those that are compiled."""
OTHERS: dict[str, dict[str, Any]] = {
    "6 filters": {"out_channels": 6},
    "24 filters": {"out_channels": 24},
    "many taps": {"in_channels": 4, "kernel_size": 5},
    "stride": {"stride": 2},
    "dilation": {"dilation": 2},
    "groups": {"in_channels": 4, "groups": 2},
    "padded to the same size": {"padding": "same"},
    "padded with what is there": {"padding": 1, "padding_mode": "reflect"},
}
"""Those that run by themselves."""
POOLS: dict[str, dict[str, Any]] = {
    "pool 2": {"kernel_size": 2},
    "pool 3": {"kernel_size": 3},
    "pool 2 x 3": {"kernel_size": (2, 3)},
    "pool 1": {"kernel_size": 1},
    "pool 3 by name": {"kernel_size": (3, 3), "stride": 3},
}
OTHER_POOLS: dict[str, dict[str, Any]] = {
    "overlapping": {"kernel_size": 3, "stride": 2},
    "apart": {"kernel_size": 2, "stride": 3},
    "padded": {"kernel_size": 2, "padding": 1},
    "dilated": {"kernel_size": 2, "stride": 2, "dilation": 2},
    "rounded up": {"kernel_size": 2, "ceil_mode": True},
}
SIZES = [(11, 10), (12, 12)]
"""With rests behind the last window, and without."""
CONVOLVED, POOLED = "_ConvolveAndPoolBackward", "_RectifyAndPoolBackward"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=LEVELS)
def _compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    take(request.param, monkeypatch)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each level's kernels, or none."""
    take(request.param, monkeypatch)
    return str(request.param)


compiled = pytest.mark.usefixtures("_compiled")
"""Once with each level's kernels."""


@pytest.fixture
def _threads_put_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def _integers(*sizes: int, largest: int = 3) -> Tensor:
    return torch.randint(-largest, largest + 1, sizes).float()


def _in_order(order: str, pool: nn.Module) -> list[nn.Module]:
    return [nn.ReLU(), pool] if order == "relu-pool" else [pool, nn.ReLU()]


def _convolution(**options: Any) -> nn.Conv2d:
    """With integers for weights."""
    convolution = nn.Conv2d(**{"in_channels": 1, "out_channels": 16, "kernel_size": 3, **options})
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.copy_(_integers(*parameter.shape, largest=2))
    return convolution


def _chain(order: str, end: str, pool: dict[str, Any] | None = None, **options: Any) -> list[nn.Module]:
    behind = [FlattenImage()] if end == "flatten" else []
    return [_convolution(**options), *_in_order(order, nn.MaxPool2d(**(pool or POOLS["pool 2"]))), *behind]


def _run(layers: list[nn.Module], values: Tensor) -> Tensor:
    place = 0
    for run, count in fused(layers):
        values = run(values, *layers[place : place + count])
        place += count
    return values


def _one_by_one(layers: list[nn.Module], values: Tensor) -> Tensor:
    for layer in layers:
        values = values.flatten(1) if isinstance(layer, FlattenImage) else layer(values)
    return values


def _functions(output: Tensor) -> set[str]:
    """The names of what autograd has recorded."""
    found, waiting = set(), [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [before for before, _ in node.next_functions]
    return {node.name() for node in found}


def _assert_equal(layers: list[nn.Module], values: Tensor, *, by_input: bool = False, **tolerance: Any) -> set[str]:
    """Values and all gradients are those of the layers one by one; to the bit unless told otherwise.

    Returns:
        What autograd recorded.
    """
    sources = [parameter for layer in layers for parameter in layer.parameters()]
    if by_input:
        sources.append(values.requires_grad_())
    ours, theirs = _run(layers, values), _one_by_one(layers, values)
    weights = _integers(*theirs.shape)
    gradients = [torch.autograd.grad(output, sources, weights) for output in (ours, theirs)]
    tolerance = {"rtol": 0, "atol": 0, **tolerance}
    torch.testing.assert_close(ours, theirs, **tolerance)
    torch.testing.assert_close(*gradients, **tolerance)
    return _functions(ours)


@pytest.mark.parametrize("size", SIZES, ids=["rests", "no rests"])
@pytest.mark.parametrize(("order", "end"), CHAINS)
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_convolutions_of_few_channels_run_as_one_with_what_follows(
    way: str, convolution: str, order: str, end: str, size: tuple[int, int]
) -> None:
    """Values, and gradients of weight and bias, are equal to the bit."""
    layers = _chain(order, end, **CONVOLUTIONS[convolution])
    recorded = _assert_equal(layers, _integers(3, layers[0].in_channels, *size))
    assert (CONVOLVED in recorded) == (way != "torch")


@compiled
@pytest.mark.parametrize(("order", "end"), CHAINS)
@pytest.mark.parametrize("pool", POOLS)
def test_windows_may_have_any_size(pool: str, order: str, end: str) -> None:
    """Also one that does not divide that of the image."""
    for size in SIZES:
        layers = _chain(order, end, POOLS[pool], in_channels=3, out_channels=32)
        assert CONVOLVED in _assert_equal(layers, _integers(3, 3, *size))


@compiled
@pytest.mark.parametrize(("order", "end"), CHAINS)
@pytest.mark.parametrize("options", OTHERS)
def test_other_convolutions_run_by_themselves(options: str, order: str, end: str) -> None:
    """With the values and gradients that they have in torch."""
    layers = _chain(order, end, **OTHERS[options])
    assert CONVOLVED not in _assert_equal(layers, _integers(3, layers[0].in_channels, 13, 14))


@compiled
@pytest.mark.parametrize(("order", "end"), CHAINS)
@pytest.mark.parametrize("pool", OTHER_POOLS)
def test_other_pools_run_by_themselves(pool: str, order: str, end: str) -> None:
    """Windows that overlap, leave gaps, or reach over the edge."""
    recorded = _assert_equal(_chain(order, end, OTHER_POOLS[pool]), _integers(3, 1, 13, 14))
    assert recorded.isdisjoint({CONVOLVED, POOLED})


@compiled
def test_a_window_too_large_for_a_byte_runs_by_itself() -> None:
    """Its pixels could not be told apart."""
    recorded = _assert_equal(_chain("pool-relu", "flatten", {"kernel_size": 17}), _integers(2, 1, 20, 20))
    assert recorded.isdisjoint({CONVOLVED, POOLED})


@compiled
@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_real_numbers_differ_by_rounding_alone(order: str, end: str) -> None:
    """With torch's own start of the weights and pictures of noise."""
    layers = _chain(order, end, in_channels=3, out_channels=32, kernel_size=5)
    layers[0].reset_parameters()
    assert CONVOLVED in _assert_equal(layers, torch.randn(4, 3, 28, 28), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("channels", [1, 5, 16, 33])
@pytest.mark.parametrize("order", ORDERS)
def test_a_relu_and_a_pool_run_as_one_on_channels_last(way: str, order: str, channels: int, pool: str) -> None:
    """Values and the gradient of the image, to the bit, with 0 for pixels that no window reaches."""
    for size in SIZES:
        image = _integers(3, channels, *size).contiguous(memory_format=torch.channels_last)
        recorded = _assert_equal(_in_order(order, nn.MaxPool2d(**POOLS[pool])), image, by_input=True)
        assert (POOLED in recorded) == (way != "torch")


@compiled
@pytest.mark.parametrize("order", ORDERS)
def test_a_relu_and_a_pool_take_an_image_channel_by_channel(order: str) -> None:
    """In torch's calls, with its values and gradient."""
    recorded = _assert_equal(_in_order(order, nn.MaxPool2d(2)), _integers(3, 5, 11, 10), by_input=True)
    assert POOLED not in recorded


@pytest.mark.parametrize("order", ORDERS)
def test_the_first_of_equal_pixels_gets_the_gradient(way: str, order: str) -> None:
    """As in torch: of a constant picture the first pixel of each window."""
    image = torch.ones(1, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    (gradient,) = torch.autograd.grad(_run(_in_order(order, nn.MaxPool2d(2)), image).sum(), image)
    expected = torch.zeros_like(image)
    expected[..., ::2, ::2] = 1
    assert torch.equal(gradient, expected)


@pytest.mark.parametrize("pool", [2, 3, (2, 3)], ids=str)
@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_the_first_of_equal_sums_gets_the_gradient(way: str, order: str, end: str, pool: int | tuple[int, int]) -> None:
    """A filter that sees its middle alone, on a picture of patches: which pixel it was shows in the gradient of the others."""
    layers = _chain(order, end, {"kernel_size": pool}, padding=1)
    with torch.no_grad():
        layers[0].weight.zero_()
        layers[0].weight[:, :, 1, 1] = 1
        layers[0].bias.zero_()
    down, across = pool if isinstance(pool, tuple) else (pool, pool)
    patches = torch.randint(1, 9, (2, 1, 4, 4)).float()
    _assert_equal(layers, patches.repeat_interleave(down, 2).repeat_interleave(across, 3))


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_constant_pictures_are_those_of_torch(way: str, order: str, end: str, level: float) -> None:
    """All sums of a filter are equal, and 0 where the picture and the bias are."""
    layers = _chain(order, end)
    layers[0].bias.data[::2] = 0
    _assert_equal(layers, torch.full((3, 1, 11, 10), level))


@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_where_all_is_negative_zeros_come_out_and_no_gradient(way: str, order: str, end: str) -> None:
    """What a ReLU shuts is shut in any order."""
    layers = _chain(order, end)
    layers[0].bias.data.fill_(-1000)
    output = _run(layers, _integers(3, 1, 11, 10))
    gradients = torch.autograd.grad(output.sum(), list(layers[0].parameters()))
    assert not output.any()
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=["nan", "infinity", "minus infinity"])
@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_what_is_not_finite_comes_out_where_it_does_in_torch(way: str, order: str, end: str, value: float) -> None:
    """And NaN in a picture is NaN in the gradient of the weights."""
    layers, images = _chain(order, end), _integers(3, 1, 11, 10)
    images[1, 0, 4, 5] = value
    output = _run(layers, images)
    torch.testing.assert_close(output, _one_by_one(layers, images), rtol=0, atol=0, equal_nan=True)
    assert output[[0, 2]].isfinite().all()
    assert not output[1].isfinite().all()
    if torch.isnan(torch.tensor(value)):
        assert torch.autograd.grad(output.sum(), layers[0].weight)[0].isnan().all()


@pytest.mark.parametrize("pool", ["pool 2", "pool 3"])
@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_nan_comes_out_from_any_place_of_a_window(way: str, order: str, end: str, pool: str) -> None:
    """Of a filter of one weight, so that nothing else is NaN beside it."""
    layers, images = _chain(order, end, POOLS[pool], kernel_size=1), _integers(9, 1, 6, 6)
    layers[0].weight.data.fill_(1)
    for place, image in enumerate(images):
        image[0, place // 3, place % 3] = torch.nan
    output = _run(layers, images)
    torch.testing.assert_close(output, _one_by_one(layers, images), rtol=0, atol=0, equal_nan=True)
    assert output.isnan().flatten(1).any(1).all()


@pytest.mark.parametrize("order", ORDERS)
def test_nan_in_a_pool_comes_out_and_gets_the_gradient(way: str, order: str) -> None:
    """It counts as larger than all, the last of several, as in torch."""
    image = _integers(2, 5, 6, 6).contiguous(memory_format=torch.channels_last)
    image[0, :, 1:4, 1:4] = torch.nan
    image.requires_grad_()
    layers = _in_order(order, nn.MaxPool2d(2))
    ours, theirs = _run(layers, image), _one_by_one(layers, image)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    weights = _integers(*ours.shape)
    gradients = [torch.autograd.grad(output, image, weights)[0] for output in (ours, theirs)]
    assert torch.equal(*gradients)


@compiled
def test_a_gradient_by_the_picture_is_computed() -> None:
    """As for explanations: the convolution then runs by itself."""
    for order, end in CHAINS:
        layers = _chain(order, end, in_channels=3)
        assert CONVOLVED not in _assert_equal(layers, _integers(3, 3, 11, 10), by_input=True)
        channels_last = _integers(3, 3, 11, 10).contiguous(memory_format=torch.channels_last)
        assert CONVOLVED not in _assert_equal(layers, channels_last, by_input=True)


@compiled
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
@pytest.mark.parametrize(("order", "end"), CHAINS)
def test_values_are_the_same_where_no_gradients_are_recorded(
    mode: type[torch.no_grad], order: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And come without the convolution's own call, also of a picture that would record them."""
    layers, images = _chain(order, end), _integers(3, 1, 11, 10).requires_grad_()
    with mode():
        expected = _one_by_one(layers, images)
        monkeypatch.delattr(nn.Conv2d, "forward")
        assert torch.equal(_run(layers, images), expected)


@compiled
@pytest.mark.parametrize("layout", ["channels last", "turned", "every other", "one picture again and again"])
def test_pictures_may_lie_in_memory_in_any_order(layout: str) -> None:
    """Read as the numbers they are."""
    images = {
        "channels last": _integers(4, 3, 11, 10).contiguous(memory_format=torch.channels_last),
        "turned": _integers(4, 3, 10, 11).transpose(2, 3),
        "every other": _integers(8, 6, 22, 20)[::2, ::2, ::2, ::2],
        "one picture again and again": _integers(1, 3, 11, 10).expand(4, -1, -1, -1),
    }[layout]
    assert not images.is_contiguous()
    for order, end in CHAINS:
        assert CONVOLVED in _assert_equal(_chain(order, end, in_channels=3), images)


@compiled
@pytest.mark.parametrize("end", ["flatten", "no flatten"])
def test_gradients_may_lie_in_memory_in_any_order(end: str) -> None:
    """As a sum, a transpose or the layer behind hands them back."""
    layers, images = _chain("relu-pool", end), _integers(3, 1, 12, 12)
    shape = _one_by_one(layers, images).shape
    gradients = [torch.ones(1).expand(shape), _integers(*reversed(shape)).permute(*reversed(range(len(shape))))]
    if end == "no flatten":
        gradients += [_integers(*shape), _integers(*shape).contiguous(memory_format=torch.channels_last)]
    for gradient in gradients:
        ours, theirs = (
            torch.autograd.grad(run(layers, images), list(layers[0].parameters()), gradient) for run in (_run, _one_by_one)
        )
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@compiled
def test_pictures_of_other_channels_are_refused() -> None:
    """By the convolution, in torch's words: nothing is read that is not there."""
    for channels in (1, 4):
        with pytest.raises(RuntimeError, match=f"to have 3 channels, but got {channels}"):
            _run(_chain("relu-pool", "flatten", in_channels=3), _integers(2, channels, 11, 10))


@compiled
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=["float64", "bfloat16"])
def test_other_types_take_the_way_of_torch(dtype: torch.dtype) -> None:
    """By weights of that type, and by autocast."""
    for order, end in CHAINS:
        layers, images = [layer.to(dtype) for layer in _chain(order, end)], _integers(3, 1, 11, 10)
        ours = _run(layers, images.to(dtype))
        assert ours.dtype == dtype
        assert _functions(ours).isdisjoint({CONVOLVED, POOLED})
        assert torch.equal(ours, _one_by_one(layers, images.to(dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        layers = _chain("relu-pool", "flatten")
        ours = _run(layers, images)
        assert _functions(ours).isdisjoint({CONVOLVED, POOLED})
        assert torch.equal(ours, _one_by_one(layers, images))


# In networks.

LAYERS = """
    - conv2d: {out_channels: 16, kernel_size: 3, name: low}
    - relu: {name: low_relu}
    - max_pool2d: {kernel_size: 2, name: low_pool}
    - conv2d: {out_channels: 16, kernel_size: 3, name: high}
    - max_pool2d: {kernel_size: 2, name: high_pool}
    - relu: {name: high_relu}
    - flatten: {name: flat}
    - linear: {out_features: 3, name: head}
"""
NAMES = ["low", "low_relu", "low_pool", "high", "high_pool", "high_relu", "flat", "head"]
PICTURE = "[conv2d: {out_channels: 16, kernel_size: 3, name: a}, relu: {name: b}, max_pool2d: {kernel_size: 2, name: c}, flatten: {name: d}]"


def _network(layers: str = LAYERS) -> Network:
    return Network(read_layers(layers, Image(1, 14, 13)))


def _plain(network: Network) -> nn.Sequential:
    """The network's own layers, one by one."""
    return nn.Sequential(*(nn.Flatten() if isinstance(layer, FlattenImage) else layer for layer in network.children()))


def _assert_network_is_its_layers(network: Network, images: Tensor) -> set[str]:
    ours, theirs = network(images), _plain(network)(images)
    weights, sources = torch.randn_like(theirs), list(network.parameters())
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad(output, sources, weights) for output in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-4)
    return _functions(ours)


def test_a_network_is_its_layers_one_by_one(way: str) -> None:
    """Two convolutions, of which the first runs as one with what follows, and of the second what follows; all gradients."""
    recorded = _assert_network_is_its_layers(_network(), torch.randn(5, 1, 14, 13))
    assert recorded.isdisjoint({CONVOLVED, POOLED}) == (way == "torch")


@compiled
def test_nested_networks_run_so_too() -> None:
    """A part under a name, and a body that runs on each step of a clip."""
    network = _network(f"- sequential: {{layers: {PICTURE}, name: part}}\n- linear: 2")
    images = torch.randn(4, 1, 14, 13)
    output = network(images)
    assert CONVOLVED in _functions(output)
    torch.testing.assert_close(output, network.linear_1(_plain(network.part)(images)), rtol=1e-5, atol=1e-5)
    steps = Network(read_layers(f"- time_distributed: {PICTURE}", Sequence(3, Image(1, 14, 13))))
    clips = torch.randn(2, 3, 1, 14, 13)
    output = steps(clips)
    assert CONVOLVED in _functions(output)
    expected = _plain(steps.time_distributed_1)(clips.flatten(0, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)


@compiled
def test_a_branch_keeps_what_it_reads() -> None:
    """Where another layer reads the ReLU's output too, it is there."""
    text = """
        - conv2d: {out_channels: 16, kernel_size: 3, name: a}
        - relu: {name: b}
        - max_pool2d: {kernel_size: 2, name: c}
        - global_avg_pool: {from: b, name: d}
        - global_avg_pool: {from: c, name: e}
        - add: [d, e]
    """
    network, images = _network(text), torch.randn(4, 1, 14, 13)
    rectified = network.a(images).relu()
    expected = rectified.mean((2, 3)) + nn.functional.max_pool2d(rectified, 2).mean((2, 3))
    torch.testing.assert_close(network(images), expected, rtol=1e-5, atol=1e-5)


HOOKS = ["forward", "forward_pre", "full_backward", "full_backward_pre"]


@compiled
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # said by torch of a first layer
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", NAMES)
def test_a_layer_with_a_hook_is_called(name: str, hook: str) -> None:
    """Once there and once back, and the network gives what it gives without."""
    network, calls = _network(), []
    images = torch.randn(4, 1, 14, 13)
    expected = network(images).detach()
    handle = getattr(network.get_submodule(name), f"register_{hook}_hook")(lambda *_: calls.append(name))
    output = network(images)
    output.sum().backward()
    assert calls == [name]
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    handle.remove()
    assert not _functions(network(images)).isdisjoint({CONVOLVED, POOLED})


@compiled
def test_hooks_see_what_each_layer_gives() -> None:
    """In the order of the layers, the ReLU before the pool where it stands before it."""
    network, seen = _network(), {}
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda _layer, _inputs, output, name=name: seen.setdefault(name, output))
    images = torch.randn(4, 1, 14, 13)
    network(images)
    assert list(seen) == NAMES
    for name, layer in network.named_children():
        images = layer(images)
        torch.testing.assert_close(seen[name], images)


@compiled
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("a", nn.Conv2d(1, 16, 5)),
        ("a", nn.Conv2d(1, 6, 3)),
        ("a", nn.Sequential(nn.Conv2d(1, 16, 3), nn.Tanh())),
        ("b", nn.Tanh()),
        ("b", nn.Identity()),
        ("c", nn.MaxPool2d(3)),
        ("c", nn.AvgPool2d(2)),
        ("c", nn.ReLU()),
        ("b", nn.MaxPool2d(2)),
        ("d", nn.Flatten(2)),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value).split("\n", maxsplit=1)[0],
)
def test_an_exchanged_layer_is_the_one_that_runs(name: str, layer: nn.Module) -> None:
    """Whatever it was exchanged for after the network was built."""
    network, images = _network(PICTURE), torch.randn(4, 1, 14, 13)
    network(images)
    setattr(network, name, layer)
    torch.testing.assert_close(network(images), nn.Sequential(*network.children())(images), rtol=1e-5, atol=1e-5)


@compiled
@pytest.mark.usefixtures("_threads_put_back")
def test_threads_change_no_bit() -> None:
    """Values and gradients with one, two and three threads, also where there are fewer rows than parts."""
    for layers, count in ((PICTURE, 1), (PICTURE, 7), (PICTURE.replace(", flatten: {name: d}", ""), 7)):
        network, images = _network(layers), torch.randn(count, 1, 14, 13)
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            output = network(images)
            assert CONVOLVED in _functions(output)
            results.append((output, *torch.autograd.grad(output.square().sum(), list(network.parameters()))))
        for others in results[1:]:
            assert all(torch.equal(one, other) for one, other in zip(results[0], others, strict=True))


@compiled
@pytest.mark.usefixtures("_threads_put_back")
def test_threads_change_no_bit_of_a_pool() -> None:
    """The same of a ReLU and a pool by themselves."""
    image = torch.randn(3, 16, 11, 10).contiguous(memory_format=torch.channels_last).requires_grad_()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        output = _run([nn.ReLU(), nn.MaxPool2d(2)], image)
        assert POOLED in _functions(output)
        results.append((output, *torch.autograd.grad(output.square().sum(), image)))
    for others in results[1:]:
        assert all(torch.equal(one, other) for one, other in zip(results[0], others, strict=True))


@compiled
@pytest.mark.filterwarnings("ignore:`torch.jit.trace")  # still what some export by
def test_traced_networks_hold_the_calls_of_torch() -> None:
    """A trace runs for other batches than the one it was made with."""
    network, images = _network(), torch.randn(6, 1, 14, 13)
    traced = torch.jit.trace(network, images[:2], check_trace=False)
    for call in ("aten::_convolution", "aten::max_pool2d", "aten::relu"):
        assert str(traced.inlined_graph).count(call) == 2
    torch.testing.assert_close(traced(images), network(images), rtol=1e-5, atol=1e-5)


@compiled
def test_exported_networks_hold_the_calls_of_torch() -> None:
    """`torch.export` sees each layer too."""
    program = torch.export.export(_network(), (torch.randn(2, 1, 14, 13),))
    called = [str(node.target) for node in program.graph.nodes]
    for call in ("aten.conv2d", "aten.max_pool2d", "aten.relu"):
        assert sum(name.startswith(call) for name in called) == 2


@compiled
def test_a_copy_runs_with_its_own_layers() -> None:
    """Weights that are changed in one are not those of the other, and neither is a layer that is exchanged."""
    network, images = _network(PICTURE), torch.randn(4, 1, 14, 13)
    before = network(images)
    twin = copy.deepcopy(network)
    assert torch.equal(twin(images), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not twin(images).any()
    assert torch.equal(network(images), before)
    twin.a = nn.Conv2d(1, 16, 3)
    torch.testing.assert_close(twin(images), _plain(twin)(images), rtol=1e-5, atol=1e-5)
    assert torch.equal(network(images), before)


@compiled
def test_weights_changed_after_a_step_count_in_the_next() -> None:
    """Nothing of them is kept from one call to the next."""
    network, images = _network(PICTURE), torch.randn(4, 1, 14, 13)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        network(images).square().mean().backward()
        optimiser.step()
        torch.testing.assert_close(network(images), _plain(network)(images), rtol=1e-5, atol=1e-5)


def test_a_second_derivative_is_refused_and_not_left_out() -> None:
    """The pool's gradient has none of its own here; torch's has."""
    values = torch.randn(1, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    if kernels.library() is None:
        pytest.skip("the kernels were not built")
    pooled = rectify_and_pool(values, nn.ReLU(), nn.MaxPool2d(2))
    with pytest.raises(RuntimeError, match="second derivatives"):
        torch.autograd.grad((pooled**2).sum(), values, create_graph=True)


def test_a_hook_on_all_modules_sees_each_layer() -> None:
    """As profilers and counters of operations set it."""
    seen: list[str] = []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    try:
        convolve_and_pool(torch.randn(1, 1, 8, 8), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
    finally:
        handle.remove()
    assert seen == ["Conv2d", "ReLU", "MaxPool2d"]


def test_pictures_that_leave_no_window_are_refused_as_torch_does() -> None:
    """Not an empty picture out of one that is too small."""
    with pytest.raises(RuntimeError, match=r"[Oo]utput size is too small|Calculated padded input size"):
        convolve_and_pool(torch.randn(1, 1, 3, 3), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
