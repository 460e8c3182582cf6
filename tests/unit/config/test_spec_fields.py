"""What fields are: the defaults as a person writes them, and what may stand beside a choice."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest

from dlcli.config.objectives import LOSS, Objective
from dlcli.config.spec import Choice, ReadBy, Spec, table
from dlcli.config.spec_fields import keys_beside, plain_default
from dlcli.config.values import Ints, Pair


class Bare(Spec):
    """A choice with nothing to say."""

    kind: ClassVar[str] = "bare"


class Sized(Spec):
    """A choice with a field."""

    kind: ClassVar[str] = "sized"

    size: int = 1


class Part(Spec):
    """A part that is no choice."""

    depth: int = 2


FAMILY = Choice("family", lambda: table(Bare, Sized))


class Whole(Spec):
    """A field with each kind of default."""

    number: int = 7
    text: str | None = None
    equal: Pair = (3, 3)
    unequal: Pair = (3, 5)
    many: Ints = (4, 4)
    one: Annotated[Spec, FAMILY] = Bare()
    given: Annotated[Spec, FAMILY] = Sized(size=4)
    several: Annotated[tuple[Spec, ...], FAMILY] = ()
    part: Part = Part()
    given_part: Part = Part(depth=9)


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("number", 7),
        ("text", None),
        ("equal", 3),
        ("unequal", [3, 5]),
        ("many", [4, 4]),
        ("one", "bare"),
        ("given", {"name": "sized", "size": 4}),
        ("several", []),
        ("part", {}),
        ("given_part", {"depth": 9}),
    ],
)
def test_a_default_is_shown_as_a_person_writes_it(field: str, written: object) -> None:
    """Equal sizes as one number, a choice as its name where that says it all, what is set with its fields."""
    assert plain_default(Whole.model_fields[field]) == written


def test_beside_one_choice_of_several_stand_the_fields_of_its_objective() -> None:
    """`weight` and `metrics` beside the loss of an output; nothing beside a choice that is only made."""
    by = ReadBy(lambda node, report: None, lambda value: value, LOSS, "outputs", Objective)
    assert keys_beside(by) == {"weight": "weight", "metrics": "metrics"}
    assert keys_beside(ReadBy(by.read, by.dump, LOSS, "inputs")) == {}
