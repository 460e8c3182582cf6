"""Texts: a label for each, or one long text whose next step is to be predicted."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.data.base import DataSpec
from dlcli.config.tree import shortened
from dlcli.config.values import PositiveInt, as_tuple

Unit = Literal["characters", "words", "bytes"]

_Vocabulary = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(as_tuple, json_schema_input_type=tuple[str, ...]),
    Field(min_length=1),
]


class TextDataSpec(DataSpec):
    """A source of texts, which a network reads step by step as tokens."""

    unit: Unit = "characters"
    """What a step is. Words stand between spaces, and punctuation marks are words of their own; bytes are those of UTF-8."""
    vocabulary: _Vocabulary | None = None
    """The characters or words that are tokens from 1 on; token 0 is any other. Without it those of the training samples, the
    most frequent first. Bytes need none: they are the tokens 0 to 255."""
    max_vocabulary: Annotated[int, Field(ge=1, le=40_000)] = 10_000
    """How many different characters or words are told apart at most: rarer ones are token 0."""

    @model_validator(mode="after")
    def _vocabulary_fits_the_unit(self) -> Self:
        if self.vocabulary is None:
            return self
        if self.unit == "bytes":
            raise ValueError("`vocabulary` is for characters and words: bytes are the tokens 0 to 255")
        if len(set(self.vocabulary)) < len(self.vocabulary):
            raise ValueError("`vocabulary` names something twice")
        longer = [entry for entry in self.vocabulary if len(entry) > 1]
        if self.unit == "characters" and longer:
            raise ValueError(f"`vocabulary` is of characters, and '{shortened(longer[0])}' has {len(longer[0])}")
        return self


class TextLines(TextDataSpec):
    """Short texts, each with a class or a value, or with a tag for each of its steps."""

    kind: ClassVar[str] = "text_lines"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """A .csv or .tsv table; a .jsonl file with an object a line; a .txt file with a text, a tab and its label a line; or a
    folder of .txt files, one for each class, with a text a line."""
    test: Annotated[str, Field(min_length=1)] | None = None
    """The samples of the test, written in the same way; without it they are taken from `path`."""
    text: str | None = None
    """The column, or the key of a .jsonl file, of the texts; without it `text`."""
    label: str | None = None
    """The column, or the key of a .jsonl file, of the labels; without it `label`. Texts and whole numbers are classes, numbers
    with a fraction values to predict, a list in a .jsonl file a tag for each step."""
    lowercase: bool = False
    """Whether `A` and `a` are the same."""
    max_length: PositiveInt | None = None
    """How many steps of a text are read: the rest of longer ones is cut off."""


class Text(TextDataSpec):
    """One long text: at each step the next one is to be predicted. Its begin is for training, its end for the test."""

    kind: ClassVar[str] = "text"
    is_one_sequence: ClassVar[bool] = True
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file."""
    window: PositiveInt = 128
    """Steps of a sample. Samples follow each other without overlap; gradients go back no further than this."""
