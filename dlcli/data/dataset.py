"""Data as tensors: read or replaced by its fallback, split, limited, resized, its normalisation measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dlcli.config.data import DataSpec, ImageDataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import NoNormalize
from dlcli.config.shapes import has_any_time
from dlcli.data import pictures
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import Directories
from dlcli.data.fingerprint import fingerprint
from dlcli.data.named import each, first
from dlcli.data.normalisation import resolved_normalisation, resolved_target_scale
from dlcli.data.raw import Array, DataUnavailableError, RawData, RawSplit
from dlcli.data.splits import Indices, held_out, limited

Tensors = Tensor | dict[str, Tensor]
"""One tensor, or several by name."""


@dataclass(frozen=True)
class Split:
    """Samples and their answers; where there are several inputs or answers, each by its name.

    Attributes:
        inputs: as in `RawSplit`, the channels or features last.
        targets: classes int64 (N,), or values float32 (N, K); for each step of a sequence (N, T), or (N, T, K).
        lengths: as in `RawSplit`.
    """

    inputs: Tensors
    targets: Tensors
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(first(self.targets))

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return first(self.targets).device

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """Each tensor by the name of its part, and its own where there are several."""
        for part, tensors in (("inputs", self.inputs), ("targets", self.targets), ("lengths", self.lengths)):
            if isinstance(tensors, dict):
                yield from ((f"{part}/{name}", tensors[name]) for name in sorted(tensors))
            elif tensors is not None:
                yield part, tensors

    def to(self, device: torch.device) -> Split:
        """The same samples on a device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device)

        lengths = moved(self.lengths) if self.lengths is not None else None
        return Split(each(self.inputs, moved), each(self.targets, moved), lengths)


@dataclass(frozen=True)
class Dataset:
    """Splits and what is known of them.

    Attributes:
        spec: the source that was used, with nothing left open: it reads exactly this data again.
        asked: the name of the source that the config asks for.
        used: the name of the source that was used.
        notice: what was said where the two differ.
        facts: what a network has to know.
        train: what weights are fitted to.
        valid: what epochs are compared on.
        test: read once, at the end; None where all samples are for training and validation.
        class_names: what each class is called, where anything is known but its number.
        origin: where the samples came from: a path, or "inside the package".
    """

    spec: DataSpec
    asked: str
    used: str
    notice: str | None
    facts: DataFacts
    train: Split
    valid: Split | None
    test: Split | None
    class_names: tuple[str, ...] | None
    origin: str

    def splits(self) -> dict[str, Split | None]:
        """Each split by its name."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    def counts(self) -> dict[str, int]:
        """How many samples each split has."""
        return {name: len(split) if split is not None else 0 for name, split in self.splits().items()}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the samples of all splits, to be asked for before they go to a device."""
        named = ((name, split) for name, split in self.splits().items() if split is not None)
        return fingerprint((f"{name}/{part}", tensor) for name, split in named for part, tensor in split.named())

    def without_target_scale(self, names: Collection[str]) -> Dataset:
        """The same data in which the targets of these names are no quantities: yes-or-no labels have no scale."""
        scales = self.spec.normalize_targets
        if isinstance(scales, dict):
            scales = {name: NoNormalize() if name in names else scale for name, scale in scales.items()}
        elif names:
            scales = NoNormalize()
        return replace(self, spec=self.spec.model_copy(update={"normalize_targets": scales}))

    def to(self, device: torch.device) -> Dataset:
        """The same data with its splits on a device."""
        valid, test = (None if split is None else split.to(device) for split in (self.valid, self.test))
        return replace(self, train=self.train.to(device), valid=valid, test=test)


