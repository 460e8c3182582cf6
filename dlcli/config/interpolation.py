"""`${...}`: names, numbers, `+ - * / // %` and parentheses, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from dlcli.config.diagnostics import Report, did_you_mean
from dlcli.config.tree import Entry, Node, Scalar, Sequence
from dlcli.config.tree import Mapping as TreeMapping

Number = int | float
Names = Mapping[str, object]
"""What can be referred to, by dotted name: a value, a `Variable`, or UNKNOWN."""

MAX_EXPRESSION: Final = 200
MAX_PARENTHESES: Final = 20
MAX_TEXT: Final = 1_000
"""Characters that a text may have once its `${...}` are replaced."""
MAX_LISTED: Final = 1_000
"""Values of a list that `${...}` may stand for, those of the lists in it included."""
_LARGEST: Final = 10**18

UNKNOWN: Final = object()
"""Stands for a fact that can't be known while the data section has mistakes: what is made of it is unknown too."""

_REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_][\w.]*)|(?P<operator>//|[-+*/%()]))"
)
_NAME: Final = re.compile(r"[A-Za-z_][\w.]*")
_OPERATIONS: Final[Mapping[str, Callable[[Number, Number], Number]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "//": lambda left, right: left // right,
    "%": lambda left, right: left % right,
}


@dataclass(frozen=True)
class Variable:
    """A value that the config gives a name: a number, a text, true, false, null or a list."""

    node: Scalar | Sequence

    @property
    def value(self) -> object:
        return self.node.value if isinstance(self.node, Scalar) else self.node


class ExpressionError(Exception):
    """An expression that can't be evaluated."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help


def interpolate(node: Node, names: Names, report: Report) -> Node:
    """The tree with every `${...}` replaced by its value.

    A text that is one `${...}` takes the value's type; inside a longer text the value is written out.

    Args:
        node: the tree.
        names: what can be referred to, by dotted name.
        report: where mistakes are recorded; the text stays as it is there.
    """
    if isinstance(node, Sequence):
        return replace(node, items=tuple(interpolate(item, names, report) for item in node.items))
    if isinstance(node, TreeMapping):
        entries = {key: Entry(entry.key_place, interpolate(entry.node, names, report)) for key, entry in node.entries.items()}
        short = _interpolate_scalar(node.short, names, report) if node.short else None
        return replace(node, entries=entries, short=short)
    return _interpolate_value(node, names, report)


def _interpolate_value(node: Scalar, names: Names, report: Report) -> Scalar | Sequence:
    whole = _REFERENCE.fullmatch(node.value) if isinstance(node.value, str) else None
    variable = names.get(whole[1].strip()) if whole else None
    if isinstance(variable, Variable) and isinstance(variable.node, Sequence):
        if next(islice(_values(variable.node), MAX_LISTED, None), None) is None:
            return replace(variable.node, place=node.place)
        message = f"`{node.value}` is a list of more than {MAX_LISTED:,} values"
        report.error("limit", message, node.place, help="write the list where it is used")
        return node
    return _interpolate_scalar(node, names, report)


def _values(node: Node) -> Iterator[Node]:
    """The values of a list, those of the lists in it included."""
    for item in node.items if isinstance(node, Sequence) else ():
        yield item
        yield from _values(item)


def _interpolate_scalar(node: Scalar, names: Names, report: Report) -> Scalar:
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    _note_origin(node, names, report)
    try:
        return replace(node, value=_substitute(node.value, names))
    except ExpressionError as error:
        report.error(error.code, str(error), node.place, help=error.help)
        return node


def referenced_names(text: str) -> list[str]:
    """The names inside of the `${...}` of a text."""
    return _NAME.findall(" ".join(_REFERENCE.findall(text)))


def _note_origin(node: Scalar, names: Names, report: Report) -> None:
    """A mistake in what comes out is also shown where the first variable in it was given its value."""
    for name in referenced_names(str(node.value)):
        variable = names.get(name)
        if isinstance(variable, Variable) and isinstance(variable.node, Scalar):
            report.comes_from(node.place, f"`{name}` is {_written(variable.node.value)}", variable.node.place)
            return


def _substitute(text: str, names: Names) -> bool | int | float | str | None:
    whole = _REFERENCE.fullmatch(text)
    if whole:
        value = evaluate(whole[1], names)
        if value is UNKNOWN:
            return text
        if not isinstance(value, None | bool | int | float | str):
            raise ExpressionError("expression", f"`{whole[1].strip()}` is a list, and can't be calculated with")
        return value
    if text.count("${") != len(_REFERENCE.findall(text)):
        raise ExpressionError("expression", "a `${` without its `}`")
    values = [evaluate(expression, names) for expression in _REFERENCE.findall(text)]
    if UNKNOWN in values:
        return text
    if any(isinstance(value, Sequence) for value in values):
        raise ExpressionError("expression", "a list can't stand inside a longer text")
    written = [_written(value) for value in values]
    if sum(map(len, written)) > MAX_TEXT:
        raise ExpressionError("limit", f"a text that has more than {MAX_TEXT:,} characters once its `${{...}}` are replaced")
    parts = iter(written)
    return _REFERENCE.sub(lambda _: next(parts), text)


def _written(value: object) -> str:
    """A value inside a longer text, as YAML has it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(expression: str, names: Names) -> object:
    """The value of an expression.

    Raises:
        ExpressionError: it is not one, names something unknown, or divides by zero.
    """
    if len(expression) > MAX_EXPRESSION:
        raise ExpressionError("limit", f"an expression of more than {MAX_EXPRESSION} characters")
    parser = _Parser(_tokens(expression), names, expression.strip())
    value = parser.sum()
    if parser.position < len(parser.tokens):
        raise parser.unexpected()
    return value


def _tokens(expression: str) -> list[str]:
    tokens, position, text = [], 0, expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            allowed = "numbers, names, + - * / // % and parentheses"
            raise ExpressionError("expression", f"`{text.strip()}` is not an expression", f"inside `${{...}}`: {allowed}")
        tokens.append(match[0].strip())
        position = match.end()
    return tokens


@dataclass
class _Parser:
    """Recursive descent over the tokens of one expression."""

    tokens: list[str]
    names: Names
    text: str
    position: int = 0
    depth: int = 0

    def sum(self) -> object:
        return self._chain(("+", "-"), self._product)

    def _product(self) -> object:
        return self._chain(("*", "/", "//", "%"), self._factor)

    def _chain(self, operators: tuple[str, ...], operand: Callable[[], object]) -> object:
        left = operand()
        while self.position < len(self.tokens) and self.tokens[self.position] in operators:
            operator = self._next()
            left = self._calculated(operator, left, operand())
        return left

    def _factor(self) -> object:
        symbol = self._next()
        if symbol == "-":
            return self._calculated("*", -1, self._factor())
        if symbol == "(":
            return self._parenthesis()
        if symbol[:1].isdigit():
            return self._checked(float(symbol) if any(mark in symbol for mark in ".eE") else int(symbol))
        if symbol[:1].isalpha() or symbol[:1] == "_":
            if symbol not in self.names:
                raise ExpressionError("unknown-name", f"nothing is named `{symbol}`", self._meant(symbol))
            named = self.names[symbol]
            return named.value if isinstance(named, Variable) else named
        self.position -= 1
        raise self.unexpected()

    def _meant(self, symbol: str) -> str | None:
        """The name that ends in the same word, `vars.width` for `width`, or one that is near."""
        last = symbol.rpartition(".")[2]
        same = next((name for name in self.names if name.rpartition(".")[2] == last), None)
        return f"did you mean `{same}`?" if same is not None else did_you_mean(symbol, self.names)

    def _parenthesis(self) -> object:
        self.depth += 1
        if self.depth > MAX_PARENTHESES:
            raise ExpressionError("limit", f"`{self.text}` has more than {MAX_PARENTHESES} parentheses inside each other")
        value = self.sum()
        if self._next() != ")":
            self.position -= 1
            raise self.unexpected()
        self.depth -= 1
        return value

    def _next(self) -> str:
        if self.position >= len(self.tokens):
            raise self.unexpected()
        self.position += 1
        return self.tokens[self.position - 1]

    def _calculated(self, operator: str, left: object, right: object) -> object:
        if left is UNKNOWN or right is UNKNOWN:
            return UNKNOWN
        for side in (left, right):
            if isinstance(side, bool) or not isinstance(side, int | float):
                raise ExpressionError("expression", f"`{self.text}` calculates with something that is no number")
        assert isinstance(left, int | float)
        assert isinstance(right, int | float)
        try:
            result = _OPERATIONS[operator](left, right)
        except ZeroDivisionError:
            raise ExpressionError("expression", f"`{self.text}` divides by zero") from None
        return self._checked(result)

    def _checked(self, value: Number) -> Number:
        if abs(value) > _LARGEST:
            raise ExpressionError("limit", f"`{self.text}` is larger than any size can be")
        return value

    def unexpected(self) -> ExpressionError:
        if not self.tokens:
            return ExpressionError("expression", "nothing stands inside of `${}`")
        if self.position >= len(self.tokens):
            return ExpressionError("expression", f"`{self.text}` ends too early")
        return ExpressionError("expression", f"`{self.text}` is not an expression: {self.tokens[self.position]} is not expected")
