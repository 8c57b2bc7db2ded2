"""A hub's configuration: TOML files and public certificates, read strictly and whole.

A configuration is a mapping of relative paths to texts: ``ecluse.toml``, ``partners/<id>.toml``,
``flows/<id>.toml``, ``archive/<id>.toml``, ``certificates/<name>.pem`` and ``openpgp/<name>.asc``. The same mapping is
what a folder holds, what a version in the store carries and what is exported again. Nothing in it is secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.certificates import CertificateSet, Dated, leaves, load_described
from ecluse.trust.errors import CertificateError, ConfigurationError, Problem
from ecluse.trust.files.known import Known
from ecluse.trust.files.reading import read_toml
from ecluse.trust.rules.archive import named_profile_problems, place_problems, profile_problems
from ecluse.trust.rules.authorities import bucket_authorities, hub_authorities, missing_authorities
from ecluse.trust.rules.flows import calendar_problems, flow_problems, route_problems
from ecluse.trust.rules.general import (
    HUB_FILE,
    active_exceptions,
    hub_problems,
    in_time,
    partner_problems,
    unique_ids,
)
from ecluse.trust.rules.openpgp import (
    OpenPgpFiles,
    openpgp_files,
    openpgp_problems,
    recipient_problems,
)
from ecluse.trust.settings.archive import ArchiveProfile
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import CertificateEntry, Hub, Partner
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["HUB_FILE", "MAX_FILES", "Configuration", "export", "read_folder", "read_hub_file"]

MAX_FILES: Final = 200_000
"""Files of one configuration: 20,000 partners with nine certificates each, twice what the largest hubs have."""

_FOLDERS: Final = (
    ("partners", ".toml"),
    ("certificates", ".pem"),
    ("flows", ".toml"),
    ("archive", ".toml"),
    ("openpgp", ".asc"),
)
_PARTNER = re.compile(r"partners/([a-z0-9][a-z0-9-]{0,62})\.toml")
_FLOW = re.compile(r"flows/([a-z0-9][a-z0-9-]{0,62})\.toml")
_PROFILE = re.compile(r"archive/([a-z0-9][a-z0-9-]{0,62})\.toml")
_CERTIFICATE = re.compile(r"certificates/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.pem")
_OPENPGP = re.compile(r"openpgp/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.asc")


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """A configuration that holds together. Immutable.

    Attributes:
        hub: ``ecluse.toml``.
        partners: Partners by id, in order of id.
        certificates: Certificates of each partner, with their windows.
        flows: Flows by id, in order of id.
        archive: Archive profiles by id, in order of id.
        openpgp: OpenPGP certificates by file.
        files: What it was read from: relative path to text.
    """

    hub: Hub
    partners: Mapping[PartnerId, Partner]
    certificates: Mapping[PartnerId, CertificateSet]
    flows: Mapping[str, Flow]
    archive: Mapping[str, ArchiveProfile]
    openpgp: OpenPgpFiles
    files: Mapping[str, str]
    _loaded: Mapping[str, tuple[Dated, ...]] = field(repr=False)

    def certificates_in(self, path: str) -> tuple[x509.Certificate, ...]:
        """The certificates of a file, the end entity first; none where ``ecluse.toml`` was read alone."""
        return self._loaded[path][0].chain if path in self._loaded else ()

    def authority(self, path: str, folder: Path) -> bytes:
        """The PEM file that a field ``ca`` names, as it is in force.

        Where the configuration does not hold it (an older version, or ``ecluse.toml`` read alone) it is read from the
        hub's folder. Raises :class:`OSError`.
        """
        text = self.files.get(path)
        return (folder / path).read_bytes() if text is None else text.encode()

    def openpgp_certificates(self, paths: Iterable[str]) -> tuple[Certificate, ...]:
        """The OpenPGP certificates of some files, each once."""
        found = (certificate for path in paths for certificate in self.openpgp[path])
        return tuple({certificate.fingerprint: certificate for certificate in found}.values())

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, str],
        now: Instant | None = None,
        *,
        before: Configuration | None = None,
        known: Known | None = None,
    ) -> Configuration:
        """Read a configuration.

        Args:
            files: Relative path to text.
            now: Given when it is about to take effect: exceptions that ended, and uses for which every
                certificate is out of its time, are then refused. Without it, a version of the past reads as
                it did.
            before: One that was read: partners and certificates whose files did not change are taken from it, the
                same objects, so that reading another version costs what changed.
            known: What files were found to say by another process.

        Raises:
            ConfigurationError: With every problem there is.
        """
        problems: list[Problem] = []
        hub = _read_hub(files, problems)
        loaded = _read_certificates(files, problems, before, known)
        openpgp = openpgp_files(files, problems, before, known)
        partners: dict[PartnerId, Partner] = {}
        sets: dict[PartnerId, CertificateSet] = {}
        named: dict[str, tuple[str, Partner]] = {}
        flows: dict[str, Flow] = {}
        profiles: dict[str, ArchiveProfile] = {}
        for path in sorted(files):
            match = _FLOW.fullmatch(path)
            if path == HUB_FILE or _CERTIFICATE.fullmatch(path) or _OPENPGP.fullmatch(path):
                continue
            if match is not None:
                flow = read_toml(files[path], Flow, path, problems)
                if flow is not None:
                    flows[match.group(1)] = flow
                continue
            match = _PROFILE.fullmatch(path)
            if match is not None:
                profile = read_toml(files[path], ArchiveProfile, path, problems)
                if profile is not None:
                    profiles[match.group(1)] = profile
                continue
            match = _PARTNER.fullmatch(path)
            if match is None:
                problems.append(_unknown_file(path))
                continue
            name = PartnerId(match.group(1))
            partner = _same_text(path, files, before, known, name)
            if partner is None:
                partner = read_toml(files[path], Partner, path, problems)
                if partner is None:
                    continue
            named[name] = (path, partner)
            kept = _same_certificates(name, partner, loaded, openpgp, before)
            earlier = len(problems)
            if kept is None or partner.exceptions:
                problems.extend(_missing_certificates(path, partner, files))
                problems.extend(partner_problems(path, partner, loaded, now))
            if kept is None or partner.exceptions or not _steady(partner, openpgp, now):
                allowed = active_exceptions(partner, now)
                problems.extend(openpgp_problems(path, partner, openpgp, files, allowed, now))
            if len(problems) == earlier and all(entry.file in loaded for entry in partner.certificates):
                partners[name] = partner
                sets[name] = _dated(partner, loaded) if kept is None else kept
                if now is not None:
                    problems.extend(in_time(path, partner, sets[name], now))
        if hub is not None:
            problems.extend(unique_ids(hub, named))
            for id, flow in flows.items():
                problems.extend(flow_problems(f"flows/{id}.toml", flow, hub, named))
            problems.extend(route_problems(flows, hub))
            if now is not None or len(files) > 1:  # ecluse.toml by itself names what lies in other files
                problems.extend(_archive_problems(hub, named, flows, profiles))
            if now is not None:
                problems.extend(missing_authorities(HUB_FILE, hub_authorities(hub), files))
                for path, partner in named.values():
                    problems.extend(missing_authorities(path, bucket_authorities(partner), files))
                problems.extend(calendar_problems(HUB_FILE, hub.calendars))
                problems.extend(recipient_problems(hub, openpgp, now))
        if problems or hub is None:
            raise ConfigurationError(problems)
        return cls(
            hub=hub,
            partners=MappingProxyType(dict(sorted(partners.items()))),
            certificates=MappingProxyType(sets),
            flows=MappingProxyType(dict(sorted(flows.items()))),
            archive=MappingProxyType(dict(sorted(profiles.items()))),
            openpgp=openpgp,
            files=MappingProxyType(dict(files)),
            _loaded=MappingProxyType(loaded),
        )


def _same_text(
    path: str,
    files: Mapping[str, str],
    before: Configuration | None,
    known: Known | None,
    name: PartnerId,
) -> Partner | None:
    """A partner whose file says what it did before, here or in another process."""
    if before is not None and before.files.get(path) == files[path]:
        return before.partners.get(name)
    return known.partner(files[path]) if known is not None else None


def _steady(partner: Partner, openpgp: OpenPgpFiles, now: Instant | None) -> bool:
    """Whether time has done nothing to a partner's OpenPGP certificates."""
    settings = partner.openpgp
    if now is None or settings is None:
        return True
    return openpgp.steady((*settings.certificates, *settings.recipients), now)