def open_dataset(
    spec: DataSpec, directories: Directories, on_notice: Callable[[str], None], *, downloads: bool = True
) -> Dataset:
    """Reads the data that a config asks for, or its fallback where that can't be had.

    Args:
        spec: the config's `data`.
        directories: where to look and where downloads go.
        on_notice: takes a line that says that a fallback steps in, or what the source remarks on.
        downloads: whether data that is not on disk may be fetched.

    Raises:
        DataUnavailableError: the data can't be had, and there is no fallback.
        DataError: the data is damaged or not what the config says, which no fallback hides.
    """
    asked, notices = spec.kind, []
    while True:
        try:
            raw = SOURCES[type(spec)].read(spec, directories, downloads)
            break
        except DataUnavailableError as error:
            if spec.fallback is None:
                raise
            notice = f"{spec.kind} can't be had here ({error.reason}); using {spec.fallback.kind} instead, as `fallback` says"
            notices.append(notice)
            on_notice(notice)
            spec = spec.fallback
    for notice in raw.notices:
        on_notice(notice)
    facts = SOURCES[type(spec)].facts(spec, directories)
    train, valid, test = _splits(spec, raw, facts)
    used = _settled(spec, raw, train, facts)
    return Dataset(used, asked, spec.kind, "; ".join(notices) or None, facts, train, valid, test, raw.class_names, raw.origin)


def _settled(spec: DataSpec, raw: RawData, train: Split, facts: DataFacts) -> DataSpec:
    """The spec with what was found: the same numbers and the same place the next time."""
    measured = train if raw.measured is None else _tensors(spec, raw.measured)
    ragged = [name for name, shape in facts.inputs.items() if has_any_time(shape)]
    update: dict[str, object] = {
        **raw.found,
        "fallback": None,
        "normalize": resolved_normalisation(spec, measured.inputs, measured.lengths, ragged=ragged),
        "normalize_targets": resolved_target_scale(spec, measured.targets, measured.lengths, facts),
    }
    if "path" in type(spec).model_fields:
        update["path"] = raw.origin
    return spec.model_copy(update=update)


def _splits(spec: DataSpec, raw: RawData, facts: DataFacts) -> tuple[Split, Split | None, Split | None]:
    """What the source has, and from its training samples what it does not have."""
    classes = _classes(raw.train, facts)
    left: Indices = np.arange(len(raw.train))
    test, valid = raw.test, raw.valid
    if test is not None:
        test = _limited_split(spec, "test", test)
    elif spec.split.test > 0:
        left, taken = held_out(spec.split, "test", classes, left)
        test = raw.train.chosen(_limited(spec, "test", taken))
    if valid is not None:
        valid = _limited_split(spec, "valid", valid)
    elif spec.split.valid > 0:
        left, taken = held_out(spec.split, "valid", classes, left)
        valid = raw.train.chosen(_limited(spec, "valid", taken))
    left = _limited(spec, "train", left)
    train = raw.train if len(left) == len(raw.train) else raw.train.chosen(left)
    tensors = [None if split is None else _tensors(spec, split) for split in (valid, test)]
    return _tensors(spec, train), tensors[0], tensors[1]


def _classes(split: RawSplit, facts: DataFacts) -> Array | None:
    """The class of each sample (N,) by the first target that has one."""
    for name, target in facts.targets.items():
        if target.num_classes is not None and not target.per_step:
            return split.targets[name] if isinstance(split.targets, dict) else split.targets
    return None


def _limited(spec: DataSpec, name: str, indices: Indices) -> Indices:
    chosen = _within_limit(spec, name, len(indices))
    return indices if chosen is None else indices[chosen]


def _limited_split(spec: DataSpec, name: str, split: RawSplit) -> RawSplit:
    chosen = _within_limit(spec, name, len(split))
    return split if chosen is None else split.chosen(chosen)


def _within_limit(spec: DataSpec, name: str, count: int) -> Indices | None:
    """Which of `count` samples a limit leaves; of one long sequence its begin, so that samples still follow one another."""
    if spec.is_one_sequence and spec.limit is not None and spec.limit < count:
        return np.arange(spec.limit)
    return limited(spec.split, name, count, spec.limit)


def _tensors(spec: DataSpec, split: RawSplit) -> Split:
    inputs = split.inputs
    if isinstance(spec, ImageDataSpec) and (size := spec.resize) is not None:
        inputs = each(inputs, lambda images: pictures.resized(images, size))
    lengths = _tensor(split.lengths) if split.lengths is not None else None
    return Split(each(inputs, _tensor), each(split.targets, _tensor), lengths)


def _tensor(array: Array) -> Tensor:
    """The same values; of windows that overlap, a view of the rows they are cut from."""
    is_view = array.size > 0 and min(array.strides) > 0 and array.flags.writeable
    return torch.from_numpy(array if is_view else np.ascontiguousarray(array))
