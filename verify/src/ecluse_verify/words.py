"""Every sentence that the verifier says, in English and in French; names in braces are filled in."""

from __future__ import annotations

from typing import Final

__all__ = ["HEADINGS", "SENTENCES", "sentence"]

HEADINGS: Final[dict[str, tuple[str, str]]] = {
    "broken": ("BROKEN", "ROMPU"),
    "proven": ("PROVEN", "PROUVÉ"),
    "claimed": ("CLAIMED (the hub alone says so)", "AFFIRMÉ (par le seul hub)"),
    "missing": ("NOT PROVEN OR MISSING", "NON PROUVÉ OU ABSENT"),
    "story": ("WHAT THE LOG TELLS", "CE QUE DIT LE JOURNAL"),
    "holds": ("Everything that is given as proof holds.", "Tout ce qui est présenté comme preuve tient."),
    "fails": ("Something does not hold: see above.", "Quelque chose ne tient pas : voir ci-dessus."),
    "pack": ("Evidence pack", "Dossier de preuve"),
}

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    # The container
    "zip": ("It is not a ZIP file.", "Ce n'est pas un fichier ZIP."),
    "zip.trailing": (
        "The ZIP file does not end with its directory: something stands behind it, or it was cut.",
        "Le fichier ZIP ne finit pas par son répertoire : quelque chose le suit, ou il a été coupé.",
    ),
    "zip.twice": ("The name stands in the ZIP file twice.", "Le nom figure deux fois dans le fichier ZIP."),
    "zip.gap": (
        "Octets of the ZIP file belong to no entry, or to two.",
        "Des octets du fichier ZIP n'appartiennent à aucune entrée, ou à deux.",
    ),
    "zip.local": (
        "Its two headers in the ZIP file contradict each other.",
        "Ses deux en-têtes dans le fichier ZIP se contredisent.",
    ),
    "zip.name": ("A name that a pack may not have.", "Un nom qu'un dossier ne peut pas contenir."),
    "zip.entry": (
        "The entry is damaged, or packed in a way that is not allowed.",
        "L'entrée est abîmée, ou comprimée d'une manière interdite.",
    ),
    "zip.bomb": (
        "Its files have more than {limit} octets together; --max-size takes more.",
        "Ses fichiers dépassent {limit} octets au total ; --max-size en accepte plus.",
    ),
    "file.missing": ("The file is not in the pack.", "Le fichier n'est pas dans le dossier."),
    "file.extra": ("The file is not in the manifest.", "Le fichier n'est pas dans le manifeste."),
    "file.altered": (
        "The file is not the one of the manifest: its size or digest is another.",
        "Le fichier n'est pas celui du manifeste : sa taille ou son empreinte diffère.",
    ),
    "file.large": (
        "The file is too large to be looked into (more than {limit} octets).",
        "Le fichier est trop grand pour être examiné (plus de {limit} octets).",
    ),
    "file.name": ("The file's name is not its digest.", "Le nom du fichier n'est pas son empreinte."),
    "file.differs": (
        "The log holds another digest for this file ({member}).",
        "Le journal contient une autre empreinte pour ce fichier ({member}).",
    ),
    "file.proven": (
        "Its digest is in record {index} of the log ({kind}, {when}).",
        "Son empreinte est dans l'enregistrement {index} du journal ({kind}, {when}).",
    ),
    "file.claimed": (
        "Its digest is in record {index} of the log ({kind}, {when}), whose key is not proven.",
        "Son empreinte est dans l'enregistrement {index} du journal ({kind}, {when}), dont la clé n'est pas prouvée.",
    ),
    "file.unbound": (
        "No record of the log holds its digest.",
        "Aucun enregistrement du journal ne contient son empreinte.",
    ),
    "file.unknown": (
        "The hub wrote it; nothing else bears it out.",
        "Le hub l'a écrit ; rien d'autre ne le confirme.",
    ),
    "json": (
        "It is not JSON in its one allowed spelling.",
        "Ce n'est pas du JSON dans sa seule écriture admise.",
    ),
    "base64": ("It is not well-formed base64.", "Ce n'est pas du base64 bien formé."),
    "decimal": ("A number is not well written.", "Un nombre est mal écrit."),
    "unreadable": ("It can't be read ({error}).", "Illisible ({error})."),
    # The manifest
    "manifest": (
        "It is not a manifest of ecluse.pack/1 in its one spelling.",
        "Ce n'est pas un manifeste ecluse.pack/1 dans sa seule écriture.",
    ),
    "manifest.note": (
        "The signed text is about another manifest.",
        "Le texte signé concerne un autre manifeste.",
    ),
    "manifest.proven": (
        "The log {origin} signed the list of all {count} files, made {made}.",
        "Le journal {origin} a signé la liste des {count} fichiers, établie {made}.",
    ),
    "manifest.claimed": (
        "A key that only the pack names signed the list of all {count} files for {origin}, made {made}.",
        "Une clé que seul le dossier désigne a signé la liste des {count} fichiers pour {origin}, établie {made}.",
    ),
    "manifest.says": ("The hub says: {note}", "Le hub dit : {note}"),
    # The log
    "note": ("It is not a signed note.", "Ce n'est pas une note signée."),
    "note.signature": (
        "The signature of {signer} does not fit.",
        "La signature de {signer} n'est pas la bonne.",
    ),
    "note.unsigned": (
        "No key of {origin} that counts signed it.",
        "Aucune clé de {origin} qui compte ne l'a signé.",
    ),
    "option.key": (
        "{option}: it is no such key. Give the lines of `ecluse log key` (of a witness: `ecluse log cosign`), "
        "or a file.",
        "{option} : ce n'est pas une telle clé. Donnez les lignes de `ecluse log key` (d'un témoin : `ecluse log "
        "cosign`), ou un fichier.",
    ),
    "option.certificate": (
        "{option}: {file} holds no certificate in PEM.",
        "{option} : {file} ne contient pas de certificat en PEM.",
    ),
    "vkey": ("It is not a verifier key.", "Ce n'est pas une clé de vérification."),
    "keys": ("It is not a list of verifier keys.", "Ce n'est pas une liste de clés de vérification."),
    "checkpoint": ("It is not a checkpoint of a log.", "Ce n'est pas un point de contrôle d'un journal."),
    "checkpoint.origin": ("It is of another log, {origin}.", "Il est d'un autre journal, {origin}."),
    "proof": (
        "It is not a proof that carries its record.",
        "Ce n'est pas une preuve qui porte son enregistrement.",
    ),
    "proof.key": (
        "A proof says nothing without the log's key: give it by --key.",
        "Une preuve ne dit rien sans la clé du journal : donnez-la par --key.",
    ),
    "proof.checkpoint": (
        "It is under another checkpoint than the pack's.",
        "Elle relève d'un autre point de contrôle que celui du dossier.",
    ),
    "proof.proven": (
        "{origin} signed for this among {size} records: record {index}, {kind} of {subject}, {when}.",
        "{origin} a signé ceci parmi {size} enregistrements : numéro {index}, {kind} de {subject}, {when}.",
    ),
    "proof.claimed": (
        "Record {index} of {size}, {kind} of {subject}, {when}: under a head of {origin} that no key was given for.",
        "Numéro {index} sur {size}, {kind} de {subject}, {when} : sous une tête de {origin} sans clé donnée.",
    ),
    "inclusion": (
        "The record is not in the log at that place: its hashes do not lead to the signed root.",
        "L'enregistrement n'est pas à cette place du journal : ses empreintes ne mènent pas à la racine signée.",
    ),
    "record": (
        "What is proven is not a record of a hub.",
        "Ce qui est prouvé n'est pas un enregistrement d'un hub.",
    ),
    "log.proven": (
        "The key that you gave signed the head of {origin} with {size} records.",
        "La clé que vous avez donnée a signé la tête de {origin}, de {size} enregistrements.",
    ),
    "log.claimed": (
        "The head of {origin} with {size} records is signed by a key that only the pack names: give it by --key.",
        "La tête de {origin}, de {size} enregistrements, vient d'une clé que seul le dossier désigne : voir --key.",
    ),
    "log.kind": (
        "The log's {kind} key did not sign this: it is older than that key, or the signature was taken off.",
        "La clé {kind} du journal n'a pas signé ceci : c'est plus ancien, ou la signature a été retirée.",
    ),
    "events.proven": (
        "The {count} records about {message} that are here stand in the log {origin}, in this order.",
        "Les {count} enregistrements sur {message} ici présents sont dans le journal {origin}, dans cet ordre.",
    ),
    "events.claimed": (
        "The {count} records about {message} that are here stand in the log {origin}, whose key is not proven.",
        "Les {count} enregistrements sur {message} ici présents sont dans le journal {origin}, à la clé non prouvée.",
    ),
    "events.none": ("There is no record about {message}.", "Il n'y a aucun enregistrement sur {message}."),
    "events.gap": (
        "The records are not numbered one after the other.",
        "Les enregistrements ne sont pas numérotés de suite.",
    ),
    "events.other": (
        "The record is about something else: {subject}.",
        "L'enregistrement porte sur autre chose : {subject}.",
    ),
    "events.order": (
        "The record is not behind the one before it.",
        "L'enregistrement n'est pas après le précédent.",
    ),
    "witness.proven": (
        "{name} saw this head of {size} records, and nothing that contradicts it, at {when}.",
        "{name} a vu cette tête de {size} enregistrements, et rien qui la contredise, le {when}.",
    ),
    "witness.claimed": (
        "{name} cosigned this head at {when}, with a key that only the pack names.",
        "{name} a cosigné cette tête le {when}, avec une clé que seul le dossier désigne.",
    ),
    "witness.unknown": (
        "A line of {name} is there, whose key is not known.",
        "Une ligne de {name} est là, dont la clé est inconnue.",
    ),
    "witness.missing": (
        "The witness {name} that you gave did not cosign this head.",
        "Le témoin {name} que vous avez donné n'a pas cosigné cette tête.",
    ),
    "witness.none": (
        "No witness cosigned the head: who holds the log's key could show others another log.",
        "Aucun témoin n'a cosigné la tête : qui détient la clé du journal pourrait en montrer un autre.",
    ),
    "stamp": ("It is not a time-stamp token.", "Ce n'est pas un jeton d'horodatage."),
    "stamp.imprint": ("The time-stamp is over something else.", "L'horodatage porte sur autre chose."),
    "stamp.usage": (
        "Its certificate may not be used for time-stamps.",
        "Son certificat ne peut pas servir à horodater.",
    ),
    "stamp.ended": (
        "Its certificate was not valid at that time.",
        "Son certificat n'était pas valide à ce moment.",
    ),
    "stamp.proven": (
        "{name} stamped this head of {size} records at {when}: everything under it existed then.",
        "{name} a horodaté cette tête de {size} enregistrements le {when} : tout ce qu'elle couvre existait alors.",
    ),
    "stamp.claimed": (
        "{name} stamped this head of {size} records at {when}; whether that is an authority is for --tsa to say.",
        "{name} a horodaté cette tête de {size} enregistrements le {when} ; à --tsa de dire si c'est une autorité.",
    ),
    "stamp.untrusted": (
        "No time-stamp of an authority that you gave is there.",
        "Aucun horodatage d'une autorité que vous avez donnée.",
    ),
    "stamp.none": (
        "No time-stamp: that it existed when it says is the hub's word.",
        "Pas d'horodatage : la date d'existence n'est que la parole du hub.",
    ),
    "ers": ("It is not an evidence record.", "Ce n'est pas un enregistrement de preuve (RFC 4998)."),
    "ers.order": ("Its time-stamps do not follow each other.", "Ses horodatages ne se suivent pas."),
    "ers.data": ("It does not cover this file.", "Il ne couvre pas ce fichier."),
    "ers.late": (
        "It was renewed after the authority's certificate had ended.",
        "Il a été renouvelé après la fin du certificat de l'autorité.",
    ),
    "ers.ended": (
        "The certificate of its last time-stamp ended at {when}, and it was not renewed.",
        "Le certificat de son dernier horodatage a pris fin le {when}, sans renouvellement.",
    ),
    "ers.proven": (
        "{covered} existed at {first}, by {count} time-stamps without a gap, the last at {last}: {names}.",
        "{covered} existait le {first}, par {count} horodatages sans lacune, le dernier le {last} : {names}.",
    ),
    "ers.claimed": (
        "{covered} existed at {first}, by {count} time-stamps up to {last}, if --tsa bears out {names}.",
        "{covered} existait le {first}, par {count} horodatages jusqu'au {last}, si --tsa confirme {names}.",
    ),
    "time.ahead": (
        "A record of {newest} is under a head that others saw at {when}: the hub's clock was wrong, or was set.",
        "Un enregistrement du {newest} est sous une tête vue par d'autres le {when} : l'horloge du hub était fausse.",
    ),
    # Breaks of the log
    "breaks": ("It is not a list of breaks of the log.", "Ce n'est pas une liste de ruptures du journal."),
    "break.proven": (
        "The log {before} was lost at {size} records and goes on as {origin}; its key signed that {who} decided so: "
        "{reason}",
        "Le journal {before} fut perdu à {size} enregistrements et continue en {origin} ; sa clé a signé que {who} l'a "
        "décidé : {reason}",
    ),
    "break.claimed": (
        "The log {before} was lost at {size} records and goes on as {origin}; a key that only the pack names signed "
        "that {who} decided so: {reason}",
        "Le journal {before} fut perdu à {size} enregistrements et continue en {origin} ; une clé que seul le dossier "
        "désigne a signé que {who} l'a décidé : {reason}",
    ),
    "break.differs": (
        "Of the break to {origin} it tells something else than what was signed.",
        "De la rupture vers {origin}, il dit autre chose que ce qui fut signé.",
    ),
    "break.signed.proven": (
        "{name} signed just this decision about {origin} with the key {key}, which you gave as theirs.",
        "{name} a signé exactement cette décision sur {origin} avec la clé {key}, que vous avez donnée comme sienne.",
    ),
    "break.signed.claimed": (
        "The key {key} signed just this decision about {origin}; that it is {name}'s, the hub says: see --operators.",
        "La clé {key} a signé exactement cette décision sur {origin} ; qu'elle est à {name}, le hub le dit : voir "
        "--operators.",
    ),
    "break.unsigned": (
        "No operator's signature is over the decision about {origin}: that {name} decided is the hub's word.",
        "Aucune signature d'opérateur sur la décision sur {origin} : que {name} a décidé n'est que la parole du hub.",
    ),
    "break.forged": (
        "What is given as {name}'s signature over the decision about {origin} is not one of the key that is named.",
        "Ce qui est donné comme signature de {name} sur la décision sur {origin} n'est pas de la clé désignée.",
    ),
    "break.same": (
        "{name} and {other} signed the decision about {origin} with one key: that is one person.",
        "{name} et {other} ont signé la décision sur {origin} avec une même clé : c'est une seule personne.",
    ),
    "break.stranger": (
        "The key {key} signed the decision about {origin} as {name}, and is none that you gave as theirs.",
        "La clé {key} a signé la décision sur {origin} pour {name}, et n'est pas de celles que vous lui avez données.",
    ),
    "sshsig": ("It is not a signature of an SSH key.", "Ce n'est pas une signature d'une clé SSH."),
    "signers": (
        "--operators: {file} is not a list of names and SSH keys, as `ecluse operator allowed-signers` gives it.",
        "--operators : {file} n'est pas une liste de noms et de clés SSH, comme en donne `ecluse operator "
        "allowed-signers`.",
    ),
    # Messages
    "message": ("It is not the account of this message.", "Ce n'est pas le récit de ce message."),
    "message.unlisted": (
        "The manifest and the pack do not name the same messages.",
        "Le manifeste et le dossier ne désignent pas les mêmes messages.",
    ),
    "opening": (
        "It gives a value for a commitment that does not stand for it, or that is in no such record.",
        "Il donne une valeur à un engagement qui ne la désigne pas, ou qui n'est dans aucun tel enregistrement.",
    ),
    "openings.proven": (
        "It shows what {count} commitments in the records stand for.",
        "Il montre ce que désignent {count} engagements des enregistrements.",
    ),
    "openings.claimed": (
        "It shows what {count} commitments in the records stand for, if those are the log's.",
        "Il montre ce que désignent {count} engagements des enregistrements, s'ils sont du journal.",
    ),
    "message.differs": ("It says another {member} than {path}.", "Il donne un autre {member} que {path}."),
    "message.claims": (
        "Message {message}, partner {partner}, state {state}: unless borne out above, its account is the hub's word.",
        "Message {message}, partenaire {partner}, état {state} : sauf preuve ci-dessus, c'est la parole du hub.",
    ),
    "message.shredded": (
        "Its octets were deleted; digests and signatures remain.",
        "Ses octets ont été effacés ; empreintes et signatures restent.",
    ),
    "content.none": (
        "The content of {message} is not in the pack.",
        "Le contenu de {message} n'est pas dans le dossier.",
    ),
    "document.inside": (
        "Document {number} (SHA-256 {digest}) is inside this content, octet for octet.",
        "Le document {number} (SHA-256 {digest}) est dans ce contenu, octet pour octet.",
    ),
    "document.outside": (
        "Document {number} (SHA-256 {digest}) was not found inside this content.",
        "Le document {number} (SHA-256 {digest}) n'a pas été trouvé dans ce contenu.",
    ),
    "configuration": (
        "It is not a version of the configuration.",
        "Ce n'est pas une version de la configuration.",
    ),
    "configuration.file": (
        "Its file {name} is not of that version.",
        "Son fichier {name} n'est pas de cette version.",
    ),
    # Signatures
    "mime": ("It is not a well-formed MIME entity.", "Ce n'est pas une entité MIME bien formée."),
    "der": ("It is not well-formed ASN.1.", "Ce n'est pas de l'ASN.1 bien formé."),
    "x509": ("A certificate in it can't be read.", "Un certificat y est illisible."),
    "pem": (
        "It is not one certificate in PEM and nothing else.",
        "Ce n'est pas un certificat en PEM et rien d'autre.",
    ),
    "cms": ("It is not a signature that can be read.", "Ce n'est pas une signature lisible."),
    "cms.unsigned": ("There is no signature in it.", "Il n'y a aucune signature dedans."),
    "cms.content": ("What it signs is not there.", "Ce qu'elle signe n'est pas là."),
    "cms.digest": ("The signature is over other octets.", "La signature porte sur d'autres octets."),
    "cms.signature": (
        "The signature does not fit the certificate's key.",
        "La signature ne correspond pas à la clé du certificat.",
    ),
    "cms.certificate": (
        "The certificate of who signed is not in the pack.",
        "Le certificat du signataire n'est pas dans le dossier.",
    ),
    "cms.ess": ("The signature names another certificate.", "La signature désigne un autre certificat."),
    "cms.algorithm": (
        "It is signed with an algorithm that is not accepted.",
        "Elle est signée par un algorithme non admis.",
    ),
    "weak": (
        "It rests on {digest}, which proves nothing against its own maker any more.",
        "Elle repose sur {digest}, qui ne prouve plus rien contre son propre auteur.",
    ),
    "signer.other": (
        "{name} signed it, and the log names another certificate.",
        "{name} l'a signé, et le journal désigne un autre certificat.",
    ),
    "signature.proven": (
        "The key of {name} signed the content of {message}, stated time {when}.",
        "La clé de {name} a signé le contenu de {message}, heure déclarée {when}.",
    ),
    "signature.digest": (
        "The key of {name} signed content of {message} that is not here, known by its digest, stated time {when}.",
        "La clé de {name} a signé un contenu de {message} absent d'ici, connu par son empreinte, heure dite {when}.",
    ),
    "signature.content": (
        "The signature is over other content than the log names.",
        "La signature porte sur un autre contenu que celui du journal.",
    ),
    "signature.none": (
        "No signature over the content of {message} is in the pack.",
        "Aucune signature du contenu de {message} n'est dans le dossier.",
    ),
    "certificate.trusted": (
        "{name} is vouched for by {anchor}, which you gave.",
        "{name} est garanti par {anchor}, que vous avez donné.",
    ),
    "certificate.untrusted": (
        "{name} signed as {partner}, and none of the certificates that you gave vouches for it.",
        "{name} a signé pour {partner}, et aucun des certificats que vous avez donnés ne le garantit.",
    ),
    "certificate.partner": (
        "That {name} is the certificate of {partner}: give theirs by --trust to have it proven.",
        "Que {name} est le certificat de {partner} : donnez le leur par --trust pour le prouver.",
    ),
    "certificate.ours": (
        "That {name} is the hub's own certificate.",
        "Que {name} est le certificat du hub lui-même.",
    ),
    "certificate.ended": ("{name} was not valid at {when}.", "{name} n'était pas valide le {when}."),
    "certificate.late": (
        "{name} had ended when somebody else first saw this log, at {when}: when it signed is its own word.",
        "{name} avait pris fin quand un tiers a vu ce journal, le {when} : l'heure de signature n'est que sa parole.",
    ),
    "certificate.revoked": (
        "{name} was revoked at {since}, before {when}.",
        "{name} a été révoqué le {since}, avant le {when}.",
    ),
    "certificate.revoked-later": (
        "{name} was revoked at {since}, after it was used.",
        "{name} a été révoqué le {since}, après son usage.",
    ),
    "certificate.unrevoked": (
        "{name} was not revoked, by {count} answers of its issuer.",
        "{name} n'était pas révoqué, d'après {count} réponses de son émetteur.",
    ),
    "certificate.unanswered": (
        "Nobody says whether {name} was revoked.",
        "Personne ne dit si {name} était révoqué.",
    ),
    "revocation": (
        "It is not an answer about revocation that its issuer signed.",
        "Ce n'est pas une réponse de révocation signée par l'émetteur.",
    ),
    # Receipts
    "receipt": ("It is not a receipt that can be read.", "Ce n'est pas un accusé lisible."),
    "receipt.message": (
        "It answers {original}, and not {expected}.",
        "Il répond à {original}, et non à {expected}.",
    ),
    "receipt.positive": (
        "The key of {name} signed this receipt at {when}: it has {original}, and says {disposition}.",
        "La clé de {name} a signé cet accusé le {when} : elle a {original}, et dit {disposition}.",
    ),
    "receipt.negative": (
        "The key of {name} signed at {when} that it refuses {original}: {disposition}.",
        "La clé de {name} a signé le {when} qu'elle refuse {original} : {disposition}.",
    ),
    "answer.positive": (
        "The hub's key {name} signed this answer at {when}: it has {original}, and says {disposition}.",
        "La clé du hub {name} a signé cette réponse le {when} : elle a {original}, et dit {disposition}.",
    ),
    "answer.negative": (
        "The hub's key {name} signed at {when} that it refuses {original}: {disposition}.",
        "La clé du hub {name} a signé le {when} qu'elle refuse {original} : {disposition}.",
    ),
    "receipt.unsigned": (
        "This says {disposition} of {original}, and is not signed: anybody could have written it.",
        "Ceci dit {disposition} de {original}, sans signature : n'importe qui a pu l'écrire.",
    ),
    "receipt.other": (
        "The hub noted a receipt of kind {kind}, {verdict}.",
        "Le hub a noté un accusé du type {kind}, {verdict}.",
    ),
    "receipt.none": (
        "No signed receipt for {message} is in the pack.",
        "Aucun accusé signé pour {message} n'est dans le dossier.",
    ),
    "mic.equal": (
        "{name} says with it that just this content arrived: the MIC ({algorithm}), computed anew, is equal.",
        "{name} dit par là que ce contenu précis est arrivé : le MIC ({algorithm}), recalculé, est égal.",
    ),
    "mic.differs": (
        "The MIC ({algorithm}) is that of other content.",
        "Le MIC ({algorithm}) est celui d'un autre contenu.",
    ),
    "mic.logged": (
        "The MIC ({algorithm}) is equal to the one in record {index}; the content itself is not here.",
        "Le MIC ({algorithm}) est égal à celui de l'enregistrement {index} ; le contenu lui-même n'est pas ici.",
    ),
    "mic.none": (
        "The receipt says nothing about which octets arrived.",
        "L'accusé ne dit pas quels octets sont arrivés.",
    ),
    "mic.unknown": ("There is nothing to compare the MIC with.", "Il n'y a rien à quoi comparer le MIC."),
    "mic.algorithm": (
        "The MIC is by an unknown algorithm: {algorithm}.",
        "Le MIC est d'un algorithme inconnu : {algorithm}.",
    ),
}


def sentence(code: str, facts: dict[str, str], language: str) -> str:
    """The sentence of a finding in ``en`` or ``fr``."""
    return SENTENCES[code][language == "fr"].format_map(facts)
