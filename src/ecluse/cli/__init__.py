"""The command line: what an operator, a script and a container say to a hub.

Every command takes ``--hub``, ``--json`` and ``--quiet``. With ``--json`` standard output holds one JSON value and
nothing else; what is for people (progress, warnings, errors) goes to standard error. Exit codes: 0 it is done,
1 the work failed, 2 the command was used wrongly.

Modules import nothing heavy before a command runs: ``ecluse --help`` answers at once.

    frame           options of every command, output, errors, confirmation
    hub             init, serve, demo, doctor, migrate
    configuration   plan, apply, export
    hostkey         an SFTP server's host key, to be compared
    partner, cert   who we exchange with, and the keys
    roles           whose key does what with a partner, and what was seen
    send, message   documents on their way, and what became of them
    decide          what a person decides about a message
    flow            what goes where by itself
    draw            a message's life on one screen
    log             proofs
    acme            certificates for our TLS listeners
    rotate, offers  keys that take the place of others
    posture         what is weak, why, and the fix
    secret          secrets inside the keyring
    ssh             our SSH keys, as partners need them
    ban             who is kept out after failed logins
    audit           what partners have shown of how they guard what they are given
    signer          the process that has the keys
    rehearse        a difficult partner, played before a real one is met
    access          who can do what, and its review
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        args: Words after the program's name; those of the process by default.
    """
    from ecluse.cli.tree import run

    raise SystemExit(run(args))
