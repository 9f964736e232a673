"""`python -m demo [--keep] [--svg FILE]`: shows Drover emptying a node, and checks how that ended."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from controlplane.errors import CommandFailed, ControlPlaneError
from demo.run import Options, run

FAILED = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if all checks held, 1 if not, 130 after Ctrl-C; nothing is left behind in any case."""
    given = _parser().parse_args(arguments)
    # A shell starts background jobs with SIGINT ignored; `kill -INT` shall end us there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = Options(given.keep, given.svg.resolve() if given.svg else None, given.webhook_host)
    try:
        return 0 if run(Console(), options) else FAILED
    except (ControlPlaneError, CommandFailed) as error:
        print(f"demo: FAILED: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    words.add_argument("--keep", action="store_true", help="stay up at the end, until Ctrl-C")
    words.add_argument("--svg", type=Path, metavar="FILE", help="write a picture from the middle of the run")
    words.add_argument(
        "--webhook-host", default="127.0.0.1", help="where the API server of CLUSTER=kubeconfig or kind reaches us"
    )
    return words


if __name__ == "__main__":
    sys.exit(main())
