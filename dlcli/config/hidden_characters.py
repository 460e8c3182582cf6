"""Characters that make a text look like another one."""

from __future__ import annotations

import unicodedata
from typing import Final

_KEPT: Final = "\n\t\u200c\u200d"
"""The last two join letters or keep them apart, as Persian and emoji need it."""


def visible(text: str) -> str:
    """The text with control characters, marks of direction and half surrogates shown by their code, `<U+202E>`.

    They reorder or hide what stands around them (Boucher and Anderson, Trojan Source, 2021, arXiv:2111.00169).
    """
    if text.isprintable():
        return text
    return "".join(f"<U+{ord(char):04X}>" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return char not in _KEPT and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
