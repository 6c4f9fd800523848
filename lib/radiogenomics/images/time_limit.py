"""A limit of time for reading one patient's images."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from radiogenomics.study.errors import ImageFault


class _Late(BaseException):
    """Not an Exception: what guards against one unreadable file must not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop what is read inside after so many seconds.

    It acts between two calls of a C library, in a process's main thread, where the system has
    timers (not on Windows); elsewhere reading goes on without a limit.

    Raises:
        ImageFault: the time is over.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "setitimer")):
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Late:
        raise ImageFault(
            f"the images were not read within {seconds:g} seconds. Expected: files on a disk that "
            "answers. Copy them there, or give more time (study.toml [images] time_limit_s)."
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(*_: object) -> None:
    raise _Late
