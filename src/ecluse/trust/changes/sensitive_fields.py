"""Fields that are a matter of trust: the kind of change, why it matters, and which of two values is the weaker one.

:mod:`ecluse.trust.changes.sensitive` says what follows; :mod:`ecluse.trust.changes.free_fields` has the rest of the
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ecluse.trust.changes.plan import Change

__all__ = ["SENSITIVE", "Kind", "Rule"]

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
    "keyring.stores.*.role": Rule("key", "The hub logs in with it where keys of ours are."),
    "keyring.stores.*.role_mount": Rule("key", "The hub logs in there where keys of ours are."),
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
