"""Ctrl-C and SIGTERM as requests."""

from __future__ import annotations

import signal
import threading

import pytest

from dlcli.runtime.signals import SIGNALS, StoppedError, StopRequest, watching_signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_becomes_a_request(number: signal.Signals, code: int) -> None:
    """The first signal interrupts nothing: it sets a flag and the exit code of a process ended by it."""
    with watching_signals() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested
        assert stop.signal == number
        assert stop.exit_code == code


@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_ctrl_c_leaves_at_once(first: signal.Signals) -> None:
    """Whoever asks again does not want to wait for the step."""
    with watching_signals() as stop:
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.requested


@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_sigterm_still_lets_the_step_finish(first: signal.Signals) -> None:
    """Schedulers send SIGTERM more than once, and mean the same."""
    with watching_signals() as stop:
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested


@pytest.mark.parametrize("how", ["normally", "by an error"])
def test_the_handlers_from_before_come_back(how: str) -> None:
    """Whoever calls dlcli from Python has their own handlers afterwards, whether it worked or not."""

    def mine(number: int, frame: object) -> None:
        """Somebody's own handler."""

    before = {number: signal.signal(number, mine) for number in SIGNALS}
    try:
        if how == "normally":
            with watching_signals():
                assert signal.getsignal(signal.SIGTERM) is not mine
        else:
            with pytest.raises(ValueError, match="a bug"), watching_signals():
                raise ValueError("a bug")
        assert [signal.getsignal(number) for number in SIGNALS] == [mine] * len(SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_handler_that_python_did_not_set_does_not_break_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside another program a handler can be that program's own, which Python shows as None and can't put back."""
    installed: list[tuple[int, object]] = []

    def install(number: int, handler: object) -> None:
        assert handler is not None, "signal.signal takes no None"
        installed.append((number, handler))

    monkeypatch.setattr(signal, "signal", install)
    with watching_signals():
        pass
    assert installed[len(SIGNALS) :] == [(number, signal.SIG_DFL) for number in SIGNALS]


def test_outside_the_main_thread_nothing_is_touched() -> None:
    """Python allows handlers in the main thread alone: elsewhere the request never comes, and nothing breaks."""
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[tuple[bool, bool]] = []

    def work() -> None:
        with watching_signals() as stop:
            seen.append((stop.requested, [signal.getsignal(number) for number in SIGNALS] == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]


def test_a_signal_that_is_ignored_stays_so() -> None:
    """`nohup dlcli train` goes on when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with watching_signals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_first_signal_decides_on_the_exit_code() -> None:
    """A terminal that closes while SIGTERM is heeded changes nothing of the answer."""
    with watching_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert stop.exit_code == 143


def test_what_is_under_way_can_ask_whether_to_stop() -> None:
    """A fresh request lets it go on; once somebody asked for the end, it is told by an error."""
    stop = StopRequest()
    assert not stop.requested
    stop.check()
    stop.signal = signal.SIGTERM
    with pytest.raises(StoppedError):
        stop.check()
