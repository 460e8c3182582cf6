"""The file of an outcome: safetensors, with what is no array as JSON in its head. No pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dlcli.errors import CheckpointError
from dlcli.training.manifest import read_limited
from dlcli.training.outcomes.outcome import Outcome

MOST_BYTES: Final = 128 << 20
"""That the file is read up to: ours has a few million."""

_KEY: Final = "dlcli"
"""Of the JSON among the file's metadata."""
_ARRAY: Final = "array"
"""The key of an object in that JSON which stands for an array of the file, by its name."""
_LENGTH: Final = 8
"""Bytes that say how long the head of the file is, the least first."""


def packed(outcome: Outcome) -> bytes:
    """The content of the file."""
    arrays: dict[str, NDArray[Any]] = {}
    facts = _without_arrays(outcome.model_dump(), "", arrays)
    return save(arrays, metadata={_KEY: json.dumps(facts)})


def read_outcome(path: Path) -> Outcome:
    """What a run has kept.

    Raises:
        CheckpointError: the file is not there, or is not what a run keeps.
        ResourceError: it can't be read for now.
    """
    content = read_limited(path, MOST_BYTES)
    try:
        arrays = load(content)
        head = content[_LENGTH : _LENGTH + int.from_bytes(content[:_LENGTH], "little")]
        facts = json.loads(json.loads(head)["__metadata__"][_KEY])
        return Outcome.model_validate(_with_arrays(facts, arrays))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path} is not what a run keeps: {place}: {first['msg']}") from error
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} can't be read: {error}") from error


def _without_arrays(value: Any, path: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """The value with each array taken out, and put among the others under the path that leads to it."""
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {_ARRAY: path}
    if isinstance(value, dict):
        return {key: _without_arrays(item, f"{path}/{key}".lstrip("/"), arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, f"{path}/{place}", arrays) for place, item in enumerate(value)]
    return value


def _with_arrays(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """The value with each array in its place."""
    if isinstance(value, dict):
        if value.keys() == {_ARRAY} and isinstance(value[_ARRAY], str):  # and not an output that is called so
            return arrays[value[_ARRAY]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
