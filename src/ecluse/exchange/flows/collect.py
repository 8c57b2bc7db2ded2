"""Documents are fetched from folders, servers and buckets: looked at, kept once, then deleted, moved or left.

A file is taken when it has not changed between two looks that are long enough apart, or when its marker lies beside
it. What tells it from others (path, size, time, tag) becomes the message's protocol id: a file that is kept and still
there, because something died between the two, is found to be a duplicate, and gets only what it did not get. So
nothing is kept twice, and a place that is only read needs no other memory. Servers tell times by the second, some by
the minute: what looks like a file that was kept is read and compared before it is deleted or moved, so that nothing
goes that is not kept; and so is what is left where it lies, once the place tells of any change to it.

What is remembered from look to look is the digest of each file that is not taken yet, in bounded memory and nowhere
else: a node that forgets it looks twice again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

from ecluse.archive.blanking import nameless
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows import memory as bounds
from ecluse.exchange.flows.hands import at_once, in_order
from ecluse.exchange.flows.memory import Lines, Memory, fingerprint, identity
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Arrival, Duplicate, Intake, Kept
from ecluse.exchange.remote import FileGone, Remote, RemoteFile, Source
from ecluse.exchange.whence import Whence, whence_of
from ecluse.model.basics import PartnerId
from ecluse.model.naming import Facts, stem_of
from ecluse.model.nouns import Direction, Message
from ecluse.model.patterns import matches
from ecluse.model.states import MessageState
from ecluse.store.port import Conflict, Lost, StoreUnavailable, View
from ecluse.wire.smime.filename import safe_name

__all__ = ["Collected", "Collector", "Look", "protocol_id_of"]

CANDIDATES: Final = 10_000
"""Files of one listing that are held at once; those behind them come with the next listing of the same run."""
LISTINGS: Final = 1000
"""Listings of one run: ten million files, and an end for a place whose files do not go away."""
MAX_ID: Final = 200

IN_A_ROW: Final = 5
"""Files that fail one after the other, each on a connection of its own, before the place itself counts as ill."""

EMPTY: Final = 5 * 60 * 1_000_000
"""Microseconds that an empty file must have stood still for, where others have to at all: programs make a file first,
and may take their time before they write to it."""

_INSPECTED: Final = 16 * 1024
_TYPES: Final = {".xml": "application/xml", ".pdf": "application/pdf", ".json": "application/json"}


class Changed(EcluseError):
    """A file is not what it was when it was listed."""

    code = "collect.changed"
    fault = Fault.PARTNER
    remedy = "Do nothing: the next look takes it, once nobody writes to it any more."


class NotTaken(EcluseError):
    """A file is not of a type that the flow takes."""

    code = "collect.not-taken"
    fault = Fault.PARTNER
    remedy = "Change the flow's from types, or leave it."


@dataclass(slots=True)
class Collected:
    """What a run did.

    Attributes:
        seen: Files that were listed.
        kept: Documents that became messages.
        repeated: Files that were kept before, and got what happens to them afterwards.
        left: Files that the flow does not take.
        waiting: Files that it does not take yet: not stable, or without their marker.
        unstable: Of these the former.
        failed: Files that could not be taken.
        octets: Of what was kept.
        error: Of the first file that failed.
        messages: Ids of the first messages that were kept.
    """

    seen: int = 0
    kept: int = 0
    repeated: int = 0
    left: int = 0
    waiting: int = 0
    unstable: int = 0
    failed: int = 0
    octets: int = 0
    error: EcluseError | None = None
    messages: list[str] = field(default_factory=list)

    @property
    def acted(self) -> bool:
        """Whether anything happened."""
        return bool(self.kept or self.repeated or self.failed)


@dataclass(frozen=True, slots=True)
class Look:
    """What a flow makes of one listed file.

    Attributes:
        file: The file.
        refusal: Why it is never taken as it is; empty where it may be.
        waits: Why it is not taken yet; empty where it is.
    """

    file: RemoteFile
    refusal: str = ""
    waits: str = ""


def protocol_id_of(plan: FlowPlan, file: RemoteFile, content: str = "") -> str:
    """What tells a file, as it is, from every other one: the same file gives the same id on any node, at any time.

    Args:
        plan: Which flow takes it.
        file: The file.
        content: Its digest, where another file of the same path, size and time was kept before.
    """
    channel = f"{plan.kind}:{plan.place}"
    digest = sha256(channel.encode() + b"\0" + identity(file) + content.encode()).hexdigest()[:32]
    # The name is for people who search; the digest is what makes it one of a kind.
    return f"{channel}/{file.path[-MAX_ID:]}#{digest}"


@dataclass(slots=True)
class _Run:
    """One run of one flow."""

    plan: FlowPlan
    memory: Memory
    done: Collected
    check: Callable[[], None]
    told: Callable[[Collected, str], None]
    tried: set[bytes] = field(default_factory=set)
    listed: bool = False
    row: int = 0


class Collector:
    """Collects for flows. One run of a flow at a time; runs of several flows may be under way at once.

    Args:
        hub: What the chamber shares.
        sources: Where is collected from, by kind.
    """

    def __init__(self, hub: Hub, sources: Callable[[str], Source]) -> None:
        self._hub = hub
        self._sources = sources
        self._memories: dict[str, Memory] = {}

    def memory(self, plan: FlowPlan) -> Memory:
        """What is remembered of a flow's place."""
        return self._memories.setdefault(f"{plan.id}@{plan.kind}:{plan.place}", Memory())

    def run(
        self,
        plan: FlowPlan,
        *,
        check: Callable[[], None] = lambda: None,
        told: Callable[[Collected, str], None] = lambda so_far, name: None,
    ) -> Collected:
        """Take everything that is there to be taken.

        Args:
            plan: For which flow.
            check: Called between files, and between the pieces of large ones; what it raises ends the run.
            told: Called with what was done so far, and the name of the file that was done last.

        Raises:
            EcluseError: The place can't be listed; what was kept before stays kept.
        """
        done = Collected()
        run = _Run(plan, self.memory(plan), done, check, told)
        lines = Lines(self._sources(plan.kind), plan.place)
        try:
            for _ in range(LISTINGS):
                with lines.line() as remote:
                    files, markers, whole = self._list(run, remote)
                self._take_all(run, lines, files, markers)
                if whole or len(run.tried) >= bounds.REMEMBERED:
                    break
        finally:
            lines.close()
        return done

    def looks(self, plan: FlowPlan, remote: Remote) -> Iterator[Look]:
        """What the flow makes of every file that lies there; remembers and changes nothing."""
        listed = list(remote.files(plan.settings.from_.folder or "", recursive=plan.settings.from_.recursive))
        markers = _markers(plan, listed)
        memory = self.memory(plan)
        for file in listed:
            refusal = self._refusal(plan, file)
            waits = "" if refusal else self._waits(plan, file, markers, memory, remember=False)
            yield Look(file, refusal, waits)

    # Listing

    def _list(self, run: _Run, remote: Remote) -> tuple[list[RemoteFile], dict[str, RemoteFile], bool]:
        """Files to take, the markers beside them, and whether that is all there is."""
        plan, done, memory = run.plan, run.done, run.memory
        source = plan.settings.from_
        first, run.listed = not run.listed, True
        held: list[RemoteFile] = []
        markers: dict[str, RemoteFile] = {}
        names: set[bytes] = set()
        whole = True
        for number, file in enumerate(remote.files(source.folder or "", recursive=source.recursive)):
            if not number % 1000:
                run.check()
            if plan.marker is not None and _is_marker(plan, file):
                if len(markers) < bounds.REMEMBERED:
                    markers[file.path] = file
                continue
            done.seen += first
            if len(names) < bounds.REMEMBERED:
                names.add(fingerprint(file))
            if memory.is_done(file) or self._refusal(plan, file):
                done.left += first
            elif fingerprint(file) in run.tried:
                continue
            elif len(held) < CANDIDATES:
                held.append(file)
            else:
                whole = False
        ready = []
        for file in held:
            why = self._waits(plan, file, markers, memory, remember=True)
            if why:
                run.tried.add(fingerprint(file))
                done.waiting += 1
                done.unstable += plan.marker is None
            else:
                ready.append(file)
        if whole and len(names) < bounds.REMEMBERED:
            memory.keep_only(names)
        # In the order in which they were written, as far as the place tells.
        ready.sort(key=lambda file: (file.modified or 0, file.path))
        return ready, markers, whole

    def _refusal(self, plan: FlowPlan, file: RemoteFile) -> str:
        """Why a file is never taken as it is."""
        source = plan.settings.from_
        if source.move_to is not None and f"{file.path}/".startswith(source.move_to.strip("/") + "/"):
            return f"it lies in {source.move_to}, where collected files are moved to"
        if plan.marker is not None and _is_marker(plan, file):
            return "it is a marker"
        why = plan.names.refusal(file.name) or plan.size_refusal(file.size)
        if why:
            return why
        if plan.since is not None and file.modified is not None and file.modified < plan.since:
            return f"it is older than {plan.settings.since}"
        return ""

    def _waits(
        self,
        plan: FlowPlan,
        file: RemoteFile,
        markers: dict[str, RemoteFile],
        memory: Memory,
        *,
        remember: bool,
    ) -> str:
        """Why a file is not taken yet."""
        if plan.marker is not None:
            wanted = _marker_of(plan, file)
            return "" if wanted in markers else f"its marker {wanted} is not there"
        now = self._hub.clock()
        seen = memory.first_seen(file, now) if remember else memory.peek(file, now)
        if now - seen < plan.stable:
            return f"it has to stay as it is for {plan.settings.from_.stable}"
        if not file.size and plan.stable and now - seen < EMPTY:
            return "it is empty: somebody may be about to write to it"
        return ""

    # Taking

    def _take_all(
        self, run: _Run, lines: Lines, files: Sequence[RemoteFile], markers: dict[str, RemoteFile]
    ) -> None:
        plan = run.plan
        many = plan.settings.from_.parallel if plan.order is None else 1

        def take(file: RemoteFile) -> Kept | Duplicate:
            run.check()
            with lines.line() as own:
                return self._take(plan, own, file, markers, run.check)

        outcomes = in_order(take, files) if many == 1 or len(files) < 2 else at_once(take, files, many)
        with contextlib.closing(outcomes):
            for file, outcome in outcomes:
                self._count(run, file, outcome)
                run.told(run.done, file.name)

    def _count(self, run: _Run, file: RemoteFile, outcome: Future[Kept | Duplicate]) -> None:
        done, leaves = run.done, run.plan.settings.from_.after == "leave"
        try:
            result = outcome.result()
        except (Changed, FileGone):
            run.tried.add(fingerprint(file))
            done.waiting += 1
            done.unstable += 1
        except NotTaken:
            run.memory.done(file)
            done.left += 1
        except StoreUnavailable:
            raise
        except Lost:
            raise
        except EcluseError as error:
            run.tried.add(fingerprint(file))
            done.failed += 1
            done.error = done.error or error
            run.row = run.row + 1 if error.fault is Fault.TRANSIENT else 0
            if run.row >= IN_A_ROW or run.plan.order is not None:
                raise  # the place itself is ill; or what comes behind this file must not overtake it
        else:
            run.row = 0
            (run.memory.done if leaves else run.memory.forget)(file)
            if isinstance(result, Kept):
                done.kept += 1
                done.octets += file.size
                if len(done.messages) < CANDIDATES:
                    done.messages.append(result.message.id)
            elif leaves:
                done.left += 1
            else:
                done.repeated += 1

    def _take(
        self,
        plan: FlowPlan,
        remote: Remote,
        file: RemoteFile,
        markers: dict[str, RemoteFile],
        check: Callable[[], None],
    ) -> Kept | Duplicate:
        """Keep one file, and then do with it what the flow says."""
        key = protocol_id_of(plan, file)
        first = self._kept_before(plan, key)
        if first is not None and (plan.settings.from_.after != "leave" or _is_another(first, file)):
            content = _digest(remote, file, check)
            if [content] != [part.sha256 for part in first.parts]:
                key = protocol_id_of(plan, file, content)
                first = self._kept_before(plan, key)
        outcome = self._keep(plan, remote, file, key, check) if first is None else Duplicate(first, None)
        self._afterwards(plan, remote, file)
        if plan.marker is not None and (marker := markers.get(_marker_of(plan, file))) is not None:
            # The file comes first: without its marker nobody would find it again.
            self._afterwards(plan, remote, marker)
        return outcome

    def _kept_before(self, plan: FlowPlan, key: str) -> Message | None:
        partner = _partner(plan)

        def find(view: View) -> Message | None:
            # One whose names were erased is known by the rest of its id.
            found = view.find_message(Direction.IN, partner, key)
            return found or view.find_message(Direction.IN, partner, nameless(key))

        found = self._hub.store.read(find)
        return None if found is None or found.state is MessageState.REJECTED else found

    def _keep(
        self, plan: FlowPlan, remote: Remote, file: RemoteFile, key: str, check: Callable[[], None]
    ) -> Kept | Duplicate:
        arrival = Arrival(
            partner=_partner(plan),
            protocol=plan.kind,
            protocol_id=key,
            facts={"channel": f"{plan.kind}:{plan.place}", "path": file.path, "file_size": file.size},
            flow=plan.id,
        )
        intake = Intake(self._hub, arrival)
        try:
            intake.begin_document(_content_type(file.name), safe_name(file.name, "document"))
            size, inspected = 0, False
            for chunk in remote.read(file):
                check()
                size += len(chunk)
                if size > file.size:
                    break
                intake.document_data(chunk, in_exact=False)
                if not inspected and size >= _INSPECTED:
                    inspected = True
                    _check_type(plan, file, intake)
            if size != file.size:
                raise Changed(f"{file.name} has other than the {file.size} octets that it had.")
            if not inspected:
                _check_type(plan, file, intake)
            intake.end_document(None)
            folder = file.path.rpartition("/")[0]
            whence = Whence(f"{plan.kind}:{plan.place}", folder, file.path, file.change)
            outcome = _settled(intake, intake.accept(whence.encode(), {}, None))
        except BaseException:
            intake.discard()
            raise
        if isinstance(outcome, Duplicate):
            intake.discard()
        return outcome

    def _afterwards(self, plan: FlowPlan, remote: Remote, file: RemoteFile) -> None:
        source = plan.settings.from_
        if source.after == "delete":
            remote.delete(file)
        elif source.after == "move" and source.move_to is not None:
            # A file that is gone was moved before, by a run that ended there.
            with contextlib.suppress(FileGone):
                remote.move(file, source.move_to)


