"""``[log]`` and ``[listen.log]`` of ``ecluse.toml``: the log of evidence, its witnesses, and whose witness we are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from msgspec import Meta

from ecluse.trust.addresses import split_url
from ecluse.trust.errors import Problem
from ecluse.trust.settings.fields import Address, Duration, Label, Name, Strict, Url, seconds
from ecluse.trust.settings.stamps import LongtermSettings, TimeStampAuthority
from ecluse.wire.tlog.checkpoint import LogKey, log_key
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.errors import Malformed

__all__ = [
    "Cosigned",
    "LogListener",
    "LogSettings",
    "WitnessSettings",
    "cosigned_key",
    "log_problems",
    "witness_keys",
]

MAX_WITNESSES: Final = 20
"""Each checkpoint is sent to all of them; a client of the C2SP formats need not read more than 16 signatures."""

SHORTEST_PACE: Final = 1
"""Seconds: every submission is a signature of the witness."""

VerifierKey = Annotated[
    str,
    Meta(
        pattern=r"^[^\s+]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{4,2000}$",
        extra={"expected": "a verifier key: a name, a key id and a key, joined by plus signs"},
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,199}$",
        extra={"expected": 'a name without spaces, such as "aster.example/ecluse"'},
    ),
]


class WitnessSettings(Strict, frozen=True, kw_only=True):
    """Somebody who cosigns our log's checkpoints.

    Attributes:
        name: What they are called here.
        url: Where their witness is: the part before add-checkpoint.
        keys: Verifier keys of their witness; `ecluse log cosign` on their side shows them.
        ca: PEM file, in the folder certificates, of the authority that their server's certificate is checked with; the
            system's by default.
        allow_private_network: Let the URL lead to loopback or a private network.
    """

    name: Label
    url: Url
    keys: tuple[VerifierKey, ...]
    ca: Name | None = None
    allow_private_network: bool = False


class Cosigned(Strict, frozen=True, kw_only=True):
    """Somebody whose log's checkpoints we cosign.

    Attributes:
        name: What they are called here.
        keys: Verifier keys of their log, one of Ed25519 and perhaps one of ML-DSA-44; `ecluse log key` on their side
            shows them.
    """

    name: Label
    keys: tuple[VerifierKey, ...]


class LogSettings(Strict, frozen=True, kw_only=True):
    """The log of evidence.

    Attributes:
        origin: Its name in checkpoints, such as "aster.example/ecluse"; by default made of the AS2 id.
        witness_name: Our name as a witness; by default the log's with "/witness" behind it.
        pace: How long after one checkpoint was sent to the witnesses the next one waits.
        witnesses: Who cosigns our checkpoints.
        cosigns: Whose checkpoints we cosign; they reach us where [listen.log] is.
        authorities: Time-stamping authorities.
        longterm: How evidence records are kept alive.
    """

    origin: Origin | None = None
    witness_name: Origin | None = None
    pace: Duration = "1m"
    witnesses: tuple[WitnessSettings, ...] = ()
    cosigns: tuple[Cosigned, ...] = ()
    authorities: tuple[TimeStampAuthority, ...] = ()
    longterm: LongtermSettings = LongtermSettings()


class LogListener(Strict, frozen=True, kw_only=True):
    """The listener for who reads the log's tree, and for logs that we cosign. It serves no documents.

    Attributes:
        address: Host and port.
        key: Key of the keyring whose certificate is shown; without it the listener speaks HTTP (behind a proxy, or on
            loopback).
        tiles: Serve the checkpoint and the tree's hashes (C2SP tlog-tiles): they tell how many events there are and
            when, and nothing of what they say.
        entries: Serve the records too. They are the events themselves: partners, file names, message ids, operators.
            Off unless asked for; whoever reaches the listener reads them.
        max_connections: Connections at once.
    """

    address: Address = "127.0.0.1:4086"
    key: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")] | None = None
    tiles: bool = True
    entries: bool = False
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 256


def witness_keys(settings: WitnessSettings) -> tuple[CosignerKey, ...]:
    """The keys of a witness. Raise :class:`Malformed` where a text is none."""
    keys = tuple(CosignerKey.parse(text) for text in settings.keys)
    if not keys:
        raise Malformed("A witness has a key.")
    if len({key.name for key in keys}) != 1:
        raise Malformed("The keys of one witness have one name.")
    return keys


def cosigned_key(settings: Cosigned) -> LogKey:
    """The key of a log that we cosign. Raise :class:`Malformed` where the texts are none of one."""
    key = log_key(settings.keys)
    if "#" in key.name:
        raise Malformed("Name the log as it was called first: what it is called after a break is followed.")
    return key


def log_problems(file: str, log: LogSettings, listener: LogListener | None) -> Iterator[Problem]:
    """Everything wrong with the two tables."""
    if listener is not None and int(listener.address.rpartition(":")[2]) > 65_535:
        yield Problem(
            "config.bad-value", file, "listen.log.address", "There is no such port.", "Expected 0 to 65535."
        )
    if seconds(log.pace) < SHORTEST_PACE:
        yield Problem("config.bad-value", file, "log.pace", "That is too often.", "Expected 1s at least.")
    if len(log.witnesses) > MAX_WITNESSES:
        yield Problem(
            "config.bad-value",
            file,
            "log.witnesses",
            "There are too many.",
            f"Expected {MAX_WITNESSES} at most.",
        )
    yield from _once(file, "log.witnesses", [each.name for each in log.witnesses])
    yield from _once(file, "log.cosigns", [each.name for each in log.cosigns])
    for number, witness in enumerate(log.witnesses):
        if split_url(witness.url) is None:
            yield _bad(file, f"log.witnesses[{number}].url", "That is no URL.")
        try:
            witness_keys(witness)
        except Malformed as error:
            yield _bad(file, f"log.witnesses[{number}].keys", error.cause)
    origins: set[str] = set()
    for number, cosigned in enumerate(log.cosigns):
        try:
            origin = cosigned_key(cosigned).name
        except Malformed as error:
            yield _bad(file, f"log.cosigns[{number}].keys", error.cause)
            continue
        if origin in origins:
            yield _bad(file, f"log.cosigns[{number}].keys", f"The log {origin} is named twice.")
        origins.add(origin)


def _once(file: str, field: str, names: Sequence[str]) -> Iterator[Problem]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield _bad(file, f"{field}[{number}].name", f"The name {name} is taken.")


def _bad(file: str, field: str, cause: str) -> Problem:
    return Problem(
        "config.bad-value", file, field, cause, "Take what the other side's `ecluse log key` shows."
    )
