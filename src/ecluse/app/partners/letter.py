"""What a partner is written when it is invited: what to do, what to send back, and how it will be compared."""

from __future__ import annotations

from ecluse.model.basics import Instant, iso
from ecluse.trust.settings.schema import Hub

__all__ = ["invitation_letter"]


def invitation_letter(hub: Hub, *, name: str, token: str, until: Instant, card_file: str) -> str:
    """A text for a mail. The card's phrase is not in it: it is for another way than the mail.

    Args:
        hub: ``ecluse.toml``: who we are.
        name: The company that is invited.
        token: The invitation's id.
        until: Until when an answer is waited for.
        card_file: Name of the file with our card, which goes along.
    """
    ours = hub.organisation
    reach = [
        ", ".join(part for part in (each.name, each.email, each.phone) if part) for each in ours.contacts
    ] or [ours.email or "your contact at our company"]
    lines = [
        f"To {name}: exchanging documents with {ours.name}",
        "",
        f"We invite you to exchange documents with us. The invitation is {token},",
        f"open until {iso(until)[:10]}, for one answer.",
        "",
        f"Attached is {card_file}: our AS2 id ({ours.as2_id}), address, certificates and keys, signed. It holds",
        "no secret.",
        "",
        "If you run Ecluse:",
        f"  1. ecluse partner add {card_file}",
        "     It shows a phrase of 20 digits. Call us on a number that you have from elsewhere than this mail, and",
        "     let us read our phrase out.",
        f"  2. ecluse partner card --invitation {token} --out our.card",
        "     Send us our.card. It shows your phrase: we shall call you, and ask you to read it out.",
        "",
        "If you run something else, send us:",
        "  - your AS2 id, URL, and the certificate that you sign with and that we encrypt to (PEM or DER); or",
        "  - host, port, user name and host key of your SFTP server, or the public key that you log in with at ours;",
        "  - somebody to reach, by name, with mail and telephone.",
        "  Name the invitation. We shall call you to compare fingerprints before anything is exchanged.",
        "",
        f"Questions: {'; '.join(reach)}",
    ]
    return "\n".join(lines) + "\n"
