"""Makes a polite kill end a `with` block as Ctrl-C does."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_by_exception() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in here, so that what was started is also stopped.

    KeyboardInterrupt, because test runners and event loops know it as the one that ends everything. Only where nobody
    else has said what these signals do, and only in the main thread, which alone may say it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
