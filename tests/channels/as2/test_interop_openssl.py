"""A serving hub and the ``openssl`` program: what it seals is kept, what the hub seals it opens."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from itertools import product

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.as2_hubs import CEDAR, ORDER, aster_hub, id_of, message
from tests.support.as2_partner import confirm, scripted

from ecluse.wire.as2 import disposition as said
from ecluse.wire.smime.headers import parse_headers

pytestmark = [
    pytest.mark.peer("openssl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

INNER = (
    b"Content-Type: application/edifact\r\nContent-Disposition: attachment; filename=orders.edi\r\n\r\n"
    + ORDER
)
SIGN = ("-sign", "-signer", "cedar.pem", "-inkey", "cedar.key", "-binary")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with aster_hub(tmp_path_factory.mktemp("openssl") / "aster") as hub:
        hub.introduce(CEDAR, "require_signed = false\nrequire_encrypted = false\n")
        yield hub


@pytest.fixture(scope="module")
def openssl(hub, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "cedar.key").write_bytes(CEDAR.pem_key())
    (folder / "cedar.pem").write_bytes(CEDAR.pem_certificate())
    (folder / "aster.pem").write_bytes(hub.certificate.public_bytes(Encoding.PEM))

    def run(*arguments: str, data: bytes) -> bytes:
        done = subprocess.run(
            ["openssl", *arguments], input=data, capture_output=True, cwd=folder, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def posted(hub, mail: bytes):
    """The mail that openssl writes, as an AS2 request."""
    head, body = re.split(rb"\r?\n\r?\n", mail, maxsplit=1)
    theirs = [(n, v) for n, v in parse_headers(head) if n.lower().startswith(("content-", "mime-"))]
    ours, _ = message(CEDAR, hub)
    headers = [(n, v) for n, v in ours if not n.lower().startswith(("content-", "mime-"))] + theirs
    got = hub.post(headers, body)
    read = got.mdn(hub.certificate)
    assert read.failure is None
    assert read.signed is not None
    return headers, read


@pytest.mark.parametrize("outer", ["", "-aes-128-cbc", "-aes-192-cbc", "-aes-256-cbc", "-aes-256-gcm"])
@pytest.mark.parametrize(
    "inner",
    [
        (),
        ("smime",),
        ("cms",),
        ("cms", "-md", "sha384"),
        ("cms", "-md", "sha512", "-keyid"),
        ("cms", "-nodetach"),
        ("smime", "-nodetach"),
        ("cms", "-noattr"),
        ("cms", "-nocerts"),
        ("cms", "-keyopt", "rsa_padding_mode:pss"),
        ("cms", "-crlfeol"),
    ],
    ids=" ".join,
)
def test_what_openssl_seals_is_kept(hub, openssl, outer, inner):
    if not outer and not inner:
        pytest.skip("nothing is done")
    mail = openssl(inner[0], *SIGN, *inner[1:], data=INNER) if inner else INNER
    if outer:
        mail = openssl("cms", "-encrypt", "-binary", outer, "aster.pem", data=mail)
    headers, read = posted(hub, mail)
    assert read.mdn.disposition == said.PROCESSED, read.mdn.text
    kept = hub.received(id_of(headers))
    assert hub.document(kept) == ORDER
    assert kept.parts[0].name == "orders.edi"


@pytest.mark.parametrize(
    "more", [("-stream",), ("-recip", "aster.pem", "-keyopt", "rsa_padding_mode:oaep")], ids=" ".join
)
def test_what_openssl_streams_or_pads_otherwise_is_kept(hub, openssl, more):
    target = () if "-recip" in more else ("aster.pem",)
    signed = openssl("cms", *SIGN, data=INNER)
    headers, read = posted(
        hub, openssl("cms", "-encrypt", "-binary", "-aes-256-cbc", *more, *target, data=signed)
    )
    assert read.mdn.disposition == said.PROCESSED
    assert hub.document(hub.received(id_of(headers))) == ORDER


def test_what_openssl_compresses_is_kept(hub, openssl):
    try:
        mail = openssl("cms", "-compress", "-binary", data=INNER)
    except AssertionError:
        pytest.skip("this openssl has no zlib")
    headers, read = posted(hub, mail)
    assert read.mdn.disposition == said.PROCESSED
    assert hub.document(hub.received(id_of(headers))) == ORDER


def test_sha_1_is_refused_by_its_name(hub, openssl):
    _, read = posted(hub, openssl("cms", *SIGN, "-md", "sha1", data=INNER))
    assert read.mdn.disposition == said.INSUFFICIENT_SECURITY


OURS = list(
    product(
        ["false", '"sha-256"', '"sha-512"'],
        ["false", '"aes-128-cbc"', '"aes-256-cbc"', '"aes-256-gcm"'],
        ["pkcs1", "oaep-sha256"],
    )
)


@pytest.mark.parametrize(("sign", "encrypt", "padding"), OURS)
def test_what_the_hub_seals_openssl_opens(hub, openssl, sign, encrypt, padding):
    if sign == encrypt == "false" or (encrypt == "false" and padding != "pkcs1"):
        pytest.skip("there is nothing to open")
    with scripted(confirm(CEDAR, hub.certificate)) as theirs:
        scheme = 'sign_scheme = "pss"\n' if padding != "pkcs1" else ""
        hub.introduce(
            CEDAR,
            f'sign = {sign}\nencrypt = {encrypt}\nkey_padding = "{padding}"\n{scheme}'
            "require_signed = false\nrequire_encrypted = false\n",
            url=theirs.url(),
        )
        hub.settled(hub.send("cedar").id, "confirmed")
        [request] = theirs.requests
    content = [(n, v) for n, v in request.headers if n.lower().startswith(("content-type", "mime-"))]
    if encrypt != "false":
        head = "".join(f"{n}: {v}\r\n" for n, v in content) + "Content-Transfer-Encoding: base64\r\n\r\n"
        mail = openssl(
            "cms",
            "-decrypt",
            "-binary",
            "-recip",
            "cedar.pem",
            "-inkey",
            "cedar.key",
            data=head.encode() + base64.encodebytes(request.body),
        )
    else:
        mail = "".join(f"{n}: {v}\r\n" for n, v in content).encode() + b"\r\n" + request.body
    if sign != "false":
        mail = openssl(
            "cms",
            "-verify",
            "-CAfile",
            "aster.pem",
            "-partial_chain",
            "-purpose",
            "any",
            data=mail,
        )
    assert mail.endswith(b"\r\n\r\n" + ORDER)


def test_openssl_verifies_our_receipts(hub, openssl):
    got = hub.post(*message(CEDAR, hub))
    mail = f"Content-Type: {got.header('Content-Type')}\r\n\r\n".encode() + got.body
    out = openssl("cms", "-verify", "-CAfile", "aster.pem", "-partial_chain", "-purpose", "any", data=mail)
    assert b"Disposition: automatic-action/MDN-sent-automatically; processed" in out
