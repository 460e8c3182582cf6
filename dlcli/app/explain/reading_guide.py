"""How to read what stands on a page: its methods, and what gates are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dlcli.app.explain.blocks import Gallery, Section
from dlcli.app.explain.pictures import READING

_READINGS: Final[Mapping[str, str]] = {
    "integrated gradients": (
        "what brought the explained number up (orange, above 0) or down (blue, below 0), compared with the baseline that is "
        "named; all together they make up the difference; what is as in the baseline has no share, whatever it means"
    ),
    "occlusion": (
        "by how much the explained number falls where a step or a feature is hidden; where two parts say the same, hiding one "
        "of them changes little"
    ),
    "saliency": (
        "how steeply the explained number changes with what the network reads there, up or down: a slope, not a share, and "
        "small where the answer is settled anyway"
    ),
    "Grad-CAM": "where the last convolution found what speaks for the answer; it is coarse",
    "reach of the gradient": (
        "how strongly the answer still depends on each step, as a share of the largest: where it falls by powers of ten, what "
        "came before is hardly learnt"
    ),
    "input gate": "how much of what is new a unit of an LSTM writes into its cell at a step, from 0 (nothing) to 1 (all)",
    "forget gate": "how much of its cell a unit of an LSTM keeps from the step before, from 0 (nothing) to 1 (all)",
    "output gate": "how much of its cell a unit of an LSTM shows to the other layers, from 0 (nothing) to 1 (all)",
    "reset gate": "how much of the old state a GRU looks at for what it might write, from 0 (nothing) to 1 (all)",
    "update gate": "how much of its old state a unit of a GRU keeps, from 0 (it writes anew) to 1 (it stays as it is)",
}
_GATES: Final = ("input", "forget", "output", "reset", "update")


def readings(sections: Iterable[Section]) -> list[tuple[str, str]]:
    """Each method and each gate that stands on a page, and how to read it; of pictures as pictures show it."""
    blocks = [block for section in sections for block in section.blocks]
    pictured = {picture.title for block in blocks if isinstance(block, Gallery) for picture in block.pictures}
    shown = {word for section in sections for figure in section.figures() for word in _words(figure.name, figure.numbers[0])}
    found = {method: reading for method, reading in READING.items() if method in pictured}
    found |= {method: reading for method, reading in _READINGS.items() if method in shown - found.keys()}
    return list(found.items())


def _words(name: str, head: Iterable[object]) -> Iterable[str]:
    """What a figure shows, by the columns of its numbers: `explain-1-02-steps` has methods, `explain-1-03-gates-1` gates."""
    kind = name.split("-")[3:4]
    if kind == ["reach"]:
        return ["reach of the gradient"]
    if kind == ["gates"]:
        return [f"{word} gate" for word in head if word in _GATES]
    return [word for word in map(str, head) if word in _READINGS] if kind else []
