"""The edits of a configuration that a rotation needs: the successor beside the old one, then in its place.

A file keeps its comments and its order where that can be: a line is added, changed or taken out, and the result read
again. Where it does not say what was wanted (a table written in one line, for one), the file is written anew.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import tomli_w

from ecluse.trust.configuration import HUB_FILE, Configuration
from ecluse.trust.rotation.facts import Place
from ecluse.trust.rules.places import used_keys

__all__ = [
    "accepts_both",
    "concerned",
    "drop_successor",
    "places_of",
    "put_beside",
    "put_in_place",
    "rewritten",
    "settle_certificate",
    "take_certificate",
    "uses_old",
]

Files = Mapping[str, str]
_Table = dict[str, Any]

_HEADER: Final = re.compile(r"^[ \t]*\[\[?[^\]\n]+\]\]?[ \t]*(#.*)?$", re.MULTILINE)
_LISTENERS: Final = (("listen", "as2", "tls"), ("listen", "ftps"))
_CLIENTS: Final = ("as2", "ftps", "webdav")


# --- looking -------------------------------------------------------------------------------------------------------


def places_of(configuration: Configuration, ref: str) -> tuple[Place, ...]:
    """In which places a key of ours is used."""
    hub = configuration.hub
    found: list[Place] = []
    if any(key.ref == ref for key in hub.organisation.keys):
        found.append("as2")
    tls, ftps, sftp = hub.listen.as2.tls, hub.listen.ftps, hub.listen.sftp
    if (tls is not None and tls.key == ref) or (ftps is not None and ftps.key == ref):
        found.append("tls")
    if sftp is not None and ref in sftp.host_keys:
        found.append("host-key")
    named = [
        field for each in configuration.partners.values() for field, key in used_keys(each) if key == ref
    ]
    if "sftp.key" in named:
        found.append("user-key")
    if any(field.endswith(".client_key") for field in named):
        found.append("client")
    return tuple(found)


def concerned(configuration: Configuration, ref: str) -> dict[str, tuple[Place, ...]]:
    """In which places a key of ours is used with each partner that exchanges."""
    everywhere = set(places_of(configuration, ref))
    hub = configuration.hub
    tls, ftps = hub.listen.as2.tls, hub.listen.ftps
    found: dict[str, tuple[Place, ...]] = {}
    for name, partner in configuration.partners.items():
        if partner.state != "active":
            continue
        fields = {field for field, key in used_keys(partner) if key == ref}
        account = partner.account.protocols if partner.account is not None else ()
        places: list[Place] = []
        if partner.as2 is not None and "as2" in everywhere:
            places.append("as2")
        if (partner.as2 is not None and tls is not None and tls.key == ref) or (
            "ftps" in account and ftps is not None and ftps.key == ref
        ):
            places.append("tls")
        if "sftp" in account and "host-key" in everywhere:
            places.append("host-key")
        if "sftp.key" in fields:
            places.append("user-key")
        if any(field.endswith(".client_key") for field in fields):
            places.append("client")
        if places:
            found[name] = tuple(places)
    return found


def accepts_both(configuration: Configuration, old: str, new: str) -> bool:
    """Whether the successor stands beside the old one wherever that stands."""
    hub = configuration.hub
    keys = {(use, key.ref, key.succeeds) for key in hub.organisation.keys for use in key.use}
    if any(ref == old and (use, new, old) not in keys for use, ref, _ in keys):
        return False
    for listener in (hub.listen.as2.tls, hub.listen.ftps):
        if listener is not None and listener.key == old and listener.successor != new:
            return False
    sftp = hub.listen.sftp
    if sftp is not None and old in sftp.host_keys and new not in sftp.host_keys:
        return False
    for partner in configuration.partners.values():
        if partner.sftp is not None and partner.sftp.key == old and partner.sftp.successor != new:
            return False
        for field in _CLIENTS:
            place = getattr(partner, field)
            if place is not None and place.tls.client_key == old and place.tls.successor != new:
                return False
    return True


def uses_old(configuration: Configuration, ref: str) -> bool:
    """Whether a key is used for anything but to open what was encrypted to it."""
    if set(places_of(configuration, ref)) - {"as2"}:
        return True
    return any(set(key.use) != {"decrypt"} for key in configuration.hub.organisation.keys if key.ref == ref)


# --- changing ------------------------------------------------------------------------------------------------------


def put_beside(files: Files, old: str, new: str) -> dict[str, str]:
    """The files with a successor beside a key of ours, wherever that is named."""

    def hub(data: _Table) -> None:
        if any(key["ref"] == old for key in _keys(data)) and "keys" in data["organisation"]:
            # Left there by a rotation that was abandoned, to decrypt: it does that again.
            left = {"ref": new, "use": ["decrypt"]}
            data["organisation"]["keys"] = [key for key in _keys(data) if key != left]
        for key in list(_keys(data)):
            if key["ref"] == old and not any(
                k["ref"] == new and k.get("use") == key.get("use") for k in _keys(data)
            ):
                added = {**key, "ref": new, "succeeds": old}
                for window in ("from", "until"):
                    added.pop(window, None)
                data["organisation"].setdefault("keys", [{"ref": "main"}]).append(added)
        for path in _LISTENERS:
            table = _at(data, path)
            if table is not None and table.get("key", "tls") == old:
                table["successor"] = new
        sftp = _at(data, ("listen", "sftp"))
        if sftp is not None:
            names = sftp.get("host_keys", ["ssh-host"])
            if old in names and new not in names:
                sftp["host_keys"] = [*names, new]

    def partner(data: _Table) -> None:
        sftp = data.get("sftp")
        if sftp is not None and sftp.get("key") == old:
            sftp["successor"] = new
        for field in _CLIENTS:
            table = _at(data, (field, "tls"))
            if table is not None and table.get("client_key") == old:
                table["successor"] = new

    return _edited(files, hub, partner)


def put_in_place(files: Files, old: str, new: str, *, keep: bool = True) -> dict[str, str]:
    """The files with a successor in the place of a key of ours.

    Args:
        files: As they are.
        old: The key that goes.
        new: Its successor.
        keep: Leave the old one to decrypt what is still encrypted to it.
    """

    def hub(data: _Table) -> None:
        kept: list[_Table] = []
        for key in _keys(data):
            if key["ref"] == old:
                if keep and "decrypt" in key.get("use", ("sign", "decrypt")):
                    kept.append({**key, "use": ["decrypt"]})
                continue
            kept.append({name: value for name, value in key.items() if (name, value) != ("succeeds", old)})
        if "keys" in data["organisation"]:
            data["organisation"]["keys"] = kept
        for path in _LISTENERS:
            table = _at(data, path)
            if table is not None and table.get("key", "tls") == old:
                table["key"] = new
                table.pop("successor", None)
        sftp = _at(data, ("listen", "sftp"))
        if sftp is not None and old in sftp.get("host_keys", ["ssh-host"]):
            sftp["host_keys"] = [name for name in sftp.get("host_keys", []) if name != old]

    def partner(data: _Table) -> None:
        sftp = data.get("sftp")
        if sftp is not None and sftp.get("key") == old:
            sftp["key"] = new
            sftp.pop("successor", None)
        for field in _CLIENTS:
            table = _at(data, (field, "tls"))
            if table is not None and table.get("client_key") == old:
                table["client_key"] = new
                table.pop("successor", None)

    return _edited(files, hub, partner)


def drop_successor(files: Files, old: str, new: str, *, keep: bool) -> dict[str, str]:
    """The files without a successor that does not take the old one's place after all.

    Args:
        files: As they are.
        old: The key that stays.
        new: What was to succeed it.
        keep: Partners know it: leave it to decrypt what they encrypt to it.
    """

    def hub(data: _Table) -> None:
        kept: list[_Table] = []
        for key in _keys(data):
            if key["ref"] == new and key.get("succeeds") == old:
                if keep and "decrypt" in key.get("use", ("sign", "decrypt")):
                    kept.append({**{k: v for k, v in key.items() if k != "succeeds"}, "use": ["decrypt"]})
                continue
            kept.append(key)
        if "keys" in data["organisation"]:
            data["organisation"]["keys"] = kept
        for path in _LISTENERS:
            table = _at(data, path)
            if table is not None and table.get("successor") == new:
                del table["successor"]
        sftp = _at(data, ("listen", "sftp"))
        if sftp is not None and new in sftp.get("host_keys", ()):
            sftp["host_keys"] = [name for name in sftp["host_keys"] if name != new]

    def partner(data: _Table) -> None:
        tables = [data.get("sftp"), *(_at(data, (field, "tls")) for field in _CLIENTS)]
        for table in tables:
            if table is not None and table.get("successor") == new:
                del table["successor"]

    return _edited(files, hub, partner)


def _keys(data: _Table) -> list[_Table]:
    keys: list[_Table] = data["organisation"].get("keys", [{"ref": "main"}])
    return keys


def _at(data: _Table, path: tuple[str, ...]) -> _Table | None:
    """A table within tables; ``None`` where it is not there."""
    table: Any = data
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _edited(files: Files, hub: Callable[[_Table], None], partner: Callable[[_Table], None]) -> dict[str, str]:
    changed = dict(files)
    for path, text in files.items():
        change = hub if path == HUB_FILE else partner if path.startswith("partners/") else None
        if change is None:
            continue
        before, wanted = tomllib.loads(text), tomllib.loads(text)
        change(wanted)
        if wanted != before:
            changed[path] = rewritten(text, before, wanted)
    return changed


def take_certificate(
    files: Files, partner: str, pem: str, name: str, *, use: Sequence[str], succeeds: str = ""
) -> dict[str, str]:
    """The files with a further certificate of a partner's.

    Args:
        files: As they are.
        partner: Its id; its file is there.
        pem: The certificate and its issuers.
        name: The path of its own file.
        use: What for.
        succeeds: Path of the file of the one that it is to succeed; empty where there is none.
    """
    path = f"partners/{partner}.toml"
    entry: _Table = {"file": name, "use": list(use), **({"succeeds": succeeds} if succeeds else {})}
    before, wanted = tomllib.loads(files[path]), tomllib.loads(files[path])
    wanted["certificates"] = [*wanted.get("certificates", []), entry]
    return {**files, name: pem, path: rewritten(files[path], before, wanted)}


def settle_certificate(files: Files, partner: str, old: str, new: str, *, keep: str) -> dict[str, str]:
    """The files with one of two certificates of a partner's.

    Args:
        files: As they are.
        partner: Its id.
        old: Path of the file of the one that was there first; may be empty.
        new: Path of its successor's.
        keep: Which of the two paths stays.
    """
    path = f"partners/{partner}.toml"
    before, wanted = tomllib.loads(files[path]), tomllib.loads(files[path])
    gone = old if keep == new else new
    wanted["certificates"] = [
        {name: value for name, value in entry.items() if (name, value) != ("succeeds", old)}
        for entry in wanted.get("certificates", [])
        if not gone or entry.get("file") != gone
    ]
    return {**files, path: rewritten(files[path], before, wanted)}


# --- the text ------------------------------------------------------------------------------------------------------


def rewritten(text: str, before: _Table, wanted: _Table) -> str:
    """A TOML text that says ``wanted``, as close to ``text`` (which says ``before``) as can be."""
    attempt = _Text(text)
    try:
        attempt.follow((), before, wanted)
        found = attempt.text
        if tomllib.loads(found) == wanted:
            return found
    except (tomllib.TOMLDecodeError, LookupError):
        pass
    return tomli_w.dumps(wanted)


class _Text:
    """A TOML text, in blocks that begin with a header."""

    def __init__(self, text: str) -> None:
        starts = [match.start() for match in _HEADER.finditer(text)]
        ends = [*starts[1:], len(text)][: len(starts)]
        self._head = text[: starts[0]] if starts else text
        self._blocks = [text[start:end] for start, end in zip(starts, ends, strict=True)]

    @property
    def text(self) -> str:
        return self._head + "".join(self._blocks)

    def follow(self, path: tuple[str, ...], before: _Table, wanted: _Table) -> None:
        """Change what differs. Raises ``LookupError`` where it is not written as is usual."""
        for name in (*before, *(name for name in wanted if name not in before)):
            was, will = before.get(name), wanted.get(name)
            if was == will:
                continue
            if isinstance(was, dict) and isinstance(will, dict):
                self.follow((*path, name), was, will)
            elif _tables(was) or _tables(will):
                self._array((*path, name), was or [], will or [])
            else:
                self._line(path, name, will)

    def _line(self, path: tuple[str, ...], name: str, value: Any) -> None:
        """Write, change or take out one line of a table."""
        number = None if not path else self._only(f"[{'.'.join(path)}]")
        block = self._head if number is None else self._blocks[number]
        line = "" if value is None else tomli_w.dumps({name: value}).rstrip("\n").replace("\n    ", " ")
        line = line.replace(",\n]", "]").replace("[ ", "[")
        found = re.search(rf"^[ \t]*{re.escape(name)}[ \t]*=.*\n?", block, re.MULTILINE)
        if found is not None:
            block = block[: found.start()] + (f"{line}\n" if line else "") + block[found.end() :]
        elif line:
            kept = block.rstrip("\n")
            block = f"{kept}\n{line}\n" + block[len(kept) + 1 :]
        if number is None:
            self._head = block
        else:
            self._blocks[number] = block

    def _array(self, path: tuple[str, ...], before: list[_Table], wanted: list[_Table]) -> None:
        """Change the blocks of an array of tables."""
        header = f"[[{'.'.join(path)}]]"
        places = [number for number, block in enumerate(self._blocks) if _header(block) == header]
        if len(places) != len(before):
            if places:
                raise LookupError(header)
            before = []  # the default, which nobody wrote
        written = [self._blocks[number] for number in places]
        new: list[str] = []
        for table in wanted:
            same = next((text for text, was in zip(written, before, strict=True) if was == table), None)
            new.append(same if same is not None else f"{header}\n{tomli_w.dumps(table)}")
        at = places[0] if places else len(self._blocks)
        for number in reversed(places):
            del self._blocks[number]
        for text in reversed(new):
            self._blocks.insert(at, _apart(text))
        if at and at <= len(self._blocks):
            self._blocks[at - 1] = _apart(self._blocks[at - 1])
        elif not at and self._head:
            self._head = _apart(self._head)

    def _only(self, header: str) -> int:
        places = [number for number, block in enumerate(self._blocks) if _header(block) == header]
        if len(places) != 1:
            raise LookupError(header)
        return places[0]


def _header(block: str) -> str:
    return block.partition("\n")[0].partition("#")[0].strip()


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _apart(block: str) -> str:
    """A block with an empty line behind it."""
    return block.rstrip("\n") + "\n\n"
