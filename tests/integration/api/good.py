"""Objects that the API server takes."""

from tests.integration.api.objects import (
    LONG,
    ONE_VM,
    TO_B,
    Json,
    evacuating,
    evacuation,
    maintenance,
    plan,
    report,
    selecting,
)

GOOD: dict[str, Json] = {
    "evacuate by name": evacuation(),
    "evacuate by label": selecting({"matchLabels": {"example.com/rack": "b", "empty": ""}}),
    "evacuate by expression": selecting(
        {
            "matchExpressions": [
                {"key": "rack", "operator": "In", "values": ["a", "b"]},
                {"key": "example.com/old", "operator": "Exists"},
                {"key": "gpu", "operator": "DoesNotExist", "values": []},
            ]
        }
    ),
    "1000 nodes": evacuating({"names": [f"node-{number}" for number in range(1000)]}),
    "every field of a plan": evacuation(
        virtualMachines={"namespaces": ["shop"], "selector": {"matchLabels": {"tier": "web"}}},
        targets={"nodes": {"selector": {"matchLabels": {"rack": "c"}}}, "exclude": {"names": ["node-z"]}},
        mode="DryRun",
        paused=True,
        intent="Withdrawn",
        limits={"total": 5, "perSource": 2, "perTarget": 1},
        order="SmallestFirst",
        makeRoom="Move",
        nonMigratable="Leave",
        failurePolicy={"retries": 0, "backoff": "10m"},
        verify={"timeout": "24h"},
        runID="2026-11-24",
    ),
    "cordon and a limit": evacuating({"names": ["node-a"]}, cordon="Apply", maxNodes=1),
    "a plain move": plan({"virtualMachines": ONE_VM, "targets": TO_B}),
    "a plain move away": plan({"virtualMachines": {"namespaces": ["shop"]}, "targets": {"exclude": TO_B["nodes"]}}),
    "fractions of a second": evacuation(failurePolicy={"backoff": "500ms"}, verify={"timeout": "1.5s"}),
    "the longest names": plan({"evacuate": {"nodes": {"names": [LONG]}}}, name=LONG),
    "null is absent": evacuation(targets=None),
    "a maintenance": maintenance(),
    "every field of a maintenance": maintenance(
        reason="new firmware",
        requester="jo@example.com",
        mode="DryRun",
        paused=True,
        intent="Withdrawn",
        drain={"pods": "VirtualMachines"},
        virtualMachines={
            "order": "Priority",
            "makeRoom": "Move",
            "nonMigratable": "Leave",
            "limits": {"total": 1},
            "targets": TO_B,
            "failurePolicy": {"retries": 1},
            "verify": {"timeout": "5m"},
        },
    ),
    "maintenance of the longest node": maintenance(LONG),
    "a report": report(),
}
