"""The line of prose under a field of a spec, read from the source only when a message needs it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache


@cache
def field_docs(spec_class: type) -> Mapping[str, str]:
    """Field name -> its prose on one line, the classes above included."""
    docs: dict[str, str] = {}
    for owner in reversed(spec_class.__mro__):
        if owner.__module__.startswith("dlcli."):
            docs.update(_own_field_docs(owner))
    return docs


def _own_field_docs(owner: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(owner))
    except (OSError, TypeError):  # no source beside the bytecode: messages go without the prose
        return {}
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for field, prose in zip(body.body, body.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(prose, ast.Expr) and isinstance(prose.value, ast.Constant):
            docs[field.target.id] = " ".join(str(prose.value.value).split())
    return docs
