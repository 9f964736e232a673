"""What the KubeVirt CR says. There is one; without it everything is as KubeVirt's defaults have it."""

from collections.abc import Iterable
from typing import Any

from virtsim.objects.resources import Object


def configuration_of(kubevirts: Iterable[Object]) -> Object:
    """spec.configuration."""
    for kubevirt in kubevirts:
        configuration: Object = kubevirt["spec"].get("configuration") or {}
        return configuration
    return {}


def developer_configuration(kubevirts: Iterable[Object]) -> dict[str, Any]:
    """spec.configuration.developerConfiguration."""
    developer: dict[str, Any] = configuration_of(kubevirts).get("developerConfiguration") or {}
    return developer


def feature_gates(kubevirts: Iterable[Object]) -> list[str]:
    """The gates that are turned on by name."""
    return list(developer_configuration(kubevirts).get("featureGates") or ())
