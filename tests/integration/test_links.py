"""Links in the documentation lead to files and headings that there are."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _prose(page: Path) -> str:
    """A page without its code: neither blocks between fences, indented ones, nor what stands between backticks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: "`" * len(code[0]), text)


def _links(page: Path) -> list[str]:
    """Where its links lead that stay inside of the project."""
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", _prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


@cache
def _anchors(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    seen: Counter[str] = Counter()
    anchors = set()
    for title in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file or a folder of the project, and to a heading of it where the link names one."""
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no such file"
        assert target.is_relative_to(ROOT), f"{link}: this leads out of the project"
        assert not anchor or anchor in _anchors(target), f"{link}: {target.name} has no such heading"


def test_every_page_is_on_the_map() -> None:
    """From docs/README.md a reader gets to every page, on at most one page between."""
    start = ROOT / "docs" / "README.md"
    near = {(start.parent / link.partition("#")[0]).resolve() for link in _links(start)}
    further = {(page.parent / link.partition("#")[0]).resolve() for page in near if page.suffix == ".md" for link in _links(page)}
    folders = {path for path in near if path.is_dir()}
    lost = [
        page
        for page in PAGES[2:]
        if page != start and page not in near | further and not any(page.is_relative_to(folder) for folder in folders)
    ]
    assert lost == []


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see [this](a.md#b) and [that](https://example.org)", ["a.md#b"]),
        ("`[no](code.md)`\n\n    [no](block.md)\n\n```\n[no](fence.md)\n```\n", []),
        ("[`code`](layers.md#conv2d)", ["layers.md#conv2d"]),
    ],
    ids=["prose", "code", "code as text"],
)
def test_what_a_link_is(text: str, links: list[str], tmp_path: Path) -> None:
    """What stands in prose; addresses are not looked up."""
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert _links(page) == links


def test_anchors_are_those_of_headings(tmp_path: Path) -> None:
    """In lower case, without punctuation, with a number where one is there twice."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A run, *again*\n\n## `conv2d`\n\n## [A link](x.md)\n\n## `conv2d`\n\n```sh\n# no heading\n```\n", encoding="utf-8"
    )
    assert _anchors(page) == {"a-run-again", "conv2d", "a-link", "conv2d-1"}
