"""Functions on padded sequences of different lengths, as text: a written module has those that it calls, each once.

`x` is (batch, time, ...), `lengths` the steps of each sequence, int64 (batch,).
"""

from __future__ import annotations

from typing import Final

MASKED: Final = '''def masked(x: Tensor, lengths: Tensor, value: float = 0.0) -> Tensor:
    """Put one value behind the end of each sequence."""
    padding = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
    return x.masked_fill(padding.view(*padding.shape, *(1,) * (x.dim() - 2)), value)'''

LENGTHS_OF: Final = '''def lengths_of(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Take the sequences for equally long where nothing is said of them."""
    return x.new_full(x.shape[:1], x.shape[1], dtype=torch.int64) if lengths is None else lengths'''

MEAN_OVER_TIME: Final = '''def mean_over_time(x: Tensor, lengths: Tensor) -> Tensor:
    """Average all steps that are there."""
    return masked(x, lengths).sum(1) / lengths[:, None]'''

LAST_STEP: Final = '''def last_step(x: Tensor, lengths: Tensor) -> Tensor:
    """Take the last step that is there."""
    return x[torch.arange(len(x), device=x.device), lengths - 1]'''

OVER_VALID_STEPS: Final = '''def over_valid_steps(layer: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    """Run a layer on the steps that are there, as one batch; 0 stands behind them."""
    valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
    steps = layer(x[valid])
    output = steps.new_zeros(*x.shape[:2], *steps.shape[1:])
    return output.index_put(valid.nonzero(as_tuple=True), steps)'''

RECUR: Final = '''def recur(layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> tuple:
    """Run a recurrent layer on sequences of different lengths."""
    packed = nn.utils.rnn.pack_padded_sequence(
        x, lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    output, states = layer(packed)
    output, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
    return output, states'''

RECUR_WITH: Final = '''def recur_with(weights: dict[str, Tensor], layer: nn.RNNBase, x: Tensor, lengths: Tensor) -> tuple:
    """Run a recurrent layer on sequences of different lengths, with other weights."""
    packed = nn.utils.rnn.pack_padded_sequence(
        x, lengths.cpu(), batch_first=True, enforce_sorted=False
    )
    output, states = torch.func.functional_call(layer, weights, (packed,))
    output, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
    return output, states'''

PADDED_CONV1D: Final = '''def padded_conv1d(
    layer: nn.Conv1d, x: Tensor, lengths: Tensor, before: int, after: int, mode: str
) -> Tensor:
    """Run a convolution on sequences that have steps added at both ends, as by NumPy's `pad`."""
    steps = torch.arange(-before, x.shape[1] + after, device=x.device)
    last = lengths[:, None] - 1
    if mode == "circular":
        places = steps % lengths[:, None]
    elif mode == "replicate":
        places = torch.minimum(steps.clamp(min=0), last)
    else:
        there_and_back = steps % (2 * last).clamp(min=1)
        places = torch.minimum(there_and_back, 2 * last - there_and_back)
    x = x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))
    return layer(x.transpose(1, 2)).transpose(1, 2)'''

LARGEST_OF_WINDOWS: Final = '''def largest_of_windows(
    x: Tensor, lengths: Tensor, kernel: int, stride: int, padding: int, dilation: int, count: int
) -> Tensor:
    """Find the largest value of each of `count` windows."""
    reach = (count - 1) * stride + dilation * (kernel - 1) + 1
    x = masked(x, lengths, -torch.inf).transpose(1, 2)
    x = F.pad(x, (padding, reach - padding - x.shape[2]), value=-torch.inf)
    return F.max_pool1d(x, kernel, stride, dilation=dilation).transpose(1, 2)'''

MEAN_OF_WINDOWS: Final = '''def mean_of_windows(
    x: Tensor, lengths: Tensor, kernel: int, stride: int, padding: int, count: int, counted: int
) -> Tensor:
    """Average each of `count` windows; of the padding `counted` steps are averaged too."""
    reach = (count - 1) * stride + kernel
    x = masked(x, lengths).transpose(1, 2)
    sums = F.avg_pool1d(F.pad(x, (padding, reach - padding - x.shape[2])), kernel, stride) * kernel
    starts = torch.arange(count, device=x.device) * stride - padding
    ends = torch.minimum(starts + kernel, lengths[:, None] + counted)
    sizes = (ends - starts.clamp(min=-counted)).clamp(min=1)
    return sums.transpose(1, 2) / sizes[..., None]'''

