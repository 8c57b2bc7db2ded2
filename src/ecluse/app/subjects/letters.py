"""The answer to the person, as a text to be sent: what was done, what was refused, why, and what they may do."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Final

from ecluse.app.subjects.deadlines import GROUNDS, LAWS, Ground, Law
from ecluse.app.subjects.requests import Item, Request
from ecluse.model.basics import Instant
from ecluse.trust.settings.schema import Organisation

__all__ = ["LANGUAGES", "letter"]

LANGUAGES: Final = ("en", "fr")

_WHAT: Final = {
    "en": {
        "message": "exchanged documents (their names, and where you are in them, their content)",
        "log": "entries of the log that named you",
        "archive": "archived documents",
        "configuration": "contacts in the settings",
        "configuration-history": "former versions of the settings",
        "log-in-clear": "entries of the log from before names were kept apart from it",
        "record": "other records",
    },
    "fr": {
        "message": "documents échangés (leurs noms et, où vous y figurez, leur contenu)",
        "log": "entrées du journal qui vous nommaient",
        "archive": "documents archivés",
        "configuration": "contacts dans les réglages",
        "configuration-history": "anciennes versions des réglages",
        "log-in-clear": "entrées du journal antérieures à la séparation des noms",
        "record": "autres enregistrements",
    },
}

_WHY: Final = {
    "en": {
        Ground.CONTRACT: "they are still being delivered, or a decision about them is pending",
        Ground.LEGAL_OBLIGATION: "the law obliges us to keep them",
        Ground.LEGAL_CLAIMS: "they are needed for legal claims",
        Ground.ACCOUNTABILITY: "we have to be able to show who was entitled to what, and who decided it",
        Ground.EVIDENCE: "taking them out would destroy the proof that all other entries are genuine",
        Ground.BY_HAND: "they are corrected separately",
    },
    "fr": {
        Ground.CONTRACT: "leur remise, ou une décision à leur sujet, est en cours",
        Ground.LEGAL_OBLIGATION: "la loi nous oblige à les conserver",
        Ground.LEGAL_CLAIMS: "ils sont nécessaires à la constatation, à l'exercice ou à la défense de droits",
        Ground.ACCOUNTABILITY: "nous devons pouvoir montrer qui était habilité à quoi, et qui en a décidé",
        Ground.EVIDENCE: "les retirer détruirait la preuve que toutes les autres entrées sont authentiques",
        Ground.BY_HAND: "ils sont rectifiés séparément",
    },
}

_MONTHS: Final = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)


def letter(request: Request, organisation: Organisation, now: Instant, language: str = "en") -> str:
    """The answer in one of :data:`LANGUAGES`. It names the request and not the person: whoever sends it does."""
    words = _english if language == "en" else _french
    return words(request, organisation, _day(now))


def _day(at: Instant) -> date:
    return datetime.fromtimestamp(at / 1_000_000, tz=UTC).date()


def _english(request: Request, organisation: Organisation, day: date) -> str:
    law = LAWS[request.law]
    lines = [
        organisation.name,
        _long(day, "en"),
        "",
        f"Your request of {_long(date.fromisoformat(request.received), 'en')} ({request.id})",
        f"under the {law}",
        "",
    ]
    if request.answer == "exported":
        lines += [
            "Enclosed is what our exchange hub holds about you, in a form that programs can read: where it was found,",
            "the text that stands there, and the documents in which you were found.",
        ]
    elif request.answer == "refused":
        lines += ["We can't grant your request:", "", f"  {request.refusal}"]
    elif request.answer == "erased":
        lines += _results(request, "en")
    elif request.extended:
        lines += [
            "Your request takes longer than usual. We shall answer it by",
            f"{_long(date.fromisoformat(request.due), 'en')}, because:",
            "",
            f"  {request.extended}",
        ]
    else:
        lines += [
            "We have received your request and shall answer it by",
            f"{_long(date.fromisoformat(request.due), 'en')}.",
        ]
    lines += ["", *_rights(request.law, "en"), ""]
    return "\n".join(lines)


def _french(request: Request, organisation: Organisation, day: date) -> str:
    law = "du règlement (UE) 2016/679 (RGPD)" if request.law is Law.GDPR else f"du {LAWS[request.law]}"
    lines = [
        organisation.name,
        _long(day, "fr"),
        "",
        f"Votre demande du {_long(date.fromisoformat(request.received), 'fr')} ({request.id})",
        f"au titre {law}",
        "",
    ]
    if request.answer == "exported":
        lines += [
            "Vous trouverez ci-joint ce que notre plateforme d'échange détient à votre sujet, sous une forme lisible",
            "par des programmes : où cela figure, le texte concerné, et les documents où vous figurez.",
        ]
    elif request.answer == "refused":
        lines += ["Nous ne pouvons pas donner suite à votre demande :", "", f"  {request.refusal}"]
    elif request.answer == "erased":
        lines += _results(request, "fr")
    elif request.extended:
        lines += [
            "Le traitement de votre demande prend plus de temps. Nous y répondrons au plus tard le",
            f"{_long(date.fromisoformat(request.due), 'fr')}, car :",
            "",
            f"  {request.extended}",
        ]
    else:
        lines += [
            "Nous avons reçu votre demande et y répondrons au plus tard le",
            f"{_long(date.fromisoformat(request.due), 'fr')}.",
        ]
    lines += ["", *_rights(request.law, "fr"), ""]
    return "\n".join(lines)


def _results(request: Request, language: str) -> list[str]:
    english = language == "en"
    what = _WHAT[language]
    erased = Counter(item.what for item in request.plan if item.outcome == "erased")
    kept: dict[tuple[str, str], list[Item]] = {}
    for item in request.plan:
        if item.outcome == "refused":
            kept.setdefault((item.what, item.ground), []).append(item)
    lines: list[str] = []
    if erased:
        lines += ["We have erased:" if english else "Nous avons effacé :", ""]
        lines += [f"  - {what[name]}: {count}" for name, count in sorted(erased.items())]
        lines += [
            "",
            "Their keys were deleted: what is left of them, on whatever copy of ours, can't be read any more."
            if english
            else "Leurs clés ont été détruites : ce qui en reste, sur toute copie à nous, n'est plus lisible.",
        ]
    if kept:
        lines += ["", "We have not erased:" if english else "Nous n'avons pas effacé :", ""]
        for (name, ground), items in sorted(kept.items()):
            because = _WHY[language][Ground(ground)]
            article = GROUNDS[request.law][Ground(ground)]
            until = max((item.until for item in items if item.until is not None), default=None)
            end = ""
            if until is not None:
                end = f", {'until' if english else 'jusqu’au'} {_long(_day(until), language)}"
            if not english:
                article = article.partition(":")[
                    0
                ]  # the sentence before it says the rest, in the letter's language
            cited = f" ({article})" if article else ""
            lines.append(f"  - {what[name]}: {len(items)}; {because}{end}{cited}")
    if not erased and not kept:
        lines.append(
            "We hold nothing about you in our exchange hub."
            if english
            else "Notre plateforme d'échange ne détient rien à votre sujet."
        )
    return lines


def _rights(law: Law, language: str) -> list[str]:
    if law is Law.GDPR:
        if language == "fr":
            return [
                "Vous pouvez introduire une réclamation auprès d'une autorité de contrôle (article 77 du RGPD)",
                "et former un recours juridictionnel (article 79).",
            ]
        return [
            "You may lodge a complaint with a supervisory authority (GDPR, article 77), and seek a judicial remedy",
            "(article 79).",
        ]
    if language == "fr":
        return ["Vous pouvez saisir la California Privacy Protection Agency (Civ. Code 1798.199.45)."]
    return ["You may file a complaint with the California Privacy Protection Agency (Civ. Code 1798.199.45)."]


def _long(day: date, language: str) -> str:
    if language == "fr":
        return f"{day.day}{'er' if day.day == 1 else ''} {_MONTHS[day.month - 1]} {day.year}"
    return f"{day.day} {day:%B} {day.year}"
