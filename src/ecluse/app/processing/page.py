"""The record of processing activities as a page for people: Markdown or HTML, in English or French."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

__all__ = ["LANGUAGES", "as_html", "as_markdown"]

LANGUAGES: Final = ("en", "fr")

_FR: Final = {
    "Record of processing activities": "Registre des activités de traitement",
    "Article 30 of Regulation (EU) 2016/679; made": "Article 30 du règlement (UE) 2016/679 ; établi le",
    "from version": "à partir de la version",
    "of the configuration": "de la configuration",
    "Organisation": "Organisme",
    "Role": "Qualité",
    "controller": "responsable du traitement",
    "processor": "sous-traitant",
    "On behalf of": "Pour le compte de",
    "Data protection officer": "Délégué à la protection des données",
    "Activities": "Activités",
    "Activity": "Activité",
    "Purpose": "Finalité",
    "Legal basis": "Base juridique",
    "Persons": "Personnes concernées",
    "Data": "Données",
    "Recipients": "Destinataires",
    "Kept": "Durée de conservation",
    "Partner": "Partenaire",
    "By": "Par",
    "Where": "Où",
    "Country": "Pays",
    "Transfer": "Transfert",
    "Archive profiles": "Profils d'archivage",
    "Profile": "Profil",
    "Security measures (article 32)": "Mesures de sécurité (article 32)",
    "Measure": "Mesure",
    "State": "État",
    "Not written down": "Non renseigné",
    "documents": "documents",
    "signed bytes": "octets signés",
    "receipts": "accusés",
    "names": "noms",
    "undelivered": "non remis",
    "forever": "sans limite",
    "delivered": "jusqu'à la remise",
    "archive": "selon le profil d'archivage",
    "none": "aucun",
    "unknown": "inconnu",
    "adequacy-decision": "décision d'adéquation",
    "third-country": "pays tiers : garanties à documenter (articles 46 et 49)",
    "yes": "oui",
    "no": "non",
    "Documents of no flow": "Documents hors flux",
    "Log of evidence, operators, partners' contacts": "Journal de preuve, opérateurs, contacts des partenaires",
    "To prove what was exchanged, and who was entitled to what (articles 5(2) and 32)": (
        "Prouver ce qui a été échangé, et qui était habilité à quoi (articles 5(2) et 32)"
    ),
    "Article 6(1)(c) and (f)": "Article 6(1)(c) et (f)",
    "operators of the hub": "opérateurs de la plateforme",
    "contacts at partners": "contacts chez les partenaires",
    "persons behind network addresses": "personnes derrière des adresses réseau",
    "addresses of mail": "adresses électroniques",
    "network addresses and user names": "adresses réseau et identifiants",
    "comments": "commentaires",
}

_MEASURES: Final = {
    "sealed": (
        "Documents are encrypted at rest, each under a key of its own",
        "Documents chiffrés au repos, chacun sous sa propre clé",
    ),
    "shredding": (
        "Deletion destroys keys, in every copy, and is recorded",
        "L'effacement détruit les clés, dans chaque copie, et est journalisé",
    ),
    "keys-apart": ("Keys are kept apart from backups", "Clés conservées à part des sauvegardes"),
    "log": (
        "Tamper-evident log of all events",
        "Journal de tous les événements, dont toute altération se voit",
    ),
    "commitments": (
        "Personal data enters the log as salted commitments alone",
        "Les données personnelles n'entrent au journal que sous forme d'engagements salés",
    ),
    "four-eyes": (
        "Two operators sign changes to trust",
        "Deux opérateurs signent les changements de confiance",
    ),
    "revocation": ("Certificates are checked for revocation", "Révocation des certificats vérifiée"),
    "keyring": ("Where private keys are", "Emplacement des clés privées"),
    "tls": ("TLS at the AS2 listener", "TLS à l'écoute AS2"),
    "archive-places": ("Second places of the archive", "Seconds lieux d'archivage"),
    "findings": ("Open findings of posture", "Constats de posture ouverts"),
}

_Table = tuple[str, Sequence[str], list[list[str]]]


def as_markdown(record: dict[str, Any], language: str = "en") -> str:
    """The page in Markdown (GitHub's tables)."""
    title, head, tables = _content(record, language)
    lines = [f"# {_md(title)}", "", _md(head), ""]
    for name, columns, rows in tables:
        lines += [f"## {_md(name)}", ""]
        lines.append("| " + " | ".join(map(_md, columns)) + " |")
        lines.append("|" + "---|" * len(columns))
        lines += ["| " + " | ".join(map(_md, row)) + " |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _md(text: str) -> str:
    clean = " ".join(text.split())
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>#|" else each for each in clean)


def as_html(record: dict[str, Any], language: str = "en") -> str:
    """The page in HTML: printable, by itself, without script."""
    title, head, tables = _content(record, language)
    body = [f"<h1>{escape(title)}</h1>", f"<p>{escape(head)}</p>"]
    for name, columns, rows in tables:
        cells = "".join(f"<th>{escape(each)}</th>" for each in columns)
        lines = "".join(
            "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>\n" for row in rows
        )
        body.append(
            f"<h2>{escape(name)}</h2>\n<table><thead><tr>{cells}</tr></thead><tbody>\n{lines}</tbody></table>"
        )
    style = (
        "body{font:10pt/1.4 sans-serif;margin:2cm;color:#000}table{border-collapse:collapse;width:100%}"
        "th,td{border:1px solid #999;padding:3pt 5pt;text-align:left;vertical-align:top}"
        "th{background:#eee}@media print{body{margin:0}h2{break-after:avoid}tr{break-inside:avoid}}"
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _content(record: dict[str, Any], language: str) -> tuple[str, str, list[_Table]]:
    def t(text: str) -> str:
        return _FR.get(text, text) if language == "fr" else text

    organisation = record["organisation"]
    title = f"{t('Record of processing activities')}: {organisation['name']}"
    head = (
        f"{t('Article 30 of Regulation (EU) 2016/679; made')} {record['made'][:10]}, {t('from version')} "
        f"{record['version']} {t('of the configuration')}."
    )
    who = [
        [t("Organisation"), f"{organisation['name']} {organisation['email'] or ''}".strip()],
        [t("Role"), t(organisation["role"])],
        [t("Data protection officer"), organisation["officer"] or "-"],
    ]
    if organisation["controller"]:
        who.insert(2, [t("On behalf of"), organisation["controller"]])
    activities = [
        [
            t(each["name"]),
            t(each["purpose"] or "-"),
            t(each["basis"] or "-"),
            ", ".join(map(t, each["persons"])) or "-",
            ", ".join(map(t, each["data"])) or "-",
            ", ".join(each["recipients"]) or "-",
            _kept(each["retention"], t),
        ]
        for each in record["activities"]
    ]
    recipients = [
        [
            each["name"],
            ", ".join(each["channels"]),
            ", ".join(each["places"]) or "-",
            each["country"] or "-",
            t(each["transfer"]),
        ]
        for each in record["recipients"]
    ]
    archive = [[each["name"], each["retention"], each["basis"]] for each in record["archive"]]
    measures = [
        [_MEASURES[each["measure"]][language == "fr"], t(each["value"])] for each in record["measures"]
    ]
    columns = ("Activity", "Purpose", "Legal basis", "Persons", "Data", "Recipients", "Kept")
    tables: list[_Table] = [
        (t("Organisation"), ("", ""), who),
        (t("Activities"), tuple(map(t, columns)), activities),
        (t("Recipients"), tuple(map(t, ("Partner", "By", "Where", "Country", "Transfer"))), recipients),
    ]
    if archive:
        tables.append((t("Archive profiles"), (t("Profile"), t("Kept"), t("Legal basis")), archive))
    tables.append((t("Security measures (article 32)"), (t("Measure"), t("State")), measures))
    if record["gaps"]:
        tables.append((t("Not written down"), ("",), [[gap] for gap in record["gaps"]]))
    return title, head, tables


def _kept(retention: dict[str, str], t: Any) -> str:
    words = {"payload": "documents", "wire": "signed bytes"}
    return "; ".join(
        f"{t(words.get(name, name))}: {t(term)}" for name, term in retention.items() if name != "quarantined"
    )
