"""The TLS of partners' WebDAV servers and S3 stores is seen with every answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from tests.support.http_peer import HOST, serving
from tests.support.tls_certs import make
from tests.support.trust import HUB, keyring

from ecluse.channels.bucket.places import BucketPlaces
from ecluse.channels.http import Listener, Request, Response, server_context
from ecluse.channels.http.line import Pool
from ecluse.channels.http.message import Peer
from ecluse.channels.http.seen import as_client, as_server
from ecluse.channels.webdav import WebDavPlaces
from ecluse.model.basics import PartnerId, system_clock
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.secrets import Secret
from ecluse.trust.sightings import Sightings

SERVER = make(HOST)
EMPTY = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)


async def nothing(request: Request) -> Response:
    await request.read(10_000)
    return Response(200, body=EMPTY) if request.method == "GET" else Response(404)


@pytest.fixture(scope="module", params=["https", "http"])
def url(request: pytest.FixtureRequest):
    tls = server_context(SERVER.pem, SERVER.key_pem) if request.param == "https" else None
    with serving(nothing, listeners=[Listener(HOST, 0, tls)]) as server:
        yield f"{request.param}://{HOST}:{server.port}"


def directory(partner: str) -> Directory:
    files = {
        "ecluse.toml": HUB,
        "partners/birch.toml": f'name = "Birch"\n{partner}',
        "certificates/birch.pem": SERVER.pem.decode(),
    }
    return Directory(Configuration.from_files(files), keyring(), lambda reference: Secret("x"))


def shown(sightings: Sightings, channel: str) -> dict[str, list[str]]:
    roles = sightings._waiting[PartnerId("birch"), channel].roles
    return {role: [*values] for role, values in roles.items()}


def expected(url: str, found: dict[str, list[str]]) -> dict[str, list[str]]:
    if url.startswith("http:"):
        return {"tls-version": ["none"]}
    return {
        "tls-version": ["TLSv1.3"],
        "cipher": found["cipher"],
        "tls-server": [SERVER.certificate.fingerprint(SHA256()).hex()],
    }


CLEAR = '[[exceptions]]\nalgorithm = "clear-text"\nreason = "on this machine"\nuntil = "2099-01-01"\n'


def test_webdav(url: str) -> None:
    who = directory(
        f'[webdav]\nurl = "{url}/files"\nallow_private_network = true\n{CLEAR}'
        '[[certificates]]\nfile = "certificates/birch.pem"\nuse = ["tls"]\n'
    )
    sightings = Sightings(system_clock)
    places = WebDavPlaces(lambda: who, lambda reference: Secret(""), system_clock, Pool(), sightings)
    for _ in range(2):
        assert places.open("birch").client.look("order.edi") is None
    found = shown(sightings, "webdav")
    assert found == expected(url, found)
    [tally] = sightings._waiting[PartnerId("birch"), "webdav"].roles["tls-version"].values()
    assert tally.count == 2, "a connection that is kept is seen with each answer"


def test_s3(url: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(SERVER.pem)
    who = directory(
        f'[s3]\nbucket = "b"\nendpoint = "{url}"\nca = "ca.pem"\naccess_key = "env:A"\nsecret_key = "env:B"\n'
        f"allow_private_network = true\n{CLEAR}"
    )
    sightings = Sightings(system_clock)
    places = BucketPlaces(
        lambda: who, lambda reference: Secret("x"), tmp_path, system_clock, Pool(), sightings
    )
    assert list(places.open("s3", "birch").store.list("", deep=True)) == []
    found = shown(sightings, "s3")
    assert found == expected(url, found)


def test_a_client_behind_a_proxy_shows_nothing() -> None:
    assert as_client(Peer("192.0.2.1", 4000)) == {}
    assert as_server(Peer("192.0.2.1", 443)) == {"tls-version": "none", "cipher": None, "tls-server": None}
