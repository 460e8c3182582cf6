"""HTML and SVG taken apart, to see that nothing in them is active."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_ELEMENTS: Final = """
html head meta title link style body main header footer section h1 h2 h3 p small span b q code pre dl dt dd div ul li
figure figcaption img table caption thead tbody tr th td details summary
svg g path rect circle polyline text use defs clippath image
"""
_ATTRIBUTES: Final = """
lang charset name content http-equiv rel href src alt class id style role aria-label tabindex scope
viewbox xmlns xmlns:xlink xlink:href d x y x1 y1 x2 y2 cx cy r rx width height fill stroke stroke-width stroke-dasharray
transform clip-path points font-size font-family text-anchor
"""
ELEMENTS: Final = frozenset(_ELEMENTS.split())
ATTRIBUTES: Final = frozenset(_ATTRIBUTES.split())
_LEADS_INSIDE: Final = re.compile(r"#[\w-]+|data:image/png;base64,[A-Za-z0-9+/=]+|data:,")
_REFERENCES: Final = ("href", "src", "xlink:href")
_OUTSIDE: Final = re.compile(r"url\((?!#)|expression|@import|javascript:|https?:", re.IGNORECASE)


class Markup(HTMLParser):
    """Reads a page.

    Attributes:
        odd: what may not stand in it.
        text: what a person reads, styles left out.
        ids: the names of elements.
        references: those that other elements refer to.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.odd: list[str] = []
        self.ids: list[str] = []
        self.references: set[str] = set()
        self._texts: list[str] = []
        self._is_style = False
        self.feed(page)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(self._texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        if tag not in ELEMENTS:
            self.odd.append(f"<{tag}>")
        for name, value in attrs:
            self._check(tag, name, value or "")

    def _check(self, tag: str, name: str, value: str) -> None:
        if name not in ATTRIBUTES:
            self.odd.append(f"<{tag} {name}>")
        if name in _REFERENCES and not _LEADS_INSIDE.fullmatch(value):
            self.odd.append(f"<{tag} {name}={value[:60]}>")
        if name in ("style", "clip-path", "fill", "stroke") and _OUTSIDE.search(value):
            self.odd.append(f"<{tag} {name}={value[:60]}>")
        if name == "id":
            self.ids.append(value)
        self.references.update(re.findall(r"url\(#([\w-]+)\)", value))
        if name in _REFERENCES and value.startswith("#"):
            self.references.add(value[1:])

    def handle_endtag(self, tag: str) -> None:
        self._is_style = self._is_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._is_style:
            if _OUTSIDE.search(data):
                self.odd.append(f"a style: {data[:60]}")
        else:
            self._texts.append(data)

    def handle_decl(self, decl: str) -> None:
        if decl.lower() != "doctype html":
            self.odd.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.odd.append(f"<?{data}>")
