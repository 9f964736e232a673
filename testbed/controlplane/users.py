"""The users of one control plane, each with a bearer token.

Client certificates, which kubeadm uses, are verified anew at every request: 0.3 of a small request's 0.9 ms of the
API server's time. A service account's token is verified once in ten seconds, a static one is looked up.
"""

import csv
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from controlplane.pki import write_private


@dataclass(frozen=True, slots=True)
class User:
    """Who Kubernetes' own roles are bound to: by name, or by group."""

    name: str
    group: str = ""


USERS: Mapping[str, User] = {
    "admin": User("kubernetes-admin", "system:masters"),
    "kube-controller-manager": User("system:kube-controller-manager"),
    "kube-scheduler": User("system:kube-scheduler"),
}


def write_tokens(path: Path) -> dict[str, str]:
    """Writes kube-apiserver's --token-auth-file, for its owner only, and answers each user's token."""
    tokens = {key: secrets.token_urlsafe(32) for key in USERS}
    rows = StringIO()
    csv.writer(rows).writerows([tokens[key], user.name, user.name, user.group] for key, user in USERS.items())
    write_private(path, rows.getvalue().encode())
    return tokens
