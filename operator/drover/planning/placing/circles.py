"""Groups of nodes that wait for each other: strongly connected components (Tarjan, SIAM J. Comput. 1, 1972)."""

from collections.abc import Iterator, Mapping, Sequence


def circles(edges: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """The components with more than one node, each sorted; one that waits for another comes after it.

    `edges` are the nodes each node waits for.
    """
    search = _Search(edges)
    for node in sorted(edges):
        if node not in search.number:
            search.visit(node)
    return [sorted(found) for found in search.found if len(found) > 1]


class _Search:
    """Tarjan's search, with a stack of its own in the place of recursion."""

    def __init__(self, edges: Mapping[int, Sequence[int]]) -> None:
        self.edges = edges
        self.number: dict[int, int] = {}
        self.low: dict[int, int] = {}
        self.open: list[int] = []
        self.is_open: set[int] = set()
        self.found: list[list[int]] = []

    def visit(self, root: int) -> None:
        path: list[tuple[int, Iterator[int]]] = [self._enter(root)]
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                self._leave(node, path[-1][0] if path else None)
            elif following not in self.number:
                path.append(self._enter(following))
            elif following in self.is_open:
                self.low[node] = min(self.low[node], self.number[following])

    def _enter(self, node: int) -> tuple[int, Iterator[int]]:
        self.number[node] = self.low[node] = len(self.number)
        self.open.append(node)
        self.is_open.add(node)
        return node, iter(self.edges.get(node, ()))

    def _leave(self, node: int, parent: int | None) -> None:
        if self.low[node] == self.number[node]:
            at = self.open.index(node)
            self.found.append(self.open[at:])
            self.is_open -= set(self.open[at:])
            del self.open[at:]
        if parent is not None:
            self.low[parent] = min(self.low[parent], self.low[node])
