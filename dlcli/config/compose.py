"""One tree out of a file, the files it extends and the `--set` overrides."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from dlcli.config import yaml_source
from dlcli.config.diagnostics import ConfigError, Diagnostic, Report, Source, did_you_mean, nearest
from dlcli.config.merging import merge
from dlcli.config.overrides import apply
from dlcli.config.tree import Mapping, Node, Scalar, Sequence, describe, shortened
from dlcli.errors import UsageError

SHIPPED_CONFIGS: Final = Path(__file__).parents[1] / "configs"
"""Where an installed package has the configs; in a checkout they stand beside it."""
MAX_EXTENDED: Final = 32
"""Files that a config may extend in all, each counted as often as it is read."""
MAX_BYTES: Final = 4 * yaml_source.MAX_CHARACTERS
STDIN: Final = "-"
"""Stands for standard input where a path is expected."""
MAX_PATH: Final = 200
"""Characters of a path that a message shows."""


@dataclass(frozen=True)
class _Chain:
    """How a file came to be read.

    Attributes:
        files: those that led to it, each extending the next.
        read: all that were extended so far, by any file.
    """

    files: tuple[Path, ...] = ()
    read: list[Path] = field(default_factory=list)

    def with_file(self, file: Path) -> _Chain:
        """The chain that leads to what this file extends."""
        return _Chain((*self.files, file), self.read)


def load(config: str | Path | dict[str, Any], overrides: Iterable[str] = ()) -> Mapping:
    """Reads a config with all that it extends, and applies overrides of the form `a.b.c=value` or `~a.b.c`.

    Args:
        config: a path, `-` for standard input, or a dict of plain values.
        overrides: later ones win; a value is read as YAML; `~` takes a key or an entry of a list away.

    Raises:
        UsageError: the file can't be read, or an override is not of that form.
        ConfigError: the text has mistakes.
    """
    report = Report()
    tree = _read_dict(config, report) if isinstance(config, dict) else _read_file(Path(config), report, _Chain())
    report.raise_if_any()
    assert tree is not None
    for override in overrides:
        tree = apply(tree, override, report)
    report.raise_if_any()
    return tree


def _read_dict(config: dict[str, Any], report: Report) -> Mapping | None:
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the config holds something that YAML can't: {error}", help="use plain values") from error
    tree = _mapping(yaml_source.parse(Source("<dict>", text), report), report)
    return _extended(tree, Path(), report, _Chain()) if tree else None


def _read_file(path: Path, report: Report, chain: _Chain) -> Mapping | None:
    name = "<stdin>" if str(path) == STDIN else str(path)
    tree = _mapping(yaml_source.parse(Source(name, read_text(path)), report), report)
    return _extended(tree, path.parent, report, chain.with_file(path.resolve())) if tree else None


def _extended(tree: Mapping, folder: Path, report: Report, chain: _Chain) -> Mapping:
    """The tree on top of those that its `extends` names; `chain` is what led to it."""
    extended = tree.get("extends")
    if extended is None:
        return tree
    tree = tree.without("extends")
    for node in reversed(extended.items if isinstance(extended, Sequence) else (extended,)):
        base = _read_base(node, folder, report, chain)
        if base is not None:
            tree = merge(base, tree)
    return tree


def _read_base(node: Node, folder: Path, report: Report, chain: _Chain) -> Mapping | None:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report.error("type", f"`extends` takes the path of a config, not {describe(node)}", node.place)
        return None
    base = folder / node.value
    if not _is_file(base):
        message = f"there is no file {shortened(str(base), MAX_PATH)}"
        near = nearest(base.name, _configs_in(base.parent))
        help = f"did you mean `{Path(node.value).parent / near}`?" if near else f"the path counts from the folder {folder}"
        report.error("extends", message, node.place, help=help)
        return None
    if base.resolve() in chain.files:
        report.error("extends", f"{base} extends itself", node.place, help="remove one of the `extends`")
        return None
    chain.read.append(base)
    if len(chain.read) > MAX_EXTENDED:
        raise ConfigError([Diagnostic("limit", f"more than {MAX_EXTENDED} files are extended", node.place)])
    try:
        return _read_file(base, report, chain)
    except UsageError as error:
        report.error("extends", error.message, node.place, help=error.help)
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


@cache
def _standard_input() -> bytes:
    """Read once: a config is looked at several times."""
    return sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin is not None else b""


def read_text(path: Path) -> str:
    """The text of a config as it was given.

    Raises:
        UsageError: it can't be read, or is no text.
    """
    try:
        content = _standard_input() if str(path) == STDIN else _read_bytes(path)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES:,} bytes, and is no config")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", help=_nearest_config(path)) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, and a config is a file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file", help="a config is YAML, in UTF-8") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {getattr(error, 'strerror', error)}") from error


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _nearest_config(path: Path) -> str | None:
    """Which config somebody may have meant: one that comes with dlcli, or one in the same folder."""
    shipped = next((file for file in sorted(SHIPPED_CONFIGS.rglob("*.yaml")) if file.name == path.name), None)
    if shipped is not None:
        return f"one of this name comes with dlcli: {shipped}"
    nearby = _configs_in(path.parent)
    return (
        did_you_mean(path.name, nearby)
        if nearby
        else "give the path of a YAML file; `dlcli init my.yaml` writes one to start from"
    )


def _mapping(tree: Node | None, report: Report) -> Mapping | None:
    if tree is None or isinstance(tree, Mapping):
        return tree
    help = "a config has the keys `data`, `model` and `train`"
    report.error("type", f"a config is a mapping, and this file holds {describe(tree)}", tree.place, help=help)
    return None


def _configs_in(folder: Path) -> list[str]:
    """The names of the YAML files in a folder; none where it is no folder."""
    try:
        return sorted(file.name for file in folder.glob("*.y*ml"))
    except (OSError, ValueError):
        return []
