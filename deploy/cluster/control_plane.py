"""A control plane of Kubernetes on this machine: the real etcd, API server, controller manager and scheduler.

kwok plays the nodes: it says of each pod that it is ready, and of a pod of a Job that it completed. Nothing runs in
them. All listens on loopback, and ends with the context.
"""

import contextlib
import json
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from deploy.cluster.stages import write_stages

HERE = "127.0.0.1"
START_SECONDS = 60


class Cluster(NamedTuple):
    api: httpx.Client
    kubeconfig: Path


@contextlib.contextmanager
def control_plane(tools: Path, home: Path, *, nodes: int) -> Iterator[Cluster]:
    """Programs are taken from `tools`; data, keys and logs are written to `home`, which is empty."""
    programs = tools / "bin"
    client_port, peer_port, port = _free_ports(3)
    etcd, peer = f"http://{HERE}:{client_port}", f"http://{HERE}:{peer_port}"
    token = _write_token(home)
    key = _write_key(home)
    with contextlib.ExitStack() as stack:

        def start(name: str, *arguments: str) -> None:
            stack.enter_context(_running(programs / name, arguments, home / f"{name}.log"))

        start(
            "etcd",
            f"--data-dir={home / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        start(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--bind-address={HERE}",
            f"--secure-port={port}",
            f"--cert-dir={home / 'certificates'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={home / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
        )
        certificate = home / "certificates/apiserver.crt"
        _wait_for(certificate.exists, "the API server's certificate")
        kubeconfig = _write_kubeconfig(home, f"https://{HERE}:{port}", certificate, token)
        api = stack.enter_context(
            httpx.Client(
                base_url=f"https://{HERE}:{port}",
                headers={"authorization": f"Bearer {token}"},
                verify=ssl.create_default_context(cafile=str(certificate)),
                timeout=30,
            )
        )
        _wait_for(lambda: _is_ready(api), "the API server")
        given = f"--kubeconfig={kubeconfig}"
        start(
            "kube-controller-manager",
            given,
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={key}",
            f"--root-ca-file={certificate}",
            "--use-service-account-credentials=false",
        )
        start("kube-scheduler", given, "--leader-elect=false", "--secure-port=0")
        start(
            "kwok",
            given,
            f"--config={write_stages(tools, home)}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
        )
        _add_nodes(api, nodes)
        yield Cluster(api, kubeconfig)


@contextlib.contextmanager
def _running(program: Path, arguments: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out, subprocess.Popen([program, *arguments], stdout=out, stderr=out) as process:
        try:
            yield
            assert process.poll() is None, f"{program.name} has ended: {log}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _add_nodes(api: httpx.Client, count: int) -> None:
    """Nodes of two zones, of four cores and 16 GiB each."""
    room = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    for number in range(count):
        name = f"node-{number + 1}"
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % 2 + 1}"}
        node: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "status": {"capacity": room, "allocatable": room},
        }
        api.post("/api/v1/nodes", json=node).raise_for_status()


def _is_ready(api: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return api.get("/readyz").is_success
    return False


def _wait_for(is_there: Any, what: str) -> None:
    until = time.monotonic() + START_SECONDS
    while not is_there():
        assert time.monotonic() < until, f"{what} did not come up within {START_SECONDS} s"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HERE, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _write_token(home: Path) -> str:
    token = secrets.token_hex(16)
    (home / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    return token


def _write_key(home: Path) -> Path:
    """With it the tokens of service accounts are signed."""
    made = rsa.generate_private_key(public_exponent=65_537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    path = home / "service-accounts.key"
    path.write_bytes(made)
    return path


def _write_kubeconfig(home: Path, server: str, certificate: Path, token: str) -> Path:
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": server, "certificate-authority": str(certificate)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}],
        "current-context": "here",
    }
    path = home / "kubeconfig"
    path.write_text(json.dumps(written))
    path.chmod(0o600)
    return path


def definitions(tools: Path) -> list[dict[str, Any]]:
    """The CustomResourceDefinitions of the operators that the chart can make objects for."""
    files = sorted((tools / "definitions").glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
