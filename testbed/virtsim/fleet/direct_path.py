"""The fast path's shortest form: VMIs that run and their pods, written where the API server keeps them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from virtsim.cluster.client import Client
from virtsim.cluster.etcd import Entry, Etcd
from virtsim.fleet.started import Starter, pod_status
from virtsim.fleet.stored import ADMITTED, admitted, born
from virtsim.objects.phases import with_status
from virtsim.objects.resources import LIMIT_RANGES, PODS, QUOTAS, VMIS, Key, Object, key_of

AT_ONCE = 60
"""VMs in one transaction, of two entries each."""
BYTES_AT_ONCE = 2**20


@dataclass(frozen=True)
class DirectPath:
    """Writes for those who would have written, and for admission, where that would only fill in defaults."""

    client: Client
    etcd: Etcd
    starter: Starter

    async def start(self, machines: Iterable[Object], places: dict[Key, str]) -> list[Object]:
        """Starts these VMIs, each of which has a place; answers those that the API server has to be asked for.

        These are VMs whose pods admission would judge: by quotas and limit ranges, priority class or tolerations.
        Those that are there already are kept.
        """
        ruled, known = await self._ruled(), await self.etcd.keys(VMIS)
        wanted = [vmi for vmi in machines if key_of(vmi) not in known]
        asking = [vmi for vmi in wanted if vmi["metadata"]["namespace"] in ruled or ADMITTED & set(vmi["spec"])]
        left = {key_of(vmi) for vmi in asking}
        for batch in self._batches([vmi for vmi in wanted if key_of(vmi) not in left], places):
            if not await self.etcd.create([entry for _, entries in batch for entry in entries]):
                asking += [vmi for vmi, _ in batch]
        return asking

    async def _ruled(self) -> set[str]:
        """Namespaces with quotas or limit ranges."""
        lists = [await self.client.list(resource) for resource in (QUOTAS, LIMIT_RANGES)]
        return {rule["metadata"]["namespace"] for listed in lists for rule in listed["items"]}

    def _batches(
        self, machines: list[Object], places: dict[Key, str]
    ) -> Iterator[list[tuple[Object, tuple[Entry, Entry]]]]:
        batch: list[tuple[Object, tuple[Entry, Entry]]] = []
        size = 0
        for vmi in machines:
            entries = self._entries(vmi, places[key_of(vmi)])
            added = sum(len(entry.value) for entry in entries)
            if batch and (len(batch) == AT_ONCE or size + added > BYTES_AT_ONCE):
                yield batch
                batch, size = [], 0
            batch.append((vmi, entries))
            size += added
        if batch:
            yield batch

    def _entries(self, vmi: Object, node: str) -> tuple[Entry, Entry]:
        vmi = born(vmi)
        pod = admitted(born(self.starter.bound_pod(vmi, node)))
        pod = with_status(pod, **pod_status(pod))
        return Entry.of(VMIS, self.starter.running_vmi(vmi, pod)), Entry.of(PODS, pod)
