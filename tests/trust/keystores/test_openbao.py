"""OpenBao itself: versions of keys, its seal, tokens that end, namespaces, its certificate, what it says no with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from tests.support import tls_certs
from tests.support.openbao import OpenBao, openbao, wait_for

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError, SecretError
from ecluse.trust.keystores import vault
from ecluse.trust.keystores.remote import RemoteRsaKey, remote_key
from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.keystores.vault import Login
from ecluse.trust.secrets import Secret
from ecluse.wire.cms.errors import UnsupportedAlgorithm

pytestmark = pytest.mark.peer("bao")

SHA256 = hashes.SHA256()
OAEP = padding.OAEP(padding.MGF1(SHA256), SHA256, None)


@pytest.fixture(scope="module")
def bao(tmp_path_factory) -> Iterator[OpenBao]:
    with openbao(tmp_path_factory.mktemp("bao")) as server:
        yield server


@pytest.fixture
def made(bao: OpenBao, request) -> tuple[TransitDevice, str]:
    """A client, and the name of an RSA key that was made for this test."""
    device, name = bao.device(), f"k-{abs(hash(request.node.name))}"
    device.generate(name, "rsa-2048")
    return device, name


def held(device: TransitDevice, name: str) -> Any:
    """The key in its latest version."""
    pinned = device.pinned(name)
    return remote_key(device.public_key(pinned), device, pinned)


def sign(key: Any) -> None:
    """Sign, and see that it verifies."""
    key.public_key().verify(
        key.sign(b"data", padding.PKCS1v15(), SHA256), b"data", padding.PKCS1v15(), SHA256
    )


def told(call: Callable[..., object], *arguments: object) -> KeyringError:
    with pytest.raises(KeyringError) as caught:
        call(*arguments)
    return caught.value


def test_every_kind_of_key_signs(bao: OpenBao) -> None:
    device = bao.device()
    for kind in ("rsa-3072", "ec-p256", "ec-p384", "ec-p521", "ed25519"):
        public: Any = device.generate(f"each-{kind}", kind)
        key: Any = held(device, f"each-{kind}")
        assert key.public_key() == public
        if kind == "ed25519":
            public.verify(key.sign(b"data"), b"data")
        elif kind.startswith("ec"):
            for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
                public.verify(key.sign(b"data", ec.ECDSA(digest)), b"data", ec.ECDSA(digest))
        else:
            for digest in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
                for scheme in (padding.PKCS1v15(), padding.PSS(padding.MGF1(digest), digest.digest_size)):
                    public.verify(key.sign(b"data", scheme, digest), b"data", scheme, digest)


def test_a_key_that_was_rotated_signs_and_decrypts_as_the_version_that_it_was_bound_in(bao, made) -> None:
    device, name = made
    first = held(device, name)
    sealed = first.public_key().encrypt(b"k" * 32, OAEP)
    bao.must("POST", f"transit/keys/{name}/rotate", {})
    sign(first)
    assert first.decrypt(sealed, OAEP) == b"k" * 32
    second = held(device, name)
    assert "@2" in repr(second)
    assert second.public_key() != first.public_key()
    sign(second)
    assert second.decrypt(second.public_key().encrypt(b"2" * 32, OAEP), OAEP) == b"2" * 32
    with pytest.raises(ValueError, match="could not open"):
        second.decrypt(sealed, OAEP)
    assert device.public_key(f"{name}@1") == first.public_key()
    assert told(device.public_key, f"{name}@3").code == "keystore.no-key"


def test_a_version_that_is_not_to_be_used_any_more_is_told(bao, made) -> None:
    device, name = made
    first = held(device, name)
    sealed = first.public_key().encrypt(b"k" * 32, OAEP)
    bao.must("POST", f"transit/keys/{name}/rotate", {})
    bao.must(
        "POST", f"transit/keys/{name}/config", {"min_decryption_version": 2, "min_encryption_version": 2}
    )
    for call in (lambda: sign(first), lambda: first.decrypt(sealed, OAEP)):
        error = told(call)
        assert (error.code, error.fault) == ("keystore.refused", Fault.OURS)
    second = held(device, name)
    sign(second)
    bao.must("DELETE", f"transit/keys/{name}/soft-delete")
    for call in (lambda: sign(second), lambda: second.decrypt(sealed, OAEP)):
        assert told(call).code == "keystore.refused"


def test_a_key_that_is_gone_is_no_ciphertext_that_does_not_open(bao, made) -> None:
    device, name = made
    key = held(device, name)
    sealed = key.public_key().encrypt(b"k" * 32, OAEP)
    bao.must("POST", f"transit/keys/{name}/config", {"deletion_allowed": True})
    bao.must("DELETE", f"transit/keys/{name}")
    for call in (lambda: sign(key), lambda: key.decrypt(sealed, OAEP), lambda: device.public_key(name)):
        assert told(call).code == "keystore.no-key"
    device.generate(name, "rsa-2048")
    assert told(sign, key).code == "keystore.other-key"


def test_what_it_does_not_decrypt_is_told_from_what_does_not_decrypt(made) -> None:
    key = held(*made)
    assert isinstance(key, RemoteRsaKey)
    assert (key.opens(OAEP), key.opens(padding.PKCS1v15())) == (True, False)
    with pytest.raises(UnsupportedAlgorithm, match="PKCS#1"):
        key.decrypt(key.public_key().encrypt(b"k" * 32, padding.PKCS1v15()), padding.PKCS1v15())
    with pytest.raises(ValueError, match="could not open"):
        key.decrypt(b"\1" * 256, OAEP)
    with pytest.raises(ValueError, match="as long"):
        key.decrypt(b"\1" * 255, OAEP)
    assert key.decrypt(key.public_key().encrypt(b"", OAEP), OAEP) == b""


def test_its_seal(bao, made) -> None:
    key = held(*made)
    sealed = key.public_key().encrypt(b"k" * 32, OAEP)
    bao.seal()
    try:
        for call in (lambda: sign(key), lambda: key.decrypt(sealed, OAEP), made[0].names):
            error = told(call)
            assert (error.code, error.fault) == ("keystore.sealed", Fault.TRANSIENT)
    finally:
        bao.unseal()
    sign(key)
    assert key.decrypt(sealed, OAEP) == b"k" * 32


def test_a_token_that_ended_is_read_again(bao, made) -> None:
    tokens = [bao.token()]
    device = bao.device(Login(lambda: Secret(tokens[-1])))
    key = held(device, made[1])
    sign(key)
    bao.must("POST", "auth/token/revoke", {"token": tokens[-1]})
    error = told(sign, key)
    assert (error.code, error.fault) == ("keystore.denied", Fault.OURS)
    tokens.append(bao.token())
    sign(key)


def test_a_token_that_can_not_be_read_is_told(bao) -> None:
    def missing() -> Secret:
        raise SecretError("The secret's file token does not exist.", code="secret.missing")

    error = told(bao.device(Login(missing)).names)
    assert (error.code, "does not exist" in error.cause) == ("keystore.denied", True)


def test_a_token_is_renewed_before_it_ends(bao, made, monkeypatch) -> None:
    monkeypatch.setattr(vault, "FIRST_LOOK", 0.0)
    token = bao.token(period="600s")
    device = bao.device(token)
    sign(held(device, made[1]))

    def renewed() -> bool:
        found = bao.must("GET", "auth/token/lookup-self", token=token)["data"]
        return "last_renewal_time" in found

    wait_for(renewed)
    device.close()


def test_a_role_logs_in_again_when_its_token_ends(bao, made, monkeypatch) -> None:
    monkeypatch.setattr(vault, "YOUNG", 0.0)
    role, secret = bao.role("hub")
    device = bao.device(Login(lambda: Secret(secret), role))
    key = held(device, made[1])
    sign(key)
    accessors = bao.must("GET", "auth/token/accessors?list=true")["data"]["keys"]
    for accessor in accessors:
        found = bao.must("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        if found["path"] == "auth/approle/login":
            bao.must("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    sign(key)
    for login in (Login(lambda: Secret("wrong"), role), Login(lambda: Secret(secret), role, "nowhere")):
        assert told(bao.device(login).names).code == "keystore.denied"


def test_what_the_policy_does_not_allow_is_denied(bao, made) -> None:
    device, name = made
    bao.must(
        "PUT",
        "sys/policies/acl/less",
        {"policy": f'path "transit/sign/{name}" {{ capabilities = ["update"] }}'},
    )
    less = bao.device(bao.token(policies=["less"]))
    pinned = device.pinned(name)
    key: Any = remote_key(device.public_key(pinned), less, pinned)
    sign(key)
    for call in (less.names, lambda: less.public_key(name), lambda: key.decrypt(b"\1" * 256, OAEP)):
        error = told(call)
        assert (error.code, "permission denied" in error.cause) == ("keystore.denied", True)


def test_a_mount_and_a_namespace_of_its_own(bao) -> None:
    bao.must("POST", "sys/namespaces/aster", {})
    bao.must("POST", "sys/mounts/edi/keys", {"type": "transit"}, namespace="aster")
    device = bao.device(bao.root, "edi/keys", "aster")
    assert device.names() == ()
    device.generate("main", "ec-p256")
    assert device.names() == ("main",)
    key: Any = held(device, "main")
    key.public_key().verify(key.sign(b"data", ec.ECDSA(SHA256)), b"data", ec.ECDSA(SHA256))
    for mount, namespace in (("edi/keys", ""), ("nowhere", ""), ("edi/keys", "birch")):
        assert told(bao.device(bao.root, mount, namespace).names).code in (
            "keystore.refused",
            "keystore.denied",
        )
    assert told(device.generate, "main", "ec-p256").code == "keystore.exists"


def test_its_certificate_is_checked(bao) -> None:
    other = tls_certs.make("Another authority", authority=True)
    login = Login(lambda: Secret(bao.root))
    for ca in (other.pem, b""):
        error = told(TransitDevice(bao.url, login, ca=ca).names)
        assert (error.code, error.fault) == ("keystore.away", Fault.TRANSIENT)
        assert "certificate is not trusted" in error.cause
    assert told(TransitDevice, bao.url, login, "transit", "", b"no PEM").code == "keystore.bad-authority"


def test_too_many_requests_are_tried_again(bao, made) -> None:
    key = held(*made)
    bao.must("POST", "sys/quotas/rate-limit/few", {"path": "transit/", "rate": 1, "interval": "60s"})
    try:
        codes = set()
        for _ in range(3):
            try:
                sign(key)
            except KeyringError as error:
                codes.add((error.code, error.fault))
        assert codes == {("keystore.away", Fault.TRANSIENT)}
    finally:
        bao.must("DELETE", "sys/quotas/rate-limit/few")
    sign(key)
