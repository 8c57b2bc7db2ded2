"""Everything that trust rests on, in one list: certificates, keys, references to secrets, trust anchors.

    credential   one of them, with its strength, its bindings and its validity
    query        which of them are asked for
    listing      all of them, joined with what was observed
    theirs       from a partner's file        ours        from the keyring and ecluse.toml
    ssh          lines of public keys         openpgp     certificates
    references   names of secrets             strength    bits of security

Nothing here does I/O: a configuration, a keyring and observations come in, credentials go out.
"""

from ecluse.trust.inventory.credential import (
    KINDS,
    Binding,
    Credential,
    Kind,
    Revocation,
    Seen,
    State,
    Subkey,
)
from ecluse.trust.inventory.listing import Inventory, Observed, Use
from ecluse.trust.inventory.query import Query
from ecluse.trust.inventory.strength import strength_of

__all__ = [
    "KINDS",
    "Binding",
    "Credential",
    "Inventory",
    "Kind",
    "Observed",
    "Query",
    "Revocation",
    "Seen",
    "State",
    "Subkey",
    "Use",
    "strength_of",
]
