"""How many pictures are predicted: told where a person waits, and only there."""

from __future__ import annotations

import io

import pytest

from dlcli.cli import picture_counter


@pytest.mark.parametrize(
    ("is_terminal", "patience", "shown"),
    [(True, -1.0, "\r\033[K0 of 2,000 pictures\r\033[K1,024 of 2,000 pictures\r\033[K"), (True, 1e9, ""), (False, -1.0, "")],
)
def test_a_person_who_waits_is_told(monkeypatch: pytest.MonkeyPatch, is_terminal: bool, patience: float, shown: str) -> None:
    """On a terminal once it takes long, a line that is gone at the end, also where the work fails."""
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr(picture_counter, "is_interactive", lambda stream: is_terminal)
    monkeypatch.setattr(picture_counter, "_PATIENCE", patience)

    def work() -> None:
        with picture_counter.picture_counter() as count:
            count(0, 2000)
            count(1024, 2000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert err.getvalue() == shown
