"""What is missing in a pack, and why: sentences in English for the manifest, and in French beside them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = ["Language", "Note"]

Language = Literal["en", "fr"]

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "withheld": (
        "Documents, and the octets that hold them, were left out on purpose; their digests are there.",
        "Les documents, et les octets qui les contiennent, ont été omis volontairement ; leurs empreintes y sont.",
    ),
    "shredded": (
        "{message}: its octets were deleted on {0}; the record {1} proves it.",
        "{message} : ses octets ont été effacés le {0} ; l'enregistrement {1} le prouve.",
    ),
    "octets-gone": (
        "{message}: the octets of {0} are not kept any more.",
        "{message} : les octets de {0} ne sont plus conservés.",
    ),
    "erased": (
        "{message}: {0} was erased, as what it may say of persons; the log says when and why.",
        "{message} : {0} a été effacé, pour ce qu'il pouvait dire de personnes ; le journal dit quand et pourquoi.",
    ),
    "refused": (
        "{message}: it was refused, and nothing of its content was kept.",
        "{message} : il a été refusé, et rien de son contenu n'a été conservé.",
    ),
    "entity-differs": (
        "{message}: the octets that its MIC is over could not be built again: they come out with another digest.",
        "{message} : les octets couverts par son MIC n'ont pas pu être reconstruits : leur empreinte diffère.",
    ),
    "no-signature": (
        "{message}: the partner's signature was not kept apart from the content when it came.",
        "{message} : la signature du partenaire n'a pas été conservée à part à l'arrivée.",
    ),
    "certificate-unknown": (
        "{message}: the certificate {0} is not held any more.",
        "{message} : le certificat {0} n'est plus détenu.",
    ),
    "receipt-unread": (
        "{message}: receipt {0} can't be read as an MDN, or nobody known signed it.",
        "{message} : l'accusé {0} ne se lit pas comme un MDN, ou aucun signataire connu ne l'a signé.",
    ),
    "unbound": (
        "{message}: no record of the log holds the digest of {0}; the release that wrote it did not yet.",
        "{message} : aucun enregistrement du journal ne porte l'empreinte de {0} (version antérieure).",
    ),
    "no-configuration": (
        "{message}: the configuration that governed it is in no version.",
        "{message} : la configuration qui le régissait ne figure dans aucune version.",
    ),
    "configuration-unbound": (
        "Configuration {0}: its record does not hold the digests of its files one by one.",
        "Configuration {0} : son enregistrement ne porte pas les empreintes de ses fichiers une à une.",
    ),
    "no-revocation": (
        "No answer about the revocation of the certificates is held.",
        "Aucune réponse sur la révocation des certificats n'est détenue.",
    ),
    "log-broken": (
        "The hub found that its log does not continue what was signed before, and no person has decided yet.",
        "Le hub a constaté que son journal ne continue pas ce qui avait été signé, et nul n'a encore décidé.",
    ),
    "no-stamp": (
        "No time-stamp of an authority covers this head of the log: the times are those that the hub claims.",
        "Aucun horodatage d'une autorité ne couvre cette tête du journal : les heures sont celles qu'affirme le hub.",
    ),
    "no-cosignature": (
        "No witness cosigned this head of the log: that the log has no other version is the hub's word.",
        "Aucun témoin n'a cosigné cette tête du journal : l'absence d'une autre version repose sur la parole du hub.",
    ),
}


class Note(msgspec.Struct, frozen=True):
    """One thing that is missing.

    Attributes:
        code: Which, a key of the words.
        message: Id of the message that it is about, where it is one.
        values: What the sentence names.
    """

    code: str
    message: str = ""
    values: tuple[str, ...] = ()

    def text(self, language: Language) -> str:
        """The sentence."""
        return _WORDS[self.code][language == "fr"].format(*self.values, message=self.message)
