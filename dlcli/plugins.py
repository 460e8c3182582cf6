"""Layers, losses, metrics and data sources of your own, with the same standing in a config as the built-in ones.

A plug-in is a Python file, given with `--plugin FILE`, or an installed package with an entry point in the group
`dlcli.plugins`. Either holds a `Plugin` called `PLUGIN`, which lists classes made from those of this module. A config can't
name a plug-in: only the person at the keyboard, or who installed the package, runs its code.
"""

from __future__ import annotations

import importlib.util
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from dlcli.config.data import SOURCES, DataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import OwnLayer
from dlcli.config.losses import LOSSES
from dlcli.config.losses import OwnLoss as Loss
from dlcli.config.metrics import METRICS
from dlcli.config.metrics import OwnMetric as Metric
from dlcli.config.shapes import Shape
from dlcli.config.spec import Spec
from dlcli.data.catalogue import SOURCES as CATALOGUE
from dlcli.data.catalogue import Source
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData
from dlcli.errors import UsageError

if TYPE_CHECKING:
    from dlcli.models.meta_inference import Inferred

__all__ = ["DataSource", "Layer", "Loss", "Metric", "Plugin", "install", "installed", "load_plugins"]

GROUP: Final = "dlcli.plugins"
"""The group of entry points."""


class Layer(OwnLayer):
    """A layer: a class with fields, a `kind`, and `build`, which makes its module.

    Its output's shape, its parameters and its operations are found by running the module on the meta device. A class that
    overrides `output_shape` and `parameter_count` is spared that, and can be checked without torch.
    """

    def output_shape(self, *inputs: Shape) -> Shape:
        return self._inferred(inputs).shape

    def parameter_count(self, *inputs: Shape) -> int:
        return self._inferred(inputs).parameters

    def flops(self, *inputs: Shape) -> int:
        return self._inferred(inputs).flops or 0

    def _inferred(self, inputs: tuple[Shape, ...]) -> Inferred:
        from dlcli.models.meta_inference import infer  # noqa: PLC0415 - torch: only where a plug-in has no rule of its own

        return infer(self.kind, lambda: self.build(*inputs), inputs)


class DataSource(DataSpec):
    """A data source: a class with fields, a `kind`, and how it is read."""

    @abstractmethod
    def facts(self, directories: Directories) -> DataFacts:
        """What a network has to know, from as little reading as possible.

        Raises:
            dlcli.errors.DataError: the data is missing or damaged.
        """

    @abstractmethod
    def read(self, directories: Directories) -> RawData:
        """All samples.

        Raises:
            dlcli.errors.DataError: the data is missing or damaged.
        """


@dataclass(frozen=True)
class Plugin:
    """What a plug-in adds."""

    layers: tuple[type[Layer], ...] = ()
    losses: tuple[type[Loss], ...] = ()
    metrics: tuple[type[Metric], ...] = ()
    sources: tuple[type[DataSource], ...] = ()


_INSTALLED: dict[str, Plugin] = {}
"""By the file or the entry point that it came from."""


def installed() -> list[str]:
    """Where the plug-ins came from that are in use: files and names of entry points."""
    return sorted(_INSTALLED)


def load_plugins(files: Iterable[Path]) -> None:
    """Adds what installed packages and these files bring, each once.

    Raises:
        UsageError: a file is missing, fails, holds no `PLUGIN`, or brings a name that is taken.
    """
    for point in entry_points(group=GROUP):
        if point.name not in _INSTALLED:
            install(_checked(_run(point.name, point.load), point.name), point.name)
    for file in files:
        if str(file.resolve()) not in _INSTALLED:
            install(_checked(_plugin_of(file), str(file)), str(file.resolve()))


def install(plugin: Plugin, origin: str) -> None:
    """Adds what a plug-in brings to the vocabulary.

    Args:
        plugin: its classes.
        origin: where it comes from, for messages.

    Raises:
        UsageError: it brings a name that is taken.
    """
    tables: list[tuple[str, tuple[type[Spec], ...], Any]] = [
        ("layer", plugin.layers, LAYERS),
        ("loss", plugin.losses, LOSSES),
        ("metric", plugin.metrics, METRICS),
        ("data source", plugin.sources, SOURCES),
    ]
    for what, specs, table in tables:
        for spec in specs:
            if not spec.kind or spec.kind in table:
                taken = f"there is a {what} `{spec.kind}` already" if spec.kind else f"{spec.__name__} has no `kind`"
                raise UsageError(f"the plug-in {origin} can't be used: {taken}", help="give it another `kind`")
    for _, specs, table in tables:
        table.update({spec.kind: spec for spec in specs})
    catalogue = cast("dict[type[DataSpec], Source]", CATALOGUE)
    catalogue.update({spec: Source(spec.facts, lambda own, directories, _: own.read(directories)) for spec in plugin.sources})
    _INSTALLED[origin] = plugin


def _plugin_of(file: Path) -> object:
    if not file.is_file():
        raise UsageError(f"there is no plug-in {file}", help="give the path of a Python file")
    name = f"dlcli_plugin_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(name, file)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"{file} is no Python file", help="a plug-in ends with .py")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    _run(str(file), partial(module_spec.loader.exec_module, module))
    return getattr(module, "PLUGIN", None)


def _run(origin: str, load: Callable[[], object]) -> object:
    """What a plug-in's own code gives."""
    try:
        return load()
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else origin
        help = "mend it, or leave out --plugin"
        raise UsageError(f"the plug-in {origin} fails: {type(error).__name__}: {error} ({where})", help=help) from error


def _checked(found: object, origin: str) -> Plugin:
    if isinstance(found, Plugin):
        return found
    help = "end the file with PLUGIN = Plugin(layers=(MyLayer,))"
    raise UsageError(f"the plug-in {origin} has no `PLUGIN`", help=help)
