"""`python -m controlplane {build,up,sweep}`."""

import argparse
import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Sequence

from controlplane.binaries import tools
from controlplane.cluster import start
from controlplane.errors import ControlPlaneError
from controlplane.instance import sweep_leftovers

_LOOK = 1.0
"""Seconds between two looks at the servers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0 if it did what was asked, 1 with a line of why if not."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "build":
            _build()
        elif given.command == "up":
            _up(given.name, given.audit)
        else:
            print("\n".join(sweep_leftovers()) or "nothing was left")
    except ControlPlaneError as error:
        print(f"control plane: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controlplane", description="Kubernetes on loopback.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="find or build the programs, start nothing")
    up = commands.add_parser("up", help="start a control plane and keep it until Ctrl-C")
    up.add_argument("--name", default="up", help="what its folder is called")
    up.add_argument("--audit", action="store_true", help="write an audit log")
    commands.add_parser("sweep", help="remove what killed runs have left")
    return parser


def _build() -> None:
    for name, path in tools().items():
        print(f"{name:24} {path}")


def _up(name: str, audit: bool) -> None:
    # A shell starts background jobs with SIGINT ignored; `kill -INT` shall end us there too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), start(name, audit="rules" if audit else None) as cluster:
        print("# ready; Ctrl-C stops it and removes everything")
        for variable, value in cluster.environment().items():
            print(f"export {variable}={shlex.quote(value)}")
        print(f"export PATH={shlex.quote(str(cluster.tools['kubectl'].parent))}:$PATH", flush=True)
        while True:
            cluster.check()
            time.sleep(_LOOK)


if __name__ == "__main__":
    sys.exit(main())