def _same_certificates(
    name: PartnerId,
    partner: Partner,
    loaded: Mapping[str, tuple[Dated, ...]],
    openpgp: OpenPgpFiles,
    before: Configuration | None,
) -> CertificateSet | None:
    """The certificates of a partner who is as before, and all of whose certificates are.

    Then nothing can be wrong with it that was not before, but for what time brings.
    """
    if before is None or before.partners.get(name) is not partner:
        return None
    if any(loaded.get(entry.file) is not before._loaded.get(entry.file) for entry in partner.certificates):
        return None
    settings = partner.openpgp
    paths = () if settings is None else (*settings.certificates, *settings.recipients)
    if any(path not in openpgp or openpgp.file(path) is not before.openpgp.file(path) for path in paths):
        return None
    return before.certificates[name]


def _read_hub(files: Mapping[str, str], problems: list[Problem]) -> Hub | None:
    if HUB_FILE not in files:
        problems.append(
            Problem(
                "config.missing-file", HUB_FILE, "", "The file is missing.", "Make one with `ecluse init`."
            )
        )
        return None
    hub = read_toml(files[HUB_FILE], Hub, HUB_FILE, problems)
    if hub is not None:
        problems.extend(hub_problems(hub))
    return hub


def _read_certificates(
    files: Mapping[str, str], problems: list[Problem], before: Configuration | None, known: Known | None
) -> dict[str, tuple[Dated, ...]]:
    """The end entities of each certificate file."""
    loaded: dict[str, tuple[Dated, ...]] = {}
    for path in sorted(files):
        if not _CERTIFICATE.fullmatch(path):
            continue
        if before is not None and before.files.get(path) == files[path]:
            loaded[path] = before._loaded[path]
            continue
        found = known.certificate(files[path]) if known is not None else None
        if found is not None:
            loaded[path] = (Dated(*found, frozenset(), chain=found[:1]),)
            continue
        try:
            described = load_described(files[path].encode("utf-8", "surrogatepass"))
            chain = tuple(described)
            loaded[path] = tuple(
                Dated(certificate, described[certificate], frozenset(), chain=chain)
                for certificate in leaves(chain)
            )
        except CertificateError as error:
            problems.append(Problem(error.code, path, "", error.cause, error.remedy))
    return loaded


