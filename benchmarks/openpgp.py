"""OpenPGP: a document signed and encrypted, then decrypted and verified, beside GnuPG and Sequoia, and its memory.

All work on the same file with an RSA key of 3,072 bits, AES-256 and SHA-256 (Sequoia: SHA-512), without compression,
reading and writing files. Each is one thread, and its time is CPU time, so that what else runs on the machine does not
count. GnuPG 2.2 does not know AEAD, so version 1 of encrypted data (CFB with an MDC) is compared with it, and AEAD with
Sequoia.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pysequoia
from benchmarks.limits import Row, row

from ecluse.exchange.openpgp import open_message, seal_message
from ecluse.model.basics import system_clock
from ecluse.trust.keys.memory import MemoryKeyring

MIB: Final = 1 << 20
SIZE: Final = 512 * MIB
PIECE: Final = 1 << 20
GOAL: Final = 0.75
"""Of GnuPG's rate, which is compiled as a whole."""
DIFFERENCE: Final = 64.0
"""MiB between the peaks of the smallest and the largest document."""

_CHILD: Final = """
import json, sys
from benchmarks.openpgp import work
print(json.dumps(work(*sys.argv[1:])))
"""


def work(what: str, key: str, source: str, target: str, size: str, form: str) -> dict[str, Any]:
    """One direction, in a process of its own: CPU seconds, and the peak in MiB."""
    keyring = MemoryKeyring()
    certificate = keyring.import_openpgp("own", Path(key).read_bytes())
    now = system_clock()
    used = time.process_time()
    if form == "sequoia":
        _sequoia(what, key, source, target)
        return {"cpu": time.process_time() - used}
    with open(target, "wb", buffering=0) as out:
        if what == "seal":
            seal_message(
                _read(source, int(size)),
                out.write,
                keyring=keyring,
                recipients=[certificate],
                signer="own",
                now=now,
                armor=form == "armor",
                format="auto" if form == "aead" else "rfc4880",
            )
        else:
            facts = open_message(
                _read(source, 0),
                out.write,
                keyring=keyring,
                keys=("own",),
                senders=[certificate],
                now=now,
            )
            assert facts.signatures
            assert facts.size == int(size)
    return {
        "cpu": time.process_time() - used,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _sequoia(what: str, key: str, source: str, target: str) -> None:
    """The same by the library's own functions, from file to file."""
    secret = pysequoia.Tsk.from_file(key)
    public = secret.extract_certificate()
    if what == "seal":
        pysequoia.encrypt_file(source, target, [public], secret.signer(), armor=False)
    else:
        pysequoia.decrypt_file(source, target, secret.decryptor(), lambda ids: [public])


def _read(source: str, size: int) -> Iterator[bytes]:
    """A file; or ``size`` octets that do not compress, where there is none."""
    if source != "-":
        with open(source, "rb", buffering=0) as file:
            while piece := file.read(PIECE):
                yield piece
        return
    block = os.urandom(min(size, PIECE))
    for at in range(0, size, PIECE):
        yield block[: size - at]


def _child(*words: object) -> dict[str, Any]:
    command = [sys.executable, "-c", _CHILD, *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ})
    return dict(json.loads(done.stdout))


