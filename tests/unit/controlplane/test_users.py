"""The users that Kubernetes' own roles are bound to."""

import csv
import stat
from pathlib import Path

from controlplane.users import write_tokens


def test_users_are_who_kubernetes_roles_are_bound_to(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.csv")
    with (tmp_path / "tokens.csv").open(newline="") as file:
        rows = {token: (user, uid, groups) for token, user, uid, groups in csv.reader(file)}
    assert {name: rows[token] for name, token in tokens.items()} == {
        "admin": ("kubernetes-admin", "kubernetes-admin", "system:masters"),
        "kube-controller-manager": ("system:kube-controller-manager", "system:kube-controller-manager", ""),
        "kube-scheduler": ("system:kube-scheduler", "system:kube-scheduler", ""),
    }


def test_tokens_are_private_and_made_anew(tmp_path: Path) -> None:
    first, second = (set(write_tokens(tmp_path / name).values()) for name in ("a", "b"))
    assert len(first | second) == 6
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
