"""Which changes of a plan are changes to trust: those that a second person approves where the hub has two.

Every field of the schemas stands in one of two tables here. :data:`SENSITIVE` has the kind of change and why it
matters; where the values of a field can be put in order, a change that does not go down is free, so that anybody
may tighten at once. :data:`FREE` has the rest, each with why it is no matter of trust. A field in neither counts as
sensitive: what nobody thought of is not free.

Lists are written ``[]`` and names of the file's own ``*``, as :func:`normal` gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from ecluse.trust.plan import Change, Plan

__all__ = ["FREE", "SENSITIVE", "Kind", "Rule", "Sensitive", "is_named", "normal", "rule_of", "sensitive"]

Kind = Literal["key", "endpoint", "bank", "identity", "policy", "administrator", "state"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Why a field is one of trust.

    Attributes:
        kind: What kind of change it is.
        why: One sentence for who approves.
        order: Values from the weakest to the strongest (the empty one where nothing stood); a change that does not
            go down in it is free.
        first: Whether it counts with a partner or flow that is new; what is added to one that is there always does.
    """

    kind: Kind
    why: str
    order: Mapping[str, int] = field(default_factory=dict)
    first: bool = True

    def holds(self, change: Change, *, new: bool) -> bool:
        """Whether ``change`` (of a subject that is ``new``) is one of trust."""
        if new and not self.first:
            return False
        before, after = self.order.get(change.before), self.order.get(change.after)
        return before is None or after is None or after < before


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A change to trust.

    Attributes:
        change: The change.
        kind: What kind it is.
        why: Why a second person looks at it.
    """

    change: Change
    kind: Kind
    why: str

    def as_dict(self) -> dict[str, str]:
        """For ``--json`` and events."""
        return {
            "subject": self.change.subject,
            "field": self.change.field,
            "kind": self.kind,
            "why": self.why,
        }


def _ladder(*steps: str) -> dict[str, int]:
    """An order; values of one step stand in one text, apart by spaces."""
    return {value: level for level, step in enumerate(steps) for value in step.split()}


_MORE_IS_SAFE: Final = _ladder("no", "yes")
_LESS_IS_SAFE: Final = _ladder("yes", "no")
_TLS: Final = _ladder("1.2", "1.3")
_CLIENT_AUTH: Final = _ladder("none", "optional", "required")
_CIPHERS: Final = _ladder(
    "no", "aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"
)

_THEIR_KEY: Final = Rule(
    "key", "Whoever has that key is taken for the partner, or reads what is meant for it."
)
_OUR_KEY: Final = Rule("key", "Partners know us by this key.")
_LOGIN: Final = Rule("key", "It is what we log in with at theirs.")
_PLACE: Final = Rule("endpoint", "Documents go there, or come from there.")
_PRIVATE: Final = Rule("policy", "It lets an address lead into private networks.", _LESS_IS_SAFE)
_ADDRESS: Final = Rule("policy", "It is where the hub can be reached.")

_TLS_FIELDS: Final[dict[str, Rule]] = {
    "tls.client_key": _OUR_KEY,
    "tls.successor": _OUR_KEY,
    "tls.min_version": Rule("policy", "Older TLS is weaker.", _TLS),
}

_HUB: Final[dict[str, Rule]] = {
    "operator *": Rule("administrator", "It says who may change trust, and with which keys."),
    "changes.time_limit": Rule("policy", "It is how long a change to trust may wait for approval."),
    "organisation.ssh_keys": _OUR_KEY,
    "organisation.identifiers.*": Rule("identity", "It is who we say that we are."),
    "organisation.bank.*": Rule("bank", "Partners are told to pay there."),
    "changes.recovery_wait": Rule("policy", "It is how soon one operator can remove the other one alone."),
    "organisation.name": Rule("identity", "It is who we say that we are."),
    "organisation.as2_id": Rule("identity", "It is who we say that we are."),
    "organisation.keys[].ref": _OUR_KEY,
    "organisation.keys[].use": _OUR_KEY,
    "organisation.keys[].from": _OUR_KEY,
    "organisation.keys[].until": _OUR_KEY,
    "organisation.keys[].succeeds": _OUR_KEY,
    "acme.directory": Rule("endpoint", "That authority says who we are to TLS clients."),
    "acme.names": Rule("identity", "Certificates that say so are asked for."),
    "acme.ca": Rule("key", "Whoever has that authority is taken for the one that certifies us."),
    "acme.listen": _ADDRESS,
    "acme.allow_private_network": _PRIVATE,
    "openpgp.keys": _OUR_KEY,
    "backup.recipients": Rule("key", "Whoever has those keys reads all that the hub has."),
    "backup.keyring": Rule("key", "It says whether our keys lie in backups.", _LESS_IS_SAFE),
    "backup.secrets": Rule("key", "It says whether our passwords lie in backups.", _LESS_IS_SAFE),
    **{
        f"backup.{place}.{name}": Rule("endpoint", "All that the hub has is copied there, sealed.")
        for place in ("to", "keys_to")
        for name in ("place", "endpoint", "access_key", "secret_key", "ca")
    },
    "revocation.mode": Rule(
        "policy", "It says whether revoked certificates are refused.", _ladder("off", "soft", "hard")
    ),
    "revocation.methods": Rule("policy", "It says how revocation is found out."),
    "revocation.refresh": Rule("policy", "It is how long a revocation may go unnoticed."),
    "revocation.max_age": Rule("policy", "It is how long an old answer counts."),
    "revocation.nonce": Rule("policy", "Without it an answer may be an old one.", _MORE_IS_SAFE),
    "revocation.allow_private_network": _PRIVATE,
    "revocation.authorities[].certificate": Rule("key", "Whoever has that key says what is revoked."),
    "seals.roots": Rule("key", "Seals under that authority are believed."),
    "revocation.authorities[].ocsp": Rule("endpoint", "We are told there what is revoked."),
    "revocation.authorities[].crl": Rule("endpoint", "We are told there what is revoked."),
    "log.authorities[].name": Rule("key", "It says whose roots are believed for what."),
    "log.authorities[].url": Rule("endpoint", "We are told there when our log was seen."),
    "log.authorities[].roots": Rule("key", "Whoever has such a key says when our log was seen."),
    "log.authorities[].hash": Rule("policy", "It is the hash that the log's time rests on."),
    "log.authorities[].policy": Rule("policy", "It is what the authority vouches by."),
    "log.authorities[].every": Rule("policy", "It is how long the log's time is vouched for by us alone."),
    "log.authorities[].required": Rule("policy", "It is how loud a missing time-stamp is.", _MORE_IS_SAFE),
    "log.authorities[].ask": Rule("policy", "It says whether the log is stamped there.", _MORE_IS_SAFE),
    "log.authorities[].ca": Rule("key", "Whoever has that authority is taken for the one that stamps."),
    "log.authorities[].allow_private_network": _PRIVATE,
    "log.longterm.renew_before": Rule("policy", "It is how long before its end evidence is renewed."),
    "log.longterm.ends.*": Rule("policy", "It is how long an algorithm is believed."),
    "keyring.folder": Rule("key", "All our keys are there."),
    "keyring.passphrase": Rule("key", "It opens all our keys."),
    "keyring.signer": Rule("key", "Whoever answers there uses all our keys."),
    "keyring.stores.*.kind": Rule("key", "Keys of ours are there."),
    "keyring.stores.*.module": Rule("key", "It is a program that runs with the hub's rights."),
    "keyring.stores.*.token": Rule("key", "Keys of ours are there."),
    "keyring.stores.*.secret": Rule("key", "It opens keys of ours."),
    "keyring.stores.*.url": Rule("key", "Keys of ours are there."),
    "keyring.stores.*.mount": Rule("key", "Keys of ours are there."),
    "keyring.stores.*.namespace": Rule("key", "Keys of ours are there."),
    "keyring.stores.*.ca": Rule("key", "Whoever has that authority is taken for the key store."),
    "folders.*.path": Rule("endpoint", "Documents are taken from there, or put there.", first=False),
    "store.database": Rule("endpoint", "The state, and what is in force, is kept there."),
    "store.password": Rule("key", "It opens the state."),
    "archive.profile": Rule("policy", "It says what is archived."),
    "archive.fixity": Rule("policy", "It is how long damage may go unnoticed."),
    "archive.clock_gap": Rule("policy", "It is how far a clock may jump until no retention ends by it."),
    "archive.places.*.place": Rule("endpoint", "Second copies of the archive are kept there.", first=False),
    "archive.places.*.endpoint": Rule(
        "endpoint", "Second copies of the archive are kept there.", first=False
    ),
    "archive.places.*.access_key": Rule("key", "It opens the place of second copies.", first=False),
    "archive.places.*.secret_key": Rule("key", "It opens the place of second copies.", first=False),
    "archive.places.*.ca": Rule("key", "Whoever has that authority is taken for the place of second copies."),
    "archive.places.*.object_lock": Rule(
        "policy", "It says who can delete second copies.", _ladder("none", "governance", "compliance")
    ),
    "archive.places.*.allow_private_network": _PRIVATE,
    "blobs.place": Rule("endpoint", "The documents are kept there."),
    "blobs.endpoint": Rule("endpoint", "The documents are kept there."),
    "blobs.access_key": Rule("key", "It opens the place of the documents."),
    "blobs.secret_key": Rule("key", "It opens the place of the documents."),
    "blobs.ca": Rule("key", "Whoever has that authority is taken for the place of the documents."),
    "log.origin": Rule("identity", "It is the name of the evidence."),
    "log.witness_name": Rule("identity", "It is our name as a witness."),
    "log.witnesses[].name": Rule("key", "Who cosigns our log is believed when it was put back."),
    "log.witnesses[].url": Rule("endpoint", "Our checkpoints are sent there."),
    "log.witnesses[].keys": Rule("key", "Who cosigns our log is believed when it was put back."),
    "log.witnesses[].ca": Rule("key", "Whoever has that authority is taken for the witness's server."),
    "log.witnesses[].allow_private_network": _PRIVATE,
    "log.cosigns[].name": Rule("key", "We vouch for that log."),
    "log.cosigns[].keys": Rule("key", "We vouch for that log."),
    "listen.log.address": _ADDRESS,
    "listen.log.key": _OUR_KEY,
    "listen.log.entries": Rule(
        "policy", "Whoever reaches the listener reads every event of the log.", _LESS_IS_SAFE
    ),
    "listen.as2.address": _ADDRESS,
    "listen.as2.public_url": Rule("endpoint", "Partners are told to send there."),
    "listen.as2.tls.key": _OUR_KEY,
    "listen.as2.tls.successor": _OUR_KEY,
    "listen.as2.tls.client_auth": Rule("policy", "It says who may connect.", _CLIENT_AUTH),
    "listen.as2.tls.min_version": Rule("policy", "Older TLS is weaker.", _TLS),
    "listen.sftp.address": _ADDRESS,
    "listen.sftp.public_address": Rule("endpoint", "Partners are told to connect there."),
    "listen.sftp.host_keys": _OUR_KEY,
    "listen.ftps.address": _ADDRESS,
    "listen.ftps.implicit": _ADDRESS,
    "listen.ftps.public_address": Rule("endpoint", "Partners are told to connect there."),
    "listen.ftps.external_address": Rule("endpoint", "Partners are told to connect there."),
    "listen.ftps.key": _OUR_KEY,
    "listen.ftps.successor": _OUR_KEY,
    "listen.ftps.client_auth": Rule("policy", "It says who may connect.", _CLIENT_AUTH),
    "listen.ftps.min_version": Rule("policy", "Older TLS is weaker.", _TLS),
    "listen.ftps.require_reuse": Rule(
        "policy", "Without it a data connection may be somebody else's.", _MORE_IS_SAFE
    ),
    **{
        f"listen.{listener}.guard.{name}": Rule("policy", "It limits guessing of passwords.")
        for listener in ("sftp", "ftps")
        for name in ("login_attempts", "ban_score", "ban_window", "ban_time")
    },
}

_PARTNER: Final[dict[str, Rule]] = {
    # A partner of whom nothing is known but a name exchanges nothing: an invitation is anybody's.
    "name": Rule("identity", "It is who they are said to be.", first=False),
    "state": Rule(
        "state",
        "An active partner exchanges.",
        {"": 1, **_ladder("active", "invited verified suspended retired")},
    ),
    "identifiers.*": Rule("identity", "It is who they are in public registers.", first=False),
    "contacts[].phone": Rule("identity", "They are called back there.", first=False),
    "contacts[].email": Rule("identity", "They are written to there.", first=False),
    "card.log_key": Rule(
        "key",
        "Another hand signs their cards: whoever made this one does not hold the key that signed the one before.",
        first=False,
    ),
    "verification.*": Rule("identity", "It says how sure we are of who they are."),
    "bank.*": Rule("bank", "Money goes there: call them back at a number that you had before."),
    "certificate *": _THEIR_KEY,
    "openpgp certificate *": _THEIR_KEY,
    "exceptions[].algorithm": Rule("policy", "Something weak is taken from them."),
    "exceptions[].until": Rule("policy", "Something weak is taken from them for so long."),
    "as2.id": Rule("identity", "Messages are taken as theirs by it."),
    "as2.our_id": Rule("identity", "It is who we say that we are."),
    "as2.url": _PLACE,
    "as2.async_receipt_hosts": _PLACE,
    "as2.sign": Rule("policy", "It is what they know us by.", _ladder("no", "sha-256", "sha-384", "sha-512")),
    "as2.encrypt": Rule("policy", "It is what keeps documents secret on their way.", _CIPHERS),
    "as2.key_padding": Rule(
        "policy", "PKCS#1 v1.5 is the weakest padding.", _ladder("pkcs1", "oaep-sha1", "oaep-sha256")
    ),
    "as2.sign_scheme": Rule("policy", "PSS is the stronger padding.", _ladder("pkcs1", "auto", "pss")),
    "as2.receipt": Rule(
        "policy", "Without receipts nobody knows what arrived.", _ladder("none", "async sync")
    ),
    "as2.receipt_signed": Rule("policy", "An unsigned receipt proves nothing.", _MORE_IS_SAFE),
    "as2.require_signed": Rule("policy", "What is not signed may be anybody's.", _MORE_IS_SAFE),
    "as2.require_encrypted": Rule("policy", "What is not encrypted may have been read.", _MORE_IS_SAFE),
    "as2.algorithm_protection": Rule("policy", "Without it algorithms can be exchanged.", _MORE_IS_SAFE),
    "as2.basic_auth.user": _LOGIN,
    "as2.basic_auth.password": _LOGIN,
    **{f"as2.{name}": rule for name, rule in _TLS_FIELDS.items()},
    "as2.allow_private_network": _PRIVATE,
    "account.user": Rule("identity", "They log in under it."),
    "account.protocols": Rule("policy", "It says where they may log in."),
    "account.keys": _THEIR_KEY,
    "account.authorities": _THEIR_KEY,
    "account.password": Rule("key", "They log in with it."),
    "account.second_factor": Rule("policy", "Without it a stolen password is enough.", _MORE_IS_SAFE),
    "account.addresses": Rule("policy", "It says where they may log in from."),
    "sftp.host": _PLACE,
    "sftp.user": _PLACE,
    "sftp.host_keys": _THEIR_KEY,
    "sftp.key": _LOGIN,
    "sftp.successor": _LOGIN,
    "sftp.certificate": _LOGIN,
    "sftp.agent": _LOGIN,
    "sftp.password": _LOGIN,
    "sftp.jump[].host": _PLACE,
    "sftp.jump[].user": _PLACE,
    "sftp.jump[].host_keys": _THEIR_KEY,
    "sftp.jump[].key": _LOGIN,
    "sftp.jump[].password": _LOGIN,
    "sftp.folder": _PLACE,
    "sftp.allow_private_network": _PRIVATE,
    "ftps.host": _PLACE,
    "ftps.mode": Rule("policy", "FTP in clear is read by anybody.", _ladder("clear", "explicit implicit")),
    "ftps.user": _PLACE,
    "ftps.password": _LOGIN,
    **{f"ftps.{name}": rule for name, rule in _TLS_FIELDS.items()},
    "ftps.folder": _PLACE,
    "ftps.allow_private_network": _PRIVATE,
    "webdav.url": _PLACE,
    "webdav.user": _PLACE,
    "webdav.password": _LOGIN,
    **{f"webdav.{name}": rule for name, rule in _TLS_FIELDS.items()},
    "webdav.folder": _PLACE,
    "webdav.allow_private_network": _PRIVATE,
    **{
        f"{store}.{name}": rule
        for store in ("s3", "azure", "gcs")
        for name, rule in {
            "bucket": _PLACE,
            "prefix": _PLACE,
            "endpoint": _PLACE,
            "region": _PLACE,
            "account": _PLACE,
            "access_key": _LOGIN,
            "secret_key": _LOGIN,
            "ca": Rule("key", "Whoever has that authority is taken for their store."),
            "allow_private_network": _PRIVATE,
        }.items()
    },
    "archive.profile": Rule("policy", "It says whether, and for how long, documents are kept.", first=False),
    "openpgp.certificates": _THEIR_KEY,
    "openpgp.recipients": _THEIR_KEY,
    "openpgp.key": _OUR_KEY,
    "openpgp.require_signed": Rule("policy", "What is not signed may be anybody's.", _MORE_IS_SAFE),
    "openpgp.require_encrypted": Rule("policy", "What is not encrypted may have been read.", _MORE_IS_SAFE),
    "openpgp.format": Rule("policy", "The old format is the weaker one.", _ladder("rfc4880", "auto")),
}

_FLOW: Final[dict[str, Rule]] = {
    "from.channel": Rule("endpoint", "What comes there goes to the targets.", first=False),
    "from.partners": Rule("endpoint", "Whose documents go to the targets.", first=False),
    "to[].channel": Rule("endpoint", "Documents go there."),
    "to[].openpgp": Rule(
        "policy",
        "It is what keeps documents secret and whole.",
        _ladder("none", "encrypt sign", "sign-and-encrypt"),
    ),
    "open.openpgp": Rule("policy", "Without it no signature on the document is asked for.", _MORE_IS_SAFE),
    "open.seals": Rule(
        "policy", "Without it no seal on the document is asked for.", _ladder("ignore", "report", "require")
    ),
    **{f"to[].seal.{name}": Rule("key", "It says what we put our name to.") for name in ("format", "key")},
    "archive.profile": Rule("policy", "It says whether, and for how long, documents are kept.", first=False),
}

_ARCHIVE: Final[dict[str, Rule]] = {
    **{
        name: Rule("policy", "It says for how long documents are kept, and from when on.", first=False)
        for name in ("retention", "begins", "counts_from", "year_ends", "timezone")
    },
    "read": Rule("administrator", "It says who may read what is archived.", first=False),
    "dispose": Rule("administrator", "It says who may have documents destroyed."),
    "at_end": Rule(
        "policy",
        "It says what happens once the retention is over.",
        _ladder("dispose", "review", "keep"),
        first=False,
    ),
    "copy": Rule("policy", "It says where the second copy is.", first=False),
    "write_once": Rule("policy", "Without it the second copy can be deleted.", _MORE_IS_SAFE, first=False),
}

SENSITIVE: Final[Mapping[str, Mapping[str, Rule]]] = {
    "hub": _HUB,
    "partner": _PARTNER,
    "flow": _FLOW,
    "archive": _ARCHIVE,
}
"""What is a change to trust: by kind of subject and by field."""

_PACE: Final = "How fast, how many, how long: no matter of trust."
_OURS: Final = "Where things lie on our own side."
_FORM: Final = "The form of what is exchanged, under the same keys and at the same place."
_ONES_OWN: Final = "What happens on our side to what is trusted already."

FREE: Final[Mapping[str, Mapping[str, str]]] = {
    "hub": {
        "organisation.email": "Where partners may write; nothing is decided by it.",
        **{
            f"retention.{name}": _ONES_OWN
            for name in ("relayed", "payload", "wire", "receipts", "names", "undelivered", "quarantined")
        },
        **{
            f"processing.{name}": "It is told to authorities; nothing is decided by it."
            for name in ("role", "controller", "officer", "purpose", "basis", "persons", "data")
        },
        **{
            f"organisation.contacts[].{name}": "Whom partners may reach; nothing is decided by it."
            for name in ("role", "name", "email", "phone")
        },
        "acme.agree": "The authority's terms; it certifies no other names by it.",
        "acme.email": "Where the authority may write.",
        "acme.renew": _PACE,
        "blobs.inline_limit": _OURS,
        "blobs.region": "The endpoint decides where the bytes go.",
        "revocation.timeout": _PACE,
        "log.authorities[].timeout": _PACE,
        "log.authorities[].user": "Who we are there; its answers are signed.",
        "log.authorities[].password": "Who we are there; its answers are signed.",
        **{
            f"backup.{place}.region": "The endpoint decides where the bytes go."
            for place in ("to", "keys_to")
        },
        "backup.every": _PACE,
        "backup.rate": _PACE,
        **{
            f"backup.keep.{name}": "How long copies of our own are kept, beside the one that is always kept."
            for name in ("last", "daily", "weekly", "monthly", "yearly")
        },
        "listen.as2.path": "Below an address that stays.",
        "listen.log.tiles": "Hashes tell nothing of what they are of.",
        "listen.log.max_connections": _PACE,
        "log.pace": _PACE,
        "listen.as2.max_size": _PACE,
        "listen.as2.max_connections": _PACE,
        "listen.as2.header_timeout": _PACE,
        "listen.as2.idle_timeout": _PACE,
        "listen.as2.shutdown_grace": _PACE,
        "listen.sftp.rekey": _PACE,
        "listen.ftps.passive_ports": "At the same address, with the same key.",
        **{
            f"listen.{listener}.guard.{name}": _PACE
            for listener in ("sftp", "ftps")
            for name in (
                "connections",
                "connections_per_address",
                "sessions_per_partner",
                "login_time",
                "idle_time",
                "minimum_rate",
            )
        },
        "inbox.folder": _OURS,
        "archive.fixity_rate": _PACE,
        **{f"archive.places.*.{name}": _FORM for name in ("region", "path_style")},
        "archive.places.*.timeout": _PACE,
        "folders.*.create": _OURS,
        "folders.*.replace": _OURS,
        **{f"calendars.*.{name}": _PACE for name in ("country", "region", "closed", "open", "weekend")},
    },
    "partner": {
        "exceptions[].reason": "Words beside what is approved.",
        "contacts[].role": "Words beside where they are reached.",
        "contacts[].name": "Words beside where they are reached.",
        **{
            f"card.{name}": "Which card was taken; what it changes stands in other fields."
            for name in ("digest", "serial", "log_origin", "taken")
        },
        **{f"invitation.{name}": "An invitation trusts nobody." for name in ("id", "sent", "until", "by")},
        "as2.compress": _FORM,
        "as2.receipt_timeout": _PACE,
        "as2.version": _FORM,
        "as2.content_length": _FORM,
        "as2.micalg": _FORM,
        "as2.subject": _FORM,
        "as2.certificate_exchange": "It offers them what is public, and takes nothing.",
        "as2.concurrency": _PACE,
        "as2.max_size": _PACE,
        "as2.timeout": _PACE,
        **{
            f"{channel}.retry.{name}": _PACE
            for channel in ("as2", "sftp", "ftps", "s3", "azure", "gcs", "webdav")
            for name in ("attempts", "base", "cap")
        },
        **{
            f"account.{name}": _ONES_OWN
            for name in (
                "quota",
                "max_file",
                "files",
                "replace",
                "folders",
                "temporary",
                "keep_partial",
                "keep_uploaded",
                "keep_outbound",
                "remove_after_pickup",
                "receipts",
                "rate",
            )
        },
        **{
            f"{channel}.{name}": _PACE
            for channel in ("sftp", "ftps", "s3", "azure", "gcs", "webdav")
            for name in ("concurrency", "timeout")
        },
        **{
            f"{channel}.{name}": _FORM
            for channel in ("sftp", "ftps")
            for name in ("temporary", "replace", "rate")
        },
        "sftp.verify": _FORM,
        "sftp.streams": _PACE,
        "webdav.replace": _FORM,
        **{
            f"{store}.{name}": _FORM
            for store in ("s3", "azure", "gcs")
            for name in ("path_style", "tags.*", "replace", "conditional")
        },
        "openpgp.armor": _FORM,
    },
    "flow": {
        "name": "What it is called.",
        "timezone": _PACE,
        "state": "A flow that is paused or goes on moves what it moved before.",
        **{
            f"from.{name}": "Which documents; whom they go to is a matter of its targets."
            for name in (
                "folder",
                "recursive",
                "names",
                "not_names",
                "types",
                "min_size",
                "max_size",
                "stable",
                "marker",
                "after",
                "move_to",
                "every",
                "parallel",
            )
        },
        **{f"open.{name}": _ONES_OWN for name in ("unpack", "max_size", "max_ratio", "max_files")},
        **{f"to[].{name}": _FORM for name in ("folder", "name", "subject", "content_type", "pack", "apart")},
        "trigger": _PACE,
        **{f"timetable.{name}": _PACE for name in ("cron", "timezone", "calendar")},
        **{
            f"expect[].{name}": _PACE
            for name in ("name", "by", "days", "timezone", "calendar", "names", "types", "at_least")
        },
        **{f"order.{name}": _PACE for name in ("key", "on_failure")},
        **{f"duplicates.{name}": _ONES_OWN for name in ("window", "action")},
        **{f"to[].seal.{name}": _FORM for name in ("reason", "location", "time_stamp")},
        **{
            f"retention.{name}": _ONES_OWN for name in ("payload", "wire", "receipts", "names", "undelivered")
        },
        "since": _ONES_OWN,
        "purpose": "It is told to authorities; nothing is decided by it.",
    },
    "archive": {
        "name": "What it is called.",
        "basis": "Words beside what is approved.",
        "formats": _ONES_OWN,
    },
}
"""What is none: by kind of subject and by field, with why."""

_UNKNOWN: Final = Rule("policy", "Nobody said of this field that it is no matter of trust.")
_GONE: Final[Mapping[str, Rule]] = {
    "partner": Rule("state", "The partner is forgotten, with all that was known of it."),
    "archive": Rule("policy", "Nothing says any more for how long its documents are kept."),
}

_INDEX: Final = re.compile(r"\[\d+\]")
_NAMED: Final = ("certificate ", "openpgp certificate ", "operator ")
_OWN_NAMES: Final = re.compile(
    r"^(folders|calendars|keyring\.stores|archive\.places|log\.longterm\.ends)\.[^.]+"
)
_TAGS: Final = re.compile(r"^(s3|azure|gcs)\.tags\..*", re.DOTALL)
_WHOLE: Final = re.compile(r"^((?:organisation\.)?(?:bank|identifiers)|verification)(\..*|\[.*)?$", re.DOTALL)


@lru_cache(maxsize=4096)
def normal(field: str) -> str:
    """A plan's field as the tables have it: without numbers of places and names of the file's own."""
    for name in _NAMED:
        if field.startswith(name):
            return f"{name}*"
    whole = _WHOLE.match(field)
    if whole is not None:
        return f"{whole.group(1)}.*"
    if _TAGS.match(field):
        return f"{field.partition('.')[0]}.tags.*"
    return _INDEX.sub("[]", _OWN_NAMES.sub(r"\1.*", field))


def is_named(kind: str, field: str) -> bool:
    """Whether one of the tables has a field of ``hub``, ``partner``, ``flow`` or ``archive``."""
    name = normal(field)
    return name in SENSITIVE[kind] or name in FREE[kind]


def rule_of(subject: str, field: str) -> Rule | None:
    """Why a field is one of trust; ``None`` where it is none.

    Args:
        subject: As in a :class:`Change`.
        field: As there; empty for all of a subject.
    """
    kind = subject.partition(":")[0]
    if not field:
        return _GONE.get(kind)
    name = normal(field)
    rule = SENSITIVE.get(kind, {}).get(name)
    if rule is None and name not in FREE.get(kind, {}):
        return _UNKNOWN
    return rule


def _found(changes: Sequence[Change]) -> Iterator[Sensitive]:
    # A name is never left out, and comes with its subject alone.
    new = {change.subject for change in changes if change.kind == "add" and change.field == "name"}
    for change in changes:
        rule = rule_of(change.subject, change.field)
        if rule is not None and rule.holds(change, new=change.subject in new):
            yield Sensitive(change, rule.kind, rule.why)


def sensitive(plan: Plan) -> tuple[Sensitive, ...]:
    """The changes to trust among those of a plan, in their order."""
    return tuple(_found(plan.changes))
