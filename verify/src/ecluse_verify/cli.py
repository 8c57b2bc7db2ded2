"""The command line: ``ecluse-verify FILE``. It exits with 0 where all that is given as proof holds, 1 where not, 2 for
misuse.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from ecluse_verify.certificates import load_pem
from ecluse_verify.log import Keys
from ecluse_verify.notes import COSIGNATURE, VerifierKey
from ecluse_verify.pack import MAX_TOTAL
from ecluse_verify.report import Level, Report, moment
from ecluse_verify.sshsig import Signers, read_signers
from ecluse_verify.text import Bad
from ecluse_verify.verify import verify_pack, verify_proof
from ecluse_verify.words import HEADINGS, sentence

__all__ = ["main"]

_ORDER: Final = (Level.PROVEN, Level.CLAIMED, Level.MISSING, Level.BROKEN)
_HELP: Final = "Says what an evidence pack (or a single .tlog-proof) proves, by whom, and what it does not."
_EPILOG: Final = """Keys and certificates are to come from elsewhere than the pack: what only the pack itself bears out
is told as claimed. Exit code: 0 everything given as proof holds, 1 something is broken, 2 wrong usage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give its exit code."""
    options = _parser().parse_args(arguments)
    try:
        witnesses = _keys("--witness", options.witness)
        if not all(key.kind >= COSIGNATURE for key in witnesses):
            raise Bad("option.key", option="--witness")
        keys = Keys(_keys("--key", options.key), witnesses, _certificates("--tsa", options.tsa))
        anchors = _certificates("--trust", options.trust)
        path = Path(options.file)
        if path.suffix == ".tlog-proof":
            if not keys.log:
                raise Bad("proof.key")
            report = verify_proof(path, keys)
        else:
            signers = _signers(options.operators)
            report = verify_pack(path, keys, anchors, int(options.max_size * (1 << 30)), signers)
    except Bad as bad:
        print(f"ecluse-verify: {sentence(bad.code, bad.facts, options.lang)}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"ecluse-verify: {error.filename or options.file}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        print(
            _json(report, path, options.lang) if options.json else _text(report, path, options.lang),
            flush=True,
        )
    except BrokenPipeError:  # who reads has seen enough; nothing more is written at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if report.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ecluse-verify", description=_HELP, epilog=_EPILOG)
    parser.add_argument("file", help="a pack (.zip), or a proof (.tlog-proof)")
    parser.add_argument(
        "--key", action="append", default=[], metavar="VKEY", help="a key of the log, or a file with it"
    )
    parser.add_argument(
        "--witness",
        action="append",
        default=[],
        metavar="VKEY",
        help="a witness that has to have cosigned, or a file",
    )
    parser.add_argument(
        "--tsa", action="append", default=[], metavar="PEM", help="a time-stamping authority's root"
    )
    parser.add_argument(
        "--trust", action="append", default=[], metavar="PEM", help="a partner's certificate, or its issuer's"
    )
    parser.add_argument(
        "--operators",
        metavar="FILE",
        help="who may decide for the hub: names and SSH keys, as allowed_signers",
    )
    parser.add_argument("--lang", choices=("en", "fr"), default="en", help="language of the sentences")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument(
        "--max-size",
        type=float,
        default=MAX_TOTAL / (1 << 30),
        metavar="GIB",
        help="of all files together, unpacked",
    )
    return parser


def _keys(option: str, words: Sequence[str]) -> tuple[VerifierKey, ...]:
    """Verifier keys, given as they are or in a file: one in each line."""
    lines: list[str] = []
    for word in words:
        lines += (word if "+" in word else Path(word).read_bytes().decode("utf-8", "replace")).split("\n")
    try:
        return tuple(VerifierKey.parse(line) for line in lines if line.strip())
    except Bad:
        raise Bad("option.key", option=option) from None


def _certificates(option: str, paths: Sequence[str]) -> tuple[x509.Certificate, ...]:
    found: list[x509.Certificate] = []
    for path in paths:
        try:
            found += load_pem(Path(path).read_bytes())
        except Bad:
            raise Bad("option.certificate", option=option, file=path) from None
    return tuple(found)


def _signers(path: str | None) -> Signers:
    try:
        return read_signers(Path(path).read_bytes()) if path else frozenset()
    except Bad:
        raise Bad("signers", file=path) from None


def _text(report: Report, path: Path, language: str) -> str:
    head = {name: texts[language == "fr"] for name, texts in HEADINGS.items()}
    lines = [f"{head['pack']} {path.name}", ""]
    for level in _ORDER:
        found = [finding for finding in report.findings if finding.level is level]
        lines += [head[level.value]] if found else []
        message = ""
        for finding in found:
            of, file = _split(finding.file)
            lines += [f"  {of}"] if of not in ("", message) else []
            message = of
            said = sentence(finding.code, finding.facts, language)
            lines.append(f"{'    ' if of else '  '}{file + ': ' if file else ''}{said}")
        lines += [""] if found else []
    told = report.story
    lines += [head["story"]] if told else []
    lines += [
        f"  #{each.index:<8} {moment(each.at)}  {each.message}  {each.kind}, {each.actor}" for each in told
    ]
    lines += [""] if told else []
    return "\n".join([*lines, head["holds" if report.ok else "fails"]])


def _split(file: str) -> tuple[str, str]:
    """The folder of the message that a file is of, and the rest of its name."""
    parts = file.split("/", 2)
    return ("/".join(parts[:2]) + "/", parts[2]) if parts[0] == "messages" and len(parts) == 3 else ("", file)


def _json(report: Report, path: Path, language: str) -> str:
    value = {
        "format": "ecluse.verify/1",
        "file": path.name,
        "ok": report.ok,
        "findings": [
            {
                "level": finding.level.value,
                "code": finding.code,
                "file": finding.file,
                "facts": finding.facts,
                "text": sentence(finding.code, finding.facts, language),
            }
            for finding in report.findings
        ],
        "story": [
            {
                "message": step.message,
                "index": step.index,
                "at": step.at.isoformat(),
                "kind": step.kind,
                "actor": step.actor,
            }
            for step in report.story
        ],
    }
    return json.dumps(value, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    sys.exit(main())
