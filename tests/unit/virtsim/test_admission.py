"""What the webhooks decide on without asking the cluster."""

from typing import Any

import msgspec
import pytest

from tests.unit.virtsim.objects import a_vmi, a_vmim
from virtsim.objects.resources import Object
from virtsim.virt_api import migrations, vmis
from virtsim.virt_api.review import Request, allowed, denied, invalid, request_of


def _request(new: Object, old: Object | None = None, user: str = "somebody") -> Request:
    return Request("review-uid", "shop", user, new, old or {})


def _condition(**fields: str) -> list[Object]:
    return [{"type": "LiveMigratable", **fields}]


BY_VMI: list[tuple[dict[str, Any], str | None]] = [
    ({"phase": "Running", "conditions": _condition(status="True")}, None),
    ({"phase": "Pending"}, None),
    ({"phase": "Succeeded"}, "Cannot migrate VMI in finalized state."),
    ({"phase": "Failed"}, "Cannot migrate VMI in finalized state."),
    (
        {
            "phase": "Running",
            "conditions": _condition(status="False", reason="SEVNotLiveMigratable", message="VMI uses SEV"),
        },
        "Cannot migrate VMI, Reason: SEVNotLiveMigratable, Message: VMI uses SEV",
    ),
]


@pytest.mark.parametrize(("status", "message"), BY_VMI)
def test_refused_by_the_vmi(status: dict[str, Any], message: str | None) -> None:
    denial = migrations.refused_by_vmi({**a_vmi(), "status": status}, {"vmiName": "web"})
    assert (denial.message if denial else None) == message


@pytest.mark.parametrize(
    ("phases", "refused"),
    [([], False), (["Succeeded", "Failed"], False), ([""], True), (["Failed", "Pending"], True), (["Running"], True)],
)
def test_in_flight(phases: list[str], refused: bool) -> None:
    denial = migrations.in_flight([a_vmim(phase) for phase in phases], "web")
    assert (denial is not None) is refused
    if denial is not None:
        assert "Active migration job (vmim-uid) is currently already in progress for VMI web." in denial.message


def test_the_label_is_overwritten_and_the_finalizer_added_once() -> None:
    vmim = a_vmim()
    vmim["metadata"] |= {"labels": {"kubevirt.io/vmi-name": "lie", "mine": "yes"}, "finalizers": ["a"]}
    labels, finalizers = migrations.mutation(_request(vmim))
    assert labels["value"] == {"kubevirt.io/vmi-name": "web", "mine": "yes"}
    assert finalizers["value"] == ["a", "kubevirt.io/migrationJobFinalize"]
    again = {**vmim, "metadata": {**vmim["metadata"], "finalizers": finalizers["value"]}}
    assert migrations.mutation(_request(again))[1]["value"] == finalizers["value"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_the_label_of_a_finished_migration_may_change(phase: str) -> None:
    new = a_vmim(phase)
    new["metadata"] = {**new["metadata"], "labels": {}}
    assert migrations.admit_update(_request(new, a_vmim(phase))) is None
    flying = {**a_vmim("Running"), "metadata": new["metadata"]}
    assert migrations.admit_update(_request(flying, a_vmim("Running"))) is not None


def test_a_foreign_status_is_put_back() -> None:
    old, new = a_vmi(), a_vmi()
    assert vmis.mutation(_request(new, old)) == []
    new["status"]["nodeName"] = "node-x"
    assert vmis.mutation(_request(new, old)) == [{"op": "add", "path": "/status", "value": old["status"]}]
    del old["status"]
    assert vmis.mutation(_request(new, old)) == [{"op": "remove", "path": "/status"}]


def test_reserved_labels() -> None:
    for label in vmis.RESERVED_LABELS:
        new = a_vmi()
        new["metadata"]["labels"] = {**new["metadata"]["labels"], label: "other"}
        assert vmis.admit_update(_request(new, a_vmi())) is not None
    free = a_vmi()
    free["metadata"]["labels"]["mine"] = "yes"
    assert vmis.admit_update(_request(free, a_vmi())) is None


def test_reviews_on_the_wire() -> None:
    asked = {
        "request": {
            "uid": "1",
            "namespace": "shop",
            "userInfo": {"username": "me"},
            "object": a_vmim(),
            "oldObject": None,
        }
    }
    request = request_of(msgspec.json.encode(asked))
    assert (request.user, request.new["metadata"]["name"], request.old) == ("me", "m", {})
    assert msgspec.json.decode(allowed(request))["response"] == {"uid": "1", "allowed": True}
    refusal = msgspec.json.decode(denied(request, invalid("FieldValueRequired", "vmiName is missing", "spec.vmiName")))
    assert refusal["response"]["status"] == {
        "message": "vmiName is missing",
        "reason": "Invalid",
        "code": 422,
        "details": {
            "causes": [{"reason": "FieldValueRequired", "message": "vmiName is missing", "field": "spec.vmiName"}]
        },
    }
