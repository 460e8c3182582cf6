"""When Python looks for garbage."""

from __future__ import annotations

import gc

import pytest

from dlcli.runtime.garbage import without_garbage_collection


def test_the_collector_is_off_inside_and_as_it_was_afterwards() -> None:
    """After a failure too, and where it was off before."""
    with pytest.raises(ValueError, match="inside"), without_garbage_collection():  # noqa: PT012  # both belong to the block
        assert not gc.isenabled()
        raise ValueError("inside")
    assert gc.isenabled()
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
