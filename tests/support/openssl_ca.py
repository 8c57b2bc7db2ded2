"""A certificate authority run by the openssl program: certificates, lists of what was revoked, an OCSP responder."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509

__all__ = ["Authority", "serve_bytes"]

_CONFIG = """
[ca]
default_ca = own
[own]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}/issued
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_days = 60
default_crl_days = 2
unique_subject = no
policy = any
copy_extensions = none
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = nobody
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature,keyEncipherment
{pointers}
[responder]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
"""


class Authority:
    """An authority in a folder.

    Args:
        folder: Its own, not there yet.
        name: Its common name.
        pointers: Lines for certificates: where lists and responders are.
    """

    def __init__(self, folder: Path, name: str = "Mill Authority", pointers: str = "") -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "issued").mkdir()
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        self.point(pointers)
        self._new_key("ca")
        self._run("req", "-x509", "-new", "-key", "ca.key", "-subj", f"/CN={name}", "-days", "90", "-sha256",
                  "-extensions", "authority", "-out", "ca.pem")  # fmt: skip
        self.certificate = self._load("ca.pem")

    def point(self, pointers: str) -> None:
        """What the next certificates say about where to ask."""
        text = _CONFIG.format(folder=self.folder, pointers=pointers).replace(
            "noCheck = ignored\n", "noCheck = null\n"
        )
        (self.folder / "ca.cnf").write_text(text)

    def issue(self, name: str, section: str = "leaf") -> x509.Certificate:
        """A certificate with a key of its own; both lie in the folder under its name."""
        self._new_key(name)
        self._run("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        self._run(
            "ca", "-batch", "-notext", "-in", f"{name}.csr", "-out", f"{name}.pem", "-extensions", section
        )
        return self._load(f"{name}.pem")

    def revoke(self, name: str, reason: str = "keyCompromise") -> None:
        """Revoke what was issued under a name."""
        self._run("ca", "-revoke", f"{name}.pem", "-crl_reason", reason)

    def unhold(self) -> None:
        """Take all revocations back, as an authority does with those on hold."""
        path = self.folder / "index.txt"
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        path.write_text("".join("\t".join(["V", parts[1], "", *parts[3:]]) + "\n" for parts in lines))

    def crl(self, *options: str) -> bytes:
        """The list of what is revoked, PEM."""
        self._run("ca", "-gencrl", "-out", "crl.pem", *options)
        return (self.folder / "crl.pem").read_bytes()

    @contextlib.contextmanager
    def responder(self, signer: str = "ca") -> Iterator[str]:
        """``openssl ocsp`` at work; gives its URL. It answers as the folder says at each question."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            ["openssl", "ocsp", "-port", str(port), "-index", "index.txt", "-CA", "ca.pem", "-rsigner",
             f"{signer}.pem", "-rkey", f"{signer}.key", "-nmin", "30", "-ignore_err"],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            # A connection that asks nothing would keep it spinning: it says itself when it listens.
            assert process.stderr is not None
            first = process.stderr.readline()
            assert b"waiting" in first, first
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()
            process.wait()

    def answer(self, question: bytes, signer: str = "ca", *options: str) -> bytes:
        """One answer of ``openssl ocsp``, made without a network."""
        (self.folder / "question.der").write_bytes(question)
        self._run("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", f"{signer}.pem", "-rkey",
                  f"{signer}.key", "-reqin", "question.der", "-respout", "answer.der",
                  *(options or ("-nmin", "30")), config=False)  # fmt: skip
        return (self.folder / "answer.der").read_bytes()

    def _new_key(self, name: str) -> None:
        self._run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key",
                  config=False)  # fmt: skip

    def _load(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / name).read_bytes())

    def _run(self, *words: str, config: bool = True) -> None:
        line = ["openssl", words[0], *(("-config", "ca.cnf") if config else ()), *words[1:]]
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, f"{line}: {done.stderr}"


class _Bytes:
    """What a server gives, by path; changed while it serves."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""


@contextlib.contextmanager
def serve_bytes() -> Iterator[_Bytes]:
    """A server that gives files by path to GET and POST alike; 404 for others."""
    held = _Bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = held.files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    held.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
