"""What a table's steps do: users' requests, and waits until something is so. One function a verb."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.integration.virtsim.conformance.roles import Names, matches
from tests.integration.virtsim.conformance.table import Table
from tests.integration.virtsim.recording import Recording, facts_of
from tests.integration.virtsim.scene import WITHIN_SECONDS, Scene
from virtsim.cluster.client import JSON_PATCH, MERGE_PATCH, ApiError
from virtsim.objects.resources import EVENTS, PODS, QUOTAS, VMIMS, VMIS, Resource

Step = dict[str, Any]
RESOURCES = {resource.plural: resource for resource in (PODS, VMIMS, VMIS)}
ACCEPTED: dict[str, Any] = {"code": 200}


@dataclass(frozen=True)
class Player:
    """Plays a table's steps on a simulated cluster."""

    scene: Scene
    table: Table
    taken: Recording

    async def play(self) -> list[tuple[str, Any, Any]]:
        """The steps with what they should have been answered, and what they were."""
        answers: list[tuple[str, Any, Any]] = []
        for step in self.table.steps:
            verb = next(iter(step))
            answer = await _answered(VERBS[verb](self, step))
            answers.append((f"{verb} {step[verb]}", step.get("answer", ACCEPTED), answer))
        return answers

    async def migrate(self, step: Step) -> None:
        names = self.table.migrations.get(step["migrate"], {})
        wanted = self.scene.migration(self.table.namespace, step.get("of", names.get("vm", "")), step["migrate"])
        wanted["spec"] = {key: value for key, value in {**wanted["spec"], **self._of(step, "spec")}.items() if value}
        wanted["metadata"] |= {"annotations": self._of(step, "annotations")}
        await self.scene.user.create(VMIMS, wanted, **({"dryRun": "All"} if step.get("dry run") else {}))

    async def annotate(self, step: Step) -> None:
        named = {f"virtsim.drover.dev/{name}": value for name, value in step["with"].items()}
        await self._patched(VMIS, step["annotate"], {"metadata": {"annotations": named}})

    async def delete(self, step: Step) -> None:
        resource, name = self._object(step["delete"])
        await self.scene.user.delete(resource, self.table.namespace, name)

    async def patch(self, step: Step) -> None:
        await self._patched(*self._object(step["patch"]), self._names().filled(step["body"]))

    async def evict(self, step: Step) -> None:
        _, name = self._object(step["evict"])
        metadata = {"namespace": self.table.namespace, "name": name, "annotations": self._of(step, "annotations")}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        await self.scene.user.create(PODS, body, "eviction")

    async def put(self, step: Step) -> None:
        await self.scene.user.request("PUT", self._names().filled(step["put"]), body=self._names().filled(step["body"]))

    async def quota(self, step: Step) -> None:
        """Sets the namespace's quota, and waits until the quota controller has counted."""
        metadata = {"namespace": self.table.namespace, "name": "q"}
        wanted = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": step["quota"]}}
        user = self.scene.user
        try:
            await user.create(QUOTAS, wanted)
        except ApiError as error:
            if error.code != 409:
                raise
            await user.patch(QUOTAS, self.table.namespace, "q", {"spec": wanted["spec"]}, MERGE_PATCH)
        async with asyncio.timeout(WITHIN_SECONDS):
            while await self._counted() != step["quota"]:  # noqa: ASYNC110 - the quota controller's
                await asyncio.sleep(0.02)

    async def _counted(self) -> Any:
        quota = await self.scene.user.get(QUOTAS, self.table.namespace, "q")
        return (quota.get("status") or {}).get("hard")

    async def until(self, step: Step) -> None:
        """Waits until objects have these facts, or until one was told something."""
        for role, facts in step["until"].items():
            await self._when(step, lambda role=role, facts=facts: self._is(role, facts))  # type: ignore[misc]

    async def told(self, step: Step) -> None:
        """Waits until an event of these words is there."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                listed = await self.scene.user.list(EVENTS, self.table.namespace)
                if any(matches(step["told"], event["message"]) for event in listed["items"]):
                    return
                await asyncio.sleep(0.1)

    async def _when(self, step: Step, so: Callable[[], bool]) -> None:
        try:
            await self.scene.eventually(so)
        except TimeoutError:
            seen = {role: facts_of(self._names().last(role) or {"metadata": {}}) for role in step["until"]}
            raise AssertionError(f"{self.table.name} waits for {step}: {seen}") from None

    def _is(self, role: str, facts: dict[str, Any] | str) -> bool:
        names = self._names()
        if facts == "gone":
            return role in names.roles and names.roles[role] in self.taken.gone
        obj = names.last(role)
        here = facts_of(obj) if obj else {}
        return obj is not None and all(matches(names.filled(value), here.get(path)) for path, value in facts.items())  # type: ignore[union-attr]

    def _names(self) -> Names:
        return Names(self.taken, self.table.namespace)

    def _object(self, role: str) -> tuple[Resource, str]:
        plural, name = self._names().roles[role]
        return RESOURCES[plural], name

    def _of(self, step: Step, key: str) -> dict[str, Any]:
        filled: dict[str, Any] = self._names().filled(step.get(key, {}))
        return filled

    async def _patched(self, resource: Resource, name: str, body: Any) -> None:
        kind = JSON_PATCH if isinstance(body, list) else MERGE_PATCH
        await self.scene.user.patch(resource, self.table.namespace, name, body, kind)


async def _answered(request: Awaitable[None]) -> dict[str, Any]:
    try:
        await request
    except ApiError as error:
        causes = {"causes": error.causes} if error.causes else {}
        return {"code": error.code, "reason": error.reason, "message": error.message, **causes}
    return ACCEPTED


VERBS: dict[str, Callable[[Player, Step], Awaitable[None]]] = {
    verb: getattr(Player, verb)
    for verb in ("migrate", "annotate", "delete", "patch", "evict", "put", "quota", "until", "told")
}
