"""The process that has the keys."""

from __future__ import annotations

import typer

from ecluse.cli.frame import Frame, command

__all__ = ["add_to"]


def signer(frame: Frame) -> None:
    """Hold the keys in a process of its own, and answer the serving hub over its socket. Ends on SIGTERM or Ctrl-C.

    Start it before `ecluse serve`, as the same account. The passphrase is needed here alone.
    """
    import os
    import signal
    import sys

    from ecluse.app.keys.signer import open_signer

    service = open_signer(
        frame.folder, tell=lambda words: frame.err.print(f"warning: {words}", markup=False, soft_wrap=True)
    )

    def stop(*_: object) -> None:
        service.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    facts = {"socket": str(service.path), "pid": os.getpid()}
    frame.show(facts, f"The signer answers at {service.path}.")
    sys.stdout.flush()
    service.serve()


def add_to(app: typer.Typer) -> None:
    """Add the command to a group."""
    command(app, "signer", gives="socket, pid", example="ecluse --hub hub signer")(signer)
