"""Right words in the wrong place: what to do with a key of another section, an option of the command line, a path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from dlcli.config.data import DataSpec, ImageDataSpec
from dlcli.config.diagnostics import same_meaning
from dlcli.config.model import ModelSpec
from dlcli.config.spec import Spec, keys_of, path_inside
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Node, Scalar

_SPECS: Final[Mapping[str, tuple[type[Spec], ...]]] = {
    "train": (TrainSpec,),
    "data": (DataSpec, ImageDataSpec),
    "model": (ModelSpec,),
}
_SOURCES_BY_SUFFIX: Final = {".csv": "csv", ".jsonl": "text_lines", ".npz": "arrays", ".ts": "ts", ".txt": "text"}


def help_for_misplaced(key: str, node: Node, section: str) -> str | None:
    """What to do with a key that `section` has not.

    Args:
        key: what was written.
        node: what stands there.
        section: `data`, `model` or `train`.
    """
    named = same_meaning(key, ("vars", *_SPECS))
    if named is not None:
        return f"`{named}` is a section of its own: unindent it"
    path = path_of(key, section)
    if path is None:
        return help_for_option(key)
    value = node.place.text if isinstance(node, Scalar) and node.place.text else "..."
    written = "".join(f"{{{step}: " for step in path[1:]) + value + "}" * len(path[1:])
    return f"it belongs to `{path[0]}`: `{path[0]}: {written}`"


def path_of(key: str, section: str | None = None) -> tuple[str, ...] | None:
    """Where in another section than this a key belongs, or without one in any."""
    others = [(name, spec) for name, specs in _SPECS.items() if name != section for spec in specs]
    for name, spec in others:
        direct = same_meaning(key, keys_of(spec))
        if direct is not None:
            return (name, direct)
    inside = ((name, path_inside(key, spec)) for name, spec in others)
    return next(((name, *path) for name, path in inside if path is not None), None)


def help_for_option(key: str) -> str | None:
    """What to do with what a run is told on the command line, so that a config fits every machine."""
    return "give `--device` on the command line" if key.lower() in ("device", "gpu", "accelerator") else None


def source_of_path(text: str) -> str | None:
    """The data source that reads such a path; None for what is no path."""
    source = _SOURCES_BY_SUFFIX.get(PurePosixPath(text).suffix.lower())
    return source or ("image_folder" if "/" in text else None)
