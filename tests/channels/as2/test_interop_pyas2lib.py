"""A serving hub and pyas2lib over HTTP, both ways, in every combination of options that pyas2lib has."""

from __future__ import annotations

from itertools import product

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.as2_hubs import CEDAR, HOST, ORDER, aster_hub, eventually
from tests.support.as2_pyas2lib import foreign

pytestmark = pytest.mark.peer("pyas2lib")

PAYLOAD = ORDER + b"LIN+2++4000862141404:SRS'\r\n" * 100
CIPHERS = [None, "aes_128_cbc", "aes_192_cbc", "aes_256_cbc"]
RECEIPTS = [
    None,
    ("SYNC", None),
    ("SYNC", "sha256"),
    ("SYNC", "sha512"),
    ("ASYNC", None),
    ("ASYNC", "sha384"),
]
OURS = list(
    product(
        ["false", '"sha-256"', '"sha-384"', '"sha-512"'],
        ["false", '"aes-128-cbc"', '"aes-192-cbc"', '"aes-256-cbc"'],
        ["none", "before-signing", "after-signing"],
        [("none", True), ("sync", True), ("sync", False), ("async", True), ("async", False)],
    )
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with aster_hub(tmp_path_factory.mktemp("pyas2lib") / "aster") as hub:
        # Asynchronous receipts come to where the hub really listens.
        hub.node.channels["as2"]._receipt_url = f"http://{HOST}:{hub.port}/as2"
        yield hub


@pytest.fixture(scope="module")
def theirs(hub):
    with foreign(CEDAR, hub.certificate.public_bytes(Encoding.PEM), "ASTER") as partner:
        yield partner


@pytest.fixture(scope="module")
def settled(hub, theirs):
    """One message in each combination of ours, sent at once."""
    (hub.node.folder / "certificates" / "foreign.pem").write_bytes(CEDAR.pem_certificate())
    for number, (sign, encrypt, compress, (receipt, signed)) in enumerate(OURS):
        (hub.node.folder / "partners" / f"f{number}.toml").write_text(
            f'name = "Foreign {number}"\n[as2]\nid = "F{number}"\nurl = "http://{HOST}:{theirs.port}/as2"\n'
            f'sign = {sign}\nencrypt = {encrypt}\ncompress = "{compress}"\nreceipt = "{receipt}"\n'
            f"receipt_signed = {str(signed).lower()}\ncontent_length = {str(number % 2 == 0).lower()}\n"
            f'key_padding = "{"oaep-sha1" if number % 5 == 0 else "pkcs1"}"\n'
            "require_signed = false\nrequire_encrypted = false\nallow_private_network = true\n"
            '[[certificates]]\nfile = "certificates/foreign.pem"\n'
        )
    hub.apply()
    return [hub.send(f"f{number}", PAYLOAD) for number in range(len(OURS))]


@pytest.mark.parametrize("number", range(len(OURS)), ids=["-".join(map(str, each)) for each in OURS])
def test_ours_is_read_and_its_receipt_confirms(hub, theirs, settled, number):
    sent = settled[number]
    hub.settled(sent.id, "confirmed", seconds=60)
    assert theirs.received[sent.protocol_id] == ("processed", PAYLOAD)
    [receipt] = hub.receipts(sent.id)
    assert receipt.kind == ("http" if OURS[number][3][0] == "none" else "mdn")


@pytest.mark.parametrize("receipt", RECEIPTS, ids=str)
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("sign", [False, True])
def test_theirs_is_kept_and_their_check_of_our_receipt_passes(
    hub, theirs, settled, sign, cipher, compress, receipt
):
    # It keeps one MIC, by its signature's digest, and compares whatever it is given with that.
    digest = (receipt and receipt[1]) or "sha256"
    check(
        hub,
        theirs,
        receipt,
        sign=sign,
        digest_alg=digest,
        encrypt=cipher is not None,
        enc_alg=cipher or "aes_256_cbc",
        compress=compress,
    )


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("transport", ["rsaes_pkcs1v15", "rsaes_oaep"])
def test_their_algorithms(hub, theirs, settled, digest, transport):
    check(
        hub,
        theirs,
        ("SYNC", digest),
        sign=True,
        digest_alg=digest,
        encrypt=True,
        enc_alg="aes_256_cbc",
        key_enc_alg=transport,
    )


def test_pss_without_its_parameters_is_refused_and_no_500(hub, theirs, settled):
    """It leaves out the parameters, which then are SHA-1's (RFC 4055 s3.1), and signs with others."""
    url = f"http://{HOST}:{hub.port}/as2"
    options = {"sign": True, "digest_alg": "sha256", "sign_alg": "rsassa_pss", "encrypt": False}
    _, said = theirs.send("F0", url, PAYLOAD, mdn_mode="SYNC", mdn_digest_alg="sha256", **options)
    assert said == "processed/error authentication-failed"


def check(hub, theirs, receipt, **options):
    if receipt is not None:
        options |= {"mdn_mode": receipt[0], "mdn_digest_alg": receipt[1]}
    url = f"http://{HOST}:{hub.port}/as2"
    message, said = theirs.send("F0", url, PAYLOAD, **options)
    kept = hub.received(f"<{message.message_id}>", "f0")
    if receipt is not None and receipt[0] == "ASYNC":
        said, _ = eventually(lambda: theirs.receipts.get(message.message_id))
        kept = hub.message(kept.id)
    assert said == ("processed" if receipt is not None else "")
    assert kept.state.value in ("accepted", "delivered")
    assert hub.document(kept) == PAYLOAD
    assert kept.parts[0].name == "orders.edi"
