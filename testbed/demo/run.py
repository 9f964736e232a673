"""The demo from beginning to end: stages with their times, the story, the verdict."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from controlplane.cluster import Cluster, from_environment, prepare
from demo import cast, fleet
from demo.check import judge
from demo.closing import advice, report
from demo.program import Program
from demo.screen import shown_on
from demo.story import Story


@dataclass(frozen=True, slots=True)
class Options:
    """keep: stay up at the end. svg: where to write a picture from the middle. webhook_host: see virtsim."""

    keep: bool = False
    svg: Path | None = None
    webhook_host: str = "127.0.0.1"


class Stages:
    """Says what is being done and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.took: dict[str, float] = {}

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.took[name] = time.monotonic() - began

    @contextmanager
    def stage(self, name: str, detail: str) -> Iterator[None]:
        """A line with its seconds at the end; a spinner until then, on a terminal."""
        with self.timed(name), self._console.status(f"{name}: {detail}"):
            yield
        self.say(f"{self.took[name]:6.1f} s  {name}: {detail}")


def run(console: Console, options: Options) -> bool:
    """Whether everything was as it should be. Raises ControlPlaneError if it did not come that far."""
    stages = Stages(console)
    prepare()
    began = time.monotonic()
    with ExitStack() as stack:
        cluster, programs = _set_up(stack, stages, options)
        with stages.timed("maintenance"):
            evidence = Story(cluster, programs).play(shown_on(console, fleet.limits(), options.svg), stages.say)
        checks = judge(evidence)
        stages.say("\n".join(report(evidence, checks, cluster.audit_log is not None)))
        stages.say(", ".join(f"{each.name}: {each.memory():.0f} MB resident" for each in programs))
        if options.keep:
            with stages.timed("kept"):
                _keep(stages, cluster, programs)
        ending = time.monotonic()
    stages.took["stop"] = time.monotonic() - ending
    times = ", ".join(f"{name} {seconds:.0f}" for name, seconds in stages.took.items())
    good = not any(check.violations for check in checks)
    stages.say(f"demo: {'passed' if good else 'FAILED'} in {time.monotonic() - began:.0f} s ({times})")
    return good


def _set_up(stack: ExitStack, stages: Stages, options: Options) -> tuple[Cluster, list[Program]]:
    with stages.stage("control plane", "etcd, kube-apiserver, kube-controller-manager, kube-scheduler"):
        cluster = stack.enter_context(from_environment("demo", audit="rules"))
        cast.refuse_occupied(cluster)
    with stages.stage("fleet", "12 nodes and 120 VMs of a simulated KubeVirt; meanwhile Drover's chart"):
        simulator = stack.enter_context(cast.simulator(cluster, options.webhook_host))
        account = stack.enter_context(cast.chart(cluster))
        cast.fleet_ready(simulator)
    with stages.stage("Drover", f"its process, as ServiceAccount {cast.SYSTEM}/{cast.ACCOUNT}"):
        operator = stack.enter_context(cast.operator(cluster, account))
    return cluster, [simulator, operator]


def _keep(stages: Stages, cluster: Cluster, programs: list[Program]) -> None:
    """Stays up until Ctrl-C, with commands to try. Raises ControlPlaneError if one of the programs ends."""
    stages.say("\n".join(["", *advice(cluster), "", "Ctrl-C ends it."]))
    with suppress(KeyboardInterrupt):
        while True:
            cluster.check()
            for program in programs:
                program.check()
            time.sleep(1.0)
    # The terminal has put ^C on the last line.
    stages.say("")
