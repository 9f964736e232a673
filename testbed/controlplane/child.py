"""Becomes a program that dies when its parent does. Run as a file: `child.py <parent's pid or 0> <program> <args>`.

Its own interpreter and not a function between fork and exec (Popen's preexec_fn), which may deadlock where the parent
has threads and is a deprecation warning there since Python 3.12.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, program: str, *arguments: str) -> None:
    """Does not return. With parent 0 the program outlives whoever started it.

    The kernel sends the signal when the *thread* that started us ends (prctl(2)); it stays set over the exec.
    """
    if parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent is gone already")
    try:
        os.execv(program, [program, *arguments])
    except OSError as error:
        sys.exit(f"{program} cannot be run: {error}")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
