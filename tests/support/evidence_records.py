"""Evidence records over decades, by authorities whose clocks are set; and the samples under ``tests/wire/ers/samples``.

``python -m tests.support.evidence_records`` makes the samples anew.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.tsa import OpensslAuthority, PlayedAuthority

from ecluse.wire.ers import ArchiveTimeStamp, EvidenceRecord, HashTree, rehashed_leaf, renewal_leaf
from ecluse.wire.tsp import TimeStampRequest, read_response

__all__ = ["SAMPLES", "begun", "day", "digest_of", "rehashed", "renewed", "token"]

SAMPLES = Path(__file__).parents[1] / "wire" / "ers" / "samples"
NOTE = (
    "alder.example/ecluse\n7\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n"
    "— alder.example/ecluse m7ADDAb2tLnMx0BIBHLYVWPEDOT+b7Qvo3sBoYXPdz1c"
    "4NYaU1cY3kaHRzvUrCMA8z/+AJEFO5z7Ot5xE5DwAw8KcQI=\n"
).encode()


def day(year: int, month: int = 1) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC)


def digest_of(data: bytes):
    return lambda name: hashlib.new(name, data).digest()


def token(authority: PlayedAuthority, hash: str, digest: bytes, at: datetime) -> bytes:
    return read_response(authority.answer(TimeStampRequest(hash, digest, 7).encode(), at))


def stamp(
    authority: PlayedAuthority, hash: str, leaf: Sequence[bytes], at: datetime, others: int = 0
) -> ArchiveTimeStamp:
    """A time-stamp over a leaf, among ``others`` of somebody else's."""
    leaves = [tuple(leaf), *((hashlib.new(hash, bytes((n,))).digest(),) for n in range(others))]
    place = others // 2
    leaves[0], leaves[place] = leaves[place], leaves[0]
    tree = HashTree(hash, leaves)
    return ArchiveTimeStamp(hash, tree.reduced(place), token(authority, hash, tree.root, at))


def begun(
    authority: PlayedAuthority, hash: str, data: bytes, at: datetime, others: int = 0
) -> EvidenceRecord:
    return EvidenceRecord(((stamp(authority, hash, [hashlib.new(hash, data).digest()], at, others),),))


def renewed(
    record: EvidenceRecord, authority: PlayedAuthority, at: datetime, others: int = 0
) -> EvidenceRecord:
    hash, leaf = renewal_leaf(record)
    return record.with_stamp(stamp(authority, hash, leaf, at, others))


def rehashed(
    record: EvidenceRecord, authority: PlayedAuthority, hash: str, data: bytes, at: datetime, others: int = 0
) -> EvidenceRecord:
    leaf = rehashed_leaf(hash, hashlib.new(hash, data).digest(), record.chains)
    return record.with_chain(stamp(authority, hash, leaf, at, others))


def main() -> None:
    SAMPLES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        authority = OpensslAuthority(Path(folder), years=60)
        request = TimeStampRequest("sha512", hashlib.sha512(NOTE).digest(), 7)
        der = read_response(authority(request.encode()))
        chain = (Path(folder) / "signer.pem").read_bytes() + authority.root.read_bytes()
    played = [
        PlayedAuthority("Alder", begins=day(2000), years=10),
        PlayedAuthority("Beech", begins=day(2008), years=10),
        PlayedAuthority("Cedar", begins=day(2015), years=60, hash="sha512"),
    ]
    record = begun(played[0], "sha256", NOTE, day(2001, 5), others=2)
    record = renewed(record, played[1], day(2009, 3), others=4)
    record = renewed(record, played[1], day(2012, 7))
    record = rehashed(record, played[2], "sha512", NOTE, day(2016, 2), others=3)
    record = renewed(record, played[2], day(2024, 9), others=1)
    files = {
        "note": NOTE,
        "openssl.tsr": der,
        "openssl.pem": chain,
        "first.ers": EvidenceRecord(((ArchiveTimeStamp("sha512", (), der),),)).encode(),
        "decades.ers": record.encode(),
        "decades.pem": b"".join(each.root.public_bytes(Encoding.PEM) for each in played),
        "decades.json": json.dumps(
            {
                "time": "2001-05-01T00:00:00Z",
                "steps": [
                    ["first", "sha256", "2001-05-01T00:00:00Z"],
                    ["time-stamp-renewal", "sha256", "2009-03-01T00:00:00Z"],
                    ["time-stamp-renewal", "sha256", "2012-07-01T00:00:00Z"],
                    ["hash-tree-renewal", "sha512", "2016-02-01T00:00:00Z"],
                    ["time-stamp-renewal", "sha512", "2024-09-01T00:00:00Z"],
                ],
            },
            indent=1,
        ).encode()
        + b"\n",
    }
    for name, data in files.items():
        (SAMPLES / name).write_bytes(data)


if __name__ == "__main__":
    main()
