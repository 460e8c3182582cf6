"""Configs to begin with: from a template, or written to fit data; each is read before anybody gets it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dlcli.app.commented_yaml import Line, comment, field, printable, rendered
from dlcli.app.configs import declared_facts
from dlcli.app.starter_networks import augmentation, layers, pace_for, training
from dlcli.app.survey.found import FEW, Survey
from dlcli.app.survey.places import survey
from dlcli.app.templates import read_template
from dlcli.config import experiment, yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.json_schema import schema_path
from dlcli.config.shapes import Image
from dlcli.config.tree import Mapping
from dlcli.data.directories import search_directories
from dlcli.errors import UsageError
from dlcli.runtime.durable_files import write_durably

DEFAULT_TEMPLATE: Final = "cnn"


@dataclass(frozen=True)
class StarterConfig:
    """A config that runs as it is.

    Attributes:
        config: where it belongs; None for stdout.
        text: the whole of it.
        origin: `template` or `from`, and which.
        next: the command that trains it.
    """

    config: Path | None
    text: str
    origin: tuple[str, str]
    next: str

    def as_json(self) -> dict[str, Any]:
        key, value = self.origin
        return {"config": str(self.config), key: value, "next": self.next}


def starter_config(config: Path | None, *, template: str | None = None, data: Path | None = None) -> StarterConfig:
    """Makes a config.

    Args:
        config: the file it is for: its paths count from there; None for stdout.
        template: which template, without `data`.
        data: what it is to fit.

    Raises:
        UsageError: there is no such template, or no data that can be used.
        DataError: the data is damaged.
    """
    if template is not None and data is not None:
        raise UsageError("--template and --from are two ways to begin", help="give one of them")
    found = survey(data) if data is not None else None
    options = f" --data-dir {shlex.quote(str(found.data_dir))}" if found and found.data_dir else ""
    next = f"dlcli train {shlex.quote(str(config or 'model.yaml'))}{options}"
    folder = config.absolute().parent if config else Path.cwd()
    body = _fitting(found, folder, next) if found else _from_template(template or DEFAULT_TEMPLATE, next)
    text = f"# yaml-language-server: $schema={schema_path()}\n{body}"
    _check(text, folder, found)
    return StarterConfig(config, text, ("from", str(data)) if data else ("template", template or DEFAULT_TEMPLATE), next)


def write(starter: StarterConfig, *, force: bool) -> None:
    """Writes the config where it belongs, whole or not at all.

    Raises:
        UsageError: a config can't be there, or there is one and `force` is not given.
        ResourceError: the file system refuses.
    """
    assert starter.config is not None
    check_free(starter.config, force=force)
    write_durably(starter.config, starter.text.encode(), help="give another path: dlcli init PATH.yaml")


def check_free(path: Path, *, force: bool) -> None:
    """Whether a config can be written to a path.

    Raises:
        UsageError: it can't.
    """
    try:
        is_folder, has_folder, is_there = path.is_dir(), path.absolute().parent.is_dir(), path.exists()
    except OSError as error:  # a name too long, or a folder that can't be entered
        raise UsageError(f"{path} can't be written: {error.strerror}", help="give another path: dlcli init PATH.yaml") from error
    if is_folder:
        raise UsageError(f"{path} is a folder", help=f"give a file, or for data in there: dlcli init --from {path}")
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"{path} is no name for a config", help=f"let it end in .yaml: dlcli init {path}.yaml")
    if not has_folder:
        raise UsageError(f"there is no folder {path.parent}", help=f"make it first: mkdir -p {shlex.quote(str(path.parent))}")
    if is_there and not force:
        raise UsageError(f"{path} is there already", help="give another path, or --force to replace it")


def _check(text: str, folder: Path, found: Survey | None) -> None:
    """Reads the text as `dlcli train` will: what is wrong in it shows here, before it is written."""
    report = Report()
    tree = yaml_source.parse(Source("the new config", text), report)
    report.raise_if_any()
    assert isinstance(tree, Mapping)
    directories = search_directories(found.data_dir if found else None, folder)
    made = experiment.resolve(tree, lambda spec: declared_facts(spec, directories))
    if found and (found.samples < FEW or (found.facts.target.num_classes or 0) > found.samples / 2):
        from dlcli.data.dataset import open_dataset  # noqa: PLC0415 - torch: only where a split might be empty

        open_dataset(made.data, directories, lambda _: None, downloads=False)


def _from_template(name: str, next: str) -> str:
    head, _, rest = read_template(name).partition("\n")
    return f"{head}\n#\n#   {printable(next, limit=len(next))}\n{rest}"


def _fitting(found: Survey, folder: Path, next: str) -> str:
    """The text of a config for what was found, without the modeline."""
    head = [comment(f"{found.found}."), *map(comment, found.cautions), "#", f"#   {printable(next, limit=len(next))}"]
    sections = [
        *head,
        "data:",
        *rendered(_data(found, folder), indent=2),
        *_augment(found),
        "model:",
        "  layers:",
        *rendered(layers(found.facts, found.samples), indent=4),
        "train:",
        *rendered(training(found.facts.input, found.facts.target, found.samples), indent=2),
    ]
    return "\n".join(sections) + "\n"


def _data(found: Survey, folder: Path) -> list[Line]:
    lines = [field("name", found.source)]
    if found.path is not None:
        lines.append(field("path", _written_path(found.path, folder)))
    lines += [field(key, value, why) for key, value, why in found.fields]
    if (repeat := pace_for(found.samples).repeat) > 1:
        lines.append(field("repeat", repeat, "passes over the samples in an epoch, since they are few"))
    for line in lines:
        if "${" in line.text:
            raise UsageError(f"a config reads the `${{` in {printable(line.text, 100)} as a reference", help="rename it")
    return lines


def _augment(found: Survey) -> list[str]:
    if not isinstance(found.facts.input, Image):
        return []
    head = Line("augment:", "each picture a little different each time; [] for none")
    return [head.rendered(2), *rendered(augmentation(found.facts.input), indent=4)]


def _written_path(path: Path, folder: Path) -> str:
    """Relative where the data lies below the config's folder or beside it, so that both can move; else absolute."""
    text, relative = str(path), Path(os.path.relpath(path, folder))
    if relative.parts.count("..") <= 1:
        places = search_directories(None, folder).candidates(str(relative))
        first = next((place for place in places if place.exists()), None)
        text = str(relative) if first is not None and first.samefile(path) else text
    return text
