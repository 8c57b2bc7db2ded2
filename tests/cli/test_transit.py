"""Two hubs exchange messages, and one has its key in a transit service: sealed in between, and rotated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.cli.conftest import stretch_little
from tests.support.commands import free_port, say, serving
from tests.support.keystores import TOKEN, Transit, transit_service
from tests.support.openbao import openbao

from ecluse.trust.keys.making import make_key

PATIENCE = 120.0
"""Seconds for what takes one, on a machine that has much else to do."""
RETRY = 'retry = { base = "1s", cap = "1s", attempts = 500 }'


class Service(NamedTuple):
    """A transit service, and what an administrator does there.

    Attributes:
        settings: What ``ecluse.toml`` says of it.
        files: Files beside that.
        seal: Let it do nothing...
        unseal: ... until then.
        rotate: Give a key another version.
    """

    settings: str
    files: dict[str, bytes]
    seal: Callable[[], object]
    unseal: Callable[[], object]
    rotate: Callable[[str], object]


STORE = '\n[keyring.stores.vault]\nkind = "transit"\nsecret = "file:token"\nurl = "{url}"\n'


def own_service(transit: Transit, url: str) -> Service:
    """That of our tests."""

    def seal(sealed: bool) -> None:
        transit.sealed = sealed

    return Service(
        STORE.format(url=url),
        {"token": TOKEN.encode()},
        lambda: seal(True),
        lambda: seal(False),
        lambda name: transit.keys[name].append(make_key("rsa-2048")),
    )


@pytest.fixture(params=["own", pytest.param("bao", marks=pytest.mark.peer("bao"))])
def service(request, tmp_path: Path) -> Iterator[Service]:
    if request.param == "own":
        with transit_service(reads_pkcs1=False) as (transit, url):
            yield own_service(transit, url)
        return
    with openbao(tmp_path / "bao") as server:
        role, secret = server.role("aster")
        yield Service(
            STORE.format(url=server.url) + f'role = "{role}"\nca = "vault.pem"\n',
            {"token": secret.encode(), "vault.pem": server.ca},
            server.seal,
            server.unseal,
            lambda name: server.must("POST", f"transit/keys/{name}/rotate", {}),
        )


def two_hubs(service: Service, tmp_path: Path) -> dict[str, Path]:
    """Aster, whose key is in the service, and Birch."""
    hubs = {name: tmp_path / name for name in ("aster", "birch")}
    for name, hub in hubs.items():
        address = f"127.0.0.1:{free_port()}"
        words = ("--name", name.title(), "--as2-id", name.upper(), "--address", address)
        say("init", hub, *words, "--key-kind", "rsa-2048")
        stretch_little(hub)
    aster = hubs["aster"]
    for name, data in service.files.items():
        (aster / name).write_bytes(data)
        (aster / name).chmod(0o600)
    toml = aster / "ecluse.toml"
    toml.write_text(toml.read_text() + service.settings)
    say("apply", "--yes", "--reason", "a key store", hub=aster)
    bound = say(
        "keyring", "bind", "orders", "--store", "vault", "--make", "rsa-2048", "--json", hub=aster
    ).data
    assert bound["opens"] == ["oaep-sha256"]
    toml.write_text(toml.read_text().replace("[organisation]", '[organisation]\nkeys = [{ref = "orders"}]'))
    say("apply", "--yes", "--reason", "the service's key", hub=aster)
    for name, hub in hubs.items():
        say("partner", "card", "--out", tmp_path / f"{name}.card", hub=hub)
    for hub, other in ((aster, "birch"), (hubs["birch"], "aster")):
        say("partner", "add", tmp_path / f"{other}.card", "--yes", "--trust-on-first-use", "a test", hub=hub)
        path = hub / "partners" / f"{other}.toml"
        more = f"[as2]\nallow_private_network = true\n{RETRY}\n"
        path.write_text(path.read_text().replace("[as2]\n", more))
        say("apply", "--yes", "--reason", "one machine", hub=hub)
    return hubs


def sent(hub: Path, partner: str, label: str) -> str:
    """Hand a document in."""
    order = hub.parent / f"{label}.edi"
    order.write_bytes(f"UNB+UNOC:3+ASTER:ZZ+BIRCH:ZZ+261103:0915+{label}++ORDERS'UNZ+0+{label}'".encode())
    return str(say("send", partner, order, "--json", hub=hub).data["id"])


def shown(hub: Path, id: str) -> dict[str, Any]:
    return say("message", "show", id, "--json", hub=hub).data  # type: ignore[no-any-return]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.5)


def delivered(hub: Path, id: str) -> Callable[[], bool]:
    return lambda: shown(hub, id)["state"] == "delivered"


def test_messages_go_out_and_in_while_the_service_is_sealed_and_its_key_rotated(service, tmp_path) -> None:
    hubs = two_hubs(service, tmp_path)
    aster, birch = hubs["aster"], hubs["birch"]
    with serving(aster), serving(birch):
        first = (aster, sent(aster, "birch", "1")), (birch, sent(birch, "aster", "2"))
        for hub, id in first:
            until(delivered(hub, id))
        service.seal()
        waiting = (aster, sent(aster, "birch", "3")), (birch, sent(birch, "aster", "4"))
        # Both were tried: Aster can't sign, and tells Birch to come again.
        until(lambda: "keystore.sealed" in str(shown(*waiting[0])))
        until(lambda: "503" in str(shown(*waiting[1])))
        assert [shown(hub, id)["state"] for hub, id in waiting] == ["accepted", "sealed"]
        service.unseal()
        for hub, id in waiting:
            until(delivered(hub, id))
        service.rotate("orders")
        for hub, id in ((aster, sent(aster, "birch", "5")), (birch, sent(birch, "aster", "6"))):
            until(delivered(hub, id))
        say("keyring", "bind", "orders-2", "--store", "vault", "--name", "orders", hub=aster)
    keys = say("key", "list", "--json", hub=aster)
    assert keys.text.count("orders-2") >= 1
    for hub in (aster, birch):
        messages = say("message", "list", "--json", hub=hub).data["messages"]
        assert sorted(each["state"] for each in messages) == ["delivered"] * 6
