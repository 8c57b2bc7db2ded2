"""Whom the hub exchanges with, under which rules, and with which keys.

A :class:`Configuration` is read strictly from TOML files and public certificates; what is weak or unknown is
refused by name. A :class:`Keyring` uses private keys without showing them. A :class:`Directory` joins the two
and answers, for any moment: who is this, which certificate, which key, what is allowed.
"""
