"""Pre-copy: how long it takes, whether it ends, and when it is given up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.virtsim.objects import a_vmi
from virtsim.options import Options
from virtsim.virt_handler.launcher import ABORTED, FORCED_FAILURE, LIBVIRT_FAILURE, migration_job
from virtsim.virt_handler.transfer import DOWNTIME_SECONDS, deadline_seconds, precopy

GI = 2**30

DEADLINES = [(2 * GI, 150, 450.0), (10**9, 150, 150.0), (10**9 + 1, 150, 300.0), (4 * GI, 0, 0.0)]


@pytest.mark.parametrize(("memory", "per_gib", "expected"), DEADLINES)
def test_deadline(memory: int, per_gib: int, expected: float) -> None:
    assert deadline_seconds(memory, per_gib) == expected


def test_an_idle_guest_is_sent_once() -> None:
    transfer = precopy(memory=1000, dirty_rate=0, bandwidth=100, deadline=0)
    assert (transfer.seconds, transfer.sent, transfer.iterations, transfer.converges) == (10.0, 1000, 1, True)


def test_what_gets_dirty_is_sent_again() -> None:
    # 1000 in 10 s leave 500 dirty, these 250 in 5 s, then 125, 62.5: the rest of 31.25 > 30 is one round more
    transfer = precopy(memory=1000, dirty_rate=50, bandwidth=100, deadline=0)
    assert transfer.iterations == 6
    assert transfer.seconds == pytest.approx(20.0, rel=0.02)


sizes = st.integers(1, 10**12)


@settings(deadline=None)
@given(memory=sizes, dirty=st.floats(0, 0.999), bandwidth=st.integers(10**6, 10**11))
def test_below_the_bandwidth_it_ends(memory: int, dirty: float, bandwidth: int) -> None:
    transfer = precopy(memory, dirty * bandwidth, bandwidth, deadline=0)
    assert transfer.converges
    least, most = memory / bandwidth, memory / bandwidth / (1 - dirty)
    assert least * 0.999 <= transfer.seconds <= most * 1.001 + DOWNTIME_SECONDS


@settings(deadline=None)
@given(memory=sizes, excess=st.floats(1, 100), bandwidth=st.integers(10**6, 10**9), deadline=st.floats(1, 10**4))
def test_a_guest_that_dirties_faster_than_it_is_sent_is_given_up_at_the_deadline(
    memory: int, excess: float, bandwidth: int, deadline: float
) -> None:
    transfer = precopy(memory, excess * bandwidth, bandwidth, deadline)
    fits_at_once = memory <= bandwidth * DOWNTIME_SECONDS
    assert transfer.converges is (fits_at_once and transfer.seconds <= deadline)
    assert transfer.converges or transfer.seconds == deadline


JOBS: list[tuple[dict[str, str], dict[str, Any], Options, tuple[float, str | None]]] = [
    ({}, {}, Options(link_speed=1 * GI), (4.0, None)),
    ({}, {"bandwidthPerMigration": "512Mi"}, Options(link_speed=1 * GI), (8.0, None)),
    ({}, {"bandwidthPerMigration": "9Gi"}, Options(link_speed=1 * GI), (4.0, None)),
    ({}, {}, Options(link_speed=1 * GI, speed_up=10), (0.4, None)),
    ({"virtsim.drover.dev/migration-seconds": "3"}, {}, Options(speed_up=2), (1.5, None)),
    ({"virtsim.drover.dev/dirty-rate": "1Gi"}, {}, Options(link_speed=1 * GI), (750.0, ABORTED)),
    ({"virtsim.drover.dev/fail": "true"}, {}, Options(link_speed=1 * GI), (2.0, LIBVIRT_FAILURE)),
    ({"virtsim.drover.dev/fail": "no luck"}, {}, Options(link_speed=1 * GI), (2.0, "no luck")),
    ({"virtsim.drover.dev/fail": "false"}, {}, Options(link_speed=1 * GI), (4.0, None)),
    (
        {"kubevirt.io/func-test-force-launcher-migration-failure": ""},
        {},
        Options(link_speed=1 * GI),
        (2.0, FORCED_FAILURE),
    ),
]


@pytest.mark.parametrize(("annotations", "configuration", "options", "expected"), JOBS)
def test_how_a_job_goes(
    annotations: dict[str, str], configuration: dict[str, Any], options: Options, expected: tuple[float, str | None]
) -> None:
    vmi = a_vmi(memory={"guest": "4Gi"})
    vmi["metadata"]["annotations"] = annotations
    vmi["status"]["migrationState"] = {"migrationConfiguration": {"completionTimeoutPerGiB": 150} | configuration}
    job = migration_job(vmi, options)
    assert (job.seconds, job.failure) == expected