def _unknown_file(path: str) -> Problem:
    return Problem(
        "config.unknown-file",
        f"{path[:120]!a}",
        "",
        "There is no place for such a file in a configuration.",
        "Known are ecluse.toml, partners/<id>.toml, flows/<id>.toml and archive/<id>.toml (lower case letters, "
        "digits, dashes), "
        "certificates/<name>.pem and openpgp/<name>.asc.",
    )


def _archive_problems(
    hub: Hub,
    partners: Mapping[str, tuple[str, Partner]],
    flows: Mapping[str, Flow],
    profiles: Mapping[str, ArchiveProfile],
) -> Iterable[Problem]:
    yield from place_problems(HUB_FILE, hub.archive)
    for id, profile in profiles.items():
        yield from profile_problems(f"archive/{id}.toml", profile, hub.archive)
    yield from named_profile_problems(HUB_FILE, "archive.profile", hub.archive.profile, profiles)
    for path, partner in partners.values():
        if partner.archive is not None:
            yield from named_profile_problems(path, "archive.profile", partner.archive.profile, profiles)
    for id, flow in flows.items():
        if flow.archive is not None:
            yield from named_profile_problems(
                f"flows/{id}.toml", "archive.profile", flow.archive.profile, profiles
            )


def _missing_certificates(path: str, partner: Partner, files: Mapping[str, str]) -> Iterable[Problem]:
    for number, entry in enumerate(partner.certificates):
        if entry.file not in files:
            yield Problem(
                "config.missing-file",
                path,
                f"certificates[{number}].file",
                f"There is no {entry.file}.",
                "Put the PEM file there.",
            )