def _is_another(first: Message, file: RemoteFile) -> bool:
    """Whether a file may have been written again since it was kept, its size and its time notwithstanding."""
    return whence_of(first).change not in ("", file.change)


def _digest(remote: Remote, file: RemoteFile, check: Callable[[], None]) -> str:
    digest = sha256()
    for chunk in remote.read(file):
        check()
        digest.update(chunk)
    return digest.hexdigest()


def _check_type(plan: FlowPlan, file: RemoteFile, intake: Intake) -> None:
    why = "" if plan.opens else plan.type_refusal(intake.kind)
    if why:
        raise NotTaken(f"{file.name} is left: {why}.")


def _settled(intake: Intake, future: Future[Kept | Duplicate]) -> Kept | Duplicate:
    try:
        return future.result()
    except Conflict:
        return intake.again().result()  # a twin was faster: then it is the first


def _partner(plan: FlowPlan) -> PartnerId:
    return PartnerId("" if plan.kind == "folder" else plan.place)


def _marker_of(plan: FlowPlan, file: RemoteFile) -> str:
    """The path of a file's marker."""
    assert plan.marker is not None, "there is one"
    folder, slash, name = file.path.rpartition("/")
    facts = Facts(name, name, "", plan.id, "", "", datetime.min, lambda: 0)
    return folder + slash + plan.marker.plain(facts)


def _is_marker(plan: FlowPlan, file: RemoteFile) -> bool:
    assert plan.marker is not None, "there is one"
    return matches(plan.marker.pattern(), file.name)


def _markers(plan: FlowPlan, files: Sequence[RemoteFile]) -> dict[str, RemoteFile]:
    if plan.marker is None:
        return {}
    return {file.path: file for file in files if _is_marker(plan, file)}


def _content_type(name: str) -> str:
    return _TYPES.get(stem_of(name)[1].lower(), "application/octet-stream")
