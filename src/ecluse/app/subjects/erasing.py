"""Erasing what a person asked for: a plan, signatures over it, and carrying it out, item by item.

Where the hub has two operators who may (roles ``archive`` or ``trust``), two of them sign exactly that plan: a claim to
be somebody must not be enough to destroy evidence. Every message is asked for again in the transaction that erases it;
what stands in its way then is refused, and the rest goes on. What was done stands in the plan, so that a run that was
cut goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ecluse.app.changes import Signer
from ecluse.app.subjects.deadlines import Ground
from ecluse.app.subjects.planning import digest_of, make_plan, standing_in_the_way
from ecluse.app.subjects.requests import BadRequest, Item, Request, find_request, in_time, save
from ecluse.app.subjects.searching import Check, search
from ecluse.archive.classes import DataClass
from ecluse.archive.copies import finish_erasures
from ecluse.archive.shredding import Kept, Reason, family_of, shred
from ecluse.archive.signing import Signed, checked, counting
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import Json
from ecluse.model.basics import MessageId
from ecluse.store.port import Tx

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["ROLES", "NotSigned", "carry_out", "eyes", "plan_erasure", "sign_plan", "statement"]

ROLES: Final = frozenset({"archive", "trust"})
"""Operators with one of these may sign an erasure."""
EYES: Final = 2


class NotSigned(EcluseError):
    """The plan has not the signatures that it needs."""

    code = "subject.not-signed"
    fault = Fault.USAGE
    remedy = "Have another operator sign it: `ecluse subject erase REQUEST --as NAME`."


def eyes(node: Node) -> int:
    """How many operators have to sign an erasure: two where there are two who may, and none elsewhere."""
    able = [each for each in node.directory.hub.operators if {*each.roles} & ROLES and each.keys]
    return EYES if len(able) >= EYES else 0


def plan_erasure(
    node: Node,
    id: str,
    *,
    in_documents: bool = False,
    everything: bool = False,
    check: Check = lambda where, count: None,
) -> Request:
    """Look for the person's data and write down what would become of it; signatures over an earlier plan are gone.

    Raises:
        NoSuchRequest: There is none.
        BadRequest: It asks for something else, was answered, or is being carried out.
    """
    _, request = node.store.read(lambda view: find_request(view, id))
    _check_open(request)
    if any(item.outcome for item in request.plan):
        raise BadRequest(f"The plan of {id} is being carried out.", remedy="Let it be finished.")
    found = list(search(node, request.words, in_documents=in_documents, check=check))
    plan = make_plan(node, found, everything=everything)
    now = node.hub.clock()

    def work(tx: Tx) -> Request:
        record, present = find_request(tx, id)
        _check_open(present)
        digest = digest_of(plan)
        signatures = present.signatures if digest == present.plan_sha256 else ()
        after = msgspec.structs.replace(
            present, plan=plan, plan_sha256=digest, signatures=signatures, deep=in_documents
        )
        save(tx, record, after, now)
        if digest != present.plan_sha256:
            facts: dict[str, Json] = {
                "plan": digest,
                "erase": sum(item.does == "erase" for item in plan),
                "refuse": sum(item.does == "refuse" for item in plan),
                "in_documents": in_documents,
            }
            node.hub.event(tx, "subject.planned", f"request:{id}", facts, at=now)
        return after

    return node.store.write(work)


def statement(node: Node, request: Request, operator: str) -> str:
    """What an operator signs."""
    return (
        "ecluse.erasure/1\n"
        f"hub: {node.directory.hub.log_origin}\n"
        f"request: {request.id}\n"
        f"plan: {request.plan_sha256}\n"
        f"operator: {operator}\n"
    )


def sign_plan(node: Node, id: str, signer: Signer) -> Request:
    """Put an operator's signature to the plan. Raises as :func:`ecluse.archive.signing.checked` does."""
    _, request = node.store.read(lambda view: find_request(view, id))
    _check_open(request)
    if not request.plan_sha256:
        raise BadRequest(f"The request {id} has no plan yet.")
    now = node.hub.clock()
    text = statement(node, request, signer.operator)
    signed = checked(text, node.directory.hub.operators, ROLES, signer.operator, signer.sign(text), now)

    def work(tx: Tx) -> Request:
        record, present = find_request(tx, id)
        _check_open(present)
        if present.plan_sha256 != request.plan_sha256:
            raise BadRequest(
                f"The plan of {id} was made anew meanwhile.", remedy="Look at it, and sign again."
            )
        others = tuple(each for each in present.signatures if each.operator != signed.operator)
        after = msgspec.structs.replace(present, signatures=(*others, signed))
        save(tx, record, after, now)
        facts: dict[str, Json] = {
            "plan": present.plan_sha256,
            "statement": text,
            "operator": signed.operator,
            "key": signed.key,
            "fingerprint": signed.fingerprint,
            "signature": signed.signature,
        }
        by = f"operator:{signed.operator}"
        node.hub.event(tx, "subject.approved", f"request:{id}", facts, actor=by, at=now)
        return after

    return node.store.write(work)


