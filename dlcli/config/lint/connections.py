"""The rule for what leads to no output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dlcli.config import tree
from dlcli.config.diagnostics import Place
from dlcli.config.graph import Graph
from dlcli.config.lint.rule import Finding, Rule, Subject


def _dead_branch(subject: Subject) -> Iterator[Finding]:
    yield from _dead_ends(subject.graph)
    if len(subject.graph.inputs) > 1:
        yield from _unread_inputs(subject)


def _dead_ends(graph: Graph) -> Iterator[Finding]:
    """The layers that nothing reads and that are no output: every layer that leads to no output leads to one of these."""
    read = {name for node in graph.nodes for name in node.inputs} | {*graph.outputs}
    for node in graph.nodes:
        if node.name not in read:
            kind = node.block or node.spec.kind
            message = f"nothing reads this `{kind}`, and it is no output"
            yield Finding(message, node.place, f"name `{node.name}` in a `from:` or in `model.outputs`, or remove it")
        if node.body is not None:
            yield from _dead_ends(node.body)


def _unread_inputs(subject: Subject) -> Iterator[Finding]:
    read = {name for node in subject.graph.nodes for name in node.inputs}
    for name in subject.graph.inputs:
        if name not in read:
            place = _place_of_input(name, subject)
            yield Finding(f"no layer reads the input `{name}`", place, f"read it with `from: {name}`, or leave it out of `data`")


def _place_of_input(name: str, subject: Subject) -> Place:
    """Where the data section names an input."""
    for key in ("inputs", "view"):
        node = tree.node_at(subject.composed, ["data", key])
        if isinstance(node, tree.Sequence):
            return next((item.place for item in node.items if tree.plain(item) == name), node.place)
    return tree.place_of(subject.composed, ["data"])


DEAD_BRANCH: Final = Rule(
    "dead-branch",
    meaning="No path leads from a layer to an output, or no layer reads one of several inputs.",
    reason="The layer changes nothing of what the network answers and is never trained. Most often a `from:` or a name in a "
    "join was forgotten.",
    mend="Read it with `from:` or in a join, name it in `model.outputs`, or remove it.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: {out_features: 64, name: hidden}
    - relu
    - linear: {out_features: "${data.num_classes}", from: hidden}
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - linear: {out_features: 64, name: hidden}
    - relu
    - linear: ${data.num_classes}
""",
    check=_dead_branch,
)
