"""What a configuration says of key stores, and opening them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from ecluse.trust.keystores.pkcs11 import Pkcs11Device
from ecluse.trust.keystores.transit import TransitDevice
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.fields import Label, Name, SecretReference, Strict, Url

__all__ = ["AnyStore", "KeyStoreSettings", "open_stores"]

AnyStore = Pkcs11Device | TransitDevice


class KeyStoreSettings(Strict, frozen=True, kw_only=True):
    """A key store, whose keys are used without leaving it.

    Attributes:
        kind: pkcs11 for a device, transit for HashiCorp Vault or OpenBao.
        secret: Reference to the token's PIN, or to the service's token.
        module: Of pkcs11, the device's library.
        token: Of pkcs11, the token's label.
        url: Of transit, the service's address.
        mount: Of transit, where its keys are mounted.
        namespace: Of transit, the namespace, where there are several.
        ca: Of transit, PEM file of the authority that its certificate is checked with.
    """

    kind: Literal["pkcs11", "transit"]
    secret: SecretReference
    module: Name | None = None
    token: Name | None = None
    url: Url | None = None
    mount: Name = "transit"
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
    """
    stores: dict[str, AnyStore] = {}
    for name, each in settings.items():
        secret = resolve(each.secret)
        if each.kind == "pkcs11":
            stores[name] = Pkcs11Device(folder / (each.module or ""), each.token or "", secret)
        else:
            ca = (folder / each.ca).read_bytes() if each.ca is not None else b""
            stores[name] = TransitDevice(each.url or "", secret, each.mount, each.namespace or "", ca)
    return stores
