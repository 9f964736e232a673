"""The refusals of an aggregated API, as k8s.io/apimachinery/pkg/api/errors words them."""

from typing import Any

from virtsim.objects.resources import Object

GROUP = "kubevirt.io"


class RefusedError(Exception):
    """A request that is answered with a Status."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> Object:
        details = {"details": self.details} if self.details else {}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
            **details,
        }


def not_found(kind: str, name: str) -> RefusedError:
    return RefusedError(404, "NotFound", f'{kind}.{GROUP} "{name}" not found', name=name, group=GROUP, kind=kind)


def conflict(kind: str, name: str, because: str) -> RefusedError:
    message = f'Operation cannot be fulfilled on {kind}.{GROUP} "{name}": {because}'
    return RefusedError(409, "Conflict", message, name=name, group=GROUP, kind=kind)


def bad_request(message: str) -> RefusedError:
    return RefusedError(400, "BadRequest", message)


def internal(because: str) -> RefusedError:
    """Also what another request of virt-api's was refused with, whatever that was."""
    return RefusedError(500, "InternalError", f"Internal error occurred: {because}", causes=[{"message": because}])
