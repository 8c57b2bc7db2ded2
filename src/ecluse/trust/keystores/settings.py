"""What a configuration says of key stores, and opening them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from ecluse.errors import Fault
from ecluse.trust.errors import KeyringError
from ecluse.trust.keystores.pkcs11 import Pkcs11Device
from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.keystores.vault import Login
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.fields import Label, Name, SecretReference, Strict, Url

__all__ = ["AnyStore", "KeyStoreSettings", "open_stores"]

AnyStore = Pkcs11Device | TransitDevice


class KeyStoreSettings(Strict, frozen=True, kw_only=True):
    """A key store, whose keys are used without leaving it.

    Attributes:
        kind: pkcs11 for a device, transit for HashiCorp Vault or OpenBao.
        secret: Reference to the token's PIN, to the service's token, or to the secret id of the AppRole.
        module: Of pkcs11, the device's library.
        token: Of pkcs11, the token's label.
        url: Of transit, the service's address.
        mount: Of transit, where its keys are mounted.
        role: Of transit, role id of the AppRole that the hub logs in as, instead of a token.
        role_mount: Of transit, where its AppRoles are mounted.
        namespace: Of transit, the namespace, where there are several.
        ca: Of transit, PEM file of the authority that its certificate is checked with.
    """

    kind: Literal["pkcs11", "transit"]
    secret: SecretReference
    module: Name | None = None
    token: Name | None = None
    url: Url | None = None
    mount: Name = "transit"
    role: Name | None = None
    role_mount: Name = "approle"
    namespace: Name | None = None
    ca: Name | None = None


def open_stores(
    settings: Mapping[Label, KeyStoreSettings], folder: Path, resolve: Callable[[str], Secret]
) -> dict[str, AnyStore]:
    """The key stores by name. None of them is asked anything yet.

    Args:
        settings: Checked: each has what its kind needs.
        folder: The hub's, which relative paths mean.
        resolve: From references to secrets.

    Raises:
        SecretError: A reference leads nowhere.
        KeyringError: ``keystore.bad-authority``.
    """
    stores: dict[str, AnyStore] = {}
    for name, each in settings.items():
        secret = resolve(each.secret)
        if each.kind == "pkcs11":
            stores[name] = Pkcs11Device(folder / (each.module or ""), each.token or "", secret)
        else:
            ca = _authority(folder / each.ca) if each.ca is not None else b""
            login = Login(partial(resolve, each.secret), each.role or "", each.role_mount)
            stores[name] = TransitDevice(each.url or "", login, each.mount, each.namespace or "", ca)
    return stores


def _authority(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyringError(
            f"The authority of a key store can't be read from {path}: {error.strerror}.",
            code="keystore.bad-authority",
            remedy="Look at ca under [keyring.stores].",
            fault=Fault.USAGE,
        ) from None
