"""From a tree to specs: every field checked, every mistake once, at its place, with what would be right."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Literal, Self

import pytest
from pydantic import Field, model_validator

from dlcli.config.diagnostics import Diagnostic, Report
from dlcli.config.layers.convolution import Conv2d
from dlcli.config.spec import Choice, Spec, dump, read, table
from dlcli.config.values import Fraction, Ints, Pair, PositiveFloat, PositiveInt
from tests.unit.config.configs import parse, places


class Round(Spec):
    """One of two shapes."""

    kind: ClassVar[str] = "round"
    main: ClassVar[str] = "radius"

    radius: PositiveFloat = 1.0


class Square(Spec):
    """The other."""

    kind: ClassVar[str] = "square"

    side: PositiveFloat
    tilted: bool = False


SHAPES = table(Round, Square)


class Inner(Spec):
    """A part of a part."""

    main: ClassVar[str] = "depth"

    depth: PositiveInt = 2
    share: Fraction = 0.5


class Thing(Spec):
    """Something with a field of each kind."""

    width: PositiveInt
    height: int = 1
    ratio: float = 1.0
    label: str | None = None
    on: bool = True
    mode: Literal["fast", "slow"] = "fast"
    size: Pair = (1, 1)
    few: Annotated[Ints, Field(min_length=1, max_length=2)] = (1,)
    inner: Inner = Inner()
    maybe: Inner | None = None
    shape: Annotated[Spec, Choice("shape", lambda: SHAPES)] = Round()
    shapes: Annotated[tuple[Spec, ...], Choice("shape", lambda: SHAPES)] = ()

    @model_validator(mode="after")
    def _not_too_high(self) -> Self:
        if self.height > 100 * self.width:
            raise ValueError("the thing is too high for its width")
        return self


def _read(text: str) -> tuple[Thing | None, list[Diagnostic]]:
    report = Report()
    return read(parse(text), Thing, "thing", report), report.diagnostics


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("{width: 3}", Thing(width=3)),
        ("{width: 3, ratio: 2}", Thing(width=3, ratio=2.0)),
        ("{width: 3, label: null, maybe: null}", Thing(width=3)),
        ("{width: 3, size: 4}", Thing(width=3, size=(4, 4))),
        ("{width: 3, size: [4, 5]}", Thing(width=3, size=(4, 5))),
        ("{width: 3, inner: 7}", Thing(width=3, inner=Inner(depth=7))),
        ("{width: 3, inner: {share: 0}}", Thing(width=3, inner=Inner(share=0))),
        ("{width: 3, inner: null}", Thing(width=3, inner=Inner())),
        ("{width: 3, maybe: 4}", Thing(width=3, maybe=Inner(depth=4))),
        ("{width: 3, shape: round}", Thing(width=3, shape=Round())),
        ("{width: 3, shape: {name: square, side: 2}}", Thing(width=3, shape=Square(side=2))),
        ("{width: 3, shapes: round}", Thing(width=3, shapes=(Round(),))),
        ("{width: 3, shapes: [round, {name: square, side: 2}]}", Thing(width=3, shapes=(Round(), Square(side=2)))),
    ],
)
def test_short_and_long_forms_are_read(text: str, thing: Thing) -> None:
    """A number for a pair, a main field for a part, a name for a choice, null for the default."""
    assert _read(text) == (thing, [])


ONE_MISTAKE = [
    ("{width: 3, labl: x}", (1, 12, "unknown-key"), "`thing` has no key `labl`", "did you mean `label`?"),
    ("{widht: 3}", (1, 2, "unknown-key"), "`thing` has no key `widht`", "did you mean `width`?"),
    ("{Width: 3}", (1, 2, "unknown-key"), "`thing` has no key `Width`", "did you mean `width`?"),
    ("{height: 3}", (1, 1, "missing-key"), "`thing` needs `width`", None),
    ("{width: 3, inner: {dpeth: 3}}", (1, 20, "unknown-key"), "`inner` has no key `dpeth`", "did you mean `depth`?"),
    ("{width: wide}", (1, 9, "type"), "`width` must be a whole number, not the text 'wide'", None),
    ("{width: 2.5}", (1, 9, "type"), "`width` must be a whole number, not the number 2.5", None),
    ("{width: 2.0}", (1, 9, "type"), "`width` must be a whole number, not the number 2.0", None),
    ("{width: true}", (1, 9, "type"), "`width` must be a whole number, not true", None),
    ("{width: null}", (1, 9, "type"), "`width` must be a whole number, not nothing", None),
    ("{width: '3'}", (1, 9, "type"), "`width` must be a whole number, not the text '3'", None),
    ("{width: [3]}", (1, 9, "type"), "`width` must be a whole number, not a list", None),
    ("{width: 0}", (1, 9, "range"), "`width` must be at least 1, not 0", None),
    ("{width: 3, ratio: much}", (1, 19, "type"), "`ratio` must be a number, not the text 'much'", None),
    ("{width: 3, ratio: false}", (1, 19, "type"), "`ratio` must be a number, not false", None),
    ("{width: 3, label: 5}", (1, 19, "type"), "`label` must be a text, not the number 5", None),
    ("{width: 3, on: no}", (1, 16, "type"), "`on` must be true or false, not the text 'no'", None),
    ("{width: 3, on: 1}", (1, 16, "type"), "`on` must be true or false, not the number 1", None),
    ("{width: 3, mode: quick}", (1, 18, "unknown-name"), "`mode` must be 'fast' or 'slow', not the text 'quick'", None),
    ("{width: 3, size: 0}", (1, 18, "value"), "`size`: must be at least 1, not 0", None),
    ("{width: 3, size: [1, 2, 3]}", (1, 18, "value"), "`size`: expected a whole number, or a list of 2, found a list", None),
    ("{width: 3, size: big}", (1, 18, "value"), "`size`: expected a whole number, or a list of 2, found the text 'big'", None),
    ("{width: 3, inner: {share: 1}}", (1, 27, "range"), "`share` must be less than 1, not 1", None),
    ("{width: 3, inner: [x]}", (1, 19, "type"), "`depth` must be a whole number, not a list", None),
    ("{width: 3, shape: squar}", (1, 19, "unknown-name"), "there is no shape `squar`", "did you mean `square`?"),
    ("{width: 3, shape: {side: 3}}", (1, 19, "missing-key"), "the shape has no `name`", "known: `round`, `square`"),
    (
        "{width: 3, shape: 3}",
        (1, 19, "type"),
        "the shape is a name, or `name:` with fields, not the number 3",
        "known: `round`, `square`",
    ),
    ("{width: 3, shape: square}", (1, 19, "missing-key"), "`square` needs `side`", None),
    ("{width: 3, shape: {name: square, sid: 3}}", (1, 34, "unknown-key"), "`square` has no key `sid`", "did you mean `side`?"),
    ("{width: 3, shape: {name: round, side: 3}}", (1, 33, "unknown-key"), "`round` has no key `side`", "known: `radius`"),
    ("{width: 3, shapes: [round, cube]}", (1, 28, "unknown-name"), "there is no shape `cube`", "known: `round`, `square`"),
    ("{width: 1, height: 101}", (1, 1, "value"), "the thing is too high for its width", None),
    (
        "{width: 3, shape: {square: {side: 3}}}",
        (1, 19, "missing-key"),
        "the shape has no `name`",
        "write `{name: square}`",
    ),
    (
        "{width: 3, shape: {round: 3}}",
        (1, 19, "missing-key"),
        "the shape has no `name`",
        "write `{name: round, radius: ...}`",
    ),
    ("5", (1, 1, "type"), "`thing` takes a mapping of its fields, not the number 5", None),
    ("[width]", (1, 1, "type"), "`thing` takes a mapping of its fields, not a list", None),
]


@pytest.mark.parametrize(("text", "place", "message", "help"), ONE_MISTAKE)
def test_a_mistake_gives_one_message_at_its_place(text: str, place: tuple[int, int, str], message: str, help: str | None) -> None:
    """Line and column of the wrong key or value, what was found, what is expected; a misspelt required key is not also missing."""
    thing, diagnostics = _read(text)
    assert thing is None
    assert places(diagnostics) == [place]
    assert diagnostics[0].message == message
    if help is not None:
        assert diagnostics[0].help == help


def test_a_list_that_is_too_short_or_too_long_says_how_many_it_takes() -> None:
    """The number of entries found, and the bound."""
    assert _read("{width: 1, few: []}")[1][0].message == "`few` must have at least 1 entry, not 0"
    assert _read("{width: 1, few: [1, 2, 3]}")[1][0].message == "`few` must have at most 2 entries, not 3"


def test_a_limit_without_words_of_its_own_is_told_in_those_of_pydantic() -> None:
    """A plug-in's spec may use any of pydantic's limits: the message still has the field, its place and what is wrong."""

    class Named(Spec):
        title: Annotated[str, Field(min_length=3)]

    report = Report()
    assert read(parse("{title: ab}"), Named, "named", report) is None
    assert places(report.diagnostics) == [(1, 9, "type")]
    assert report.diagnostics[0].message == "`title`: String should have at least 3 characters"


def test_a_part_without_fields_takes_none() -> None:
    """Neither a value nor a key: the help says so, and not a list of nothing."""

    class Bare(Spec):
        pass

    report = Report()
    assert read(parse("{x: 1}"), Bare, "bare", report) is None
    assert read(parse("5"), Bare, "bare", report) is None
    assert [mistake.help for mistake in report.diagnostics] == ["remove it: it has no fields", "its fields: none"]


def test_a_name_whose_reference_failed_is_not_also_unknown() -> None:
    """`shape: ${vars.oops}` was reported when it was replaced; here it stands for any shape."""
    assert _read("{width: 3, shape: '${vars.oops}'}") == (None, [])


def test_all_mistakes_are_found_at_once() -> None:
    """Each wrong field, at every depth, is reported in one go."""
    text = """\
