"""A polite kill ends a block as Ctrl-C does."""

import os
import signal
import threading

import pytest

from controlplane.signals import ending_by_exception


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_block_ends_by_keyboard_interrupt_and_the_signal_is_as_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), ending_by_exception():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_a_handler_that_somebody_has_set_is_theirs() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with ending_by_exception():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_other_threads_may_use_the_block_too() -> None:
    done: list[bool] = []

    def body() -> None:
        with ending_by_exception():
            done.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert done == [True]
