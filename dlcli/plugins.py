"""Layers, losses, metrics, loggers and data sources of your own, with the same standing in a config as the built-in ones.

A plug-in is a Python file, given with `--plugin FILE`, or an installed package with an entry point in the group
`dlcli.plugins`. Either holds a `Plugin` called `PLUGIN`, which lists classes made from those of this module. A config can't
name a plug-in: only the person at the keyboard, or who installed the package, runs its code.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from dlcli.config.data import SOURCES, DataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import OwnLayer
from dlcli.config.loggers import LOGGERS
from dlcli.config.loggers import OwnLogger as Logger
from dlcli.config.losses import LOSSES
from dlcli.config.losses import OwnLoss as Loss
from dlcli.config.metrics import METRICS
from dlcli.config.metrics import OwnMetric as Metric
from dlcli.config.shapes import Shape, ShapeError
from dlcli.config.spec import Spec
from dlcli.config.values import NAME, NAME_HELP
from dlcli.data.catalogue import SOURCES as CATALOGUE
from dlcli.data.catalogue import Source
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData
from dlcli.errors import DlcliError, UsageError

if TYPE_CHECKING:
    from dlcli.models.meta_inference import Inferred

__all__ = [
    "DataSource",
    "Layer",
    "Logger",
    "Loss",
    "Metric",
    "Plugin",
    "install",
    "installed",
    "load_plugins",
    "plugin_errors",
    "plugin_failure",
]

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
        flops = self._inferred(inputs).flops
        if flops is None:
            raise ShapeError(f"operations of `{self.kind}` depend on the steps, whose number differs from sample to sample")
        return flops

    def _inferred(self, inputs: tuple[Shape, ...]) -> Inferred:
        try:
            hash(self)
        except TypeError:  # a field such as a dict
            return _infer(self, inputs)
        return _infer_once(self, inputs)


def _infer(layer: Layer, inputs: tuple[Shape, ...]) -> Inferred:
    from dlcli.models.meta_inference import infer  # noqa: PLC0415 - torch: only where a plug-in has no rule of its own

    try:
        return infer(layer.kind, lambda: layer.build(*inputs), inputs)
    except ShapeError as error:
        place = _place(error.__cause__, {_package(type(layer))})
        raise ShapeError(str(error), help=error.help or (f"it fails at {place}" if place else None)) from error


_infer_once = lru_cache(maxsize=1024)(_infer)


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
    loggers: tuple[type[Logger], ...] = ()


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
            install(_checked(_run(point.name, point.load, point.module), point.name), point.name)
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
    for family in _FAMILIES:
        _check(getattr(plugin, family.field), family, origin)
    for family in _FAMILIES:
        family.table.update({spec.kind: spec for spec in getattr(plugin, family.field)})
    catalogue = cast("dict[type[DataSpec], Source]", CATALOGUE)
    catalogue.update({spec: Source(spec.facts, lambda own, directories, _: own.read(directories)) for spec in plugin.sources})
    _INSTALLED[origin] = plugin


@contextmanager
def plugin_errors() -> Iterator[None]:
    """Turns what fails in the code of a plug-in into an error that names its file and line.

    Raises:
        UsageError: instead of any other error that the code raises.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        failure = plugin_failure(error)
        if failure is None:
            raise
        raise failure from error


def plugin_failure(error: BaseException) -> UsageError | None:
    """What to tell of an error, if the code of a plug-in was running; None for those that dlcli raises itself."""
    if isinstance(error, DlcliError):
        return None
    for origin, plugin in _INSTALLED.items():
        specs = (*plugin.layers, *plugin.losses, *plugin.metrics, *plugin.sources, *plugin.loggers)
        place = _place(error, {_package(spec) for spec in specs})
        if place is not None:
            return _failure(origin, error, place, help="mend it there")
    return None


class _Family(NamedTuple):
    """What a field of `Plugin` adds to."""

    field: str
    what: str
    base_name: str
    base: type[Spec]
    table: Any


_FAMILIES: Final = (
    _Family("layers", "layer", "Layer", Layer, LAYERS),
    _Family("losses", "loss", "Loss", Loss, LOSSES),
    _Family("metrics", "metric", "Metric", Metric, METRICS),
    _Family("sources", "data source", "DataSource", DataSource, SOURCES),
    _Family("loggers", "logger", "Logger", Logger, LOGGERS),
)