class _GnuPG:
    """GnuPG with a key, in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.run("--quick-generate-key", "bench", "rsa3072", "cert,sign", "0")
        listing = self.run("--with-colons", "--list-keys", "bench").decode()
        fingerprint = next(line for line in listing.splitlines() if line.startswith("fpr")).split(":")[9]
        self.run("--quick-add-key", fingerprint, "rsa3072", "encr", "0")

    def run(self, *words: str) -> bytes:
        command = [
            "gpg",
            "--homedir",
            str(self.home),
            "--batch",
            "--yes",
            "--quiet",
            "--trust-model",
            "always",
        ]
        command += ["--pinentry-mode", "loopback", "--passphrase", ""]
        return subprocess.run([*command, *words], capture_output=True, check=True).stdout

    def timed(self, *words: str) -> float:
        """CPU seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.run(*words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(full: bool = False) -> list[Row]:
    """Rows for each direction, form and size."""
    folder = Path(tempfile.mkdtemp(prefix="pgp"))
    try:
        (folder / "home").mkdir(mode=0o700)
        gpg = _GnuPG(folder / "home")
        return [*_rates(gpg, folder), *_memory(folder, full=full)]
    finally:
        subprocess.run(["gpgconf", "--homedir", str(folder / "home"), "--kill", "all"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _rates(gpg: _GnuPG, folder: Path) -> Iterator[Row]:
    key, plain, sealed, opened = (folder / name for name in ("key", "plain", "sealed", "opened"))
    key.write_bytes(gpg.run("--export-secret-keys", "bench"))
    with plain.open("wb") as file:
        for piece in _read("-", SIZE):
            file.write(piece)
    mib = SIZE / MIB
    options = ("--compress-algo", "none", "--digest-algo", "SHA256", "--cipher-algo", "AES256", "-o")
    theirs = gpg.timed(*options, str(sealed), "-u", "bench", "-r", "bench", "-se", str(plain))
    against = "GnuPG, the same run"
    ours = _child("seal", key, plain, sealed, SIZE, "mdc")
    yield row("openpgp.seal", mib / ours["cpu"], "MiB/s", mib / theirs, against, GOAL)
    theirs = gpg.timed("-o", str(opened), "-d", str(sealed))
    ours = _child("open", key, sealed, opened, SIZE, "mdc")
    yield row("openpgp.open", mib / ours["cpu"], "MiB/s", mib / theirs, against, GOAL)

    theirs = gpg.timed(*options, str(sealed), "-u", "bench", "-r", "bench", "--armor", "-se", str(plain))
    ours = _child("seal", key, plain, sealed, SIZE, "armor")
    yield row("openpgp.seal.armor", mib / ours["cpu"], "MiB/s", mib / theirs, against, GOAL)
    theirs = gpg.timed("-o", str(opened), "-d", str(sealed))
    ours = _child("open", key, sealed, opened, SIZE, "armor")
    yield row("openpgp.open.armor", mib / ours["cpu"], "MiB/s", mib / theirs, against, GOAL)

    key.write_bytes(_modern_key())
    for what, source, target in (("seal", plain, sealed), ("open", sealed, opened)):
        theirs = _child(what, key, source, target, SIZE, "sequoia")["cpu"]
        ours = _child(what, key, source, target, SIZE, "aead")
        yield row(
            f"openpgp.{what}.aead", mib / ours["cpu"], "MiB/s", mib / theirs, "Sequoia, the same run", 1.0
        )


def _modern_key() -> bytes:
    """A key that says that it reads AEAD."""
    return bytes(pysequoia.Tsk.generate("bench", cipher_suite=pysequoia.CipherSuite.RSA3k))


def _memory(folder: Path, *, full: bool) -> Iterator[Row]:
    """The peak of the whole process, which reads no file and writes none to keep."""
    key, small, large = (folder / name for name in ("key", "small", "large"))
    for form in ("mdc", "aead"):
        key.write_bytes(_modern_key())
        least = {"seal": _child("seal", key, "-", small, 10_240, form)}
        least["open"] = _child("open", key, small, os.devnull, 10_240, form)
        for label, size in (("1-GiB", 1 << 30), ("10-GiB", 10 << 30))[: 1 + full]:
            for what in ("seal", "open"):
                source, target = ("-", large) if what == "seal" else (large, os.devnull)
                peak = _child(what, key, source, target, size, form)["peak"]
                more = max(peak - least[what]["peak"], 0.1)
                against = f"the goal for what it takes beyond the {least[what]['peak']:.0f} MiB of 10 KB"
                yield row(f"openpgp.{what}.{form}.{label}.more", more, "MiB", DIFFERENCE, against, 1.0)
