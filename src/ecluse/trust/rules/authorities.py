"""Files of authorities that a configuration names: whoever is believed by what is in them stands in the configuration.

A file that lies elsewhere could be exchanged under its name, and nobody would have to approve that. So what names one
names a file of the configuration, in the folder certificates, and what counts is its text as it is in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ecluse.trust.errors import Problem
from ecluse.trust.settings.schema import Hub, Partner

__all__ = ["bucket_authorities", "hub_authorities", "missing_authorities"]

_FIELD: Final = re.compile(r"(?:.*\.)?(?:ca|roots)|revocation\.authorities\[\d+\]\.certificate")
"""Fields of ``ecluse.toml`` that name such a file, or several."""
_BUCKETS: Final = ("s3", "azure", "gcs")


def hub_authorities(hub: Hub) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(dotted field, the files that it names) of ``ecluse.toml``."""
    yield from _walk("", msgspec.to_builtins(hub))


def bucket_authorities(partner: Partner) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The same of a partner's file; the certificates that are the partner's own are not meant."""
    for kind in _BUCKETS:
        bucket = getattr(partner, kind)
        if bucket is not None and bucket.ca is not None:
            yield f"{kind}.ca", (bucket.ca,)


def missing_authorities(
    file: str, named: Iterator[tuple[str, tuple[str, ...]]], files: Mapping[str, str]
) -> Iterator[Problem]:
    """What a file names and the configuration does not hold."""
    for field, paths in named:
        for path in paths:
            if path not in files:
                yield Problem(
                    "config.missing-file",
                    file,
                    field,
                    f"There is no {path} in the configuration.",
                    "Put the authority's certificate into the folder certificates, as PEM, and name it so.",
                )


def _walk(path: str, value: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _walk(f"{path}.{name}" if path else str(name), item)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _walk(f"{path}[{number}]", item)
    elif value and _FIELD.fullmatch(path):
        yield path, tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)
