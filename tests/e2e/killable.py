"""The operator, which kills itself at one of its writes: before it is sent, or when its answer is there and not read.

DROVER_KILL_AT names the write as this module logs it, for example `before PATCH nodes n-1 #1`; without it nothing is
killed. Statuses of plans and maintenances and Events are no points: they are told again whatever happens.
"""

import asyncio
import logging
import os
import re
import signal
from collections import Counter

from drover.main import arguments, log_to_stderr, serve
from drover.watching.client import Client, Write

log = logging.getLogger("killable")
LEFT_OUT = frozenset({"migrationplans/status", "nodemaintenances/status", "events"})
KILL_AT = "DROVER_KILL_AT"
SAID = "a write: "
_GENERATED = re.compile(r"-[0-9a-f]{12}-(\d+)$")
"""The end of a name that is a hash of UIDs, with what is counted: attempts of a migration, numbers of reports."""


class Killer:
    """Counts the writes to each object, by verb; each is a point before and a point after."""

    def __init__(self, kill_at: str) -> None:
        self._kill_at = kill_at
        self._counts: Counter[str] = Counter()

    async def __call__(self, write: Write) -> None:
        if write.kind in LEFT_OUT:
            return
        what = " ".join((write.verb, write.kind, _GENERATED.sub(r"/\1", write.name)))
        if write.phase == "before":
            self._counts[what] += 1
        point = f"{write.phase} {what} #{self._counts[what]}"
        log.info("%s%s", SAID, point)
        if point == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    options = arguments()
    log_to_stderr(options.log_level, options.log_format)
    asyncio.run(serve(options, Client(on_write=Killer(os.environ.get(KILL_AT, "")))))


if __name__ == "__main__":
    main()
