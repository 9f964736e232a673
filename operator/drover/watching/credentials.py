"""Where the API server is and who we are there."""

import os

from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration


class NoClusterError(Exception):
    """Nothing says which API server to talk to, or what says so cannot be read."""


async def load_configuration(kubeconfig: str | None) -> Configuration:
    """The kubeconfig that is named; else the pod's service account; else the kubeconfig that KUBECONFIG names.

    Never ~/.kube/config: the cluster of somebody's last kubectl command is not meant.

    Raises:
        NoClusterError: none of them is there, or it cannot be read.
    """
    configuration = Configuration()
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    paths = kubeconfig or ("" if in_cluster else os.environ.get("KUBECONFIG", ""))
    try:
        if paths:
            _need_a_file(paths)
            await config.load_kube_config(config_file=paths, client_configuration=configuration, persist_config=False)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except Exception as error:
        # Of a file that is YAML and no kubeconfig it raises whatever it stumbles over.
        raise NoClusterError(f"no usable credentials for an API server: {error}") from error
    return configuration


def _need_a_file(paths: str) -> None:
    """The loader only warns about a file that is not there, and fails later on what it did not load."""
    if not any(os.path.isfile(os.path.expanduser(path)) for path in paths.split(os.pathsep)):
        raise FileNotFoundError(f"there is no file {paths}")
