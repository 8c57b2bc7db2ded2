"""The tree of commands, and what holds for all of them: options before the command, usage errors, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from ecluse.cli import (
    access,
    account,
    acme,
    archive,
    archive_care,
    archive_deposit,
    archive_dispose,
    archive_find,
    archive_hold,
    audit,
    backup,
    ban,
    cert,
    change,
    configuration,
    decide,
    evidence,
    flow,
    hostkey,
    hub,
    key,
    keyring,
    log,
    log_witness,
    offers,
    operator,
    partner,
    partner_card,
    partner_life,
    pgp,
    posture,
    processing,
    rehearse,
    restore,
    retention,
    roles,
    seal,
    secret,
    send,
    signer,
    ssh,
    stamps,
    subject,
)
from ecluse.cli.frame import HUB_HELP, JSON_HELP, QUIET_HELP, Group, Options, show_error
from ecluse.errors import EcluseError, Fault

__all__ = ["app", "run"]

app = typer.Typer(
    name="ecluse",
    cls=Group,
    help="A secure exchange hub between a company and its business partners.",
    epilog="Example: ecluse init hub --name 'Aster Foods' --as2-id ASTER && ecluse --hub hub serve",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and so secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)

_USAGE: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of what the parser raises; the package gives it no public name."""


class CliUsage(EcluseError):
    """A command line that can't be understood."""

    code = "cli.usage"
    fault = Fault.USAGE
    remedy = "Look at the command's --help."


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"ecluse {version('ecluse')}")
        except PackageNotFoundError:
            typer.echo("ecluse (not installed)")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    hub: Annotated[Path | None, typer.Option("--hub", envvar="ECLUSE_HUB", help=HUB_HELP)] = None,
    json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=QUIET_HELP)] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A secure exchange hub between a company and its business partners."""
    context.obj = Options(hub, json, quiet)


for group in (hub, configuration, send, rehearse, signer, restore, processing):
    group.add_to(app)
app.add_typer(decide.app, name="message", cls=Group)
app.add_typer(flow.app, name="flow", cls=Group)
for group in (partner_card, partner_life, hostkey):
    group.add_to(partner.app)
roles.add_to(partner.app)
app.add_typer(partner.app, name="partner", cls=Group)
ssh.add_to(cert.app)
app.add_typer(cert.app, name="cert", cls=Group)
app.add_typer(key.app, name="key", cls=Group)
app.add_typer(pgp.app, name="pgp", cls=Group)
app.add_typer(seal.app, name="seal", cls=Group)
app.add_typer(offers.app, name="rotate", cls=Group)
app.add_typer(acme.app, name="acme", cls=Group)
app.add_typer(keyring.app, name="keyring", cls=Group)
app.add_typer(secret.app, name="secret", cls=Group)
app.add_typer(account.app, name="account", cls=Group)
app.add_typer(ban.app, name="ban", cls=Group)
app.add_typer(change.app, name="change", cls=Group)
app.add_typer(operator.app, name="operator", cls=Group)
app.add_typer(audit.app, name="audit", cls=Group)
app.add_typer(access.app, name="access", cls=Group)
stamps.add_to(log.app)
archive_deposit.add_to(archive.app)
archive_care.add_to(archive.app)
archive_hold.add_to(archive.app)
archive_find.add_to(archive.app)
archive.app.add_typer(archive_dispose.app, name="dispose", cls=Group)
app.add_typer(archive.app, name="archive", cls=Group)
log_witness.add_to(log.app)
app.add_typer(log.app, name="log", cls=Group)
app.add_typer(backup.app, name="backup", cls=Group)
app.add_typer(evidence.app, name="evidence", cls=Group)
app.add_typer(retention.app, name="retention", cls=Group)
app.add_typer(subject.app, name="subject", cls=Group)
app.add_typer(posture.app, name="posture")


@cache
def _built() -> Callable[..., object]:
    return get_command(app)


def run(args: Sequence[str] | None = None) -> int:
    """Run a command; give the exit code. Writes to standard output and error."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        code = _built()(words, prog_name="ecluse", standalone_mode=False)
        sys.stdout.flush()
    except _USAGE as error:
        return _usage(error, as_json="--json" in words)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("Stopped.", err=True)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nobody is left to tell, also at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else 0


def _usage(error: Exception, *, as_json: bool) -> int:
    text = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    if not text.strip():
        return 2  # a group without a command: its help was shown
    command = context.command_path if context is not None else "ecluse"
    show_error(CliUsage(text.strip(), remedy=f"Look at `{command} --help`."), as_json=as_json)
    return 2
