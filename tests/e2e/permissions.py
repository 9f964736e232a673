"""The chart's ClusterRole is what a whole run of these tests used, no less and no more.

The tests run in several processes, each with a cluster of its own: each says at its end what it saw, and the one that
started them judges the sum.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.audit import Audit
from tests.e2e.installing import USER, Installed

Permission = tuple[str, str, str]
"""Verb, resource and group."""
FORBIDDEN = 403
ALONE = {"test_demo.py"}
"""Modules whose requests are in no audit log of ours: they have a cluster of their own."""
ALL = "not crash"
"""The marks of a whole run: what only `make crash` runs does not count."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the chart grants, and what its account asked for."""

    granted: frozenset[Permission] = frozenset()
    used: frozenset[Permission] = frozenset()
    forbidden: frozenset[Permission] = frozenset()

    def __or__(self, other: "Seen") -> "Seen":
        return Seen(self.granted | other.granted, self.used | other.used, self.forbidden | other.forbidden)

    def packed(self) -> list[list[Permission]]:
        """As one process can send it to another."""
        return [sorted(self.granted), sorted(self.used), sorted(self.forbidden)]

    @staticmethod
    def unpacked(sent: Iterable[Iterable[Iterable[str]]]) -> "Seen":
        def tuples(permissions: Iterable[Iterable[str]]) -> frozenset[Permission]:
            return frozenset((verb, resource, group) for verb, resource, group in permissions)

        granted, used, forbidden = sent
        return Seen(tuples(granted), tuples(used), tuples(forbidden))


def seen_in(installed: Installed) -> Seen:
    """By the audit log; a cluster without one shows nothing."""
    if installed.cluster.audit_log is None:
        return Seen()
    requests = list(Audit(installed.cluster.audit_log, whole=True).requests(USER))
    return Seen(
        granted=frozenset(
            (verb, resource, group)
            for rule in installed.the("ClusterRole")["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ),
        used=frozenset(each.permission for each in requests if each.code != FORBIDDEN),
        forbidden=frozenset(each.permission for each in requests if each.code == FORBIDDEN),
    )


def judge(seen: Seen, incomplete: str) -> tuple[list[str], str]:
    """What is wrong, and what there is to say beside it; `incomplete` is why a run shows not all that is used."""
    wrong = [f"was forbidden: {_words(each)}" for each in sorted(seen.forbidden)]
    # Else another role of the cluster gives what the chart does not.
    wrong += [
        f"was used and is not in the chart's ClusterRole: {_words(each)}" for each in sorted(seen.used - seen.granted)
    ]
    unused = sorted(seen.granted - seen.used)
    if incomplete:
        remark = f"only a whole run shows whether each grant is used ({incomplete})"
        return wrong, f"{remark}; not used in this one: {', '.join(map(_words, unused)) or 'none'}"
    wrong += [f"is in the chart's ClusterRole, and nothing used it: {_words(each)}" for each in unused]
    return wrong, f"{len(seen.granted)} grants, {len(seen.used)} used, {len(seen.forbidden)} refusals"


def _words(permission: Permission) -> str:
    verb, resource, group = permission
    return f"{verb} {resource}{f'.{group}' if group else ''}"


class Judge:
    """Listens to a run of pytest in its first process, and judges at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seen = Seen()
        self._modules: set[str] = set()
        self._verdict: tuple[list[str], str] | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """pytest-xdist: one of the processes has ended."""
        sent = getattr(node, "workeroutput", {}).get("permissions")
        if sent is not None:
            self._seen |= Seen.unpacked(sent)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._modules.add(Path(report.nodeid.partition("::")[0]).name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._seen |= session.config.stash.get(SEEN, Seen())
        if not self._seen.granted:
            return
        self._verdict = judge(self._seen, self._incomplete(session))
        if self._verdict[0]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._verdict is not None:
            wrong, remark = self._verdict
            for line in wrong:
                terminalreporter.write_line(f"FAILED permissions: {line}", red=True)
            terminalreporter.write_line(f"permissions of {USER}: {remark}")

    def _incomplete(self, session: pytest.Session) -> str:
        missing = {each.name for each in Path(__file__).parent.glob("test_*.py")} - ALONE - self._modules
        options = self._config.option
        if missing:
            return f"{', '.join(sorted(missing))} did not run"
        if options.keyword or options.markexpr != ALL or any("::" in each for each in self._config.args):
            return "tests were left out"
        return "tests failed" if session.testsfailed else ""


SEEN = pytest.StashKey[Seen]()
"""What this process saw, once its cluster is gone."""


def send(session: pytest.Session) -> None:
    """In a process that another one started: tells that one."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None and SEEN in session.config.stash:
        output["permissions"] = session.config.stash[SEEN].packed()
