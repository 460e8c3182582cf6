"""NumPy arrays in an .npz file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from dlcli.app.survey.found import Field, Survey, answers_of, facts_of, few_fields, kind_of
from dlcli.app.survey.image_folder import resize_to
from dlcli.config.data import Arrays
from dlcli.config.shapes import Image
from dlcli.data.sources.npz import Header, read_array, read_headers

_SMALLEST_SQUARE: Final = 8
"""An array of squares at least this wide holds pictures, not series."""


def survey_arrays(path: Path) -> Survey:
    """Reads shapes and types, and the values only where they decide something.

    Raises:
        DataError: the file is damaged, or holds no samples with answers.
    """
    headers = read_headers(path)
    x = "x_train" if "x_train" in headers else "x"
    fields = _layout(path, x, headers)
    spec = Arrays(path=str(path), **{key: value for key, value, _ in fields})
    facts = facts_of(spec)
    samples = headers[x].shape[0]
    if isinstance(facts.input, Image):
        resize = resize_to(facts.input.height, facts.input.width, samples, same=True)
        if resize is not None:
            fields.append(("resize", list(resize), "height and width; larger shows more and takes longer"))
            facts = facts_of(spec.model_copy(update={"resize": resize}))
    if "x_valid" not in headers:
        fields += few_fields(samples)
    found = f"{samples:,} {kind_of(facts.input)} for training, with {answers_of(facts)}"
    return Survey(Arrays.kind, path, facts, samples, found, tuple(fields))


def _layout(path: Path, x: str, headers: Mapping[str, Header]) -> list[Field]:
    """What the source would not take the samples for by itself.

    (N, S, S) are pictures, also of floats. (N, T) of whole numbers, wider than a byte, none negative, and each smaller than the
    number of all of them, are tokens. Beside `lengths`, samples are sequences.
    """
    header = headers.get(x)
    if header is None:
        return []
    lengths = x.replace("x", "lengths", 1)
    if lengths in headers and len(header.shape) in (2, 3):
        is_whole = len(header.shape) == 2 and header.dtype.kind in "iu"
        return [("layout", "tokens" if is_whole else "series", f"padded sequences, of so many steps as `{lengths}` says")]
    if len(header.shape) == 3 and header.dtype != np.uint8 and header.shape[1] == header.shape[2] >= _SMALLEST_SQUARE:
        return [("layout", "image", "squares of numbers; for series write `series`, and a recurrent network")]
    if len(header.shape) == 2 and header.dtype.kind in "iu" and header.dtype.itemsize > 1 and header.shape[1] > 1:
        values = read_array(path, x)
        if values.size and int(values.min()) >= 0 and int(values.max()) < values.size:
            return [("layout", "tokens", "whole numbers; if they are quantities, write them as floats and init again")]
    return []
