"""Admission reviews: what the API server asks, and the answers as virt-api words them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from virtsim.identities import KUBEVIRTS_OWN
from virtsim.objects.resources import Object


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the details.causes of a 422."""

    reason: str
    message: str
    field: str


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal. With causes it is a 422 Invalid, without a `code` that carries no reason (kubevirt's webhookutils)."""

    message: str
    causes: tuple[Cause, ...] = ()
    code: int = 400

    def status(self) -> dict[str, Any]:
        if not self.causes:
            return {"message": self.message, "code": self.code}
        causes = [{"reason": entry.reason, "message": entry.message, "field": entry.field} for entry in self.causes]
        return {"message": self.message, "reason": "Invalid", "code": 422, "details": {"causes": causes}}


def invalid(reason: str, message: str, field: str = "") -> Denial:
    """A 422 for one field."""
    return Denial(message, (Cause(reason, message, field),))


def denied_for(causes: Sequence[Cause]) -> Denial | None:
    """A 422 for all that is wrong with an object, or None if nothing is."""
    return Denial(", ".join(cause.message for cause in causes), tuple(causes)) if causes else None


@dataclass(frozen=True, slots=True)
class Request:
    """The part of an AdmissionReview's request that the webhooks read."""

    uid: str
    namespace: str
    user: str
    new: Object
    old: Object
    name: str = ""
    dry_run: bool = False

    @property
    def by_kubevirt(self) -> bool:
        return self.user in KUBEVIRTS_OWN


def request_of(body: bytes) -> Request:
    """The request in an AdmissionReview."""
    asked: Object = msgspec.json.decode(body)["request"]
    return Request(
        uid=asked["uid"],
        namespace=asked.get("namespace", ""),
        user=asked["userInfo"].get("username", ""),
        new=asked.get("object") or {},
        old=asked.get("oldObject") or {},
        name=asked.get("name", ""),
        dry_run=bool(asked.get("dryRun")),
    )


def allowed(request: Request, patch: Sequence[Object] = ()) -> bytes:
    """An answer that lets the request through, changed by a JSON patch."""
    answer: Object = {"uid": request.uid, "allowed": True}
    if patch:
        answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(msgspec.json.encode(patch)).decode()}
    return _review(answer)


def denied(request: Request, denial: Denial) -> bytes:
    """An answer that refuses; the API server puts the webhook's name before the message."""
    return _review({"uid": request.uid, "allowed": False, "status": denial.status()})


def _review(answer: Object) -> bytes:
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})
