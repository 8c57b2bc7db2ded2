"""What stands behind the file servers: a partner's own folders, of which nothing is a real path.

A server gets a :class:`~ecluse.exchange.tree.Tree` from :func:`open_tree` when a partner has logged in. Rows of the
store say what lies where; octets are in the vault; an upload becomes a message in the transaction that its close
waits for; a document that was put out is confirmed when the partner has read it to its end.

- :mod:`~ecluse.exchange.mailbox.session`   who is logged in, under which terms
- :mod:`~ecluse.exchange.mailbox.places`    the agreed folders, and names that are not documents
- :mod:`~ecluse.exchange.mailbox.tree`      looking, renaming, removing
- :mod:`~ecluse.exchange.mailbox.upload`    octets in
- :mod:`~ecluse.exchange.mailbox.order`     octets that come out of order, or again
- :mod:`~ecluse.exchange.mailbox.room`      what an upload under way takes of the quota
- :mod:`~ecluse.exchange.mailbox.taking`    an upload becomes a message
- :mod:`~ecluse.exchange.mailbox.download`  octets out
- :mod:`~ecluse.exchange.mailbox.channel`   documents are put out
- :mod:`~ecluse.exchange.mailbox.pickup`    a delivery is confirmed
- :mod:`~ecluse.exchange.mailbox.receipts`  what became of a document, for who sent it
- :mod:`~ecluse.exchange.mailbox.expiry`    what goes by itself
- :mod:`~ecluse.exchange.mailbox.keeping`   what an operator sees and does
"""

from __future__ import annotations

from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox.places import Places, Terms
from ecluse.exchange.mailbox.session import Session, SessionFacts
from ecluse.exchange.mailbox.tree import AccountTree
from ecluse.exchange.tree import Tree
from ecluse.trust.directory import PartnerView
from ecluse.trust.errors import PartnerRefused

__all__ = ["SessionFacts", "open_tree"]


def open_tree(hub: Hub, view: PartnerView, facts: SessionFacts, *, behind: bool = True) -> Tree:
    """The folders of a partner that has logged in. The session keeps the terms that it begins under.

    Args:
        hub: What the chamber shares.
        view: The partner.
        facts: What the server knows of the login.
        behind: Whether large uploads are sealed and written on threads of their own, which is slower where the
            server reads TLS in Python; see :meth:`ecluse.blobs.vault.Vault.create`.

    Raises:
        PartnerRefused: ``trust.no-account``: its file has no [account].
    """
    account = view.settings.account
    if account is None:
        raise PartnerRefused(
            f"{view.name} has no account with us.",
            code="trust.no-account",
            remedy="Add [account] to the partner's file.",
        )
    session = Session(hub, view.id, facts, Places(account), Terms.of(account), hub.clock(), behind)
    return AccountTree(session)
