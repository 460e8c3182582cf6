"""What differs between the uses of one class: parameters of its constructor, and axes that have a letter."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from dlcli.config.shapes import Image, Sequence, Shape, Vector, Volume
from dlcli.models.python_source import Argument, Value, literal

Slot = tuple[Argument, ...]
"""One argument of one call, in each use."""
_COUNTS: Final = ("channels", "num_features", "in_features", "out_features", "groups")
"""How the names of arguments end that count the same thing: with equal values in all uses, they are one parameter."""


class Parameters:
    """Of a constructor: what the calls of its members need, and nothing for what never differs.

    Attributes:
        values: what each use gives for each.
    """

    def __init__(self, members: Mapping[str, list[Slot]]) -> None:
        self.values: dict[str, tuple[Value, ...]] = {}
        self._names: dict[Slot, str] = {}
        for member, group in _groups(members):
            name = _name(group)
            name = _free(f"{member}_{name}" if name in self.values else name, self.values)
            self.values[name] = _values(group[0])
            self._names |= dict.fromkeys(group, name)

    def argument(self, slot: Slot) -> str:
        """An argument as it stands in a call: a parameter where it differs, nothing where torch takes that value anyway."""
        first = slot[0]
        value = self._names.get(slot) or literal(first.value)
        if slot not in self._names and first.value == first.default:
            return ""
        return f"{first.name}={value}" if first.by_name else value

    def signature(self) -> str:
        """What stands behind `self`."""
        return "".join(f", {name}: {_annotation(values)}" for name, values in self.values.items())

    def count_called(self, values: tuple[object, ...]) -> str | None:
        """The parameter that gives the number of channels or features, where it has these values."""
        named = (name for slot, name in self._names.items() if slot[0].name.endswith(_COUNTS) and _values(slot) == values)
        return next(named, None)


def _groups(members: Mapping[str, list[Slot]]) -> list[tuple[str, list[Slot]]]:
    """Those that are one parameter together, and the member that needs it first."""
    groups: list[tuple[str, list[Slot]]] = []
    for member, slots in members.items():
        for slot in filter(_differs, slots):
            group = next((group for _, group in groups if _are_one(group[0], slot)), None)
            if group is None:
                groups.append((member, [slot]))
            else:
                group.append(slot)
    return groups


def _annotation(values: tuple[Value, ...]) -> str:
    types = {"tuple[int, ...]" if isinstance(value, tuple) else type(value).__name__ for value in values}
    return " | ".join(sorted(types)).replace("NoneType", "None")


def _values(slot: Slot) -> tuple[Value, ...]:
    return tuple(argument.value for argument in slot)


def _differs(slot: Slot) -> bool:
    return len(set(_values(slot))) > 1


def _are_one(one: Slot, other: Slot) -> bool:
    names = {one[0].name, other[0].name}
    return _values(one) == _values(other) and (len(names) == 1 or all(name.endswith(_COUNTS) for name in names))


def _name(group: list[Slot]) -> str:
    """The first argument's, but what goes in and comes out is just `channels`."""
    names = [slot[0].name for slot in group]
    return "channels" if names[0] == "in_channels" and "out_channels" in names else names[0]


def _free(name: str, taken: Container[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def axis_names(shape: Shape) -> tuple[str, ...]:
    """What the axes of a sample are called."""
    if isinstance(shape, Sequence):
        return ("T", *axis_names(shape.item))
    if isinstance(shape, Vector):
        return ("features",)
    return {Image: ("C", "H", "W"), Volume: ("C", "D", "H", "W")}.get(type(shape), ())


class ShapeTexts:
    """Shapes of batches in all uses of a class as one text: (batch, 64, H, W).

    An axis that differs from use to use has the name of the parameter that sets it, or a letter, with primes behind it for
    each other such axis.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._letters: dict[str, list[tuple[object, ...]]] = {}

    def text(self, shapes: list[Shape]) -> str:
        """One value's shape, given what it is in each use."""
        axes = zip(axis_names(shapes[0]), *(shape.sizes for shape in shapes), strict=True)
        return f"({', '.join(['batch', *(self._axis(letter, tuple(sizes)) for letter, *sizes in axes)])})"

    def _axis(self, letter: str, sizes: tuple[object, ...]) -> str:
        if len(set(sizes)) == 1:
            return str(sizes[0])
        parameter = self._parameters.count_called(sizes) if letter in ("C", "features") else None
        if parameter is not None:
            return parameter
        known = self._letters.setdefault(letter, [])
        if sizes not in known:
            known.append(sizes)
        return letter + "'" * known.index(sizes)