widht: 3
height: tall
mode: quick
inner:
  depth: 0
  sahre: 1
shape: {name: square, side: -1, tilted: maybe}
shapes: [round, 7, {name: squar}]
"""
    thing, diagnostics = _read(text)
    assert thing is None
    assert sorted(places(diagnostics)) == [
        (1, 1, "unknown-key"),
        (2, 9, "type"),
        (3, 7, "unknown-name"),
        (5, 10, "range"),
        (6, 3, "unknown-key"),
        (7, 29, "range"),
        (7, 41, "type"),
        (8, 17, "type"),
        (8, 27, "unknown-name"),
    ]


def test_the_help_of_a_field_is_its_prose() -> None:
    """What stands under a field in the code is shown to whoever gets it wrong."""
    report = Report()
    read(parse("{out_channels: 3, kernel_size: 3, groups: 0}"), Conv2d, "conv2d", report)
    assert report.diagnostics[0].help == "Divides the channels into groups that don't see each other."


@pytest.mark.parametrize(
    "thing",
    [
        Thing(width=3),
        Thing(
            width=3,
            label="x",
            size=(2, 3),
            maybe=Inner(depth=9),
            shape=Square(side=0.5),
            shapes=(Round(radius=2.0), Square(side=1)),
        ),
    ],
)
def test_what_is_written_out_reads_back(thing: Thing) -> None:
    """`dump` names every field, and reading it gives the same spec."""
    plain = dump(thing)
    assert set(plain) == set(Thing.model_fields)
    assert _read(json.dumps(plain)) == (thing, [])
