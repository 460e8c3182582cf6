"""How much larger than its file something may become."""

from __future__ import annotations

import pytest

from dlcli.data.sources.growth import ALWAYS, check_growth
from dlcli.errors import DataError


@pytest.mark.parametrize(
    ("grown", "size", "times"),
    [(ALWAYS, 0, 20), (ALWAYS + 1, ALWAYS, 20), (20 * ALWAYS, ALWAYS, 20), (100 * ALWAYS, ALWAYS, 100)],
)
def test_what_its_file_can_mean_is_let_through(grown: int, size: int, times: int) -> None:
    """A gibibyte always, and more where the file is large too."""
    check_growth("a file", grown, size, "help", times)


@pytest.mark.parametrize(("grown", "size", "times"), [(ALWAYS + 1, 0, 20), (20 * ALWAYS + 1, ALWAYS, 20), (10**30, ALWAYS, 100)])
def test_what_its_file_can_not_mean_is_refused(grown: int, size: int, times: int) -> None:
    """With the size it would have, both limits and what helps."""
    with pytest.raises(
        DataError, match=f"a file would take .* GiB of memory: more than 1 GiB, and more than {times} times"
    ) as caught:
        check_growth("a file", grown, size, "write less", times)
    assert caught.value.help == "write less"
