"""Whether a hub is well, and what to do where it is not: what ``doctor`` shows.

Every check looks without changing anything but test files and test blobs of its own, which it removes again. What
one check finds does not keep the next from running, as far as there is something to run on: without a
configuration there are no keys to look at, without a database no messages.

    machine     disk, clock, blob place, listener
    eyes        operators, changes that wait for approval
    parties     keys, certificates, partners' servers
    work        messages that wait for a person, jobs, the log
    flows       runs that fail, documents that did not come
    archive     what is archived, its copies, and what waits for a decision
    assurance   partners' certifications, and the review of access
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from ecluse.app.health import archive, assurance, eyes, flows, machine, parties, places, work
from ecluse.app.health.finding import Finding, failed, ok, warning, worst
from ecluse.app.node import Node
from ecluse.app.opening import NotMigrated, open_node
from ecluse.app.unlocking import open_hub_store, unlock
from ecluse.errors import EcluseError
from ecluse.model.basics import Clock, system_clock
from ecluse.trust.changes.plan import plan
from ecluse.trust.configuration import Configuration, read_folder

__all__ = ["Finding", "check_hub", "worst"]


def check_hub(
    folder: Path, *, environ: Mapping[str, str] | None = None, clock: Clock = system_clock
) -> Iterator[Finding]:
    """Look the hub in ``folder`` over.

    Args:
        folder: The hub's.
        environ: Where ``env:`` secrets are looked up; the process's own by default.
        clock: Time.

    Yields:
        What each check found, as soon as it did.

    Raises:
        NotAHub: There is none in ``folder``.
    """
    try:
        unlocked = unlock(folder, environ=environ, clock=clock)
    except EcluseError as error:
        if error.code == "app.not-a-hub":
            raise
        yield failed(_room(error), error.cause.rstrip(), error.remedy)
        yield from guarded("disk", lambda: machine.disk(folder))
        return
    yield ok("keyring", f"It opens, and holds {len(unlocked.keyring.references())} keys.")
    yield from guarded("disk", lambda: machine.disk(folder))
    try:
        store = open_hub_store(folder, unlocked, "doctor")
        try:
            pending = store.pending_migrations()
            wrong = [] if pending else store.check()
        finally:
            store.close()
        if pending:
            raise NotMigrated(f"The database lacks {', '.join(pending)}.")
        node = open_node(folder, environ=environ, clock=clock)
    except EcluseError as error:
        yield failed("database", error.cause, error.remedy)
        return
    with node:
        if wrong:
            remedy = "Stop the hub and restore the newest backup; keep the damaged files for comparison."
            yield failed("database", " ".join(wrong), remedy)
        else:
            yield ok("database", "It answers, is of this release, and its check finds nothing wrong.")
        checks: tuple[tuple[str, Callable[[Node], Iterable[Finding]]], ...] = (
            ("configuration", configuration),
            ("operators", eyes.operators),
            ("keys", parties.keys),
            ("certificates", parties.certificates),
            ("openpgp", parties.openpgp),
            ("clock", machine.clock),
            ("blobs", machine.blobs),
            ("payloads", work.payloads),
            ("inbox", machine.inbox),
            ("folders", places.folders),
            ("listener", machine.listener),
            ("sftp", machine.sftp),
            ("ftps", machine.ftps),
            ("log", work.log),
            ("archive", archive.archive),
            ("witnesses", work.witnesses),
            ("partners", parties.partners),
            ("assurance", assurance.assurance),
            ("access", assurance.access),
            ("deliveries", work.deliveries),
            ("quarantine", work.quarantine),
            ("flows", flows.flows),
            ("jobs", work.jobs),
        )
        for name, check in checks:
            yield from guarded(name, partial(check, node))


def configuration(node: Node) -> Iterator[Finding]:
    """Whether the files say what is in force."""
    try:
        present = node.directory.configuration
        files = Configuration.from_files(read_folder(node.folder), node.hub.clock(), before=present)
    except EcluseError as error:
        yield failed("configuration", error.cause.rstrip(), error.remedy)
        return
    if not node.version:
        yield warning("configuration", "No version was applied.", "Run `ecluse apply`.")
        return
    changes = plan(node.directory.configuration, files)
    if changes:
        yield warning(
            "configuration",
            f"The files hold {len(changes.changes)} changes that are not in force (version {node.version} is).",
            "Look with `ecluse plan`; then `ecluse apply`, or `ecluse export` to put the files back.",
        )
    else:
        yield ok("configuration", f"Version {node.version} is in force, and the files say the same.")


def guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds; where it can't go on, that."""
    try:
        yield from check()
    except EcluseError as error:
        yield failed(name, error.cause, error.remedy)


def _room(error: EcluseError) -> str:
    kind = error.code.partition(".")[0]
    return {"secret": "passphrase", "keyring": "keyring"}.get(kind, "configuration")
