"""Writes docs/reference/*.md from the code: commands, configuration, errors, events, rules of posture.

python tools/reference.py           write them
python tools/reference.py --check   exit code 1 where one is not up to date
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import ecluse
from ecluse import durable
from ecluse.app.events import EVENT_KINDS
from ecluse.errors import EcluseError
from ecluse.posture.grade import CAP, LETTERS, POINTS, TWICE
from ecluse.posture.rule import DOMAINS
from ecluse.posture.rules import RULES
from ecluse.trust.files.editors import json_schema

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
SOURCES = ROOT / "src" / "ecluse"
NOTE = "<!-- Made by tools/reference.py (`make docs`): change the code instead. -->\n"
COMMON = ("hub", "json", "quiet", "help")

EVENT_CALLS = frozenset(
    {
        "event",
        "_event",
        "_note",
        "_record",
        "record_keys",
        "_changed",
        "record",
        "_failure",
        "say",
        "_tell",
        "tell",
        "Telling",
        "Fact",
    }
)
KIND = re.compile(r"[a-z]+\.[a-z-]+")
CODE = re.compile(r"[a-z0-9]+(\.[a-z0-9-]+)+")


def main() -> int:
    pages = {
        "commands": commands(),
        "configuration": configuration(),
        "errors": errors(),
        "events": events(),
        "posture": posture(),
    }
    stale = [name for name, text in pages.items() if current(name) != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/reference/{name}.md is not up to date: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / f"{name}.md").write_text(pages[name], "utf-8")
    return 0


def current(name: str) -> str:
    path = FOLDER / f"{name}.md"
    return path.read_text("utf-8") if path.exists() else ""


# --- commands -----------------------------------------------------------------------------------------------------


def leaves() -> Iterator[tuple[str, Any]]:
    """Every command that does something: its words, and the parser's object."""
    from ecluse.cli.tree import app

    def walk(words: list[str], found: Any) -> Iterator[tuple[str, Any]]:
        children = getattr(found, "commands", None)
        if not children:
            yield " ".join(words), found
            return
        for name, child in children.items():
            yield from walk([*words, name], child)

    yield from walk([], typer.main.get_command(app))


def commands() -> str:
    lines = [
        "# Commands",
        "",
        NOTE,
        "Every command takes these, before or after its name:",
        "",
        "| option | |",
        "|---|---|",
        "| `--hub PATH` | The hub's folder; `ECLUSE_HUB` or the current folder by default. |",
        '| `--json` | One JSON value on standard output, and nothing else; errors as `{"error": {code, fault, '
        "cause, remedy}}`, with `problems[]` where a configuration is refused. |",
        "| `--quiet`, `-q` | Say nothing where all is well. |",
        "",
        "Exit codes: 0 it is done, 1 the work failed, 2 the command was used wrongly, 130 it was interrupted. What "
        "`--json` gives is a promise: members are added, and never taken away or changed. Passwords are given by "
        "reference (`env:NAME`, `file:PATH`) or asked for, never on the command line.",
    ]
    for words, found in leaves():
        lines += ["", f"## ecluse {words}", "", clean(found.help or ""), ""]
        rows = [row(param) for param in found.params if param.name not in COMMON]
        if rows:
            lines += ["| | |", "|---|---|", *rows, ""]
        gives = getattr(found.callback, "gives", "")
        if gives:
            lines += [f"`--json` gives: `{gives}`", ""]
        lines += ["```", *examples(found.epilog or ""), "```"]
    return "\n".join(lines) + "\n"


def clean(text: str) -> str:
    return inspect.cleandoc(text).replace("\n\n", "\n\n").strip()


def row(param: Any) -> str:
    named = ", ".join(f"`{name}`" for name in param.opts) if param.param_type_name == "option" else ""
    title = named or f"`{(param.metavar or param.name).upper()}`"
    words = [param.help or ""]
    if param.required:
        words.append("Required.")
    default = param.default
    if isinstance(default, (str, int)) and not isinstance(default, bool) and default != "" and named:
        words.append(f"Default: `{default}`.")
    return f"| {title} | {' '.join(words)} |"


def examples(epilog: str) -> list[str]:
    text = epilog.replace("\\[", "[")
    text = text.removeprefix("Examples:").removeprefix("Example:")
    return [line.strip() for line in text.splitlines() if line.strip()]


# --- configuration ------------------------------------------------------------------------------------------------


