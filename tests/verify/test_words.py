"""Every sentence is there in both languages, with the same names in it; the package stands by itself."""

from __future__ import annotations

import ast
import re
import string
import sys
from pathlib import Path

import ecluse_verify
from ecluse_verify.words import HEADINGS, SENTENCES

SOURCES = sorted(Path(ecluse_verify.__file__).parent.glob("*.py"))

LEVELLED = re.compile(r'f"([a-z]+)\.\{[a-z.]*level\.value\}"')


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    for code, (english, french) in SENTENCES.items():
        assert names(english) == names(french), code
        assert english != french, code
    assert all(len(texts) == 2 for texts in HEADINGS.values())


def test_every_code_has_its_sentence() -> None:
    text = "\n".join(path.read_text() for path in SOURCES if path.name != "words.py")
    raised = set(re.findall(r'Bad\(\s*"([a-z0-9.-]+)"', text)) | set(
        re.findall(r'Level\.[A-Z]+,\s*"([a-z0-9.-]+)"', text)
    )
    for word in LEVELLED.findall(text):
        raised |= {f"{word}.proven", f"{word}.claimed"}
    assert len(raised) > 90
    assert sorted(raised - set(SENTENCES)) == []
    bare = set(re.findall(r'Bad\("([a-z0-9.-]+)"\)', text))
    assert [code for code in bare if names(SENTENCES[code][0])] == []


def test_the_package_needs_the_standard_library_and_cryptography_alone() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                root = module.partition(".")[0]
                assert root in ("ecluse_verify", "cryptography") or root in sys.stdlib_module_names, path
                assert root not in ("socket", "ssl", "urllib", "http", "asyncio", "subprocess", "pickle"), (
                    path
                )


def test_modules_can_be_read_in_one_sitting() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), path
        assert len(text.splitlines()) <= 300 or path.name == "words.py", path
