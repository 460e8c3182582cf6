"""A graph as the text of a Python module: a class for the network and one for each different nesting inside it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers.nesting import TimeDistributed
from dlcli.config.shapes import Shape
from dlcli.errors import UsageError
from dlcli.models.python_forward import Forward, forward_of
from dlcli.models.python_layout import LINE_LENGTH, laid_out
from dlcli.models.python_length_functions import LENGTHS_OF, MASKED
from dlcli.models.python_lengths import source_with_lengths, takes_lengths, time_of
from dlcli.models.python_names import class_name, registration, stem_of
from dlcli.models.python_nesting import nesting_source, own_weights
from dlcli.models.python_parameters import Parameters, ShapeTexts, Slot, axis_names
from dlcli.models.python_source import REQUIRED, SOURCES, Argument, LayerSource

NETWORK = "Network"
"""The class of the whole."""


def python_module(graph: Graph, introduction: str) -> str:
    """The text of a module with the class `Network`, which has the `state_dict` keys of dlcli's network.

    Args:
        graph: the layers.
        introduction: the text of the module's docstring.

    Raises:
        UsageError: a layer comes from a plug-in.
    """
    classes = _Classes()
    if takes_lengths(graph):
        classes.functions |= dict.fromkeys((LENGTHS_OF, MASKED))
    classes.add(graph, None)
    bodies = "\n\n\n".join([*classes.functions, *classes.texts()])
    uses = {name: re.search(rf"(?<![\w.\"]){name}\.", bodies) is not None for name in ("torch", "F")}
    imports = (
        ["import torch"] * uses["torch"] + ["import torch.nn.functional as F"] * uses["F"] + ["from torch import Tensor, nn"]
    )
    end = "\n" if "\n" in introduction else ""
    return f'"""{introduction}{end}"""\n\n' + "\n".join(imports) + f"\n\n\n{bodies}\n"


def shapes_text(graph: Graph) -> str:
    """What a batch is before and behind the network: `(batch, 1, 28, 28) -> (batch, 10)`."""
    shapes = ShapeTexts(Parameters({}))
    return f"{_named_shapes([graph.inputs], shapes)} -> {_named_shapes([graph.output_shapes], shapes)}"


@dataclass(frozen=True)
class _Member:
    """What is registered under a name: torch's class, or the written one of that number, and its arguments' names.

    Of a weight the values that it starts from stand there: they never become parameters of a constructor.
    """

    name: str
    kind: str | int
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class _Skeleton:
    """What nestings have in common that are written as one class: all but shapes and the values of arguments."""

    stem: str
    members: tuple[_Member, ...]
    signature: str
    lines: tuple[str, ...]
    axes: tuple[tuple[str, ...], ...]
    """Of what is read and of each value that is made."""


@dataclass
class _Use:
    """One nesting, or the network. Of each member the arguments, or the nesting that it is in turn."""

    owner: LayerNode | None
    members: list[tuple[Argument, ...] | _Use]
    forward: Forward
    parameters: tuple[Argument, ...] = ()
    """What the constructor of its class is called with."""


@dataclass
class _Class:
    name: str
    skeleton: _Skeleton
    uses: list[_Use] = field(default_factory=list)


class _Classes:
    """The classes of a module, in an order in which each needs only those above it.

    Attributes:
        functions: those that they call, each once.
    """

    def __init__(self) -> None:
        self.functions: dict[str, None] = {}
        self._by_skeleton: dict[_Skeleton, _Class] = {}

    def add(self, graph: Graph, owner: LayerNode | None) -> tuple[int, _Use]:
        """Notes a graph, and those inside it; gives the number of its class."""
        members: list[_Member] = []
        contents: list[tuple[Argument, ...] | _Use] = []
        sources: dict[str, LayerSource] = {}
        for node in graph.nodes:
            source = sources[node.name] = _source(node)
            self.functions |= dict.fromkeys(source.functions)
            if node.shares is not None:
                continue
            if node.body is not None:
                number, use = self.add(node.body, node)
                members.append(_Member(node.name, number, ()))
                contents.append(use)
            elif source.module is not None:
                arguments = source.module.arguments
                members.append(_Member(node.name, source.module.function, tuple(argument.name for argument in arguments)))
                contents.append(arguments)
        for name, weight in own_weights(owner).items() if owner is not None else ():
            starts = tuple(str(argument.value) for argument in weight.arguments)
            members.append(_Member(name, weight.function, starts))
            contents.append(weight.arguments)
        forward = forward_of(graph, sources, is_whole=owner is None)
        stem = NETWORK if owner is None else owner.block or stem_of(owner.name)
        values = [*graph.inputs.values(), *(line.shape for line in forward.lines if line.shape)]
        axes = tuple(axis_names(shape) for shape in values)
        skeleton = _Skeleton(stem, tuple(members), forward.signature, tuple(line.code for line in forward.lines), axes)
        found = self._by_skeleton.get(skeleton)
        if found is None:
            found = self._by_skeleton[skeleton] = _Class(self._name(owner, stem), skeleton)
        use = _Use(owner, contents, forward)
        found.uses.append(use)
        return list(self._by_skeleton).index(skeleton), use

    def _name(self, owner: LayerNode | None, stem: str) -> str:
        taken = {known.name for known in self._by_skeleton.values()}
        return NETWORK if owner is None else class_name(stem, taken | {NETWORK})

    def texts(self) -> Iterable[str]:
        """Each class as text."""
        classes = list(self._by_skeleton.values())
        for written in classes:
            yield "\n".join(_class_lines(written, classes))


def _source(node: LayerNode) -> LayerSource:
    if node.body is None:
        write = SOURCES.get(type(node.spec))
        if write is None:
            message = f"`{node.name}` is a `{node.spec.kind}`, a layer of a plug-in: dlcli can't write it as code"
            raise UsageError(message, help="use layers of dlcli's own vocabulary")
        has_lengths = time_of(node.input_shapes[0]) is not None
        return source_with_lengths(node) if has_lengths else write(node.spec, node.input_shapes)
    return nesting_source(node)


def _title(written: _Class) -> str:
    owner = written.uses[0].owner
    if owner is None:
        return "The network"
    if owner.block is not None:
        return f"The block `{owner.block}`"
    steps = ", for one step" if isinstance(owner.spec, TimeDistributed) else ""
    name = f"`{owner.name}`" if len(written.uses) == 1 else f"each `{written.skeleton.stem}`"
    return f"The layers of {name}{steps}"


def _class_lines(written: _Class, classes: Sequence[_Class]) -> list[str]:
    """The text of a class; settles what its uses give to its constructor."""
    slots = [_slots([use.members[index] for use in written.uses]) for index in range(len(written.skeleton.members))]
    parameters = Parameters({member.name: arguments for member, arguments in zip(written.skeleton.members, slots, strict=True)})
    for index, use in enumerate(written.uses):
        use.parameters = tuple(Argument(name, values[index], REQUIRED) for name, values in parameters.values.items())
    registrations = []
    for member, arguments in zip(written.skeleton.members, slots, strict=True):
        kind = member.kind if isinstance(member.kind, str) else classes[member.kind].name
        given = ", ".join(filter(None, map(parameters.argument, arguments)))
        registrations.append(registration(member.name, f"{kind}({given})"))
    shapes = ShapeTexts(parameters)
    forwards = [use.forward for use in written.uses]
    lines = [f"class {written.name}(nn.Module):", *_docstring(_title(written), forwards, shapes)]
    if registrations:
        lines += ["", *laid_out(f"def __init__(self{parameters.signature()}) -> None:", "    "), "        super().__init__()"]
        lines += [line for text in registrations for line in laid_out(text, "        ")]
    lines += ["", *laid_out(f"def forward(self, {forwards[0].signature}:", "    ")]
    return lines + _forward_lines(forwards, shapes)


def _slots(contents: list[tuple[Argument, ...] | _Use]) -> list[Slot]:
    """Each argument of a member in all uses."""
    arguments = [content.parameters if isinstance(content, _Use) else content for content in contents]
    return list(zip(*arguments, strict=True))


def _docstring(title: str, forwards: list[Forward], shapes: ShapeTexts) -> list[str]:
    read = _named_shapes([forward.inputs for forward in forwards], shapes)
    given = _named_shapes([forward.outputs for forward in forwards], shapes)
    text = f'"""{title}: {read} -> {given}."""'
    if len(text) + 4 <= LINE_LENGTH:
        return [f"    {text}"]
    wrapped = textwrap.wrap(f"{read} -> {given}.", LINE_LENGTH - 4, break_long_words=False)
    return [f'    """{title}.', "", *(f"    {line}" for line in wrapped), '    """']


def _named_shapes(values: list[Mapping[str, Shape]], shapes: ShapeTexts) -> str:
    """The shape of the one value, or of several with their names."""
    texts = {name: shapes.text([same[name] for same in values]) for name in values[0]}
    return ", ".join(f"{name} {text}" for name, text in texts.items()) if len(texts) > 1 else "".join(texts.values())


def _forward_lines(forwards: list[Forward], shapes: ShapeTexts) -> list[str]:
    """The lines, with a shape behind each that changes it."""
    written: list[str] = []
    shown = _named_shapes([forward.inputs for forward in forwards], shapes)
    for same in zip(*(forward.lines for forward in forwards), strict=True):
        known = [line.shape for line in same if line.shape is not None]
        comment = shapes.text(known) if known else shown
        written += laid_out(same[0].code, "        ", comment if comment != shown else None)
        shown = comment
    return written
