"""What every command is made in: its common options, its output for people or programs, its errors."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from ecluse.errors import EcluseError, Fault

if TYPE_CHECKING:
    from rich.console import Console

    from ecluse.app.changes import Signer
    from ecluse.app.node import Node
    from ecluse.trust.secrets import Secret

__all__ = ["Frame", "Group", "NotConfirmed", "Options", "Signing", "command", "show_error"]

HUB_HELP: Final = "The hub's folder; the current one by default."
JSON_HELP: Final = "One JSON value on standard output, for programs."
_WIDE: Final = 200

QUIET_HELP: Final = "Say nothing where all is well."


class NotConfirmed(EcluseError):
    """A command that asks first had nobody to ask, or was told no."""

    code = "cli.not-confirmed"
    fault = Fault.USAGE
    remedy = "Look at what would happen, then run it again with --yes."


class SystemRefused(EcluseError):
    """The operating system refuses something: a file that may not be read, for one."""

    code = "cli.system"
    remedy = "Look at the path and at the rights of the user who runs this."


@dataclass(frozen=True, slots=True)
class Options:
    """The common options as they stood before the command.

    Attributes:
        hub: The hub's folder.
        json: One JSON value on standard output.
        quiet: Nothing where all is well.
    """

    hub: Path | None = None
    json: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Signing:
    """How changes are signed, as it was asked for.

    Attributes:
        operator: Who signs.
        key: File of their private key; the SSH agent's by default.
        passphrase: Reference to the file's passphrase; asked for by default.
    """

    operator: str | None = None
    key: Path | None = None
    passphrase: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a command works in.

    Attributes:
        folder: The hub's folder.
        json: Whether a program reads.
        quiet: Whether nothing is said where all is well.
        signing: Who signs changes to trust, for a command that takes ``--as``.
    """

    folder: Path
    json: bool
    quiet: bool
    signing: Signing = Signing()

    @contextmanager
    def node(self, *, serving: bool = False) -> Iterator[Node]:
        """Open the hub; raises as :func:`ecluse.app.opening.open_node` does."""
        from ecluse.app.opening import open_node

        with open_node(self.folder, serving=serving) as node:
            yield node

    @property
    def actor(self) -> str:
        """Who is at work, for events: the account of the operating system, whatever the environment says it is."""
        import pwd

        try:
            return f"operator:{pwd.getpwuid(os.getuid()).pw_name}"
        except KeyError:
            return f"operator:{os.getuid()}"

    def answering(self, node: Node) -> str:
        """Who answers for what a change says, such as that somebody was called back.

        The operator that ``--as`` names where the change is held, as they have to sign it; else :attr:`actor`.
        """
        from ecluse.trust.operators import four_eyes

        name = self.signing.operator
        return f"operator:{name}" if name and four_eyes(node.directory.hub.operators) else self.actor

    def signer(self, node: Node, namespace: str = "ecluse-change") -> Signer | None:
        """Signs changes to trust, or what the namespace says, as the operator that ``--as`` names; ``None`` for none.

        Its key is looked for when something has to be signed, and not before.
        """
        from ecluse.app.changes.check import BadApproval
        from ecluse.app.changes.signing import AgentSigner, FileSigner, LaterSigner, agent_signer, file_signer

        name, path = self.signing.operator, self.signing.key
        if name is None:
            return None

        def find() -> FileSigner | AgentSigner:
            operator = next((each for each in node.directory.hub.operators if each.name == name), None)
            if operator is None:
                raise BadApproval(f"There is no operator {name[:64]!a}.")
            if path is None:
                return agent_signer(operator, namespace=namespace)
            return file_signer(
                operator,
                path,
                lambda: self.secret(
                    self.signing.passphrase, f"Passphrase of {path}", option="--key-passphrase"
                ),
                namespace,
            )

        return LaterSigner(name, find)

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and not self.json

    @property
    def out(self) -> Console:
        """For people, on standard output."""
        return _console(stderr=False)

    @property
    def err(self) -> Console:
        """For people, on standard error; silent for programs and with ``--quiet``."""
        console = _console(stderr=True)
        console.quiet = self.quiet or self.json
        return console

    def show(self, facts: object, draw: str | Callable[[Console], object]) -> None:
        """Give the result: ``facts`` to programs, else ``draw`` (markup, or what draws) to people."""
        if self.json:
            write_json(facts)
        elif not self.quiet:
            console = self.out
            if isinstance(draw, str):
                console.print(draw, soft_wrap=True, highlight=False)
            else:
                draw(console)

    def hand_out(self, ref: str, member: str, text: str, out: Path | None, said: str) -> None:
        """Give a text that is for others: into a new file, or on standard output.

        Args:
            ref: What it is of.
            member: Its name in JSON; with a file, ``file`` stands in its place.
            text: The text.
            out: The file.
            said: To people, once it is in the file.
        """
        from ecluse import durable

        if out is not None:
            durable.write_new(out, [text.encode()], 0o644)
            self.show({"ref": ref, "file": str(out)}, f"{said} is in {out}.")
        else:
            facts = {"ref": ref, member: text}
            self.show(facts, lambda console: console.print(text, end="", markup=False, soft_wrap=True))

    @contextmanager
    def progress(self, title: str, *, octets: bool = False) -> Iterator[Callable[[int, int], None]]:
        """Show how far long work is, on standard error where that is a terminal.

        Yields:
            What is called with (done, in all).
        """
        console = self.err
        if self.quiet or self.json or not console.is_terminal:
            yield lambda done, total: None
            return
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

        count = DownloadColumn(binary_units=True) if octets else MofNCompleteColumn()
        with Progress(TextColumn(title), BarColumn(), count, console=console, transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Return where the answer is yes; a person is asked unless ``yes``.

        Raises:
            NotConfirmed: The answer is no, or there is nobody to ask.
        """
        if yes:
            return
        if not self.interactive:
            raise NotConfirmed("This asks first, and there is no terminal to ask at.")
        if not typer.confirm(question, err=True):
            raise NotConfirmed("Nothing was done.")

    def secret(
        self,
        reference: str | None,
        question: str,
        *,
        optional: bool = False,
        option: str = "--password",
    ) -> Secret:
        """A password by reference (files relative to the current folder), or asked for.

        Args:
            reference: ``env:NAME`` or ``file:path``, if one was given.
            question: What a person is asked.
            optional: Give an empty secret where nobody can be asked.
            option: What takes the reference.

        Raises:
            SecretError: The reference leads nowhere.
            NotConfirmed: There is no reference, and nobody to ask.
        """
        from ecluse.trust.secrets import Secret, SecretResolver

        if reference is not None:
            return SecretResolver(Path.cwd())(reference)
        if self.interactive:
            return Secret(
                str(typer.prompt(question, hide_input=True, default="", show_default=False, err=True))
            )
        if optional:
            return Secret("")
        raise NotConfirmed(
            "A password is needed, and there is no terminal to ask at.",
            remedy=f"Refer to it with {option} env:NAME or {option} file:PATH.",
        )


class Command(TyperCommand):
    """A command whose ``--help`` shows flags as flags, not as options with a value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters."""
        return _flags(super().get_params(ctx))


class Group(TyperGroup):
    """The same for a group of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its parameters."""
        return _flags(super().get_params(ctx))


def _flags(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if getattr(each, "is_flag", False):
            each.metavar = ""
    return parameters


def command(
    app: typer.Typer, name: str, *, example: str, gives: str, panel: str | None = None, signs: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command: its first parameter is the :class:`Frame`, the others are its own.

    The common options are taken before and after the command's name. An :class:`EcluseError` is shown, and
    becomes the exit code.

    Args:
        app: The group it belongs to.
        name: Its name.
        example: What ``--help`` ends with; several lines are several examples.
        gives: The members of what ``--json`` gives: names, what is within them in braces, ``[]`` behind a list.
            It is a promise: members are added, and never taken away or changed.
        panel: Heading in the list of commands.
        signs: Whether it may change trust: it takes ``--as``, ``--key`` and ``--key-passphrase``.
    """
    common = _COMMON + _SIGNING if signs else _COMMON

    def wrap(work: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(work, eval_str=True)
        own = list(signature.parameters.values())[1:]

        @functools.wraps(work)
        def run(
            ecluse_context: typer.Context,
            *,
            hub: Path | None,
            json: bool,
            quiet: bool,
            **given: Any,
        ) -> None:
            before = ecluse_context.find_root().obj
            asked = [given.pop(each.name) for each in _SIGNING] if signs else []
            frame = Frame(
                folder=hub or before.hub or Path(),
                json=json or before.json,
                quiet=quiet or before.quiet,
                signing=Signing(*asked),
            )
            try:
                work(frame, **given)
            except EcluseError as error:
                show_error(error, as_json=frame.json)
                raise typer.Exit(2 if error.fault is Fault.USAGE else 1) from None
            except BrokenPipeError:
                raise
            except OSError as error:
                show_error(SystemRefused(_system(error)), as_json=frame.json)
                raise typer.Exit(1) from None

        keyword = inspect.Parameter.KEYWORD_ONLY
        context = inspect.Parameter("ecluse_context", keyword, annotation=typer.Context)
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[context, *(each.replace(kind=keyword) for each in own), *common],
            return_annotation=None,
        )
        run.__annotations__ = {each.name: each.annotation for each in (context, *own, *common)}
        run.gives = gives  # type: ignore[attr-defined]  # for the reference
        lines = example.strip().splitlines()
        title = "Example: " if len(lines) == 1 else "Examples:\n\n"
        epilog = title + "\n\n".join(line.strip() for line in lines)
        app.command(name, cls=Command, epilog=epilog.replace("[", r"\["), rich_help_panel=panel)(run)
        return work

    return wrap


_COMMON: Final = tuple(
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    for name, default, annotation in (
        ("hub", None, Annotated[Path | None, typer.Option("--hub", help=HUB_HELP, show_default=False)]),
        ("json", False, Annotated[bool, typer.Option("--json", help=JSON_HELP)]),
        ("quiet", False, Annotated[bool, typer.Option("--quiet", "-q", help=QUIET_HELP)]),
    )
)

_SIGNING: Final = tuple(
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    for name, annotation in (
        (
            "signing_operator",
            Annotated[
                str | None,
                typer.Option(
                    "--as",
                    metavar="NAME",
                    envvar="ECLUSE_OPERATOR",
                    show_envvar=False,
                    help="The operator who signs; see `ecluse operator list`. Or ECLUSE_OPERATOR.",
                    show_default=False,
                ),
            ],
        ),
        (
            "signing_key",
            Annotated[
                Path | None,
                typer.Option(
                    "--key",
                    metavar="FILE",
                    envvar="ECLUSE_OPERATOR_KEY",
                    show_envvar=False,
                    help="Their SSH private key; the SSH agent's by default. Or ECLUSE_OPERATOR_KEY.",
                    show_default=False,
                ),
            ],
        ),
        (
            "signing_passphrase",
            Annotated[
                str | None,
                typer.Option(
                    "--key-passphrase",
                    metavar="REFERENCE",
                    help="Its passphrase: env:NAME or file:PATH; asked for by default.",
                    show_default=False,
                ),
            ],
        ),
    )
)
"""Options of commands that may change trust, in the order of :class:`Signing`."""


def _system(error: OSError) -> str:
    place = f" at {error.filename}" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{place}."


def write_json(facts: object) -> None:
    """One JSON value and a line feed on standard output."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(facts).decode() + "\n")
    sys.stdout.flush()


def show_error(error: EcluseError, *, as_json: bool) -> None:
    """Say code, cause and remedy: on standard error, or as ``{"error": {...}}`` on standard output."""
    if as_json:
        facts: dict[str, object] = dict(error.as_dict())
        problems = getattr(error, "problems", None)
        if problems is not None:
            facts["problems"] = [problem.as_dict() for problem in problems]
        facts.update(getattr(error, "details", {}))
        write_json({"error": facts})
        return
    from rich.text import Text

    console = _console(stderr=True)
    console.print(Text.assemble(("error ", "bold red"), (error.code, "bold")), soft_wrap=True)
    console.print(Text(f"  {error.cause.rstrip()}"), soft_wrap=True)
    console.print(Text(f"  {error.remedy}", style="cyan"), soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Where no terminal limits them, tables are as wide as a line of a log can well be.
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _WIDE)
