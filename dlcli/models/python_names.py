"""Names in written Python: those of layers are kept in `state_dict`, and must not hide what the code itself needs."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterable
from typing import Final

RUNNING: Final = "x"
"""The variable for what only the next line reads."""
STATE: Final = "h"
"""The variable for a recurrent layer's last state."""
_FUNCTIONS: Final = (
    "drop_recurrent",
    "reversible_norm",
    "affine_reversible_norm",
    "masked",
    "over_valid_steps",
    "recur",
    "recur_with",
    "padded_conv1d",
    "lengths_of",
    "mean_over_time",
    "last_step",
    "largest_of_windows",
    "mean_of_windows",
    "adaptive_windows",
    "mean_of_adaptive_windows",
    "group_norm",
    "instance_norm",
)
"""Those that a module may have beside its classes."""
_TAKEN: Final = frozenset({RUNNING, STATE, "_", "self", "lengths", "torch", "nn", "F", "Tensor", *_FUNCTIONS})
_UNFIT: Final = _TAKEN | frozenset(keyword.kwlist) | (frozenset(dir(builtins)) - {"input"})


def variables(names: Iterable[str]) -> dict[str, str]:
    """A different variable for each name: the name itself, or with `_` behind it where Python or torch use it."""
    names = list(names)
    taken = {name for name in names if name not in _UNFIT}
    chosen = {name: name for name in names if name in taken}
    for name in names:
        if name in chosen:
            continue
        chosen[name] = name + "_"
        while chosen[name] in taken:
            chosen[name] += "_"
        taken.add(chosen[name])
    return chosen


def member(name: str) -> str:
    """The expression for a layer of a module."""
    return f'self.get_submodule("{name}")' if keyword.iskeyword(name) else f"self.{name}"


def registration(name: str, module: str) -> str:
    """The statement that puts a layer into a module."""
    return f'self.add_module("{name}", {module})' if keyword.iskeyword(name) else f"self.{name} = {module}"


def class_name(stem: str, taken: Collection[str]) -> str:
    """A layer's or a block's name as that of a class: `down_block` is DownBlock, and the second one DownBlock2."""
    camel = "".join(part[:1].upper() + part[1:] for part in stem.split("_"))
    name, number = camel, 1
    while name in taken or name in _UNFIT:
        number += 1
        name = f"{camel}{number}" if not camel[-1].isdigit() else f"{camel}_{number}"
    return name


def stem_of(name: str) -> str:
    """What layers that only differ in a number are called: `stage_2` and `stage3` are `stage`."""
    return re.sub(r"_?\d+$", "", name) or name