def configuration() -> str:
    lines = [
        "# Configuration",
        "",
        NOTE,
        "A hub's configuration is `ecluse.toml`, one file for each partner (`partners/<id>.toml`) and public "
        "certificates (`certificates/<name>.pem`). `ecluse plan` says what a change would do, `ecluse apply` puts it "
        "in force as a new version. Unknown fields are refused. A field that names a secret holds a reference: "
        "`env:NAME`, `file:PATH` or `keyring:NAME`.",
    ]
    for title, file, path in (
        ("ecluse.toml", "ecluse.toml", ""),
        ("partners/&lt;id&gt;.toml", "partner", ""),
    ):
        schema: Any = json_schema(file)  # type: ignore[arg-type]
        lines += ["", f"## {title}"]
        definitions = schema["$defs"]
        name = schema["$ref"].rpartition("/")[2]
        lines += section(definitions, name, path)
    return "\n".join(lines) + "\n"


def section(definitions: dict[str, Any], name: str, path: str, repeated: bool = False) -> list[str]:
    definition = definitions[name]
    brackets = f"[[{path}]]" if repeated else f"[{path}]"
    lines = ["", f"### `{brackets}`" if path else "### At the top", "", cell(definition["description"]), ""]
    rows, below = [], []
    for field, value in definition["properties"].items():
        inner = table_of(value)
        place = f"{path}.{field}" if path else field
        if inner is not None:
            below.append((inner[0], place, inner[1]))
            continue
        named = table_of(value["additionalProperties"]) if value.get("additionalProperties") else None
        if named is not None:
            below.append((named[0], f"{place}.NAME", False))
        needed = field in definition.get("required", [])
        default = "required" if needed else default_of(value)
        rows.append(f"| `{field}` | {value.get('description', '')} | {values(value)} | {default} |")
    if rows:
        lines += ["| field | | value | default |", "|---|---|---|---|", *rows]
    elif not path:
        lines = []
    for inner_name, inner_path, many in below:
        lines += section(definitions, inner_name, inner_path, many)
    return lines


def table_of(value: dict[str, Any]) -> tuple[str, bool] | None:
    """The table that a field is, and whether there are several of it."""
    for option in (value, *value.get("anyOf", ())):
        if "$ref" in option:
            return option["$ref"].rpartition("/")[2], False
        items = option.get("items")
        if isinstance(items, dict) and "$ref" in items:
            return items["$ref"].rpartition("/")[2], True
    return None


def values(value: dict[str, Any]) -> str:
    if "anyOf" in value:
        return " or ".join(filter(None, (values(option) for option in value["anyOf"])))
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if value.get("type") == "array":
        return f"list of {values(value['items'])}"
    return {"string": "text", "integer": "number", "boolean": "`true`, `false`"}.get(
        value.get("type", ""), ""
    )


def default_of(value: dict[str, Any]) -> str:
    default = value.get("default")
    return "" if default is None else f"`{json.dumps(default)}`"


# --- errors -------------------------------------------------------------------------------------------------------


