"""Expressions inside `${...}`: arithmetic as Python has it, on random expressions, and nothing but arithmetic."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dlcli.config import tree
from dlcli.config.diagnostics import Report
from dlcli.config.interpolation import ExpressionError, evaluate, interpolate
from tests.unit.config.configs import PROFILE, mistakes, parse

NAMES = {"data.num_classes": 10, "vars.width": 3, "channels": 7, "half": 0.5, "word": "abc", "flag": True, "nothing": None}
IN_PYTHON = {"data": SimpleNamespace(num_classes=10), "vars": SimpleNamespace(width=3), "channels": 7, "half": 0.5}

numbers = st.one_of(
    st.integers(0, 40).map(str), st.floats(0, 40).map(lambda value: f"{value:.3f}"), st.sampled_from(["1e2", "2.5e-1", "3."])
)
operands = st.one_of(numbers, st.sampled_from(["data.num_classes", "vars.width", "channels", "half"]))
expressions = st.recursive(
    operands,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner, st.sampled_from(["", " "])).map(
            lambda parts: parts[3].join(parts[:3])
        ),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
    ),
    max_leaves=12,
)


@PROFILE
@given(expression=expressions)
def test_arithmetic_is_that_of_python(expression: str) -> None:
    """Precedence, association, signs and types: any expression has the value that Python gives it."""
    assume(len(expression) <= 200)
    try:
        expected = eval(expression, {}, IN_PYTHON)  # noqa: S307  # the judge; the text is made above
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="divides by zero"):
            evaluate(expression, NAMES)
        return
    value = evaluate(expression, NAMES)
    assert value == pytest.approx(expected, rel=0, abs=0)
    assert type(value) is type(expected)


@PROFILE
@given(expression=st.text(st.sampled_from("0123456789.+-*/%() eEabchnls_datanum_classes$'\"[]:=,"), max_size=40))
def test_nothing_but_arithmetic_is_an_expression(expression: str) -> None:
    """Any jumble either has the value that Python gives it or is refused as an expression; nothing else happens."""
    try:
        value = evaluate(expression, NAMES)
    except ExpressionError:
        return
    try:
        expected = eval(expression, {}, NAMES)  # noqa: S307  # the judge; what was accepted is arithmetic
    except (SyntaxError, NameError):  # Python has no `007`, and no dots in names
        return
    assert value == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${data.num_classes}", 10),
        ("${ 2 * (vars.width + 1) }", 8),
        ("${channels // 2}", 3),
        ("${channels / 2}", 3.5),
        ("${word}", "abc"),
        ("${flag}", True),
        ("${nothing}", None),
        ("run-${data.num_classes}-${word}", "run-10-abc"),
        ("${flag} and ${nothing}", "true and null"),
        ("no reference", "no reference"),
        ("$word {word} $", "$word {word} $"),
    ],
)
def test_a_reference_takes_the_type_of_its_value(text: str, value: object) -> None:
    """A text that is one `${...}` becomes the value; inside a longer text the value is written out as YAML has it."""
    replaced, report = _interpolated(text)
    assert report.diagnostics == []
    assert replaced == value
    assert type(replaced) is type(value)


@pytest.mark.parametrize(
    ("text", "code", "words", "help"),
    [
        ("${data.num_clases}", "unknown-name", "`data.num_clases`", "did you mean `data.num_classes`?"),
        ("${chanels * 2}", "unknown-name", "`chanels`", "did you mean `channels`?"),
        ("${1 / 0}", "expression", "divides by zero", None),
        ("${1 % (2 - 2)}", "expression", "divides by zero", None),
        ("${channels", "expression", "without its `}`", None),
        ("${a ${channels}", "expression", "without its `}`", None),
        ("${}", "expression", "nothing stands inside", None),
        ("${1 +}", "expression", "`1 +` ends too early", None),
        ("${(1 + 2}", "expression", "ends too early", None),
        ("${1 2}", "expression", "2 is not expected", None),
        ("${(1 2)}", "expression", "2 is not expected", None),
        ("${2 ** 3}", "expression", "* is not expected", None),
        (
            "${__import__('os')}",
            "expression",
            "is not an expression",
            "inside `${...}`: numbers, names, + - * / // % and parentheses",
        ),
        ("${word * 1000}", "expression", "no number", None),
        ("${flag + 1}", "expression", "no number", None),
        ("${nothing + 1}", "expression", "no number", None),
        ("${999999999 * 999999999 * 999999999}", "limit", "larger than any size", None),
        ("${99999999999999999999}", "limit", "larger than any size", None),
        ("${1e999 - 1e999}", "limit", "larger than any size", None),
        ("${" + "1+" * 200 + "1}", "limit", "200 characters", None),
        ("${" + "(" * 90 + "1" + ")" * 90 + "}", "limit", "parentheses", None),
        ("${" + "(" * 199 + "}", "limit", "parentheses", None),
    ],
)
def test_what_can_not_be_calculated_is_said(text: str, code: str, words: str, help: str | None) -> None:
    """Each mistake has its own message at the text's place, and the text stays as it was."""
    replaced, report = _interpolated(text)
    (mistake,) = report.diagnostics
    assert (mistake.code, mistake.place.line, mistake.place.column) == (code, 1, 6)
    assert words in mistake.message
    assert mistake.help == help
    assert replaced == text


def _interpolated(text: str) -> tuple[object, Report]:
    report = Report()
    quoted = "'" + text.replace("'", "''") + "'"
    return tree.plain(interpolate(parse(f"key: {quoted}"), NAMES, report))["key"], report


