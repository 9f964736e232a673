"""Topology spread counted in the plainest way, from JSON: what kube-scheduler says of it, and what is ours on top.

A plan is judged by its end: the VM's own pod does not count where it leaves. And a skew that is too large already may
stay, but not grow: a VM may also go where no more pods are than where it leaves. The scheduler knows the first if the
source pod is ending, and never the second.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.integration.planning.fleets.draft import Object

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True)
class Skew:
    """The forbidding constraints of one target pod, over nodes and pods as the API server has them."""

    target: Object
    nodes: Sequence[Object]
    pods: Sequence[Object]

    def breaks(self, node: Object) -> bool:
        """Whether the scheduler would refuse the node, if the source pod is ending."""
        return any(self._skew(rule, node) is None or self._grows(rule, node) for rule in self._rules())

    def breaks_more(self, node: Object, source: Object) -> bool:
        """Whether we would: it breaks a constraint, and in a place that is fuller than the one the VM leaves."""
        return any(
            self._skew(rule, node) is None or (self._grows(rule, node) and self._fuller(rule, node, source))
            for rule in self._rules()
        )

    def _rules(self) -> list[Object]:
        drawn = self.target["spec"].get("topologySpreadConstraints", ())
        return [rule for rule in drawn if rule["whenUnsatisfiable"] == "DoNotSchedule"]

    def _grows(self, rule: Object, node: Object) -> bool:
        skew = self._skew(rule, node)
        return skew is not None and skew > rule["maxSkew"]

    def _skew(self, rule: Object, node: Object) -> int | None:
        """None where the node is in no domain."""
        domain = _labels(node).get(rule["topologyKey"])
        if domain is None:
            return None
        counts = self._counts(rule)
        least = min(counts.values()) if counts and len(counts) >= rule.get("minDomains", 1) else 0
        return counts[domain] + _matches(rule, _labels(self.target), _labels(self.target)) - least

    def _fuller(self, rule: Object, node: Object, source: Object) -> bool:
        """A source that is not looked at is in no domain, and so less full than any: the VM is one more."""
        counts, key = self._counts(rule), rule["topologyKey"]
        if source["metadata"]["name"] not in {each["metadata"]["name"] for each in self._looked_at(rule)}:
            return True
        return counts[_labels(node)[key]] > counts[_labels(source)[key]]

    def _counts(self, rule: Object) -> Counter[str]:
        """Pods by domain; a domain without any is there with 0 if one of its nodes is looked at."""
        domains = {node["metadata"]["name"]: _labels(node)[rule["topologyKey"]] for node in self._looked_at(rule)}
        counts = Counter(dict.fromkeys(domains.values(), 0))
        for pod in self.pods:
            if pod["spec"].get("nodeName") in domains and self._is_counted(rule, pod):
                counts[domains[pod["spec"]["nodeName"]]] += 1
        return counts

    def _is_counted(self, rule: Object, pod: Object) -> bool:
        if pod["metadata"]["namespace"] != self.target["metadata"]["namespace"]:
            return False
        over = "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in ("Succeeded", "Failed")
        return not over and _matches(rule, _labels(self.target), _labels(pod))

    def _looked_at(self, rule: Object) -> list[Object]:
        keys = {each["topologyKey"] for each in self._rules()}
        nodes = [node for node in self.nodes if keys <= _labels(node).keys()]
        if rule.get("nodeAffinityPolicy", "Honor") == "Honor":
            nodes = [node for node in nodes if self._selects(node)]
        if rule.get("nodeTaintsPolicy", "Ignore") == "Honor":
            tolerated = {each["key"] for each in self.target["spec"].get("tolerations", ())}
            nodes = [node for node in nodes if {taint["key"] for taint in node["spec"].get("taints", ())} <= tolerated]
        return nodes

    def _selects(self, node: Object) -> bool:
        labels, name = _labels(node), {"metadata.name": node["metadata"]["name"]}
        terms = (
            self.target["spec"]["affinity"].get("nodeAffinity", {}).get(_REQUIRED, {}).get("nodeSelectorTerms", [{}])
        )
        return self.target["spec"]["nodeSelector"].items() <= labels.items() and any(
            all(_holds(each, labels) for each in term.get("matchExpressions", ()))
            and all(_holds(each, name) for each in term.get("matchFields", ()))
            for term in terms
        )


def _labels(thing: Object) -> dict[str, str]:
    labels: dict[str, str] = thing["metadata"].get("labels", {})
    return labels


def _matches(rule: Object, own: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a pod with these labels is one of those to be spread; `own` are those of the pod that spreads."""
    selector = rule["labelSelector"]
    wanted = {
        **selector.get("matchLabels", {}),
        **{key: own[key] for key in rule.get("matchLabelKeys", ()) if key in own},
    }
    return wanted.items() <= labels.items() and all(
        _holds(each, labels) for each in selector.get("matchExpressions", ())
    )


def _holds(requirement: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement["key"]), requirement.get("values", ())
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
    return value is None
