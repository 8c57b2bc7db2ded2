"""Commands before and beside the transfers: TLS, login, settings (RFC 4217, RFC 2389, RFC 2228)."""

from __future__ import annotations

from ecluse.channels.ftps.server.session import Session, Stop
from ecluse.wire.ftp import FACTS, Reply

__all__ = [
    "allo",
    "auth",
    "ccc",
    "clnt",
    "feat",
    "help_",
    "mode",
    "noop",
    "opts",
    "pass_",
    "pbsz",
    "prot",
    "quit_",
    "rein",
    "stru",
    "syst",
    "type_",
    "user",
]

_NO_TLS = Reply(530, "Change to TLS first, with AUTH TLS.")


def auth(session: Session, argument: str) -> Reply | None:
    """Change to TLS. ``SSL`` and ``TLS-P`` protect the data connections too (RFC 4217 section 4.2)."""
    mechanism = argument.upper()
    if session.stream.tls is not None:
        return Reply(503, "There is TLS already.")
    if mechanism not in ("TLS", "TLS-C", "SSL", "TLS-P"):
        return Reply(504, "AUTH TLS is spoken here.")
    session.say(Reply(234, "Begin TLS."))
    session.secure()
    session.state.protected = mechanism in ("SSL", "TLS-P")
    return None


def pbsz(session: Session, argument: str) -> Reply:
    """The buffer size, which TLS leaves at 0 (RFC 4217 section 8)."""
    if session.stream.tls is None:
        return Reply(503, "There is no TLS yet.")
    session.state.buffer_size_said = True
    return Reply(200, "PBSZ=0")


def prot(session: Session, argument: str) -> Reply:
    """The protection of data connections: only P."""
    level = argument.upper()
    if session.stream.tls is None or not session.state.buffer_size_said:
        return Reply(503, "PBSZ comes first.")
    if level == "P":
        session.state.protected = True
        return Reply(200, "Data connections are private.")
    if level == "C":
        return Reply(534, "Data is not sent in clear.")
    return Reply(536 if level in ("S", "E") else 504, "PROT P is spoken here.")


def ccc(session: Session, argument: str) -> Reply:
    """The control connection stays in TLS."""
    return Reply(533, "Commands stay in TLS.")


def user(session: Session, argument: str) -> Reply:
    """Who it is. A client whose certificate is enough is in; everybody else is asked for a password."""
    state = session.state
    if session.stream.tls is None:
        return _NO_TLS
    if state.guest is not None:
        return Reply(503, "You are logged in.")
    state.user = argument
    if session.certificate is not None:
        state.guest = session.visit.login(argument, None, session.certificate)
        if state.guest is not None:
            return Reply(232, "Logged in by certificate.")
    return Reply(331, "Password, please.")


def pass_(session: Session, argument: str) -> Reply:
    """The password. A failure says nothing of its reason; a few of them end the connection."""
    state = session.state
    if session.stream.tls is None:
        return _NO_TLS
    if state.guest is not None:
        return Reply(202, "You are logged in.")
    if not state.user:
        return Reply(503, "USER comes first.")
    name, state.user = state.user, ""
    state.guest = session.visit.login(name, argument.encode(), session.certificate)
    if state.guest is not None:
        return Reply(230, "Logged in.")
    state.failures += 1
    if session.visit.refused or state.failures >= session.limits.login_attempts:
        return Reply(421, "Too many failed logins.")
    return Reply(530, "The login failed.")


def feat(session: Session, argument: str) -> Reply:
    """What is spoken beyond RFC 959."""
    facts = "".join(f"{fact}{'*' if fact in session.state.facts else ''};" for fact in FACTS)
    lines = (
        "AUTH TLS",
        "EPSV",
        "MDTM",
        "MFMT",
        f"MLST {facts}",
        "PBSZ",
        "PROT",
        "REST STREAM",
        "SIZE",
        "TVFS",
        "UTF8",
    )
    return Reply(211, "End", lines, "Features:")


def opts(session: Session, argument: str) -> Reply:
    """UTF-8 is always on; MLST has its facts chosen (RFC 3659 section 7.9)."""
    name, _, value = argument.partition(" ")
    if name.upper() in ("UTF8", "UTF-8"):
        return Reply(200, "UTF-8 is always on.")
    if name.upper() == "MLST":
        asked = {fact.lower() for fact in value.split(";")}
        session.state.facts = tuple(fact for fact in FACTS if fact in asked)
        return Reply(200, "MLST OPTS " + "".join(f"{fact};" for fact in session.state.facts))
    return Reply(501, "There is no such option.")


def type_(session: Session, argument: str) -> Reply:
    """Every type is taken, and octets stay what they are: a document is not changed on its way."""
    if argument.upper().split(" ")[0] in ("A", "I", "L"):
        return Reply(200, "Octets are transferred as they are.")
    return Reply(504, "Types A and I are spoken here.")


def mode(session: Session, argument: str) -> Reply:
    """Streams only."""
    return Reply(200, "Stream.") if argument.upper() == "S" else Reply(504, "Mode S is spoken here.")


def stru(session: Session, argument: str) -> Reply:
    """Files only."""
    return Reply(200, "File.") if argument.upper() == "F" else Reply(504, "Structure F is spoken here.")


def allo(session: Session, argument: str) -> Reply:
    """Room that a client wants to be there: it learns at once when there is too little."""
    size = argument.split(" ")[0]
    if not (size.isascii() and size.isdigit() and len(size) < 20):
        return Reply(501, "The argument is a number of octets.")
    space = session.guest.tree.space()
    if int(size) > space.total - space.used:
        return Reply(552, "There is not so much room.")
    return Reply(200, "There is room.")


def noop(session: Session, argument: str) -> Reply:
    """Nothing."""
    return Reply(200, "Well.")


def syst(session: Session, argument: str) -> Reply:
    """Clients choose how to read LIST by this."""
    return Reply(215, "UNIX Type: L8")


def help_(session: Session, argument: str) -> Reply:
    """A person asks."""
    return Reply(214, "FEAT lists what is spoken here.")


def clnt(session: Session, argument: str) -> Reply:
    """A client says its name; nothing depends on it."""
    return Reply(200, "Noted.")


def rein(session: Session, argument: str) -> Reply:
    """Starting over would leave TLS (RFC 4217 section 11); a new connection does it too."""
    return Reply(502, "Open another connection instead.")


def quit_(session: Session, argument: str) -> None:
    """The end."""
    session.say(Reply(221, "Goodbye."))
    raise Stop
