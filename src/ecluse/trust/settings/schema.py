"""The fields of ``ecluse.toml`` and of a partner's file, each with its default.

Unknown fields are refused. A field of type :data:`SecretReference` names a secret and never holds it. A
union with ``bool`` means "or ``false``": ``true`` is no choice. The attribute docs below are also the
descriptions in the JSON Schema that editors use.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ecluse.trust.company import Bank, Contact, Identifiers
from ecluse.trust.keystores.settings import KeyStoreSettings
from ecluse.trust.operators import Changes, Operator
from ecluse.trust.settings.acme import Acme
from ecluse.trust.settings.archive import ArchiveSettings, Archiving
from ecluse.trust.settings.backup import BackupSettings
from ecluse.trust.settings.days import Calendar
from ecluse.trust.settings.fields import (
    Address,
    As2Id,
    CertificatePath,
    Duration,
    EncryptAlgorithm,
    HostPort,
    Label,
    LegacyAlgorithm,
    Moment,
    Name,
    OwnUse,
    PartnerState,
    PartnerUse,
    Reference,
    SecretReference,
    SignAlgorithm,
    Size,
    Strict,
    Url,
)
from ecluse.trust.settings.listeners import FtpsListener, SftpListener
from ecluse.trust.settings.log import LogListener, LogSettings
from ecluse.trust.settings.places import Account, Bucket, Ftps, OpenPgp, Sftp, WebDav
from ecluse.trust.settings.processing import ProcessingSettings
from ecluse.trust.settings.retention import HubRetention
from ecluse.trust.settings.revocation import RevocationAuthority, RevocationSettings
from ecluse.trust.settings.seals import SealSettings
from ecluse.trust.settings.tls import PartnerTls, Retry
from ecluse.trust.verification import HeldCard, Invitation, Verification

__all__ = [
    "Acme",
    "As2",
    "As2Listener",
    "BasicAuth",
    "BlobSettings",
    "Calendar",
    "CertificateEntry",
    "ExceptionEntry",
    "Folder",
    "Hub",
    "InboxSettings",
    "KeyringSettings",
    "Listen",
    "ListenerTls",
    "LogListener",
    "LogSettings",
    "Organisation",
    "OwnKey",
    "OwnOpenPgp",
    "Partner",
    "PartnerTls",
    "Retry",
    "RevocationAuthority",
    "RevocationSettings",
    "StoreSettings",
]


class OwnKey(Strict, frozen=True, kw_only=True):
    """A key of the organisation: what it is for, and when.

    Attributes:
        ref: Its name in the keyring.
        use: What it is for. Without any key for mdn-sign, those for sign do.
        from_: Not used before; a date, or a date and time.
        until: Not used after; a date counts whole.
        succeeds: A key that this one is to succeed: it signs for a partner once that one was switched
            (`ecluse rotate begin`), and decrypts from the start.
    """

    ref: Reference
    use: tuple[OwnUse, ...] = ("sign", "decrypt")
    from_: Moment | None = None
    until: Moment | None = None
    succeeds: Reference | None = None


class Organisation(Strict, frozen=True, kw_only=True):
    """Whose hub it is.

    Attributes:
        name: The company's name.
        as2_id: Its AS2 id, as partners write it in AS2-To. Case counts.
        email: Where partners' people may write.
        keys: Its keys; by default one, "main", for sign and decrypt.
        ssh_keys: Keys of the keyring that it logs in with at partners' SFTP servers; for cards.
        identifiers: Its registered numbers; for cards.
        contacts: Whom partners reach for what; for cards.
        bank: Where it is paid; for cards.
    """

    name: Name
    as2_id: As2Id
    email: Name | None = None
    keys: tuple[OwnKey, ...] = (OwnKey(ref="main"),)
    ssh_keys: tuple[Reference, ...] = ()
    identifiers: Identifiers | None = None
    contacts: tuple[Contact, ...] = ()
    bank: Bank | None = None


class StoreSettings(Strict, frozen=True, kw_only=True):
    """Where the state is kept.

    Attributes:
        database: sqlite:path (relative to the hub's folder) or postgresql://user@host/database.
        password: Reference to the database's password.
    """

    database: Annotated[
        str,
        Meta(
            pattern=r"^(sqlite:[^\s?#]+|postgresql://[^\s]+)$",
            extra={"expected": '"sqlite:path" or "postgresql://user@host/database"'},
        ),
    ] = "sqlite:state/ecluse.db"
    password: SecretReference | None = None


class BlobSettings(Strict, frozen=True, kw_only=True):
    """Where the (sealed) bytes of messages are kept.

    Attributes:
        place: A folder, or s3://bucket/prefix.
        inline_limit: Documents up to this size are kept in the database.
        endpoint: URL of the object store, where it is not Amazon's.
        region: The bucket's region.
        access_key: Reference to the access key.
        secret_key: Reference to the secret key.
        ca: PEM file, in the folder certificates, of the authority that the endpoint's certificate is checked with.
    """

    place: Annotated[str, Meta(min_length=1, extra={"expected": 'a folder, or "s3://bucket/prefix"'})] = (
        "state/blobs"
    )
    inline_limit: Size = "16 KiB"
    endpoint: Url | None = None
    region: Name | None = None
    access_key: SecretReference | None = None
    secret_key: SecretReference | None = None
    ca: Name | None = None


class KeyringSettings(Strict, frozen=True, kw_only=True):
    """Where the keys are.

    Attributes:
        folder: Folder of the key files, relative to the hub's.
        passphrase: Reference to the passphrase that opens it.
        signer: Socket, relative to the hub's folder, of a process that has the keys while the hub serves; see
            `ecluse signer`. The hub then needs no passphrase, and has no private key in its memory.
        stores: Key stores, by name: devices and services whose keys never leave them.
    """

    folder: Name = "keys"
    passphrase: SecretReference = "env:ECLUSE_PASSPHRASE"  # noqa: S105 - a reference
    signer: Name | None = None
    stores: dict[Label, KeyStoreSettings] = msgspec.field(default_factory=dict)


class ListenerTls(Strict, frozen=True, kw_only=True):
    """TLS of a listener.

    Attributes:
        key: Key of the keyring whose certificate is shown.
        successor: A key whose certificate is shown in its place once that was decided (`ecluse rotate begin`).
        client_auth: Whether partners show a certificate of their own.
        min_version: The oldest TLS version that is spoken.
    """

    key: Reference = "tls"
    successor: Reference | None = None
    client_auth: Literal["none", "optional", "required"] = "none"
    min_version: Literal["1.2", "1.3"] = "1.2"


class As2Listener(Strict, frozen=True, kw_only=True):
    """The listener for partners' AS2 messages and asynchronous receipts.

    Attributes:
        address: Host and port.
        path: Path of the URL.
        public_url: The URL as partners see it; for cards and asynchronous receipts.
        tls: TLS; without it the listener speaks HTTP (behind a proxy, or on loopback).
        max_size: Largest request body.
        max_connections: Connections at once.
        header_timeout: From the connection to the end of the header.
        idle_timeout: Longest silence inside a request or between two.
        shutdown_grace: How long requests under way may take when the hub stops.
    """

    address: Address = "127.0.0.1:4080"
    path: Annotated[
        str, Meta(pattern=r"^/[!-~]*$", max_length=200, extra={"expected": 'a path, such as "/as2"'})
    ] = "/as2"
    public_url: Url | None = None
    tls: ListenerTls | None = None
    max_size: Size = "20 GiB"
    max_connections: Annotated[
        int, Meta(ge=1, le=100_000, extra={"expected": "a whole number from 1 to 100000"})
    ] = 512
    header_timeout: Duration = "15s"
    idle_timeout: Duration = "60s"
    shutdown_grace: Duration = "30s"


class Listen(Strict, frozen=True, kw_only=True):
    """The listeners.

    Attributes:
        as2: For partners' AS2 messages.
        sftp: For partners' SFTP clients; without it nothing listens.
        ftps: For partners' FTPS clients; without it nothing listens.
        log: For readers of the log's tree and for logs that we cosign; without it nothing listens.
    """

    as2: As2Listener = As2Listener()
    sftp: SftpListener | None = None
    ftps: FtpsListener | None = None
    log: LogListener | None = None


class InboxSettings(Strict, frozen=True, kw_only=True):
    """Where received documents are put for the application.

    Attributes:
        folder: Folder relative to the hub's, or false to leave them to the command line.
    """

    folder: Name | bool = "inbox"


class Folder(Strict, frozen=True, kw_only=True):
    """A folder of ours that flows collect from or deliver to, as the channel folder:NAME.

    Attributes:
        path: Absolute, or relative to the hub's folder.
        create: Make it where it does not exist.
        replace: A document may take the place of a file of the same name.
    """

    path: Name
    create: bool = False
    replace: bool = False


class OwnOpenPgp(Strict, frozen=True, kw_only=True):
    """Our OpenPGP keys.

    Attributes:
        keys: Their names in the keyring; the first signs, all of them decrypt.
    """

    keys: tuple[Reference, ...] = ()


class Hub(Strict, frozen=True, kw_only=True):
    """``ecluse.toml``.

    Attributes:
        organisation: Whose hub it is.
        store: Where the state is kept.
        blobs: Where the bytes are kept.
        keyring: Where the keys are.
        listen: The listeners.
        inbox: Where received documents are put.
        log: The log of evidence.
        folders: Folders of ours that flows use, by name.
        calendars: Working days that schedules and expectations use, by name.
        openpgp: Our OpenPGP keys.
        acme: Certificates for our TLS listeners by ACME; without it they are put into the keyring by hand.
        revocation: Whether certificates were revoked.
        operators: Who works on the hub; two or more of role trust approve each other's changes to trust.
        changes: Changes to trust that wait for approval.
        seals: Whose seals on documents are believed.
        retention: How long documents are kept where no flow says it; for ever without it.
        processing: What the record of processing activities says besides.
        archive: The archive.
        backup: Copies of the hub, sealed, in places of their own; without it there are none.
    """

    organisation: Organisation
    store: StoreSettings = StoreSettings()
    blobs: BlobSettings = BlobSettings()
    keyring: KeyringSettings = KeyringSettings()
    listen: Listen = Listen()
    inbox: InboxSettings = InboxSettings()
    log: LogSettings = LogSettings()
    folders: dict[Label, Folder] = msgspec.field(default_factory=dict)
    calendars: dict[Label, Calendar] = msgspec.field(default_factory=dict)
    openpgp: OwnOpenPgp = OwnOpenPgp()
    acme: Acme | None = None
    revocation: RevocationSettings = RevocationSettings()
    operators: tuple[Operator, ...] = ()
    changes: Changes = Changes()
    seals: SealSettings = SealSettings()
    retention: HubRetention = HubRetention()
    processing: ProcessingSettings = ProcessingSettings()
    archive: ArchiveSettings = ArchiveSettings()
    backup: BackupSettings | None = None

    @property
    def log_origin(self) -> str:
        """The log's name in checkpoints."""
        if self.log.origin is not None:
            return self.log.origin
        slug = re.sub(r"[^a-z0-9]+", "-", self.organisation.as2_id.lower()).strip("-")
        return f"ecluse/{slug or 'hub'}"


class BasicAuth(Strict, frozen=True, kw_only=True):
    """HTTP basic authentication that the partner's server asks for.

    Attributes:
        user: User name.
        password: Reference to the password.
    """

    user: Name
    password: SecretReference


class As2(Strict, frozen=True, kw_only=True):
    """AS2 with a partner.

    Attributes:
        id: The partner's AS2 id. Case counts.
        url: Where messages to them go; without it they can only send.
        our_id: Our AS2 id with them, where it is not the organisation's.
        sign: Digest of our signatures, or false for none.
        sign_scheme: RSA padding of our signatures; auto follows the key (PKCS#1 v1.5 for RSA).
        encrypt: Content encryption of what we send, or false for none.
        key_padding: RSA padding of the content key.
        compress: Whether, and where, what we send is compressed.
        receipt: The MDN that we ask for.
        receipt_signed: Ask for a signed MDN; an unsigned one then confirms nothing.
        receipt_timeout: When an MDN that did not come is overdue.
        async_receipt_hosts: Hosts, besides that of url, where asynchronous MDNs that they ask for may go.
        require_signed: Refuse their messages that are not signed.
        require_encrypted: Refuse their messages that are not encrypted.
        version: AS2-Version that we state.
        algorithm_protection: Sign the algorithms too (RFC 6211); some old products fail on it.
        content_length: State the length instead of sending chunks.
        micalg: Spelling of digests in MIME headers: sha-256 (RFC 5751) or sha256 (RFC 3851).
        subject: Subject of what we send.
        basic_auth: HTTP basic authentication.
        tls: TLS to their server.
        concurrency: Deliveries to them at once, of the 32 that a node has under way in all.
        max_size: Largest message either way.
        timeout: Longest silence of their server.
        retry: How a delivery is tried again, where the hub's own way is not right for them.
        certificate_exchange: Tell them of our new certificates by certificate exchange messages, which their
            product has to know (draft-meadors-certificate-exchange).
        allow_private_network: Let url and MDN addresses lead to loopback and private networks.
    """

    id: As2Id
    url: Url | None = None
    our_id: As2Id | None = None
    sign: SignAlgorithm | bool = "sha-256"
    sign_scheme: Literal["auto", "pkcs1", "pss"] = "auto"
    encrypt: EncryptAlgorithm | bool = "aes-256-cbc"
    key_padding: Literal["pkcs1", "oaep-sha1", "oaep-sha256"] = "pkcs1"
    compress: Literal["none", "before-signing", "after-signing"] = "none"
    receipt: Literal["sync", "async", "none"] = "sync"
    receipt_signed: bool = True
    receipt_timeout: Duration = "30m"
    async_receipt_hosts: tuple[HostPort, ...] = ()
    require_signed: bool = True
    require_encrypted: bool = True
    version: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    algorithm_protection: bool = True
    content_length: bool = False
    micalg: Literal["rfc5751", "rfc3851"] = "rfc5751"
    subject: Name | None = None
    basic_auth: BasicAuth | None = None
    tls: PartnerTls = PartnerTls()
    concurrency: Annotated[int, Meta(ge=1, le=256, extra={"expected": "a whole number from 1 to 256"})] = 4
    max_size: Size = "20 GiB"
    timeout: Duration = "2m"
    retry: Retry | None = None
    certificate_exchange: bool = False
    allow_private_network: bool = False


class CertificateEntry(Strict, frozen=True, kw_only=True):
    """A certificate of the partner: what it is for, and when.

    Attributes:
        file: PEM file in the folder certificates.
        use: What it is for. Without any for mdn-verify, those for verify do. "tls" is what their server shows
            (or its authority); "tls-client" what they show to ours.
        from_: Not used before; a date, or a date and time.
        until: Not used after; a date counts whole.
        succeeds: File of a certificate that this one is to succeed: it verifies from the start, and is encrypted
            to once they were seen to use it (`ecluse rotate begin`).
    """

    file: CertificatePath
    use: tuple[PartnerUse, ...] = ("verify", "encrypt")
    from_: Moment | None = None
    until: Moment | None = None
    succeeds: CertificatePath | None = None


class ExceptionEntry(Strict, frozen=True, kw_only=True):
    """A weak thing that is taken from this partner, by name, with a reason and an end; it is never written.

    Attributes:
        algorithm: What is allowed.
        reason: Why.
        until: The last day (a date counts whole).
    """

    algorithm: LegacyAlgorithm
    reason: Annotated[str, Meta(min_length=3, max_length=500, extra={"expected": "a sentence that says why"})]
    until: Moment


class Partner(Strict, frozen=True, kw_only=True):
    """A partner's file.

    Attributes:
        name: The company's name.
        state: Only an active partner exchanges.
        as2: AS2 with them.
        account: How they log in at our SFTP and FTPS listeners.
        sftp: Their SFTP server.
        ftps: Their FTPS server.
        s3: Their bucket on S3, or a store that speaks its protocol.
        azure: Their container on Azure Blob Storage.
        gcs: Their bucket on Google Cloud Storage.
        webdav: Their WebDAV server.
        openpgp: OpenPGP with them.
        certificates: Their certificates.
        exceptions: Weak things that they are allowed for a time.
        identifiers: Their registered numbers.
        contacts: Whom to reach there for what.
        bank: Where they are paid.
        verification: How their identity was made sure of.
        card: The last card that was taken from them.
        invitation: The invitation that they have not answered yet.
        archive: What is exchanged with them is archived, where its flow does not say otherwise.
    """

    name: Name
    state: PartnerState = "active"
    as2: As2 | None = None
    account: Account | None = None
    sftp: Sftp | None = None
    ftps: Ftps | None = None
    s3: Bucket | None = None
    azure: Bucket | None = None
    gcs: Bucket | None = None
    webdav: WebDav | None = None
    openpgp: OpenPgp | None = None
    certificates: tuple[CertificateEntry, ...] = ()
    exceptions: tuple[ExceptionEntry, ...] = ()
    identifiers: Identifiers | None = None
    contacts: tuple[Contact, ...] = ()
    bank: Bank | None = None
    verification: Verification | None = None
    card: HeldCard | None = None
    invitation: Invitation | None = None
    archive: Archiving | None = None
