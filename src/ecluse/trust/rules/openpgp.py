"""What must hold of OpenPGP certificates and keys that a configuration names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from ecluse.model.basics import Instant, iso
from ecluse.trust.errors import Problem
from ecluse.trust.files.known import digest
from ecluse.trust.keys.openpgp import END_OF_TIME, seconds
from ecluse.wire.openpgp.certificate import Certificate, KeyState, read_certificates
from ecluse.wire.openpgp.errors import BadCertificate, OpenPgpError
from ecluse.wire.openpgp.keys import permit_key

if TYPE_CHECKING:
    from ecluse.trust.configuration import Configuration
    from ecluse.trust.files.known import Known
    from ecluse.trust.settings.schema import Hub, Partner

__all__ = [
    "OpenPgpFiles",
    "encryption_problem",
    "load_openpgp",
    "openpgp_files",
    "openpgp_problems",
    "recipient_problems",
    "verification_problem",
]

MAX_CACHED: Final = 256
"""Certificate files whose checked content is remembered: reading one costs a verification for each signature."""


@lru_cache(maxsize=MAX_CACHED)
def load_openpgp(text: str) -> tuple[Certificate, ...]:
    """The certificates of a file.

    Raises:
        OpenPgpError: It is none, or a private key.
    """
    return read_certificates(text.encode("utf-8", "surrogatepass"))


class _File:
    """A file of certificates, which is read when somebody looks at it."""

    __slots__ = ("_certificates", "_steady", "_text")

    def __init__(
        self,
        text: str,
        certificates: tuple[Certificate, ...] | None = None,
        steady: tuple[int, int] | None = None,
    ) -> None:
        self._text = text
        self._certificates = certificates
        self._steady = steady

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """What it holds. Raises as :func:`load_openpgp` does."""
        if self._certificates is None:
            self._certificates = load_openpgp(self._text)
        return self._certificates

    def steady(self, when: int) -> tuple[int, int]:
        """From when on, and until when (seconds), each of them serves every use; found out at ``when``."""
        if self._steady is None or not self._steady[0] <= when < self._steady[1]:
            ends = min((_steady_until(each, when) for each in self.certificates), default=0)
            self._steady = when, ends
        return self._steady


def _steady_until(certificate: Certificate, when: int) -> int:
    """Until when nothing about a certificate changes by time alone; 0 where it lacks a use at ``when``."""
    if encryption_problem(certificate, when, ()) or verification_problem(certificate, when, ()):
        return 0
    view = certificate.at(when)
    signatures = [
        *certificate.direct,
        *(each for user in certificate.user_ids for each in user.signatures),
        *(each for subkey in certificate.subkeys for each in subkey.signatures),
    ]
    moments = [
        *(each.created for each in signatures),
        *(each.expires for each in signatures),
        *(key.created for key in certificate.every_key()),
        *(view.expires(key) for key in (None, *certificate.every_key())),
    ]
    return min((each for each in moments if each is not None and each > when), default=END_OF_TIME)


class OpenPgpFiles(Mapping[str, tuple[Certificate, ...]]):
    """Certificates by file. Those that were read and proven in another process are read when they are asked for."""

    __slots__ = ("_files",)

    def __init__(self, files: Mapping[str, _File]) -> None:
        self._files = files

    def __getitem__(self, path: str) -> tuple[Certificate, ...]:
        return self._files[path].certificates

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def steady(self, paths: Iterable[str], now: Instant) -> bool:
        """Whether every certificate of some files serves every use at ``now``."""
        when = seconds(now)
        return all(when < self._files[path].steady(when)[1] for path in paths)

    def files(self) -> Iterable[tuple[str, _File]]:
        """Every file with its path."""
        return self._files.items()

    def file(self, path: str) -> _File | None:
        """The file itself: the same object as long as its text is the same."""
        return self._files.get(path)


def openpgp_files(
    files: Mapping[str, str],
    problems: list[Problem],
    before: Configuration | None = None,
    known: Known | None = None,
) -> OpenPgpFiles:
    """The certificates of every ``openpgp/<name>.asc``; what is wrong is added to ``problems``.

    A file that did not change since ``before`` gives the same certificates; one that is ``known`` to be good is not
    read yet.
    """
    loaded: dict[str, _File] = {}
    for path in sorted(files):
        if path.startswith("openpgp/"):
            if before is not None and before.files.get(path) == files[path]:
                same = before.openpgp.file(path)
                assert same is not None, "it has every file of its texts"
                loaded[path] = same
                continue
            steady = known.openpgp.get(digest(files[path])) if known is not None else None
            if steady is not None:
                loaded[path] = _File(files[path], steady=steady)
                continue
            try:
                loaded[path] = _File(files[path], load_openpgp(files[path]))
            except OpenPgpError as error:
                problems.append(Problem(error.code, path, "", error.cause, error.remedy))
    return OpenPgpFiles(loaded)


def openpgp_problems(
    file: str,
    partner: Partner,
    loaded: Mapping[str, tuple[Certificate, ...]],
    files: Collection[str],
    allowed: Collection[str],
    now: Instant | None,
) -> Iterator[Problem]:
    """Everything wrong with ``[openpgp]`` of a partner's file.

    Args:
        file: Its path.
        partner: What it says.
        loaded: Certificates by file, of those files that could be read.
        files: Paths of all files.
        allowed: Names of the partner's exceptions that hold.
        now: Given when the configuration is about to take effect: one certificate at least must then be usable
            for each thing that the section asks for.
    """
    settings = partner.openpgp
    if settings is None:
        return
    for field, paths in (("certificates", settings.certificates), ("recipients", settings.recipients)):
        for number, path in enumerate(paths):
            if path not in files:
                yield Problem(
                    "config.missing-file",
                    file,
                    f"openpgp.{field}[{number}]",
                    f"There is no {path}.",
                    "Put the certificate there, in ASCII armour.",
                )
    if settings.require_signed and not settings.certificates:
        yield Problem(
            "config.missing-field",
            file,
            "openpgp.certificates",
            "Signatures are demanded, and there is no certificate to check them with.",
            "Name the partner's certificate, or set require_signed = false.",
        )
    if now is None or partner.state == "retired":
        return
    when = seconds(now)
    for number, path in enumerate(settings.recipients):
        for certificate in loaded.get(path, ()):
            problem = encryption_problem(certificate, when, allowed)
            if problem is not None:
                place = f"openpgp.recipients[{number}]"
                yield Problem(problem.code, file, place, f"{path}: {problem.cause}", problem.remedy)
    judges = [encryption_problem, *([verification_problem] if settings.require_signed else [])]
    for judge in judges:
        yield from _judged(file, settings.certificates, loaded, partial(judge, when=when, allowed=allowed))


def recipient_problems(
    hub: Hub, loaded: Mapping[str, tuple[Certificate, ...]], now: Instant
) -> Iterator[Problem]:
    """What keeps backups from being sealed for those whom ``[backup]`` names, at a time."""
    for number, path in enumerate(hub.backup.recipients if hub.backup is not None else ()):
        place = f"backup.recipients[{number}]"
        if path not in loaded:
            yield Problem(
                "config.missing-file",
                "ecluse.toml",
                place,
                f"There is no {path}.",
                "Put the certificate there, in ASCII armour.",
            )
        for certificate in loaded.get(path, ()):
            problem = encryption_problem(certificate, seconds(now), ())
            if problem is not None:
                yield Problem(problem.code, "ecluse.toml", place, f"{path}: {problem.cause}", problem.remedy)


def _judged(
    file: str,
    paths: Sequence[str],
    loaded: Mapping[str, tuple[Certificate, ...]],
    judge: Callable[[Certificate], BadCertificate | None],
) -> Iterator[Problem]:
    """What keeps a partner's certificates from a use: nothing, as long as one of them serves it.

    So an old certificate may stay beside the one that takes its place. One that was revoked may not.
    """
    found = [
        (number, path, judge(certificate))
        for number, path in enumerate(paths)
        for certificate in loaded.get(path, ())
    ]
    serves = any(problem is None for _, _, problem in found)
    for number, path, problem in found:
        if problem is not None and (not serves or problem.code == "openpgp.certificate-revoked"):
            place = f"openpgp.certificates[{number}]"
            yield Problem(problem.code, file, place, f"{path}: {problem.cause}", problem.remedy)


def encryption_problem(
    certificate: Certificate, when: int, allowed: Collection[str]
) -> BadCertificate | None:
    """Why nothing can be encrypted to a certificate at a time; ``None`` where it can."""
    view = certificate.at(when, allowed)
    if view.encryption_keys():
        return None
    return _state_problem(certificate, when, allowed) or _bad(
        "openpgp.no-encryption-key",
        f"The certificate {_short(certificate)} has no valid key to encrypt to.",
        "Ask the partner to add an encryption subkey, or for their present certificate.",
    )


def verification_problem(
    certificate: Certificate, when: int, allowed: Collection[str]
) -> BadCertificate | None:
    """Why no signature of a certificate counts at a time; ``None`` where one can."""
    view = certificate.at(when, allowed)
    if view.signing_keys():
        return None
    return _state_problem(certificate, when, allowed) or _bad(
        "openpgp.no-signing-key",
        f"The certificate {_short(certificate)} has no valid key that signs.",
        "Ask the partner which key they sign with, or set require_signed = false.",
    )


def _state_problem(certificate: Certificate, when: int, allowed: Collection[str]) -> BadCertificate | None:
    view = certificate.at(when, allowed)
    name = _short(certificate)
    remedy = "Ask the partner for their present certificate."
    match view.state():
        case KeyState.REVOKED:
            return _bad("openpgp.certificate-revoked", f"The certificate {name} was revoked.", remedy)
        case KeyState.EXPIRED:
            ended = iso(Instant((view.expires() or 0) * 1_000_000))[:10]
            return _bad("openpgp.certificate-expired", f"The certificate {name} ended on {ended}.", remedy)
        case KeyState.NOT_YET:
            return _bad("openpgp.certificate-not-yet", f"The certificate {name} is from the future.", remedy)
        case KeyState.UNBOUND:
            return _bad(
                "openpgp.weak-algorithm",
                f"The certificate {name} has no signature on itself that is strong enough (SHA-2).",
                'Ask for a certificate signed with SHA-2, or allow "openpgp-legacy" with a reason and an end date.',
            )
    for key in certificate.every_key():
        try:
            permit_key(key, allowed)
        except OpenPgpError as error:
            return _bad("openpgp.weak-algorithm", f"The certificate {name}: {error.cause}", error.remedy)
    return None


def _short(certificate: Certificate) -> str:
    return certificate.fingerprint[-16:] if certificate.primary.version == 4 else certificate.fingerprint[:16]


def _bad(code: str, cause: str, remedy: str) -> BadCertificate:
    return BadCertificate(cause, code=code, remedy=remedy)
