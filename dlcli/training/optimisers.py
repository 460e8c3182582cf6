"""Optimisers: from a spec and a network to torch's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlcli.config import optimizers as specs
from dlcli.errors import CheckpointError, UsageError

Groups = list[dict[str, Any]]
Build = Callable[[Any, Groups], Optimizer]

_WAY: Final = "__dynamo_disable"
_DECORATED: Final = (Optimizer.add_param_group, Optimizer.state_dict, Optimizer.load_state_dict)

_RECORDABLE: Final = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)
"""Those whose fused kernels read the learning rate from a tensor."""

_NORMALISATIONS: Final = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.GroupNorm,
)


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keeps torch's optimisers from importing `torch._dynamo`, which takes a second, to keep themselves out of what it compiles.

    torch looks for the way that `_dynamo` gives to a method on the method itself. Here that is, for a moment, the method.
    """
    methods = [getattr(method, "__wrapped__", None) for method in _DECORATED]
    plain = [method for method in methods if method is not None and not hasattr(method, _WAY)]
    for method in plain:
        setattr(method, _WAY, method)
    try:
        yield
    finally:
        for method in plain:
            delattr(method, _WAY)


class OptimiserSet:
    """The optimisers of one network; with Muon there are two, otherwise one."""

    def __init__(self, optimisers: list[Optimizer], parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        self._optimisers = optimisers
        self._names: dict[Tensor, str] = {parameter: name for name, parameter in parameters}
        self._rate: Tensor | None = None

    def keep_rate_in(self, rate: Tensor) -> bool:
        """Has the learning rate read from a tensor of no axes beside the parameters, so that a recorded step follows it.

        Returns:
            Whether all that the optimisers do can be recorded then.
        """
        if not all(type(optimiser) in _RECORDABLE and _fused(optimiser.param_groups) for optimiser in self._optimisers):
            return False
        self._rate = rate
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = True
        return True

    def set_rate(self, learning_rate: float) -> None:
        """The learning rate of the next step."""
        if self._rate is not None:
            self._rate.fill_(learning_rate)
            return
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate

    def zero_grad(self) -> None:
        for parameter in self._names:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Changes all weights once."""
        for optimiser in self._optimisers:
            inspect.unwrap(type(optimiser).step)(optimiser)  # what is wrapped around it imports `torch._dynamo`, too

    def state(self) -> dict[str, Tensor]:
        """What the optimisers remember, as `PARAMETER/NAME` -> tensor."""
        return {
            f"{self._names[parameter]}/{key}": torch.as_tensor(value)
            for optimiser in self._optimisers
            for parameter, values in optimiser.state.items()
            for key, value in values.items()
            if value is not None
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes back what `state` gave.

        Raises:
            CheckpointError: it is of another network.
        """
        by_parameter: dict[str, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            parameter, _, key = name.rpartition("/")
            by_parameter.setdefault(parameter, {})[key] = tensor
        shapes = {name: parameter.shape for parameter, name in self._names.items()}
        for name, values in by_parameter.items():
            if name not in shapes:
                raise CheckpointError(f"the optimiser's state is of another network: it has `{name}`")
            for key, value in values.items():
                if value.ndim > 0 and value.shape != shapes[name]:
                    found, expected = tuple(value.shape), tuple(shapes[name])
                    message = f"the optimiser's state is of another network: `{key}` of `{name}` is {found}, not {expected}"
                    raise CheckpointError(message)
        for optimiser in self._optimisers:
            ordered = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            known = {index: by_parameter.get(self._names[parameter]) for index, parameter in enumerate(ordered)}
            numbered = {index: values for index, values in known.items() if values is not None}
            with _without_compiler():
                optimiser.load_state_dict({"state": numbered, "param_groups": optimiser.state_dict()["param_groups"]})
        if self._rate is not None:
            self.keep_rate_in(self._rate)  # torch has put a copy in its place


def build_optimisers(spec: specs.OptimizerSpec, network: nn.Module) -> OptimiserSet:
    """The optimisers that a spec asks for, over all of the network's parameters.

    Raises:
        UsageError: there are none.
    """
    named = list(network.named_parameters())
    if not named:
        raise UsageError("the network has no weights to train", help="add a layer that has some, for example `- linear: 10`")
    with _without_compiler():
        if isinstance(spec, specs.Muon):
            return OptimiserSet(_muon(spec, network), named)
        return OptimiserSet([_BUILDERS[type(spec)](spec, parameter_groups(spec, network, named))], named)


def parameter_groups(spec: specs.OptimizerSpec, network: nn.Module, named: Iterable[tuple[str, nn.Parameter]]) -> Groups:
    """The parameters in one group, or in two where biases and norms are spared from weight decay."""
    spared = set() if spec.decay_biases_and_norms else _biases_and_norms(network)
    groups = [
        {"params": [parameter for name, parameter in named if name not in spared], "weight_decay": spec.weight_decay},
        {"params": [parameter for name, parameter in named if name in spared], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _biases_and_norms(network: nn.Module) -> set[str]:
    spared = set()
    for prefix, module in network.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            if "bias" in name or isinstance(module, _NORMALISATIONS):
                spared.add(f"{prefix}.{name}" if prefix else name)
    return spared


def _fused(groups: Groups) -> bool:
    """Whether torch's fused kernels take these parameters."""
    return all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for group in groups for p in group["params"])


_BUILDERS: Final[Mapping[type[specs.OptimizerSpec], Build]] = {
    specs.Sgd: lambda spec, groups: torch.optim.SGD(
        groups,
        lr=spec.lr,
        momentum=spec.momentum,
        dampening=spec.dampening,
        nesterov=spec.nesterov,
        fused=_fused(groups),
    ),
    specs.Adam: lambda spec, groups: torch.optim.Adam(
        groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, amsgrad=spec.amsgrad, fused=_fused(groups)
    ),
    specs.AdamW: lambda spec, groups: torch.optim.AdamW(
        groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, amsgrad=spec.amsgrad, fused=_fused(groups)
    ),
    specs.NAdam: lambda spec, groups: torch.optim.NAdam(
        groups, lr=spec.lr, betas=spec.betas, eps=spec.eps, momentum_decay=spec.momentum_decay
    ),
    specs.RAdam: lambda spec, groups: torch.optim.RAdam(groups, lr=spec.lr, betas=spec.betas, eps=spec.eps),
    specs.RmsProp: lambda spec, groups: torch.optim.RMSprop(
        groups, lr=spec.lr, alpha=spec.alpha, eps=spec.eps, momentum=spec.momentum, centered=spec.centered
    ),
    specs.Adagrad: lambda spec, groups: torch.optim.Adagrad(
        groups, lr=spec.lr, lr_decay=spec.lr_decay, eps=spec.eps, fused=_fused(groups)
    ),
    specs.Adadelta: lambda spec, groups: torch.optim.Adadelta(groups, lr=spec.lr, rho=spec.rho, eps=spec.eps),
}


def _muon(spec: specs.Muon, network: nn.Module) -> list[Optimizer]:
    """Muon for the matrices between the first and the last layer; AdamW for everything else."""
    named = list(network.named_parameters())
    weights = [name for name, parameter in named if parameter.ndim > 1]
    outer = {weights[0], weights[-1]} if weights else set()
    hidden = [(name, p) for name, p in named if p.ndim == 2 and name not in outer]
    rest = [(name, p) for name, p in named if not (p.ndim == 2 and name not in outer)]
    optimisers: list[Optimizer] = []
    if hidden:
        optimisers.append(
            torch.optim.Muon(
                parameter_groups(spec, network, hidden),
                lr=spec.lr,
                momentum=spec.momentum,
                nesterov=spec.nesterov,
                ns_steps=spec.ns_steps,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    if rest:
        groups = parameter_groups(spec, network, rest)
        optimisers.append(torch.optim.AdamW(groups, lr=spec.lr, betas=(spec.betas[0], spec.betas[1]), fused=_fused(groups)))
    return optimisers
