"""Making a container: what obstore's own client has no call for (Shared Key, Azure Storage REST API)."""

from __future__ import annotations

import base64
import hmac
import urllib.request
from email.utils import formatdate
from urllib.parse import urlsplit

__all__ = ["make_container"]


def make_container(endpoint: str, account: str, key: str, name: str) -> None:
    """Make a container at ``endpoint`` (with the account in its path, as Azurite wants it)."""
    date = formatdate(usegmt=True)
    path = f"{urlsplit(endpoint).path}/{name}"
    canonical = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n/{account}{path}\nrestype:container"
    text = "PUT" + "\n" * 12 + canonical
    digest = hmac.digest(base64.b64decode(key), text.encode(), "sha256")
    headers = {
        "x-ms-date": date,
        "x-ms-version": "2021-08-06",
        "Authorization": f"SharedKey {account}:{base64.b64encode(digest).decode()}",
    }
    url = f"{endpoint}/{name}?restype=container"
    asked = urllib.request.Request(url, b"", headers, method="PUT")
    asked.add_header("Content-Length", "0")
    asked.add_header("Content-Type", "")
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 201
