"""Pages of HTML: one file each, with all that it shows inside it, and nothing active."""

from __future__ import annotations

import base64
import io
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dlcli
from dlcli.config.hidden_characters import visible
from dlcli.errors import UsageError
from dlcli.runtime.durable_files import disk_errors, write_durably

if TYPE_CHECKING:
    import numpy as np
    from jinja2 import Environment
    from numpy.typing import NDArray

SUFFIX: Final = ".html"
_TEMPLATES: Final = Path(__file__).parent / "templates"


def rendered(template: str, **content: Any) -> str:
    """A page.

    Whatever is put into it is text, and escaped, but for figures and pictures, which dlcli draws itself.

    Args:
        template: a file in the folder `templates`.
        content: what it reads.
    """
    return _environment().get_template(template).render(version=dlcli.__version__, **content)


def check_output(file: Path) -> None:
    """Whether a page can be written to the file that somebody names.

    Raises:
        UsageError: it can't, or the file is, by its name, something else, which a page must not replace.
        ResourceError: the file system knows no such names.
    """
    if file.suffix.lower() != SUFFIX:
        raise UsageError(f"'{file}' does not end in {SUFFIX}", help=f"write for example --output page{SUFFIX}")
    with disk_errors(file, help=f"name another file with --output FILE{SUFFIX}"):
        if file.is_dir():
            raise UsageError(f"{file} is a folder", help=f"name a file in it: --output FILE{SUFFIX}")
        if not file.absolute().parent.is_dir():
            raise UsageError(f"there is no folder {file.parent}", help="make it first, or write elsewhere")


def write(page: str, file: Path) -> None:
    """Writes a page, whole or not at all.

    Raises:
        ResourceError: the disk does not take it.
    """
    write_durably(file, page.encode(errors="replace"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # only a page costs it

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters["number"] = number
    environment.globals["css"] = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment


def number(value: float | int | None, digits: int = 4) -> str:
    """A number as a person reads it: `0.9873`, `60,000`, `1,234.5`, `1.20e-05`; a dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.{digits if abs(value) < 100 else 1}f}"


def picture(pixels: NDArray[np.uint8]) -> str:
    """A picture as the `src` of an `<img>`.

    Args:
        pixels: 8-bit values (height, width), (height, width, 1), or (height, width, 3) for red, green and blue.
    """
    from PIL import Image  # noqa: PLC0415  # only a page with pictures costs it

    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
