"""The prose of specs: what a class says of itself, and the line under a field, read from the source only when it is needed."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel


@cache
def field_docs(spec_class: type) -> Mapping[str, str]:
    """Field name -> its prose on one line, the classes above included."""
    docs: dict[str, str] = {}
    for owner in reversed(spec_class.__mro__):
        if owner is not BaseModel and issubclass(owner, BaseModel):
            docs.update(_docs_of_module(owner.__module__).get(owner.__qualname__, {}))
    return docs


def class_doc(spec_class: type) -> str:
    """A class's docstring on one line."""
    return " ".join((spec_class.__doc__ or "").split())


@cache
def _docs_of_module(module: str) -> Mapping[str, Mapping[str, str]]:
    """Class -> field -> prose, of the classes of a module."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError):  # no source beside the bytecode: messages go without the prose
        return {}
    return {node.name: _docs_of_class(node) for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _docs_of_class(owner: ast.ClassDef) -> dict[str, str]:
    docs = {}
    for field, prose in zip(owner.body, owner.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(prose, ast.Expr) and isinstance(prose.value, ast.Constant):
            docs[field.target.id] = " ".join(str(prose.value.value).split())
    return docs
