"""Partners' accounts with the hub: the channel that puts documents out, receipts, and what goes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.exchange.mailbox.channel import AccountChannel, NoAccount
from ecluse.exchange.mailbox.expiry import AT_ONCE, expire
from ecluse.exchange.mailbox.receipts import receipt_writer
from ecluse.model.basics import PartnerId
from ecluse.trust.directory import PartnerView
from ecluse.trust.settings.places import Account

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["account_expiry", "account_of", "join_accounts"]

EXPIRE_EVERY: Final = 300
"""Seconds between two looks for what has expired in partners' folders."""


def join_accounts(node: Node) -> None:
    """Give a node its partners' accounts."""
    node.channels["account"] = AccountChannel(node.hub, lambda: node.directory)
    node.hub.settled = receipt_writer(node.hub, lambda: node.directory)


def account_of(node: Node, partner: str) -> tuple[PartnerView, Account]:
    """A partner and its account.

    Raises:
        PartnerRefused: There is no such partner.
        NoAccount: It has none.
    """
    view = node.directory.partner(PartnerId(partner))
    account = view.settings.account
    if account is None:
        raise NoAccount(f"{view.name} has no account with us.", remedy="Add [account] to the partner's file.")
    return view, account


def account_expiry(node: Node) -> Recurring:
    """The recurring work."""

    def work(context: JobContext) -> None:
        while expire(node.hub) == AT_ONCE and not context.stopping:
            context.check()

    return Recurring("accounts.expire", Every(EXPIRE_EVERY), work)
