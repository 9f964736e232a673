"""What may be created: VMIs, VMs, migrations between clusters, migration policies; and what a new VMI is given."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_vmi, a_vmim
from virtsim.identities import CONTROLLER
from virtsim.objects.resources import Object
from virtsim.versions import NEWEST, Version
from virtsim.virt_api import migrations, policies, vmis, vms
from virtsim.virt_api.review import Denial, Request
from virtsim.virt_api.vmi_defaults import defaulted

RESERVED = "creation of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
NO_MEMORY = (
    "no memory requested, at least one of 'spec.domain.memory.guest', 'spec.domain.memory.hugepages.pageSize' or "
    "'spec.domain.resources.requests.memory' must be set"
)
STALL_DETECTION = "MigrationStallDetection feature gate"


def _request(new: Object, old: Object | None = None, user: str = "somebody") -> Request:
    return Request("review-uid", "shop", user, new, old or {})


def _kubevirt(*gates: str, **configuration: Any) -> Object:
    return {"spec": {"configuration": {"developerConfiguration": {"featureGates": list(gates)}, **configuration}}}


def _said(denial: Denial | None) -> list[tuple[str, str, str]]:
    """The causes, each as (reason, message, field)."""
    return [(cause.reason, cause.message, cause.field) for cause in denial.causes] if denial else []


def _new_vmi(labels: dict[str, str] | None = None, **domain: Any) -> Object:
    return {
        "metadata": {"namespace": "shop", "name": "web", **({"labels": labels} if labels else {})},
        "spec": {"domain": domain},
    }


MEMORY: list[tuple[dict[str, Any], bool]] = [
    ({"memory": {"guest": "1Gi"}}, True),
    ({"memory": {"hugepages": {"pageSize": "2Mi"}}}, True),
    ({"resources": {"requests": {"memory": "1Gi"}}}, True),
    ({"resources": {"requests": {"memory": "0"}}}, False),
    ({"resources": {"requests": {"cpu": "1"}}}, False),
    ({"memory": {}}, False),
    ({}, False),
]


@pytest.mark.parametrize(("domain", "enough"), MEMORY)
def test_a_vmi_has_memory(domain: dict[str, Any], enough: bool) -> None:
    wrong = [] if enough else [("FieldValueRequired", NO_MEMORY, "")]
    assert _said(vmis.admit_create(_request(_new_vmi(**domain)))) == wrong


def test_reserved_labels_of_a_new_vmi_are_kubevirts_own() -> None:
    memory = {"memory": {"guest": "1Gi"}}
    for label in vmis.RESERVED_LABELS:
        vmi = _new_vmi({label: "x"}, **memory)
        assert _said(vmis.admit_create(_request(vmi))) == [("FieldValueNotSupported", RESERVED, "metadata.labels")]
        assert vmis.admit_create(_request(vmi, user=CONTROLLER.user)) is None
        other = "system:serviceaccount:kubevirt:an-operator"
        assert vmis.admit_create(_request(vmi, user=other)) is not None, (
            "not all accounts of the namespace are KubeVirt"
        )
    assert vmis.admit_create(_request(_new_vmi({"kubevirt.io/mine": "x"}, **memory))) is None


def test_all_that_is_wrong_is_told_at_once() -> None:
    denial = vmis.admit_create(_request(_new_vmi({"kubevirt.io/nodeName": "node-a"})))
    assert denial is not None
    status = denial.status()
    assert (status["code"], status["reason"], status["message"]) == (422, "Invalid", f"{NO_MEMORY}, {RESERVED}")
    assert len(status["details"]["causes"]) == 2


def test_a_new_vmi_is_filled_in() -> None:
    given = defaulted(_new_vmi(memory={"guest": "2Gi"}), {})
    assert given["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteVirtualMachine"]
    assert given["metadata"]["annotations"]["kubevirt.io/pci-topology-version"] == "v3"
    assert given["spec"] == {
        "architecture": "amd64",
        "domain": {
            "cpu": {"cores": 1, "sockets": 1, "threads": 1, "model": "host-model", "maxSockets": 4},
            "memory": {"guest": "2Gi", "maxGuest": "8Gi"},
            "machine": {"type": "q35"},
            "resources": {},
            "devices": {"interfaces": [{"name": "default", "bridge": {}}]},
        },
        "networks": [{"name": "default", "pod": {}}],
    }
    status = given["status"]
    assert (status["phase"], status["runtimeUser"]) == ("Pending", 107)
    assert status["currentCPUTopology"] == {"cores": 1, "sockets": 1, "threads": 1}
    assert status["memory"]["guestRequested"] == "2Gi"
    assert [stamp["phase"] for stamp in status["phaseTransitionTimestamps"]] == ["Pending"]


def test_what_is_given_is_kept_and_twice_is_as_once() -> None:
    once = defaulted(a_vmi(), {})
    assert {**once, "status": None} == {**defaulted(once, {}), "status": None}
    assert once["spec"]["domain"]["cpu"]["model"] == "Skylake-Server"
    assert once["metadata"]["annotations"]["mine"] == "yes"
    assert once["spec"]["domain"]["devices"] == a_vmi()["spec"]["domain"]["devices"]
    assert "networks" not in once["spec"]


def test_a_users_status_does_not_survive_the_creation() -> None:
    vmi = {**_new_vmi(memory={"guest": "1Gi"}), "status": {"phase": "Running", "nodeName": "node-a"}}
    assert "nodeName" not in defaulted(vmi, {})["status"]


BY_CLUSTER: list[tuple[dict[str, Any], dict[str, Any], str, Any]] = [
    # the KubeVirt CR's configuration, the domain, a path in the spec, what is found there
    ({"evictionStrategy": "LiveMigrate"}, {}, "evictionStrategy", "LiveMigrate"),
    ({"cpuModel": "Haswell"}, {}, "domain.cpu.model", "Haswell"),
    ({"cpuModel": "Haswell"}, {"cpu": {"model": "Broadwell"}}, "domain.cpu.model", "Broadwell"),
    ({"architectureConfiguration": {"amd64": {"machineType": "pc-q35-9"}}}, {}, "domain.machine.type", "pc-q35-9"),
    ({"network": {"defaultNetworkInterface": "masquerade"}}, {}, "domain.devices.interfaces.0.masquerade", {}),
    ({}, {"devices": {"autoattachPodInterface": False}}, "networks", None),
    ({}, {"resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}, "domain.cpu.sockets", 3),
    ({}, {"resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}, "domain.cpu.sockets", 2),
    ({}, {"cpu": {"cores": 2}, "resources": {"requests": {"cpu": "3"}}}, "domain.cpu.sockets", 1),
    ({}, {"cpu": {"sockets": 3}}, "domain.cpu.maxSockets", 12),
    ({}, {"cpu": {"sockets": 200, "cores": 2}}, "domain.cpu.maxSockets", 256),
    ({"liveUpdateConfiguration": {"maxHotplugRatio": 2}}, {"cpu": {"sockets": 3}}, "domain.cpu.maxSockets", 6),
    ({"liveUpdateConfiguration": {"maxCpuSockets": 5}}, {"cpu": {"sockets": 3}}, "domain.cpu.maxSockets", 5),
    ({"vmRolloutStrategy": "Stage"}, {"cpu": {"sockets": 3}}, "domain.cpu.maxSockets", None),
    ({}, {"resources": {"requests": {"memory": "1Gi"}}}, "domain.memory.guest", "1Gi"),
    ({}, {"resources": {"limits": {"memory": "3Gi"}}}, "domain.memory.guest", "3Gi"),
    ({}, {"memory": {"guest": "512Mi"}}, "domain.memory.maxGuest", None),
    ({}, {"memory": {"guest": "1025Mi"}}, "domain.memory.maxGuest", None),
    ({"vmRolloutStrategy": "Stage"}, {"memory": {"guest": "2Gi"}}, "domain.memory.maxGuest", None),
]


@pytest.mark.parametrize(("configuration", "domain", "path", "value"), BY_CLUSTER)
def test_defaults(configuration: dict[str, Any], domain: dict[str, Any], path: str, value: Any) -> None:
    found: Any = defaulted(_new_vmi(**domain), configuration)["spec"]
    for step in path.split("."):
        found = found[int(step)] if step.isdigit() else (found or {}).get(step)
    assert found == value


DECENTRALIZED: list[tuple[dict[str, Any], bool, tuple[str, str] | None]] = [
    # spec, whether the gate is open, reason and message of the refusal
    ({}, False, None),
    ({"receive": {"migrationID": "a"}}, True, None),
    (
        {"receive": {"migrationID": "a"}},
        False,
        ("FieldValueNotSupported", "DecentralizedLiveMigration feature gate is not enabled in kubevirt resource"),
    ),
    ({"sendTo": {"migrationID": "a"}, "receive": {"migrationID": "a"}}, True, None),
    (
        {"sendTo": {"migrationID": "a"}, "receive": {"migrationID": "b"}},
        True,
        ("FieldValueInvalid", "sendTo migrationID a does not match receive migrationID b"),
    ),
]


@pytest.mark.parametrize(("spec", "is_open", "refusal"), DECENTRALIZED)
def test_migrations_between_clusters(spec: dict[str, Any], is_open: bool, refusal: tuple[str, str] | None) -> None:
    kubevirts = [_kubevirt("DecentralizedLiveMigration")] if is_open else [_kubevirt()]
    denial = migrations.refused_decentralized({"vmiName": "web", **spec}, kubevirts, NEWEST)
    assert _said(denial) == ([(*refusal, "")] if refusal else [])


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ({}, True),
        ({"sendTo": {"migrationID": "a"}}, False),
        ({"receive": {"migrationID": "a"}}, False),
        ({"sendTo": {"migrationID": "a"}, "receive": {"migrationID": "a"}}, True),
    ],
)
def test_disks_that_are_not_shared_may_go_to_another_cluster(spec: dict[str, Any], refused: bool) -> None:
    vmi = a_vmi()
    vmi["status"]["conditions"] = [{"type": "LiveMigratable", "status": "False", "reason": "DisksNotLiveMigratable"}]
    assert (migrations.refused_by_vmi(vmi, spec) is not None) is refused


SHUT = "MigrationPriorityQueue feature gate is not enabled in kubevirt resource"
NOT_YOURS = "Migration priority queue, only virt-controller is allowed to set priority field"
PRIORITIES: list[tuple[int, list[str], str, str | None]] = [
    # minor, open gates, requester, message
    (9, [], "somebody", NOT_YOURS),
    (9, [], CONTROLLER.user, None),
    (8, [], CONTROLLER.user, SHUT),
    (8, ["MigrationPriorityQueue"], CONTROLLER.user, None),
    (7, ["MigrationPriorityQueue"], "somebody", NOT_YOURS),
    (7, [], "somebody", SHUT),
]


@pytest.mark.parametrize(("minor", "gates", "user", "message"), PRIORITIES)
def test_priorities(minor: int, gates: list[str], user: str, message: str | None) -> None:
    vmim = {**a_vmim(), "spec": {"vmiName": "web", "priority": "system-critical"}}
    denial = migrations.refused_priority(_request(vmim, user=user), [_kubevirt(*gates)], Version(minor))
    assert _said(denial) == ([("FieldValueForbidden", message, "spec.migrationPriority")] if message else [])
    assert migrations.refused_priority(_request(a_vmim(), user=user), [_kubevirt(*gates)], Version(minor)) is None


LABEL_CHANGES: list[tuple[dict[str, str], dict[str, str], str | None]] = [
    ({"kubevirt.io/vmi-name": "web"}, {}, "selector label can't be removed from an in-flight migration"),
    (
        {"kubevirt.io/vmi-name": "web", "mine": "yes"},
        {"mine": "yes"},
        "selector label can't be modified on an in-flight migration",
    ),
    (
        {"kubevirt.io/vmi-name": "web"},
        {"kubevirt.io/vmi-name": "other"},
        "selector label can't be modified on an in-flight migration",
    ),
    ({"kubevirt.io/vmi-name": "web"}, {"kubevirt.io/vmi-name": "web", "mine": "yes"}, None),
    ({}, {"kubevirt.io/vmi-name": "web"}, None),
]


@pytest.mark.parametrize(("before", "after", "message"), LABEL_CHANGES)
def test_the_label_of_a_migration(before: dict[str, str], after: dict[str, str], message: str | None) -> None:
    old, new = a_vmim("Running"), a_vmim("Running")
    old["metadata"]["labels"], new["metadata"]["labels"] = before, after
    denial = migrations.admit_update(_request(new, old))
    assert _said(denial) == ([("FieldValueNotSupported", message, "")] if message else [])


RUN: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({"runStrategy": "Always"}, []),
    ({"running": True}, []),
    ({}, [("FieldValueInvalid", "RunStrategy must be specified", "spec.running")]),
    (
        {"running": True, "runStrategy": "Always"},
        [
            (
                "FieldValueInvalid",
                "Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use "
                "RunStrategy instead",
                "spec.running",
            )
        ],
    ),
    (
        {"runStrategy": "Sometimes"},
        [("FieldValueInvalid", "Invalid RunStrategy (Sometimes)", "spec.runStrategy")],
    ),
    (
        {"runStrategy": "WaitAsReceiver"},
        [
            (
                "FieldValueInvalid",
                "Invalid RunStrategy (WaitAsReceiver), DecentralizedLiveMigration feature gate is not enabled in "
                "kubevirt resource",
                "spec.runStrategy",
            )
        ],
    ),
]


@pytest.mark.parametrize(("spec", "causes"), RUN)
def test_when_a_vm_is_to_run(spec: dict[str, Any], causes: list[tuple[str, str, str]]) -> None:
    vm = {"metadata": {"name": "web"}, "spec": {"template": {"spec": {}}, **spec}}
    assert _said(vms.admit(_request(vm), [_kubevirt()], NEWEST)) == causes


def test_a_vm_has_a_template_without_reserved_labels() -> None:
    vm: Object = {"metadata": {"name": "web"}, "spec": {"runStrategy": "Always"}}
    assert _said(vms.admit(_request(vm), [], NEWEST)) == [
        ("FieldValueRequired", "missing virtual machine template.", "spec.template")
    ]
    vm["spec"]["template"] = {"metadata": {"labels": {"kubevirt.io/nodeName": "node-a"}}}
    field = "spec.template.metadata.labels"
    assert _said(vms.admit(_request(vm), [], NEWEST)) == [("FieldValueNotSupported", RESERVED, field)]
    going = {**vm, "metadata": {"name": "web", "deletionTimestamp": "now"}}
    assert vms.admit(_request(going), [], NEWEST) is None


def test_a_template_is_filled_in_once() -> None:
    vm: Object = {"metadata": {"name": "web"}, "spec": {"template": {"spec": {"domain": {}}}}}
    (operation,) = vms.mutation(_request(vm), {})
    template = operation["value"]
    assert template["spec"] == {"architecture": "amd64", "domain": {"machine": {"type": "q35"}}}
    assert template["metadata"]["annotations"] == {"kubevirt.io/pci-topology-version": "v3"}
    stored = {**vm, "spec": {"template": template}}
    assert vms.mutation(_request(stored, stored), {}) == []


def _policy(**spec: Any) -> Object:
    return {"metadata": {"name": "quick"}, "spec": spec}


def _detecting(**detector: str) -> Object:
    return _policy(experimental={"stallDetector": detector})


DETECTOR = "spec.experimental.stallDetector"
POLICIES: list[tuple[Object, bool, list[tuple[str, str]]]] = [
    # policy, whether the gate is open, (field, message) of what is wrong
    (_policy(completionTimeoutPerGiB=0, bandwidthPerMigration="64Mi", allowPostCopy=True), False, []),
    (_policy(completionTimeoutPerGiB=-1), False, [("spec.completionTimeoutPerGiB", "must not be negative")]),
    (_policy(bandwidthPerMigration="-1Mi"), False, [("spec.bandwidthPerMigration", "must not be negative")]),
    (
        _policy(maxDowntimeMs=500, completionTimeoutPerGiB=-1),
        False,
        [
            ("spec.completionTimeoutPerGiB", "must not be negative"),
            ("spec.maxDowntimeMs", f"maxDowntimeMs cannot be modified without enabling the {STALL_DETECTION}"),
        ],
    ),
    (_policy(maxDowntimeMs=500), True, []),
    (
        _detecting(ewmaAlpha="0.5"),
        False,
        [(DETECTOR, f"experimental.stallDetector cannot be modified without enabling the {STALL_DETECTION}")],
    ),
    (_detecting(ewmaAlpha="1", precopyPossibleFactor="1.5", patienceWindowDecayFactor="0"), True, []),
    (_detecting(ewmaAlpha="0"), True, [(f"{DETECTOR}.ewmaAlpha", "must be greater than 0")]),
    (_detecting(ewmaAlpha="1.1"), True, [(f"{DETECTOR}.ewmaAlpha", "must be less than or equal to 1")]),
    (
        _detecting(precopyPossibleFactor="0.9"),
        True,
        [(f"{DETECTOR}.precopyPossibleFactor", "must be greater than or equal to 1")],
    ),
    (
        _detecting(patienceWindowDecayFactor="-1"),
        True,
        [(f"{DETECTOR}.patienceWindowDecayFactor", "must be greater than or equal to 0")],
    ),
    (_detecting(completionTimeoutFactor="2"), True, []),
    (_detecting(completionTimeoutFactor="x"), True, [(f"{DETECTOR}.completionTimeoutFactor", 'invalid factor "x"')]),
    (
        _detecting(completionTimeoutFactor="inf"),
        True,
        [(f"{DETECTOR}.completionTimeoutFactor", 'invalid factor "inf"')],
    ),
]


@pytest.mark.parametrize(("policy", "is_open", "wrong"), POLICIES)
def test_migration_policies(policy: Object, is_open: bool, wrong: list[tuple[str, str]]) -> None:
    kubevirts = [_kubevirt(*(["MigrationStallDetection"] if is_open else []))]
    denial = policies.admit(_request(policy), kubevirts, NEWEST)
    assert _said(denial) == [("FieldValueInvalid", message, field) for field, message in wrong]


def test_what_is_behind_the_gate_may_stay_as_it_was() -> None:
    tuned = _policy(maxDowntimeMs=500, experimental={"stallDetector": {"ewmaAlpha": "0.5"}})
    assert policies.admit(_request(tuned, tuned), [_kubevirt()], NEWEST) is None
