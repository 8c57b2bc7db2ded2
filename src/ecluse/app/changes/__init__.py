"""Four eyes: changes to trust wait for a second person, where the hub has two.

A hub whose configuration in force names two or more operators of role ``trust`` (``[[operators]]``) has four eyes.
:func:`ecluse.app.settings.apply_files`, through which every configuration comes into force, then holds one that
changes trust (:func:`ecluse.trust.changes.sensitive.sensitive` says which do): nothing of it takes effect, what was
in force goes on, and :class:`ChangeHeld` is raised, whose ``proposal`` is what waits. **A held change takes effect
once two different operators of role trust have signed it.** Who proposes may sign at once (``signer=``) and is then
the first of the two; what nobody signed (a program, a flow of certificates, an operator without ``--as``) needs two
approvals.

    from ecluse.app.settings import apply_files, change_files
    apply_files(node, files, actor=..., reason=..., signer=None)   raises ChangeHeld, else as before
    change_files(node, files, actor=..., reason=..., signer=None)  the same; writes into the folder only what is in
                                                                   force, so that a held change leaves no trace there

    ChangeHeld.proposal -> Proposal     id, until, text (what is signed), proposer, ...
    proposals(node, all=False)          those that wait, or all that are still kept: [Entry(record, proposal)]
    find(node, id) -> Entry             one of them
    statement(node, id, action, operator, because="") -> str    the text that an operator signs
    approve(node, id, operator, signature) -> Decision          in force where it is the second signature
    refuse(node, id, operator, signature, because) -> Decision
    withdraw(node, id, operator, signature) -> Decision         by who proposed it
    expire(node) -> int                 ends what waited too long; the service does it, and so does every read
    announce(node, files, actor=..., reason=..., signer=...)    one operator removes another who is gone, after a wait
    evidence(node, id) -> {file: text}  everything that was signed, for ``ssh-keygen -Y verify``
    check_versions(node, since=1) -> [Verdict]  whether every version in force came there as it had to

A hub with fewer than two such operators works as it always did; ``config.applied`` says ``"eyes": 1`` and how many
changes to trust the version had. Lowering the number of operators from two to one is itself a change to trust.

A proposal is a record of kind ``proposal`` (the files that it would change are beside it, kind ``proposal-files``). It
is working state and believed for nothing: what is signed is made again from the files and the configuration in force
before anything is done, and the signatures in the log are the evidence. Its states:

    pending ---> applied      two operators signed it; version, record and events are one transaction
            +--> refused      another operator signed that it shall not be
            +--> withdrawn    who proposed it took it back
            +--> expired      its time was over
            +--> stale        another version came between, and it would not change exactly what was signed any more

    proposal    what is proposed, and the text that is signed       gate      holding
    check       whether it still is what was signed                 decide    approving, refusing, withdrawing
    expiry      time, and forgetting                                evidence  files for ssh-keygen
    recovery    one operator alone, announced, after a wait
    signing     with a key's file or an agent                       history   checking what is in force by the log
"""

from ecluse.app.changes.check import BadApproval
from ecluse.app.changes.decide import Decision, approve, refuse, withdraw
from ecluse.app.changes.evidence import evidence
from ecluse.app.changes.expiry import change_expiry, expire
from ecluse.app.changes.gate import ChangeHeld, hold
from ecluse.app.changes.history import Verdict, check_versions
from ecluse.app.changes.lookup import Entry, find, proposals, statement
from ecluse.app.changes.proposal import NAMESPACE, Proposal, Signed, Signer
from ecluse.app.changes.recovery import announce

__all__ = [
    "NAMESPACE",
    "BadApproval",
    "ChangeHeld",
    "Decision",
    "Entry",
    "Proposal",
    "Signed",
    "Signer",
    "Verdict",
    "announce",
    "approve",
    "change_expiry",
    "check_versions",
    "evidence",
    "expire",
    "find",
    "hold",
    "proposals",
    "refuse",
    "statement",
    "withdraw",
]
