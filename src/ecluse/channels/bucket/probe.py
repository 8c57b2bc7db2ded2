"""Trying a bucket out: can it be listed, written to, and held to a condition?"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import Final

from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.store import BucketDenied, Changed, Taken, Upload
from ecluse.errors import EcluseError

__all__ = ["Probe", "probe"]

_DATA: Final = b"ecluse doctor\n"


@dataclass(frozen=True, slots=True)
class Probe:
    """What a bucket lets us do.

    Attributes:
        writes: Objects can be put under the prefix, and deleted.
        conditional: A second object of the same key was refused.
    """

    writes: bool
    conditional: bool


def probe(place: BucketPlace, name: str) -> Probe:
    """List the first objects; put a test object under a hidden name twice, and delete it.

    Raises:
        EcluseError: It can't even be listed.
    """
    store, key = place.store, f"{place.prefix}.ecluse-doctor-{name}"
    next(iter(store.list(place.prefix, deep=False)), None)
    sha256 = hashlib.sha256(_DATA).hexdigest()
    upload = Upload(len(_DATA), sha256, name, "text/plain", lambda step: iter([_DATA]))
    try:
        store.create(key, upload, replace=False)
    except BucketDenied:
        return Probe(writes=False, conditional=False)
    try:
        try:
            store.create(key, upload, replace=False)
            conditional = False
        except Taken:
            conditional = True
    finally:
        with contextlib.suppress(EcluseError, Changed):
            found = store.look(key)
            if found is not None:
                store.delete(key, found.etag)
    return Probe(writes=True, conditional=conditional)