def test_every_mistake_of_a_tree_is_found() -> None:
    """References are replaced wherever they stand, and one that fails does not hide the next."""
    report = Report()
    node = parse("a: ${channels}\nb: [x, '${oops}']\nc: {d: '${1 / 0}', e: '${half}'}\n")
    replaced = tree.plain(interpolate(node, NAMES, report))
    assert replaced == {"a": 7, "b": ["x", "${oops}"], "c": {"d": "${1 / 0}", "e": 0.5}}
    assert [(mistake.place.line, mistake.place.column) for mistake in report.diagnostics] == [(2, 8), (3, 8)]


def _ten_times(name: str, between: str) -> str:
    return between.join([f'"${{vars.{name}}}"' if between else f"${{vars.{name}}}"] * 10)


def test_texts_and_lists_do_not_grow_without_end() -> None:
    """Variables made of variables: refused at the first that is too large to be meant."""
    texts = "".join(f"  t{this}: '{_ten_times(f't{this - 1}', '')}'\n" for this in range(1, 9))
    lists = "".join(f"  l{this}: [{_ten_times(f'l{this - 1}', ', ')}]\n" for this in range(1, 9))
    found = mistakes(f"vars:\n  t0: xx\n{texts}  l0: [1]\n{lists}data: digits\nmodel: {{layers: [flatten, linear: 10]}}\n")
    assert {mistake.code for mistake in found} == {"limit"}
    assert {"characters", "values"} <= {word for mistake in found for word in mistake.message.split()}
    assert min(mistake.place.line for mistake in found) == 5


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${vars.sizes + 1}", "`vars.sizes + 1` calculates with something that is no number"),
        ("${(vars.sizes)}", "`(vars.sizes)` is a list, and can't be calculated with"),
        ("run ${vars.sizes}", "a list can't stand inside a longer text"),
    ],
)
def test_a_list_is_only_taken_whole(value: str, message: str) -> None:
    """Calculating with one, or writing one into a text, is a mistake."""
    text = f"vars: {{sizes: [3, 5], x: '{value}'}}\ndata: digits\nmodel: {{layers: [flatten, linear: 10]}}\n"
    (found,) = mistakes(text)
    assert (found.place.line, found.place.column, found.code) == (1, 26, "expression")
    assert found.message == message


def test_what_is_made_of_an_unknown_fact_is_not_judged() -> None:
    """While the data section has a mistake, that is the only one told: not the texts and sizes that need its facts."""
    text = """\
        data: {name: digits, limit: -1}
        model: {layers: [flatten, {linear: {out_features: "${2 * data.num_classes}", name: "of_${data.num_classes}"}}]}
        train: {epochs: "${data.num_features}"}
    """
    assert [(found.place.line, found.code) for found in mistakes(text)] == [(1, "range")]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1+" * 99 + "10", 109),  # 200 characters
        ("(" * 20 + "1" + ")" * 20, 1),
        ("(1) + (2) + (3) * (4)" + " + (1)" * 25, 40),
        ("10 ** 1".replace("**", "*") + "0" * 16, 10**17),
        ("1000000000 * 1000000000", 10**18),
        ("2E1 + 1.5", 21.5),
    ],
)
def test_limits_are_where_they_are_said_to_be(expression: str, value: float) -> None:
    """200 characters, 20 parentheses inside each other, any number beside each other, sizes up to 10^18."""
    assert evaluate(expression, NAMES) == value


@pytest.mark.parametrize("expression", ["1+" * 99 + "100", "(" * 21 + "1" + ")" * 21, "1000000000 * 1000000000 + 1"])
def test_one_more_than_a_limit_is_refused(expression: str) -> None:
    """The next character, the next parenthesis, the next whole number."""
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression, NAMES)
    assert caught.value.code == "limit"


def test_the_name_that_ends_in_the_same_word_is_meant() -> None:
    """`width` for `vars.width`, `num_classes` for a fact of the data, of one input among several too."""
    for written, meant in (("width", "vars.width"), ("vars.num_classes", "data.num_classes"), ("size", "data.left.size")):
        with pytest.raises(ExpressionError) as caught:
            evaluate(written, {**NAMES, "data.left.size": 3})
        assert caught.value.help == f"did you mean `{meant}`?"


def test_a_text_has_a_thousand_characters_at_most() -> None:
    """Once its references are replaced; what stands around them is its own."""
    names = {"long": "x" * 500}
    report = Report()
    node = parse("a: '${long}${long}'\nb: '${long}${long}${one}'\n")
    replaced = tree.plain(interpolate(node, {**names, "one": "y"}, report))
    assert replaced == {"a": "x" * 1000, "b": "${long}${long}${one}"}
    assert [(mistake.code, mistake.place.line) for mistake in report.diagnostics] == [("limit", 2)]


def test_a_variable_that_is_a_list_stands_where_it_is_used() -> None:
    """A mistake in it is shown there; one of more than a thousand values is refused there, and told what to do."""
    text = "vars: {many: [%s]}\ndata: digits\nmodel: {layers: [flatten, {reshape: '${vars.many}'}]}\n"
    (found,) = mistakes(text % ", ".join(["1"] * 1001))
    assert (found.code, found.place.line, found.place.column) == ("limit", 3, 37)
    assert found.message == "`${vars.many}` is a list of more than 1,000 values"
    assert found.help == "write the list where it is used"