def carry_out(node: Node, id: str, *, actor: str, reason: str) -> Request:
    """Erase what the plan says, and answer the request.

    Raises:
        NotSigned: Two operators have to sign it, and did not.
        BadRequest: There is no plan, or the request was answered.
    """
    _, request = node.store.read(lambda view: find_request(view, id))
    _check_open(request)
    if not request.plan_sha256:
        raise BadRequest(f"The request {id} has no plan yet.")
    _check_signed(node, request)
    for number, item in enumerate(request.plan):
        if not item.outcome:
            node.store.write(lambda tx, number=number, item=item: _do(node, tx, id, number, item, actor))  # type: ignore[misc]
    request = node.store.write(lambda tx: _end(node, tx, id, actor, reason))
    finish_erasures(node.hub, node.store, node.hub.copies)
    return request


def _check_signed(node: Node, request: Request) -> None:
    needed = eyes(node)
    if not needed:
        return
    valid: list[Signed] = []
    for name in dict.fromkeys(signed.operator for signed in request.signatures):
        text = statement(node, request, name)
        own = [signed for signed in request.signatures if signed.operator == name]
        valid += counting(text, own, node.directory.hub.operators, ROLES)
    if len({signed.key for signed in valid}) < needed:
        raise NotSigned(f"{len(valid)} of {needed} operators in force signed the plan of {request.id}.")


def _do(node: Node, tx: Tx, id: str, number: int, item: Item, actor: str) -> None:
    record, request = find_request(tx, id)
    now = node.hub.clock()
    after = _done(node, tx, request, item, actor) if item.does == "erase" else _outcome(item, "refused")
    plan = (*request.plan[:number], after, *request.plan[number + 1 :])
    save(tx, record, msgspec.structs.replace(request, plan=plan), now)


def _done(node: Node, tx: Tx, request: Request, item: Item, actor: str) -> Item:
    if item.what == "log":
        tx.overwrite()
        gone = tx.forget_besides(item.rows)
        return _outcome(item, "erased" if gone else "nothing-left")
    stands = standing_in_the_way(tx, item.id)
    root = tx.message(MessageId(item.id))
    if stands is not None:
        ground, why, reference, until = stands
        return _outcome(item, "refused", ground=ground.value, why=why, reference=reference, until=until)
    if root is None:
        return _outcome(item, "nothing-left")
    classes = frozenset(DataClass(name) for name in item.classes)
    try:
        count = shred(
            tx,
            node.hub,
            family_of(tx, root),
            reason=Reason.DATA_SUBJECT,
            actor=actor,
            at=node.hub.clock(),
            classes=classes,
            because=request.id,
        )
    except Kept as kept:
        return _outcome(item, "refused", ground=Ground.LEGAL_OBLIGATION.value, why=kept.cause)
    return _outcome(item, "erased" if count else "nothing-left")


def _outcome(item: Item, outcome: str, **changes: Any) -> Item:
    return msgspec.structs.replace(item, outcome=outcome, **changes)


def _end(node: Node, tx: Tx, id: str, actor: str, reason: str) -> Request:
    record, request = find_request(tx, id)
    if request.ended is not None:
        return request
    now = node.hub.clock()
    after = msgspec.structs.replace(request, ended=now, answer="erased", reason=reason)
    save(tx, record, after, now)
    facts: dict[str, Json] = {
        "plan": request.plan_sha256,
        "erased": sum(item.outcome == "erased" for item in after.plan),
        "refused": sum(item.outcome == "refused" for item in after.plan),
        "nothing_left": sum(item.outcome == "nothing-left" for item in after.plan),
        "in_time": in_time(after),
        "reason": reason,
    }
    node.hub.event(tx, "subject.erased", f"request:{id}", facts, actor=actor, at=now)
    return after


def _check_open(request: Request) -> None:
    if request.wants != "erasure":
        raise BadRequest(f"The request {request.id} asks for access, and not for erasure.")
    if request.ended is not None:
        raise BadRequest(f"The request {request.id} was answered: {request.answer}.")
