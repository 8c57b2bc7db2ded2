"""Fields that are no matter of trust, each with why: whoever may change the configuration may change them alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["FREE"]

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
