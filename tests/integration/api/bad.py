"""Objects that the API server refuses, and what it has to say: each message names the field or says what to do."""

from tests.integration.api.objects import (
    ON_A,
    ONE_VM,
    TO_B,
    Json,
    an_object,
    evacuating,
    evacuation,
    maintenance,
    plan,
    report,
    selecting,
    vms,
)

DO_NOT_KNOW = 'unknown field "{}"'
BAD: dict[str, tuple[Json, str]] = {
    # Unknown: under strict validation, which is kubectl's default, nothing is dropped in silence.
    "unknown in the spec": (evacuation(schedule={}), DO_NOT_KNOW.format("spec.schedule")),
    "unknown in a set": (evacuating({"label": "a"}), DO_NOT_KNOW.format("spec.evacuate.nodes.label")),
    "unknown in a list": (
        vms(names=[{"namespace": "a", "name": "b", "uid": "c"}]),
        DO_NOT_KNOW.format("spec.virtualMachines.names[0].uid"),
    ),
    "unknown in a maintenance": (maintenance(node="node-a", shutdown={}), DO_NOT_KNOW.format("spec.shutdown")),
    "unknown in a status": (plan(ON_A, status={"colour": "red"}), DO_NOT_KNOW.format("status.colour")),
    # The goal.
    "no spec": ({k: v for k, v in plan({}).items() if k != "spec"}, "spec: Required value"),
    "nothing to do": (plan({}), "say what is to move: add evacuate, or both virtualMachines and targets"),
    "null to do": (plan({"evacuate": None}), "say what is to move: add evacuate, or both virtualMachines and targets"),
    "a move without targets": (plan({"virtualMachines": ONE_VM}), "both virtualMachines and targets for a plain move"),
    "a move of nobody": (plan({"targets": TO_B}), "both virtualMachines and targets for a plain move"),
    "evacuate without nodes": (plan({"evacuate": {}}), "spec.evacuate.nodes: Required value"),
    # Node sets.
    "names and selector": (
        evacuating({"names": ["node-a"], "selector": {"matchLabels": {"a": "b"}}}),
        "spec.evacuate.nodes: Invalid value: names and selector exclude each other: remove one of them",
    ),
    "an empty node set": (evacuating({}), "spec.evacuate.nodes: Invalid value: say which nodes: add names or selector"),
    "no names": (evacuating({"names": []}), "spec.evacuate.nodes.names in body should have at least 1 items"),
    "1001 nodes": (
        evacuating({"names": ["n"] * 1001}),
        "spec.evacuate.nodes.names: Too many: 1001: must have at most 1000 items",
    ),
    "a name in capitals": (
        evacuating({"names": ["ok", "Node_A"]}),
        'spec.evacuate.nodes.names[1]: Invalid value: "Node_A": use a name such as worker-1.rack-b',
    ),
    "an empty name": (
        evacuating({"names": [""]}),
        "spec.evacuate.nodes.names[0] in body should be at least 1 chars long",
    ),
    "a name with two dots": (evacuating({"names": ["a..b"]}), "use a name such as worker-1.rack-b"),
    "a name too long": (evacuating({"names": ["a" * 254]}), "may not be more than 253 bytes"),
    "one name, not a list": (
        evacuating({"names": "node-a"}),
        "spec.evacuate.nodes.names in body must be of type array",
    ),
    # Selectors.
    "an empty selector": (
        selecting({}),
        "an empty selector would select everything: add matchLabels or matchExpressions",
    ),
    "empty parts": (
        selecting({"matchLabels": {}, "matchExpressions": []}),
        "an empty selector would select everything: add matchLabels",
    ),
    "a key with a blank": (
        selecting({"matchLabels": {"my rack": "b"}}),
        "spec.evacuate.nodes.selector.matchLabels: Invalid value: use label keys such as rack",
    ),
    "a value with a blank": (
        selecting({"matchLabels": {"rack": "b c"}}),
        "use a label value: letters, digits, '-', '_' and '.'",
    ),
    "a value too long": (selecting({"matchLabels": {"rack": "b" * 64}}), "may not be more than 63 bytes"),
    "In without values": (
        selecting({"matchExpressions": [{"key": "a", "operator": "In"}]}),
        "selector.matchExpressions[0].values: Invalid value: In and NotIn compare with values: list at least one",
    ),
    "NotIn with no values": (
        selecting({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]}),
        "In and NotIn compare with values: list at least one",
    ),
    "Exists with values": (
        selecting({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
        "Exists and DoesNotExist compare with nothing: remove values",
    ),
    "DoesNotExist with values": (
        selecting({"matchExpressions": [{"key": "a", "operator": "DoesNotExist", "values": ["b"]}]}),
        "Exists and DoesNotExist compare with nothing: remove values",
    ),
    "an unknown operator": (
        selecting({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}),
        'supported values: "In", "NotIn", "Exists", "DoesNotExist"',
    ),
    "a key that is none": (
        selecting({"matchExpressions": [{"key": "a/b/c", "operator": "Exists"}]}),
        "use a label key such as rack or example.com/rack",
    ),
    "65 labels": (
        selecting({"matchLabels": {f"a{number}": "b" for number in range(65)}}),
        "must have at most 64 items",
    ),
    # VM sets.
    "an empty VM set": (vms(), "say which virtual machines: add names, namespaces or selector"),
    "names and namespaces": (
        vms(**ONE_VM, namespaces=["shop"]),
        "names are complete by themselves: remove namespaces and selector, or remove names",
    ),
    "names and a VM selector": (
        vms(**ONE_VM, selector={"matchLabels": {"a": "b"}}),
        "names are complete by themselves",
    ),
    "an empty VM selector": (
        vms(selector={}),
        "spec.virtualMachines.selector: Invalid value: an empty selector would select everything",
    ),
    "a VM without namespace": (vms(names=[{"name": "web"}]), "spec.virtualMachines.names[0].namespace: Required value"),
    "a VM as a string": (vms(names=["shop/web"]), "spec.virtualMachines.names[0] in body must be of type object"),
    "a namespace with a dot": (vms(namespaces=["shop.eu"]), "use the name of a namespace"),
    # Targets.
    "empty targets": (
        evacuation(targets={}),
        "spec.targets: Invalid value: say where: add nodes or exclude, or remove targets",
    ),
    "targets of both kinds": (
        evacuation(targets={"exclude": {"names": ["a"], "selector": {"matchLabels": {"a": "b"}}}}),
        "spec.targets.exclude: Invalid value: names and selector exclude each other",
    ),
    # Choices, numbers and durations.
    "an unknown mode": (evacuation(mode="Rehearse"), 'supported values: "Execute", "DryRun"'),
    "an unknown intent": (evacuation(intent="Cancel"), 'supported values: "Active", "Withdrawn"'),
    "an unknown cordon": (
        evacuating({"names": ["a"]}, cordon="Always"),
        'supported values: "Require", "Apply", "Ignore"',
    ),
    "an unknown order": (evacuation(order="Random"), 'supported values: "Fastest", "Priority", "SmallestFirst"'),
    "an unknown nonMigratable": (evacuation(nonMigratable="Shutdown"), 'supported values: "Block", "Leave"'),
    "paused in words": (evacuation(paused="yes"), "spec.paused in body must be of type boolean"),
    "no migration at all": (
        evacuation(limits={"total": 0}),
        "spec.limits.total in body should be greater than or equal to 1",
    ),
    "too many per target": (evacuation(limits={"perTarget": 1001}), "should be less than or equal to 1000"),
    "half a migration": (evacuation(limits={"perSource": 1.5}), "spec.limits.perSource in body must be of type int64"),
    "no node at most": (
        evacuating({"names": ["a"]}, maxNodes=0),
        "spec.evacuate.maxNodes in body should be greater than or equal to 1",
    ),
    "negative retries": (evacuation(failurePolicy={"retries": -1}), "should be greater than or equal to 0"),
    "a backoff of nothing": (
        evacuation(failurePolicy={"backoff": "0s"}),
        'spec.failurePolicy.backoff: Invalid value: "0s": use a duration above 0s and of at most 10m, such as 500ms',
    ),
    "a first backoff that is longer than any": (
        evacuation(failurePolicy={"backoff": "10m1s"}),
        "use a duration above 0s and of at most 10m",
    ),
    "a backoff in ISO 8601": (
        evacuation(failurePolicy={"backoff": "PT20S"}),
        "use a duration above 0s and of at most 10m, such as 500ms",
    ),
    "a backoff in seconds": (
        evacuation(failurePolicy={"backoff": 20}),
        "spec.failurePolicy.backoff in body must be of type string",
    ),
    "a negative time-out": (evacuation(verify={"timeout": "-2m"}), "use a duration above 0s and of at most 24h"),
    "more than a day": (evacuation(verify={"timeout": "24h1ms"}), "use a duration above 0s and of at most 24h"),
    "more than ever": (
        evacuation(verify={"timeout": "99999999999999999999h"}),
        "use a duration above 0s and of at most 24h",
    ),
    "a run that is no label": (evacuation(runID="run 2"), 'spec.runID: Invalid value: "run 2": use a label value'),
    # NodeMaintenance.
    "of another name": (maintenance("node-a", name="tonight"), "make metadata.name and spec.nodeName the same"),
    "of no node": (an_object("NodeMaintenance", "node-a", {}), "spec.nodeName: Required value"),
    "draining all pods": (
        maintenance(drain={"pods": "All"}),
        'spec.drain.pods: Unsupported value: "All": supported values: "VirtualMachines"',
    ),
    "a long reason": (maintenance(reason="x" * 1025), "may not be more than 1024 bytes"),
    "evacuate in a maintenance": (
        maintenance(virtualMachines=ON_A),
        DO_NOT_KNOW.format("spec.virtualMachines.evacuate"),
    ),
    "targets for a maintenance": (
        maintenance(virtualMachines={"targets": {}}),
        "spec.virtualMachines.targets: Invalid value: say where: add nodes or exclude",
    ),
    # MigrationReport.
    "a report about nothing": (an_object("MigrationReport", "r", {"run": "1"}), "spec.plan: Required value"),
    "a run too long": (report(run="1" * 64), "may not be more than 63 bytes"),
}
