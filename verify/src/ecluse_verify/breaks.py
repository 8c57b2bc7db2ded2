"""Breaks of the log (``log/breaks.json``): decisions of persons that it goes on although something signed was lost.

What was decided is a text. The log's key signed it under the name that the log had before; so did each operator who
decided, with an SSH key of theirs. Whose key that is, the hub says, or the reader knows better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ecluse_verify.log import Keys, check_signed
from ecluse_verify.notes import read_note
from ecluse_verify.pack import Pack
from ecluse_verify.report import Level, Report
from ecluse_verify.sshsig import Signers, key_of_line, read_signature
from ecluse_verify.text import Bad, base64_octets, read_json

__all__ = ["check_breaks"]

_PATH: Final = "log/breaks.json"
_FORMAT: Final = "ecluse.log.continued/1"
_NAMESPACE: Final = "ecluse-change"


def check_breaks(pack: Pack, keys: Keys, origin: str, signers: Signers, report: Report) -> None:
    """Tell of each break, and of who signed the decision.

    Args:
        pack: The pack.
        keys: Those of the log.
        origin: The name that they have.
        signers: Operators with their keys, as the reader knows them; none where the hub is asked.
        report: Takes what is found.
    """
    if _PATH not in pack.names:
        return
    with report.guard(_PATH):
        value = read_json(pack.read(_PATH))
        breaks = value.get("breaks") if isinstance(value, dict) else None
        if not isinstance(breaks, list):
            raise Bad("breaks")
        for entry in breaks:
            with report.guard(_PATH):
                _check(entry, keys, origin, signers, report)


def _check(entry: object, keys: Keys, origin: str, signers: Signers, report: Report) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("lost"), dict):
        raise Bad("breaks")
    by, lost = entry.get("by"), entry["lost"]
    if not isinstance(by, list) or not by or not all(isinstance(each, dict) for each in by):
        raise Bad("breaks")
    note = read_note(base64_octets(str(entry.get("note"))))
    told = {
        "origin": entry.get("origin"),
        "before": entry.get("before"),
        "lost": f"{lost.get('origin')} {lost.get('size')} {lost.get('root')}",
        "common": entry.get("common"),
        "continues": f"{entry.get('size')} {entry.get('root')}",
        "at": entry.get("at"),
        "by": by[0].get("operator"),
        "reason": entry.get("reason"),
    }
    if note.text != "".join((f"{_FORMAT}\n", *(f"{name} {said}\n" for name, said in told.items()))):
        raise Bad("break.differs", origin=told["origin"])
    before = str(told["before"])
    if before.partition("#")[0] != origin.partition("#")[0]:
        raise Bad("checkpoint.origin", origin=before)
    given, claimed = (
        tuple(replace(key, name=before) for key in group if key.name == origin)
        for group in (keys.log, keys.claimed_log)
    )
    level = check_signed(note, replace(keys, log=given, claimed_log=claimed), before, of_text=True)
    names = ", ".join(str(each.get("operator")) for each in by)
    facts = {name: told[name] for name in ("before", "origin", "reason")}
    report.add(level, f"break.{level.value}", _PATH, size=lost.get("size"), who=names, **facts)
    seen: dict[bytes, str] = {}
    for each in by:
        with report.guard(_PATH):
            _person(each, note.text, str(told["origin"]), signers, seen, report)


def _person(
    each: dict[str, object],
    text: str,
    origin: str,
    signers: Signers,
    seen: dict[bytes, str],
    report: Report,
) -> None:
    """Who decided, and their signature over the decision. Raises :class:`Bad` where it is not theirs."""
    name = str(each.get("operator"))
    if not each.get("signature"):
        level = Level.BROKEN if signers else Level.MISSING
        report.add(level, "break.unsigned", _PATH, name=name, origin=origin)
        return
    try:
        signature = read_signature(str(each["signature"]))
        whole = key_of_line(str(each.get("key"))) == signature.key and signature.fits(
            text.encode(), _NAMESPACE
        )
    except Bad:
        whole = False
    if not whole:
        raise Bad("break.forged", name=name, origin=origin)
    if signature.key in seen:
        raise Bad("break.same", name=name, other=seen[signature.key], origin=origin)
    seen[signature.key] = name
    if signers and (name, signature.key) not in signers:
        raise Bad("break.stranger", name=name, key=signature.fingerprint, origin=origin)
    level = Level.PROVEN if signers else Level.CLAIMED
    code = f"break.signed.{level.value}"
    report.add(level, code, _PATH, name=name, key=signature.fingerprint, origin=origin)
