"""Host ports of few numbers, on addresses and by protocols that meet and that do not."""

from random import Random

from tests.integration.planning.fleets.draft import Draft, Object, container

_ADDRESSES = ("", "0.0.0.0", "127.0.0.1", "10.0.0.1", "::", "fd00::1")
_PROTOCOLS = ("TCP", "UDP", "SCTP")


def ports(draft: Draft) -> None:
    """Host ports of few numbers; addresses and protocols that meet and that do not."""
    for _ in range(2 * len(draft.nodes)):
        if draft.chance(1):
            pod = draft.add_pod()
            open_ports(pod, draft.rng)
            if draft.rng.random() < 0.2:
                pod["spec"]["hostNetwork"] = True
                for port in container(pod)["ports"]:
                    port["containerPort"] = port["hostPort"]
    for vm in draft.vms:
        if draft.chance(0.8):
            open_ports(vm.launcher, draft.rng)


def open_ports(pod: Object, rng: Random) -> None:
    drawn = [_port(rng) for _ in range(rng.choices((1, 2), (3, 1))[0])]
    container(pod)["ports"] = list({(p["hostPort"], p["protocol"]): p for p in drawn}.values())
    if rng.random() < 0.15:
        ports = [{**_port(rng), "hostPort": 7004}]
        side = {"name": "helper", "image": "x", "restartPolicy": "Always", "ports": ports}
        pod["spec"].setdefault("initContainers", []).append(side)


def _port(rng: Random) -> Object:
    number = rng.randrange(7000, 7004)
    drawn: Object = {"containerPort": 80, "hostPort": number, "protocol": rng.choices(_PROTOCOLS, (6, 2, 1))[0]}
    address = rng.choice(_ADDRESSES)
    return {**drawn, "hostIP": address} if address else drawn
