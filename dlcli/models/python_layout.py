"""Statements of Python in lines of at most 100 characters, broken where ruff breaks them."""

from __future__ import annotations

from typing import Final

LINE_LENGTH: Final = 100
_INDENT: Final = "    "


def laid_out(statement: str, indent: str, comment: str | None = None) -> list[str]:
    """The lines of a statement.

    Args:
        statement: on one line, without brackets or commas inside its strings.
        indent: what stands before it.
        comment: stands behind it, or above it where there is no room.
    """
    line = indent + statement
    if comment is None:
        return _broken(line)
    together = f"{line}  # {comment}"
    return [together] if len(together) <= LINE_LENGTH else [f"{indent}# {comment}", *_broken(line)]


def _broken(line: str) -> list[str]:
    """The lines of one that may be too long; it stays so where nothing in it can be broken."""
    if len(line) <= LINE_LENGTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    pair = _widest_brackets(line)
    if pair is None:
        return _broken_sum(line, indent)
    start, end = pair
    inside, deeper = line[start:end], indent + _INDENT
    is_call = start > 1 and (line[start - 2].isalnum() or line[start - 2] == "_")
    if is_call and len(deeper + inside) <= LINE_LENGTH:
        return [line[:start], deeper + inside, indent + line[end:]]
    parts = _split(inside, ", ")
    comma = "," if len(parts) > 1 else ""
    return [line[:start], *(new for part in parts for new in _broken(deeper + part + comma)), indent + line[end:]]


def _broken_sum(line: str, indent: str) -> list[str]:
    """`x = a + b` with each term on its own line."""
    head, space, rest = line.lstrip().partition(" = ") if " = " in line else line.lstrip().partition(" ")
    words = rest.split(" ")
    if len(words) < 3:
        return [line]
    terms = [words[0], *(" ".join(words[index : index + 2]) for index in range(1, len(words), 2))]
    return [f"{indent}{head}{space}(", *(indent + _INDENT + term for term in terms), f"{indent})"]


def _widest_brackets(line: str) -> tuple[int, int] | None:
    """Where the content of the outermost brackets with the most inside begins and ends."""
    pairs, depth, start = [], 0, 0
    for index, character in enumerate(line):
        if character in "([{":
            start = index + 1 if depth == 0 else start
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0 and index > start:
                pairs.append((start, index))
    return max(pairs, key=lambda pair: pair[1] - pair[0], default=None)


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that stand outside of all brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and text.startswith(separator, index):
            parts.append(text[start:index])
            start = index + len(separator)
    return [*parts, text[start:]]