def error_classes() -> list[type[EcluseError]]:
    for module in pkgutil.walk_packages(ecluse.__path__, "ecluse."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: set[type[EcluseError]] = set()
    queue = [EcluseError]
    while queue:
        for child in queue.pop().__subclasses__():
            if child.__module__.startswith("ecluse.") and child not in found:
                found.add(child)
                queue.append(child)
    return sorted(found, key=lambda each: (each.code, each.__name__))


def errors() -> str:
    lines = [
        "# Errors",
        "",
        NOTE,
        "Every error has a stable code, says whose fault it is, and what to do. The fault decides what a retry can "
        "hope for: `transient` soon, `partner` if they mend it, `ours` once it is mended, `permanent` and `usage` "
        "never by itself.",
        "",
        "| code | fault | what happened | what to do |",
        "|---|---|---|---|",
    ]
    known: dict[str, tuple[str, str, str]] = {}
    for found in error_classes():
        summary = " ".join(inspect.cleandoc(found.__doc__ or "").split("\n\n")[0].split())
        remedy = found.__dict__.get("remedy") or found.remedy
        known.setdefault(found.code, (found.fault.value, summary, remedy))
    for code, fault, cause, remedy in durable.errors._ERRORS.values():
        known.setdefault(code, (fault.value, f"{cause}.", remedy))
    for code, (cause, remedy, fault) in special_codes().items():
        known.setdefault(code, (fault, cause, remedy))
    lines += [
        f"| `{code}` | {fault} | {cell(cause)} | {cell(remedy)} |"
        for code, (fault, cause, remedy) in sorted(known.items())
    ]
    return "\n".join(lines) + "\n"


def special_codes() -> dict[str, tuple[str, str, str]]:
    """Codes given where an error is raised: (cause, remedy, fault), as far as they are written there."""
    found: dict[str, tuple[str, str, str]] = {}
    classes = {each.__name__: each for each in error_classes()}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            given = {word.arg: word.value for word in node.keywords if word.arg}
            code = constant(given.get("code"))
            if name == "Problem" and len(node.args) == 5:
                code, cause, remedy = constant(node.args[0]), template(node.args[3]), template(node.args[4])
            elif code and name in classes:
                cause = template(node.args[0]) if node.args else ""
                remedy = template(given["remedy"]) if "remedy" in given else classes[name].remedy
            else:
                continue
            if code and CODE.fullmatch(code):
                fault = given.get("fault")
                own = fault.attr.lower() if isinstance(fault, ast.Attribute) else ""
                found.setdefault(
                    code, (cause, remedy, own or (classes[name].fault.value if name in classes else "usage"))
                )
    return found


def constant(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def template(node: ast.AST) -> str:
    """A text as it is written, with what is filled in as dots."""
    if isinstance(node, ast.JoinedStr):
        return "".join(constant(part) or "..." for part in node.values)
    return constant(node)


def cell(text: str) -> str:
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`").replace("|", "\\|")


# --- events -------------------------------------------------------------------------------------------------------


def written_kinds() -> tuple[set[str], set[str]]:
    """Kinds that the sources write: whole ones, and beginnings to which a state is added."""
    whole, beginnings = set(), set()
    for path in SOURCES.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        named = _named_texts(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if (getattr(node.func, "attr", "") or getattr(node.func, "id", "")) not in EVENT_CALLS:
                continue
            for argument in node.args:
                texts = (
                    named.get(argument.id, set()) if isinstance(argument, ast.Name) else {constant(argument)}
                )
                whole |= {text for text in texts if KIND.fullmatch(text)}
                if isinstance(argument, ast.JoinedStr) and constant(argument.values[0]).endswith("."):
                    beginnings.add(constant(argument.values[0]))
    return whole, beginnings


def _named_texts(tree: ast.Module) -> dict[str, set[str]]:
    """Texts that a module gives names to."""
    named: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, ast.Assign | ast.AnnAssign) else ():
            if isinstance(target, ast.Name) and constant(node.value):
                named.setdefault(target.id, set()).add(constant(node.value))
    return named


def events() -> str:
    lines = [
        "# Events",
        "",
        NOTE,
        "Every change of state writes its event in the same transaction, into the log (`ecluse message trace`, `ecluse "
        "log proof`). An event has an id, a time, a kind, a subject, who did it (`hub`, `partner:birch`, "
        "`operator:name`), on which node, and facts. It holds no payload and no secret.",
        "",
        "| kind | subject | |",
        "|---|---|---|",
        *(f"| `{kind}` | {subject} | {text} |" for kind, (subject, text) in EVENT_KINDS.items()),
    ]
    return "\n".join(lines) + "\n"


# --- rules of posture ---------------------------------------------------------------------------------------------


def posture() -> str:
    lines = [
        "# Rules of posture",
        "",
        NOTE,
        f"`ecluse posture` looks at the hub, its partners and its flows under these {len(RULES)} rules. A code is "
        "stable: none changes its meaning. A finding costs the grade "
        + ", ".join(f"{points} ({severity})" for severity, points in POINTS.items() if points)
        + "; one rule counts "
        f"{TWICE} times at most at one subject. Points left: "
        + ", ".join(f"{letter} from {least}" for letter, least in LETTERS)
        + f". Something critical leaves {CAP} at most.",
    ]
    for domain in DOMAINS:
        lines += [
            "",
            f"## {domain}",
            "",
            "| code | severity | what is wrong, and why | what should be |",
            "|---|---|---|---|",
        ]
        for rule in RULES.values():
            if rule.domain == domain:
                source = f" ({rule.source})" if rule.source else ""
                words = f"**{rule.title}.** {rule.why} {rule.remedy}{source}"
                lines.append(f"| `{rule.code}` | {rule.severity} | {cell(words)} | {cell(rule.expected)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
