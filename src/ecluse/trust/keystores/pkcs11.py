"""Keys in a device that speaks PKCS#11 (OASIS PKCS #11 3.0): a smart card, an HSM, SoftHSM.

A device has one set of objects for all threads and few sessions: operations take turns, one session each time. Where a
session is lost (the device was unplugged, the service restarted), the next operation opens another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.keystores.remote import PublicKey
from ecluse.trust.secrets import Secret

__all__ = ["Pkcs11Device"]

T = TypeVar("T")

_DIGEST_INFO: Final = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""What stands before a digest in PKCS#1 v1.5 (RFC 8017 s9.2 note 1)."""
_SALTS: Final = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}


class Pkcs11Device:
    """A token of a device.

    Args:
        module: The device's library.
        token: Label of the token.
        pin: Its user's PIN.
    """

    def __init__(self, module: Path, token: str, pin: Secret) -> None:
        self._module = module
        self._token = token
        self._pin = pin
        self._lock = threading.Lock()
        self._session: Any = None

    def __repr__(self) -> str:
        return f"<Pkcs11Device {self._token}>"

    def close(self) -> None:
        """End the session. May be called twice."""
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                session.close()

    def names(self) -> tuple[str, ...]:
        """Labels of the private keys, in order."""
        from pkcs11 import Attribute, ObjectClass

        def work(session: Any) -> tuple[str, ...]:
            found = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            return tuple(sorted({str(each[Attribute.LABEL]) for each in found}))

        return self._do(work)

    def pinned(self, key: str) -> str:
        """The name: a key of a device has no versions."""
        return key

    def public_key(self, key: str) -> PublicKey:
        """The public key of a private one. Raises ``keystore.no-key``."""
        from pkcs11 import ObjectClass
        from pkcs11.util.ec import encode_ec_public_key
        from pkcs11.util.rsa import encode_rsa_public_key

        def work(session: Any) -> PublicKey:
            found = self._find(session, key, ObjectClass.PUBLIC_KEY)
            encode = encode_rsa_public_key if found.key_type.name == "RSA" else encode_ec_public_key
            der = encode(found)
            if found.key_type.name == "RSA":
                der = _spki(der)
            public = load_der_public_key(der)
            assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
            return public

        return self._do(work)

    def generate(self, key: str, kind: str) -> PublicKey:
        """Make a key that never leaves the device.

        Args:
            key: Its label.
            kind: ``rsa-2048``, ``rsa-3072``, ``rsa-4096``, ``ec-p256``, ``ec-p384`` or ``ec-p521``.

        Raises:
            KeyringError: ``keystore.exists``, ``keystore.refused``.
        """
        from pkcs11 import Attribute, KeyType
        from pkcs11.util.ec import encode_named_curve_parameters

        if key in self.names():
            raise KeyringError(
                f"The key store has a key {key} already.",
                code="keystore.exists",
                remedy="Choose another name: a key is never written over.",
                fault=Fault.USAGE,
            )
        private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        family, _, size = kind.partition("-")

        def work(session: Any) -> None:
            if family == "rsa" and size in ("2048", "3072", "4096"):
                session.generate_keypair(
                    KeyType.RSA, int(size), label=key, store=True, private_template=private
                )
            elif family == "ec" and size in ("p256", "p384", "p521"):
                name = {"p256": "secp256r1", "p384": "secp384r1", "p521": "secp521r1"}[size]
                domain = session.create_domain_parameters(
                    KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(name)}, local=True
                )
                template = {**private, Attribute.DERIVE: True}
                domain.generate_keypair(label=key, store=True, private_template=template)
            else:
                raise _refused(f"A key of the kind {kind} is not made in a key store.")

        self._do(work)
        return self.public_key(key)

    # --- the port -------------------------------------------------------------------------------------------

    def rsa_sign(self, key: str, digest: bytes, name: str, scheme: str) -> bytes:
        """See the port."""
        from pkcs11 import MGF, Mechanism

        if scheme == "pkcs1":
            return self._use(
                key, lambda held: held.sign(_DIGEST_INFO[name] + digest, mechanism=Mechanism.RSA_PKCS)
            )
        made = getattr(Mechanism, name.replace("sha", "SHA").replace("SHA1", "SHA_1"))
        mask = getattr(MGF, name.replace("sha", "SHA"))
        parameters = (made, mask, _SALTS[name])
        return self._use(
            key,
            lambda held: held.sign(digest, mechanism=Mechanism.RSA_PKCS_PSS, mechanism_param=parameters),
        )

    def rsa_decrypt(self, key: str, ciphertext: bytes, scheme: str, name: str, mask: str) -> bytes:
        """See the port."""
        from pkcs11 import MGF, Mechanism

        if scheme == "pkcs1":
            return self._use(key, lambda held: held.decrypt(ciphertext, mechanism=Mechanism.RSA_PKCS))
        made = getattr(Mechanism, name.replace("sha", "SHA").replace("SHA1", "SHA_1"))
        parameters = (made, getattr(MGF, mask.replace("sha", "SHA")), None)
        return self._use(
            key,
            lambda held: held.decrypt(
                ciphertext, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=parameters
            ),
        )

    def ec_sign(self, key: str, digest: bytes, name: str) -> bytes:
        """See the port."""
        from pkcs11 import Mechanism

        raw = self._use(key, lambda held: held.sign(digest, mechanism=Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def ec_agree(self, key: str, point: bytes) -> bytes:
        """See the port."""
        from pkcs11 import KDF, Attribute, KeyType, Mechanism

        size = (len(point) - 1) // 2

        def work(held: Any) -> bytes:
            derived = held.derive_key(
                KeyType.GENERIC_SECRET,
                size * 8,
                mechanism=Mechanism.ECDH1_DERIVE,
                mechanism_param=(KDF.NULL, None, point),
                template={
                    Attribute.SENSITIVE: False,
                    Attribute.EXTRACTABLE: True,
                    Attribute.VALUE_LEN: size,
                    Attribute.TOKEN: False,
                },
            )
            return bytes(derived[Attribute.VALUE])

        return self._use(key, work)

    def ed25519_sign(self, key: str, data: bytes) -> bytes:
        """See the port."""
        from pkcs11 import Mechanism

        return self._use(key, lambda held: held.sign(data, mechanism=Mechanism.EDDSA))

    # --- inside ---------------------------------------------------------------------------------------------

    def _use(self, key: str, work: Callable[[Any], bytes]) -> bytes:
        from pkcs11 import ObjectClass

        return self._do(lambda session: bytes(work(self._find(session, key, ObjectClass.PRIVATE_KEY))))

    def _find(self, session: Any, key: str, kind: Any) -> Any:
        from pkcs11 import Attribute

        found = next(iter(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: key})), None)
        if found is None:
            raise KeyringError(
                f"The key store has no key {key[:63]!a}.",
                code="keystore.no-key",
                remedy="Look at `ecluse keyring stores`.",
            )
        return found

    def _do(self, work: Callable[[Any], T]) -> T:
        """Work on a session; on another one where that was lost."""
        from pkcs11 import exceptions

        lost = (
            exceptions.SessionHandleInvalid,
            exceptions.SessionClosed,
            exceptions.DeviceRemoved,
            exceptions.TokenNotPresent,
            exceptions.UserNotLoggedIn,
        )
        padding_errors = (
            exceptions.EncryptedDataInvalid,
            exceptions.EncryptedDataLenRange,
            exceptions.DataInvalid,
            exceptions.DataLenRange,
            exceptions.ArgumentsBad,
            exceptions.GeneralError,
        )
        with self._lock:
            for attempt in (1, 2):
                try:
                    if self._session is None:
                        self._session = self._open()
                    return work(self._session)
                except lost as error:
                    self._session = None
                    if attempt == 2:
                        raise _away(self._token) from error
                except padding_errors as error:
                    raise ValueError("the device could not open it") from error
                except exceptions.PKCS11Error as error:
                    raise _refused(f"The device refuses: {type(error).__name__}.") from error
        raise AssertionError("not reached: two attempts return or raise")

    def _open(self) -> Any:
        import pkcs11
        from pkcs11 import exceptions

        try:
            library = pkcs11.lib(str(self._module))
            try:
                token = library.get_token(token_label=self._token)
            except exceptions.NoSuchToken:
                library.reinitialize()  # a list of tokens is made once: this one may have come since
                token = library.get_token(token_label=self._token)
            try:
                return token.open(rw=True, user_pin=self._pin.reveal_text())
            except exceptions.UserAlreadyLoggedIn:
                return token.open(rw=True)  # a login counts for every session of a process
        except (exceptions.PinIncorrect, exceptions.PinLocked, exceptions.PinInvalid):
            raise KeyringError(
                f"The PIN of the token {self._token} is wrong, or locked.",
                code="keystore.wrong-pin",
                remedy="Look at what keyring.stores refers to; too many tries lock a token.",
            ) from None
        except (exceptions.PKCS11Error, RuntimeError) as error:
            raise _away(self._token) from error


def _spki(der: bytes) -> bytes:
    """SubjectPublicKeyInfo of a PKCS#1 RSAPublicKey."""
    from ecluse.wire import asn1
    from ecluse.wire.cms import oids

    algorithm = asn1.sequence(asn1.oid(oids.RSA_ENCRYPTION), asn1.null())
    return asn1.sequence(algorithm, asn1.encode(asn1.BIT_STRING, b"\0" + der))


def _away(token: str) -> KeyringError:
    return KeyringError(
        f"The key store with the token {token} can't be reached.",
        code="keystore.away",
        remedy="See whether the device is there and its library can be read; what waits is tried again.",
        fault=Fault.TRANSIENT,
    )


def _refused(cause: str) -> KeyringError:
    return KeyringError(
        cause, code="keystore.refused", remedy="Look at what the device allows.", fault=Fault.USAGE
    )
