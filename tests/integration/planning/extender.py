"""An extender of kube-scheduler that hears which nodes a pod fits on, and lets it go nowhere.

kube-scheduler runs all its own filters on all nodes and then asks the extender about those that passed (schedule_one.go
findNodesThatPassExtenders). One that refuses them all learns the whole verdict, and nothing is ever assumed or bound:
a pod that asks leaves no trace in the scheduler's cache, so that any number of them can wait side by side.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

REFUSAL = "asked"
"""Our reason in the scheduler's message: a node with it is one that fits."""
ASKING = "asking"
"""The profile of the pods that ask."""
_LARGEST = 1 << 24


class _Metadata(msgspec.Struct):
    uid: str


class _Pod(msgspec.Struct):
    metadata: _Metadata


class _Question(msgspec.Struct, rename="pascal"):
    """ExtenderArgs (k8s.io/kube-scheduler/extender/v1), which has no JSON tags of its own."""

    pod: _Pod
    node_names: list[str]


@dataclass
class Extender:
    """`fits`: the nodes that passed, by the UID of the pod that asked. Absent: no node did."""

    fits: dict[str, frozenset[str]] = field(default_factory=dict)
    port: int = 0

    def scheduling(self) -> Mapping[str, Any]:
        """Of a KubeSchedulerConfiguration: the default filters, this extender, every node looked at; for pods that ask
        no preemption. Other pods that wait keep the node they are nominated to, which a profile without preemption
        takes from them."""
        itself = {"urlPrefix": f"http://127.0.0.1:{self.port}", "filterVerb": "filter", "nodeCacheCapable": True}
        asking = {"schedulerName": ASKING, "plugins": {"postFilter": {"disabled": [{"name": "*"}]}}}
        profiles = [{"schedulerName": "default-scheduler"}, asking]
        extenders = [{**itself, "httpTimeout": "30s"}]
        return {"profiles": profiles, "extenders": extenders, "percentageOfNodesToScore": 100}

    async def filter(self, request: web.Request) -> web.Response:
        question = msgspec.json.decode(await request.read(), type=_Question)
        self.fits.setdefault(question.pod.metadata.uid, frozenset(question.node_names))
        return web.json_response({"NodeNames": [], "FailedNodes": dict.fromkeys(question.node_names, REFUSAL)})


@asynccontextmanager
async def listening() -> AsyncIterator[Extender]:
    """On a port that the kernel gives: none of those that a control plane reserves."""
    heard = Extender()
    app = web.Application(client_max_size=_LARGEST)
    app.router.add_post("/filter", heard.filter)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        heard.port = runner.addresses[0][1]
        yield heard
    finally:
        await runner.cleanup()
