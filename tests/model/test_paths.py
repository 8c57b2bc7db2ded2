"""A path from the wire: canonical or refused, and never anywhere else than below the root."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.model.paths import MAX_NAME, MAX_PATH, BadPath, VirtualPath

PIECES = st.one_of(
    st.sampled_from(
        ["", ".", "..", "...", " ", "a", "-rf", "con", "a.txt", "e\u0301", "\u00e9", "\0", "\\", "~"]
    ),
    st.text(max_size=12),
)
PATHS = st.builds(
    lambda parts, lead: lead + "/".join(parts), st.lists(PIECES, max_size=8), st.sampled_from(["", "/"])
)
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)


def read(text: str | bytes, cwd: VirtualPath | None = None) -> VirtualPath | None:
    try:
        return VirtualPath.parse(text, cwd)
    except BadPath:
        return None


@given(
    st.one_of(PATHS, st.text(), st.binary(), PATHS.map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_anything_is_a_canonical_path_or_refused(text: str | bytes) -> None:
    path = read(text)
    if path is None:
        return
    for name in path.names:
        assert name not in ("", ".", "..")
        assert unicodedata.is_normalized("NFC", name)
        assert not set(name) & set('/\\\0<>:"|?*')
        assert name == name.strip(" ") == name.rstrip(".")
        assert name.isprintable() or all(
            unicodedata.category(c) in ("Zs", "Co", "Cn") or c.isprintable() for c in name
        )
        assert len(name.encode()) <= MAX_NAME
    assert len(str(path).encode()) <= MAX_PATH
    assert VirtualPath.parse(str(path)) == path
    assert VirtualPath.parse(str(path).encode()) == path


@given(PATHS)
def test_both_normal_forms_are_one_path(text: str) -> None:
    found = {read(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(found) == 1


@given(PATHS, PATHS)
def test_a_relative_path_begins_where_one_is(folder: str, text: str) -> None:
    cwd = read("/" + folder)
    if cwd is None or text.startswith("/"):
        return
    assert read(text, cwd) == read(f"{cwd}/{text}")
    assert read("/" + text, cwd) == read("/" + text)


@given(st.lists(NAMES, max_size=4), st.integers(0, 10))
def test_dots_never_lead_above_the_root(names: list[str], ups: int) -> None:
    path = read("/" + "/".join(names))
    if path is None:
        return
    above = VirtualPath.parse("/".join([".."] * ups), path)
    assert above.names == path.names[: max(0, len(path.names) - ups)]
    assert VirtualPath.parse("..", path) == path.parent


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_path_is_its_parent_and_its_name(names: list[str]) -> None:
    path = read("/".join(names))
    if path is None:
        return
    assert VirtualPath((*path.parent.names, path.name)) == path


@pytest.mark.parametrize(
    "name",
    [
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\u0085b",
        "a\u2028b",
        "a\u202eb",
        "a\u200bb",
        "\ufeffa",
        "a\\b",
        "C:",
        "a:stream",
        "con",
        "CON.txt",
        "Aux",
        "NUL.tar.gz",
        "com1",
        "COM\u00b9.x",
        "lpt9",
        "CONIN$",
        "a.",
        "a ",
        " a",
        "a*",
        "a?",
        "<a>",
        "a|b",
        'a"b',
        "\ud800",
        "x" * 256,
        "\u00e9" * 128,
        "e\u0301" * 128,
    ],
)
def test_names_that_no_system_should_be_given(name: str) -> None:
    for text in (name, f"/inbound/{name}", f"{name}/x", f"/inbound/{name}/../y"):
        with pytest.raises(BadPath):
            VirtualPath.parse(text)


@pytest.mark.parametrize(
    "data", [b"\xff", b"/inbound/\xc3", b"\xed\xa0\x80", b"/a\xc0\xafb", b"\xf8\x88\x80\x80\x80"]
)
def test_octets_that_are_not_utf_8(data: bytes) -> None:
    with pytest.raises(BadPath):
        VirtualPath.parse(data)


@pytest.mark.parametrize(
    "text", ["/" + "a/" * 3000, "a" * 5000, "/".join(["x" * 200] * 21), "\u00e9/" * 1400]
)
def test_paths_that_are_too_long(text: str) -> None:
    with pytest.raises(BadPath):
        VirtualPath.parse(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("/", ()),
        (".", ()),
        ("..", ()),
        ("/../../etc/passwd", ("etc", "passwd")),
        ("//inbound//./a", ("inbound", "a")),
        ("/inbound/../outbound", ("outbound",)),
        ("-rf", ("-rf",)),
        ("...a", ("...a",)),
        ("~root", ("~root",)),
        ("/inbound/\u0435xample", ("inbound", "\u0435xample")),
        ("conference.txt", ("conference.txt",)),
        ("x" * 255, ("x" * 255,)),
        ("%2e%2e/a", ("%2e%2e", "a")),
    ],
)
def test_paths_as_they_are_understood(text: str, names: tuple[str, ...]) -> None:
    assert VirtualPath.parse(text).names == names
    assert VirtualPath.parse(text.encode()).names == names
