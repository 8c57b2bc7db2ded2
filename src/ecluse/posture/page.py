"""A report as one HTML page: no script, nothing fetched, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from ecluse.posture.finding import Finding
from ecluse.posture.grade import Step

__all__ = ["page"]

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2430;background:#f6f7f9;margin:0 auto;max-width:1100px;padding:24px}
h1{font-size:22px;margin:0}h2{font-size:17px;margin:28px 0 8px}.meta{color:#5a6677}
.grade{display:inline-block;font-size:40px;font-weight:700;padding:4px 20px;border-radius:8px;background:#fff;
border:1px solid #d5dbe3;margin:16px 16px 16px 0;vertical-align:middle}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #d5dbe3}
td,th{padding:6px 10px;border-bottom:1px solid #e6eaef;text-align:left;vertical-align:top}
.s{font-weight:600;white-space:nowrap}.critical{color:#8f0d1c}.high{color:#b3400a}.medium{color:#8a6100}
.low{color:#3b5b86}.info{color:#5a6677}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
details{margin:2px 0}summary{cursor:pointer}.gone{opacity:.6}
@media(prefers-color-scheme:dark){body{background:#14181e;color:#dde3ea}table,.grade{background:#1b2129;border-color:#333c47}
td,th{border-color:#2a323c}.critical{color:#ff8d98}.high{color:#ffb37f}.medium{color:#f0cf7a}.low{color:#9fc2f5}}
@media print{body{background:#fff}details{display:block}}
""".strip().replace("\n", "")


def page(
    *,
    hub: str,
    at: str,
    release: str,
    subject: str,
    letter: str,
    score: float,
    steps: Sequence[Step],
    letters: dict[str, int],
    findings: Iterable[tuple[Finding, str, Sequence[str]]],
) -> str:
    """The page.

    Args:
        hub: Whose.
        at: When, RFC 3339.
        release: Of the program.
        subject: What the grade is of.
        letter: The grade.
        score: Its points.
        steps: How it came about.
        letters: Partners by letter.
        findings: Each with who depends on it in words, and the fix line by line.
    """
    rows = [_row(*each) for each in findings]
    arithmetic = "".join(f"<tr><td>{escape(s.words)}</td><td>{s.points:+g}</td></tr>" for s in steps)
    spread = ", ".join(f"{escape(name)} {count}" for name, count in letters.items())
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">",
        f"<title>Posture of {escape(hub)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Posture of {escape(hub)}</h1>",
        f'<p class="meta">{escape(subject)}, {escape(at)}, Ecluse {escape(release)}</p>',
        f'<p><span class="grade">{escape(letter)}</span>{score:g} of 100 points'
        + (f"; partners: {spread}" if spread else "")
        + "</p>",
        f"<h2>Findings ({len(rows)})</h2>",
        "<table><tr><th>severity</th><th>subject</th><th>finding</th></tr>" + "".join(rows) + "</table>"
        if rows
        else "<p>Nothing was found.</p>",
    ]
    if arithmetic:
        parts.append(f"<h2>How the grade came about</h2><table>{arithmetic}</table>")
    parts.append("</body></html>")
    return "\n".join(parts) + "\n"


def _row(each: Finding, reach: str, fix: Sequence[str]) -> str:
    e = escape
    lines = "".join(f"<br><code>{e(line)}</code>" for line in fix)
    held = ""
    if each.suppression is not None:
        said = each.suppression
        held = (
            f"<br>Suppressed until {e(said['until'][:10])} by {e(said['by'])}: {e(said['reason'])} "
            f"({e(said['owner'])} answers for it)"
        )
    return (
        f'<tr{" class=gone" if held else ""}><td class="s {e(each.severity)}">{e(each.severity)}</td>'
        f"<td>{e(each.subject)}<br><code>{e(each.place)}</code></td>"
        f"<td><strong>{e(each.title)}</strong> <code>{e(each.code)}</code><br>{e(each.observed)}"
        f"<details><summary>Why, and the fix</summary>{e(each.why)}<br>Expected: {e(each.expected)}<br>"
        f"{e(each.remedy)}{lines}<br>{e(reach)}<br>First seen {e(each.first_seen)}, last {e(each.last_seen)}"
        f"{held}</details></td></tr>"
    )
