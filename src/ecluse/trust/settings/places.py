"""Where files are exchanged with a partner: its account with us, and its own servers and buckets."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ecluse.trust.settings.fields import (
    Count,
    Duration,
    FolderPath,
    HostKey,
    HostPort,
    Name,
    Network,
    Reference,
    SecretReference,
    Size,
    SshPublicKey,
    Strict,
    Url,
)
from ecluse.trust.settings.tls import PartnerTls, Retry

__all__ = ["Account", "Bucket", "Ftps", "Jump", "OpenPgp", "Sftp", "WebDav"]

UserName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$",
        extra={"expected": "a user name of letters, digits, dots and dashes"},
    ),
]
SshCertificate = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9@.-]+-cert-v01@openssh\.com [A-Za-z0-9+/=]{20,20000}( [ -~]*)?$",
        extra={"expected": "the line of a -cert.pub file"},
    ),
]
OpenPgpPath = Annotated[
    str,
    Meta(
        pattern=r"^openpgp/[A-Za-z0-9][A-Za-z0-9._-]*\.asc$",
        extra={"expected": 'a file of the folder "openpgp", such as "openpgp/birch.asc"'},
    ),
]


class Account(Strict, frozen=True, kw_only=True):
    """How a partner logs in at our SFTP and FTPS listeners, and what it may do there.

    Attributes:
        user: Its user name, unique in the hub.
        protocols: Which listeners it may use.
        keys: SSH public keys that it may log in with.
        authorities: SSH certificate authorities whose user certificates for this user name are taken.
        password: Reference to its password, or to a verifier of it; without it no password is taken.
        second_factor: A key (SFTP) or a client certificate (FTPS) is asked for besides the password.
        addresses: Networks that it may come from; empty for any.
        quota: Largest sum of what lies in its folders.
        max_file: Largest file.
        files: Most files in its folders.
        replace: It may write or rename over a file that is there.
        folders: Further folders that it may upload into, beside inbound.
        temporary: Patterns of names that are not documents until they are renamed.
        keep_partial: How long a half upload is kept aside to be resumed.
        keep_uploaded: How long an upload stays listed after it was taken.
        keep_outbound: How long a document waits to be picked up; then its delivery is overdue.
        remove_after_pickup: A document that was picked up disappears from outbound.
        receipts: Put receipts for what it uploaded into its folder receipts.
        rate: Octets a second that its transfers may take; unlimited where it is not given.
    """

    user: UserName
    protocols: tuple[Literal["sftp", "ftps"], ...] = ("sftp", "ftps")
    keys: tuple[SshPublicKey, ...] = ()
    authorities: tuple[SshPublicKey, ...] = ()
    password: SecretReference | None = None
    second_factor: bool = False
    addresses: tuple[Network, ...] = ()
    quota: Size = "50 GiB"
    max_file: Size = "20 GiB"
    files: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000_000
    replace: bool = False
    folders: tuple[FolderPath, ...] = ()
    temporary: tuple[Name, ...] = ("*.filepart", "*.part", "*.partial", "*.tmp", "*.temp", "*.upload", ".*")
    keep_partial: Duration = "1d"
    keep_uploaded: Duration = "7d"
    keep_outbound: Duration = "14d"
    remove_after_pickup: bool = False
    receipts: bool = True
    rate: Size | None = None


class Jump(Strict, frozen=True, kw_only=True):
    """An SSH server on the way to the partner's.

    Attributes:
        host: Host, or host and port.
        user: User name there.
        host_keys: What the server must show.
        key: Key of the keyring that we log in with.
        password: Reference to the password.
    """

    host: HostPort
    user: Name
    host_keys: tuple[HostKey, ...]
    key: Reference | None = None
    password: SecretReference | None = None


class Sftp(Strict, frozen=True, kw_only=True):
    """The partner's SFTP server.

    Attributes:
        host: Host, or host and port (22 by default).
        user: Our user name there.
        host_keys: What the server must show: fingerprints, public keys, or a certificate authority's key.
        key: Key of the keyring that we log in with.
        successor: A key that is offered before it once the partner was told (`ecluse rotate begin`).
        certificate: Our user certificate (the line of a -cert.pub file) for that key.
        agent: Let the SSH agent of the hub's process log in.
        password: Reference to the password.
        jump: Servers to go through, in order.
        folder: Where we deliver to; the folder that the login leads to by default.
        temporary: Name under which a file is written before it gets its own; {name} stands for that, and {id} for
            what no other attempt has: it must be there.
        replace: A document may take the place of a file of the same name.
        verify: Compare the size of what the server keeps, or read it back and compare its digest too.
        streams: Parts of a large file that are sent at once, over connections of their own.
        rate: Octets a second at most.
        concurrency: Deliveries at once.
        timeout: Longest silence of the server.
        retry: How a delivery is tried again, where the hub's own way is not right.
        allow_private_network: Let the host be on loopback or a private network.
    """

    host: HostPort
    user: Name
    host_keys: tuple[HostKey, ...]
    key: Reference | None = None
    successor: Reference | None = None
    certificate: SshCertificate | None = None
    agent: bool = False
    password: SecretReference | None = None
    jump: tuple[Jump, ...] = ()
    folder: FolderPath | None = None
    temporary: Annotated[
        str,
        Meta(
            pattern=r"^[^/\x00-\x1f]*\{id\}[^/\x00-\x1f]*$",
            max_length=100,
            extra={"expected": 'a name with {id} in it, such as ".{name}.{id}.part"'},
        ),
    ] = ".{name}.{id}.part"
    replace: bool = False
    verify: Literal["size", "digest"] = "size"
    streams: Annotated[int, Meta(ge=1, le=16)] = 1
    rate: Size | None = None
    concurrency: Count = 4
    timeout: Duration = "1m"
    retry: Retry | None = None
    allow_private_network: bool = False


class Ftps(Strict, frozen=True, kw_only=True):
    """The partner's FTPS server. Certificates with use "tls" replace the system's authorities.

    Attributes:
        host: Host, or host and port (21 by default, 990 where TLS is implicit).
        mode: explicit (AUTH TLS), implicit, or clear for FTP without any protection, which needs an exception.
        user: Our user name there.
        password: Reference to the password.
        tls: TLS.
        folder: Where we deliver to; the folder that the login leads to by default.
        temporary: Name under which a file is written before it gets its own; {name} stands for that
            and the last letters of the message's id: two documents of one name never meet there.
        replace: A document may take the place of a file of the same name.
        rate: Octets a second at most.
        concurrency: Deliveries at once.
        timeout: Longest silence of the server.
        retry: How a delivery is tried again, where the hub's own way is not right.
        allow_private_network: Let the host be on loopback or a private network.
    """

    host: HostPort
    mode: Literal["explicit", "implicit", "clear"] = "explicit"
    user: Name
    password: SecretReference
    tls: PartnerTls = PartnerTls()
    folder: FolderPath | None = None
    temporary: Annotated[
        str,
        Meta(
            pattern=r"^[^/\x00-\x1f]*\{name\}[^/\x00-\x1f]*$", extra={"expected": "a name with {name} in it"}
        ),
    ] = ".{name}.part"
    replace: bool = False
    rate: Size | None = None
    concurrency: Count = 4
    timeout: Duration = "1m"
    retry: Retry | None = None
    allow_private_network: bool = False


class Bucket(Strict, frozen=True, kw_only=True):
    """A bucket or container of the partner's.

    Attributes:
        bucket: Name of the bucket or container.
        prefix: What all names begin with, such as "from-aster/".
        endpoint: URL of the store, where it is not the provider's own.
        region: The bucket's region (S3).
        account: Name of the storage account (Azure).
        access_key: Reference to the access key (S3).
        secret_key: Reference to the secret key (S3), the account's key (Azure) or the service account's JSON (GCS).
        ca: PEM file, in the folder certificates, of the authority that the store's certificate is checked with.
        path_style: The bucket's name stands in the path and not in the host name (S3).
        tags: Tags of the objects that we write.
        replace: A document may take the place of an object of the same name.
        conditional: The store honours conditions on writes (If-None-Match, If-Match); false for one that ignores
            them, as `ecluse doctor` finds out (S3).
        concurrency: Deliveries at once.
        timeout: Longest silence of the store.
        retry: How a delivery is tried again, where the hub's own way is not right.
        allow_private_network: Let the endpoint be on loopback or a private network.
    """

    bucket: Name
    prefix: Annotated[str, Meta(max_length=500)] = ""
    endpoint: Url | None = None
    region: Name = "us-east-1"
    account: Name | None = None
    access_key: SecretReference | None = None
    secret_key: SecretReference | None = None
    ca: Name | None = None
    path_style: bool = True
    tags: dict[Name, Name] = msgspec.field(default_factory=dict)
    replace: bool = False
    conditional: bool = True
    concurrency: Count = 4
    timeout: Duration = "2m"
    retry: Retry | None = None
    allow_private_network: bool = False


class WebDav(Strict, frozen=True, kw_only=True):
    """The partner's WebDAV server. Certificates with use "tls" replace the system's authorities.

    Attributes:
        url: URL of the folder that all paths begin at.
        user: Our user name there.
        password: Reference to the password.
        tls: TLS.
        folder: Where we deliver to.
        replace: A document may take the place of a file of the same name.
        concurrency: Deliveries at once.
        timeout: Longest silence of the server.
        retry: How a delivery is tried again, where the hub's own way is not right.
        allow_private_network: Let the URL lead to loopback and private networks.
    """

    url: Url
    user: Name | None = None
    password: SecretReference | None = None
    tls: PartnerTls = PartnerTls()
    folder: FolderPath | None = None
    replace: bool = False
    concurrency: Count = 4
    timeout: Duration = "2m"
    retry: Retry | None = None
    allow_private_network: bool = False


class OpenPgp(Strict, frozen=True, kw_only=True):
    """OpenPGP with a partner: what flows that ask for it encrypt to, and check signatures with.

    Attributes:
        certificates: Their OpenPGP certificates, one or more in each file.
        recipients: Certificates of others that what we encrypt for them can be read with too.
        key: Our key with them, where it is not the first of [openpgp] keys in ecluse.toml.
        armor: Write ASCII armour.
        require_signed: Refuse what is not signed by them.
        require_encrypted: Refuse what is not encrypted.
        format: auto writes what their certificates say they read; rfc4880 is for old products.
    """

    certificates: tuple[OpenPgpPath, ...] = ()
    recipients: tuple[OpenPgpPath, ...] = ()
    key: Reference | None = None
    armor: bool = False
    require_signed: bool = True
    require_encrypted: bool = True
    format: Literal["auto", "rfc4880"] = "auto"