ADAPTIVE_WINDOWS: Final = '''def adaptive_windows(x: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Divide each sequence into windows: their steps, the last one repeated, and their sizes."""
    index = torch.arange(count, device=x.device)
    starts = index * lengths[:, None] // count
    ends = ((index + 1) * lengths[:, None] + count - 1) // count
    places = starts[..., None] + torch.arange(x.shape[1] // count + 2, device=x.device)
    steps = torch.minimum(places, ends[..., None] - 1).flatten(1)
    windows = x.gather(1, steps[..., None].expand(-1, -1, x.shape[2]))
    return windows.unflatten(1, (count, -1)), ends - starts'''

MEAN_OF_ADAPTIVE_WINDOWS: Final = '''def mean_of_adaptive_windows(x: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Average each of `count` windows that divide a sequence."""
    windows, sizes = adaptive_windows(x, lengths, count)
    repeated = torch.arange(windows.shape[2], device=x.device) >= sizes[..., None]
    return windows.masked_fill(repeated[..., None], 0).sum(2) / sizes[..., None]'''

GROUP_NORM: Final = '''def group_norm(layer: nn.GroupNorm, x: Tensor, lengths: Tensor) -> Tensor:
    """Normalise groups of features over all steps that are there."""
    groups = x.unflatten(2, (layer.num_groups, -1))
    count = lengths[:, None, None, None] * groups.shape[3]
    mean = masked(groups, lengths).sum((1, 3), keepdim=True) / count
    centred = masked(groups - mean, lengths)
    variance = centred.square().sum((1, 3), keepdim=True) / count
    x = (centred * torch.rsqrt(variance + layer.eps)).flatten(2)
    return x * layer.weight + layer.bias if layer.affine else x'''

INSTANCE_NORM: Final = '''def instance_norm(layer: nn.InstanceNorm1d, x: Tensor, lengths: Tensor) -> Tensor:
    """Normalise each feature over all steps that are there."""
    if layer.track_running_stats and not layer.training:
        return layer(masked(x, lengths).transpose(1, 2)).transpose(1, 2)
    count = lengths[:, None, None]
    mean = masked(x, lengths).sum(1, keepdim=True) / count
    centred = masked(x - mean, lengths)
    variance = centred.square().sum(1, keepdim=True) / count
    if layer.track_running_stats:
        with torch.no_grad():
            unbiased = variance * count / (count - 1).clamp(min=1)
            layer.running_mean.lerp_(mean.mean((0, 1)), layer.momentum)
            layer.running_var.lerp_(unbiased.mean((0, 1)), layer.momentum)
    x = centred * torch.rsqrt(variance + layer.eps)
    return x * layer.weight + layer.bias if layer.affine else x'''

REVERSIBLE_NORM: Final = '''def reversible_norm(
    layers: nn.Module, x: Tensor, lengths: Tensor, steps: Tensor, eps: float
) -> Tensor:
    """Run layers on features of mean 0 and variance 1 over time; undo that on what they give."""
    count = steps[:, None, None]
    mean = masked(x, steps).sum(1, keepdim=True) / count
    centred = masked(x - mean, steps)
    deviation = torch.sqrt(centred.square().sum(1, keepdim=True) / count + eps)
    output = layers(centred / deviation, lengths)
    given = output.reshape(len(output), -1, x.shape[2])
    return (given * deviation + mean).reshape(output.shape)'''

AFFINE_REVERSIBLE_NORM: Final = '''def affine_reversible_norm(
    layers: nn.Module, x: Tensor, lengths: Tensor, steps: Tensor, eps: float
) -> Tensor:
    """Run layers on features of a learnt mean and variance over time; undo that on what they give."""
    count = steps[:, None, None]
    mean = masked(x, steps).sum(1, keepdim=True) / count
    centred = masked(x - mean, steps)
    deviation = torch.sqrt(centred.square().sum(1, keepdim=True) / count + eps)
    output = layers(centred / deviation * layers.weight + layers.bias, lengths)
    given = output.reshape(len(output), -1, x.shape[2])
    given = (given - layers.bias) / (layers.weight + eps**2)
    return (given * deviation + mean).reshape(output.shape)'''