def _check(found: object, family: _Family, origin: str) -> None:
    """What a plug-in adds to a family is a tuple of its classes, whose kinds are names and new.

    Raises:
        UsageError: it is not.
    """
    field, name = family.field, family.base_name
    if not isinstance(found, tuple):
        help = f"write {field}=(My{name},), with a comma behind each class"
        raise _refused(origin, f"`{field}` of its `PLUGIN` is no tuple", help)
    owners: dict[str, type[Spec]] = {}
    for spec in found:
        if not isinstance(spec, type) or not issubclass(spec, family.base):
            named = spec.__name__ if isinstance(spec, type) else repr(spec)
            raise _refused(
                origin, f"{named} is among its `{field}`", f"list classes there that are made from dlcli.plugins.{name}"
            )
        _check_class(spec, family, origin)
        if spec.kind in owners:
            both = f"{owners[spec.kind].__name__} and {spec.__name__} are both called `{spec.kind}`"
            raise _refused(origin, both, "give one of them another `kind`")
        owners[spec.kind] = spec


def _check_class(spec: type[Spec], family: _Family, origin: str) -> None:
    name, kind = spec.__name__, spec.kind
    if not kind:
        raise _refused(origin, f"{name} has no `kind`", 'write kind: ClassVar[str] = "my_name"')
    if not isinstance(kind, str) or not re.fullmatch(NAME, kind):
        raise _refused(origin, f"the `kind` of {name} can't be {kind!r}", NAME_HELP)
    if kind in family.table:
        raise _refused(origin, f"there is a {family.what} `{kind}` already", f"give {name} another `kind`")
    if issubclass(spec, Metric) and kind == "loss":
        raise _refused(origin, f"{name} is called `loss`, as the loss is in logs", f"give {name} another `kind`")
    missing = sorted(getattr(spec, "__abstractmethods__", ()))
    if missing:
        raise _refused(origin, f"{name} has no `{missing[0]}`", f"every {family.base_name} has one: see docs/plugins.md")
    if issubclass(spec, Loss | Metric) and getattr(spec, "judges", None) not in ("classes", "labels", "values"):
        raise _refused(origin, f"{name} does not say what it judges", 'write judges: ClassVar[str] = "classes", or "values"')


def _refused(origin: str, reason: str, help: str) -> UsageError:
    return UsageError(f"the plug-in {origin} can't be used: {reason}", help=help)


def _plugin_of(file: Path) -> object:
    if not file.is_file():
        raise UsageError(f"there is no plug-in {file}", help="give the path of a Python file")
    name = f"dlcli_plugin_{file.stem}"
    module_spec = importlib.util.spec_from_file_location(name, file)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"{file} is no Python file", help="a plug-in ends with .py")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    _run(str(file), partial(module_spec.loader.exec_module, module), name)
    return getattr(module, "PLUGIN", None)


def _run(origin: str, load: Callable[[], object], module: str) -> object:
    """What the code of a plug-in's module gives."""
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the command's own result
            return load()
    except (Exception, SystemExit, GeneratorExit) as error:
        place = _place(error, {module.partition(".")[0]})
        reason: BaseException | str = error
        if isinstance(error, SyntaxError) and error.filename:
            place, reason = f"{error.filename}:{error.lineno}", error.msg
        raise _failure(origin, error, place, reason, help="mend it, or leave out --plugin") from error


def _failure(origin: str, error: BaseException, place: str | None, reason: object = None, *, help: str) -> UsageError:
    """What to tell of an error in the code of a plug-in."""
    where = f" ({place})" if place else ""
    return UsageError(f"the plug-in {origin} fails: {type(error).__name__}: {reason or error}{where}", help=help)


def _package(spec: type[Spec]) -> str:
    """The package that a class comes from, or the module of a plug-in's file."""
    return spec.__module__.partition(".")[0]


def _place(error: BaseException | None, packages: Collection[str]) -> str | None:
    """The last line of these packages that was running."""
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__ if error else None):
        if str(frame.f_globals.get("__name__")).partition(".")[0] in packages:
            place = f"{frame.f_code.co_filename}:{line}"
    return place


def _checked(found: object, origin: str) -> Plugin:
    if isinstance(found, Plugin):
        return found
    help = "end the file with PLUGIN = Plugin(layers=(MyLayer,))"
    raise UsageError(f"the plug-in {origin} has no `PLUGIN`", help=help)