def _dated(partner: Partner, loaded: Mapping[str, tuple[Dated, ...]]) -> CertificateSet:
    def windowed(number: int, entry: CertificateEntry, item: Dated) -> Dated:
        start, end = instant_from(entry.from_), instant_until(entry.until)
        former = () if entry.succeeds is None else loaded.get(entry.succeeds, ())
        succeeds = frozenset(each.info.fingerprint for each in former)
        return Dated(
            item.certificate,
            item.info,
            frozenset(entry.use),
            start,
            end,
            item.chain,
            number,
            succeeds=succeeds,
        )

    return CertificateSet(
        tuple(
            windowed(number, entry, item)
            for number, entry in enumerate(partner.certificates)
            for item in loaded[entry.file]
        )
    )


class FolderError(EcluseError):
    """The hub's folder can't be read."""

    code = "config.unreadable"
    fault = Fault.USAGE
    remedy = "Look at the folder and at who may read it."


def read_folder(folder: Path) -> dict[str, str]:
    """Read the configuration files of a hub's folder: relative path (with ``/``) to text.

    Raises:
        FolderError: A file can't be read, is not UTF-8, or there are too many.
    """
    paths = [HUB_FILE]
    for name, ending in _FOLDERS:
        try:
            held = sorted(os.listdir(folder / name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise FolderError(f"{name} can't be read: {error.strerror}.") from error
        paths += [f"{name}/{each}" for each in held if each.endswith(ending)]
    if len(paths) > MAX_FILES:
        raise FolderError(f"There are more than {MAX_FILES} configuration files.")
    return _read(folder, paths)


def read_hub_file(folder: Path) -> dict[str, str]:
    """The same for ``ecluse.toml`` alone, whatever state the other files are in."""
    return _read(folder, [HUB_FILE])


def _read(folder: Path, names: Sequence[str]) -> dict[str, str]:
    files: dict[str, str] = {}
    place = str(folder)
    for name in names:
        path = f"{place}/{name}"
        try:
            with open(path, "rb") as file:
                files[name] = file.read().decode("utf-8")
        except FileNotFoundError:
            if os.path.islink(path):
                raise FolderError(f"{name} leads nowhere.") from None
        except UnicodeDecodeError:
            raise FolderError(f"{name} is not UTF-8.", remedy="Save it as UTF-8.") from None
        except OSError as error:
            raise FolderError(f"{name} can't be read: {error.strerror}.") from error
    return files


def export(files: Mapping[str, str], folder: Path, write: Callable[[Path, bytes], None]) -> list[str]:
    """Write a configuration's files into a folder.

    Files that are the same already are left alone; partner and certificate files that the configuration does
    not have are left too, and the caller may tell of them.

    Args:
        files: A configuration's files.
        folder: The hub's folder; made where it is missing.
        write: Durable write of one file, whose folder exists.

    Returns:
        The relative paths that were written.

    Raises:
        ConfigurationError: A path is not one of a configuration; nothing was written.
        FolderError: What is there can't be read.
    """
    strange = [path for path in files if path != HUB_FILE and not _known(path)]
    if strange:
        raise ConfigurationError([_unknown_file(path) for path in strange])
    written: list[str] = []
    for name in sorted(files):
        target = folder / name
        data = files[name].encode("utf-8")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            same = target.is_file() and target.read_bytes() == data
        except OSError as error:
            raise FolderError(f"{name} can't be compared: {error.strerror}.") from error
        if not same:
            write(target, data)
            written.append(name)
    return written


def _known(path: str) -> bool:
    return any(kind.fullmatch(path) for kind in (_PARTNER, _CERTIFICATE, _FLOW, _PROFILE, _OPENPGP))
