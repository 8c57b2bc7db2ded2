"""The successor stands beside the old key, and then in its place; comments and order stay."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.trust.configuration import Configuration
from ecluse.trust.rotation.files import (
    accepts_both,
    drop_successor,
    places_of,
    put_beside,
    put_in_place,
    rewritten,
    uses_old,
)

HUB = """# Ours.
[organisation]
name = "Aster"        # as in the register
as2_id = "ASTER"

# The key of 2024.
[[organisation.keys]]
ref = "main"
use = ["sign", "decrypt"]  # both

[listen.as2]
address = "127.0.0.1:0"
[listen.as2.tls]
# shown to partners
key = "main"

[listen.sftp]
host_keys = ["ssh-host", "main"]

[listen.ftps]
key = "other"
"""
PARTNER = """name = "Birch"
[sftp]
host = "sftp.birch.example"  # their server
user = "aster"
host_keys = ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]
key = "main"

[webdav]
url = "https://dav.birch.example/"
[webdav.tls]
client_key = "main"
"""


def files(hub=HUB, **partners):
    return {"ecluse.toml": hub, **{f"partners/{name}.toml": text for name, text in partners.items()}}


def read(files):
    return Configuration.from_files(files)


def test_places_are_found():
    configuration = read(files(birch=PARTNER))
    assert places_of(configuration, "main") == ("as2", "tls", "host-key", "user-key", "client")
    assert places_of(configuration, "other") == ("tls",)
    assert places_of(configuration, "nothing") == ()


def test_a_successor_stands_beside_the_old_key_wherever_that_stands():
    before = files(birch=PARTNER)
    after = put_beside(before, "main", "next")
    configuration = read(after)
    assert not accepts_both(read(before), "main", "next")
    assert accepts_both(configuration, "main", "next")
    hub = configuration.hub
    assert [(key.ref, key.succeeds) for key in hub.organisation.keys] == [("main", None), ("next", "main")]
    assert hub.listen.as2.tls.successor == "next"
    assert hub.listen.ftps.successor is None
    assert hub.listen.sftp.host_keys == ("ssh-host", "main", "next")
    birch = configuration.partners["birch"]
    assert birch.sftp.successor == "next"
    assert birch.webdav.tls.successor == "next"
    assert put_beside(after, "main", "next") == after


def test_comments_and_everything_else_stay():
    after = put_beside(files(birch=PARTNER), "main", "next")
    for text, comments in (
        (
            after["ecluse.toml"],
            ["# Ours.", "# as in the register", "# The key of 2024.", "# both", "# shown to partners"],
        ),
        (after["partners/birch.toml"], ["# their server"]),
    ):
        assert [comment for comment in comments if comment not in text] == []
    assert put_in_place(after, "main", "next")["partners/birch.toml"].count("# their server") == 1


def test_a_default_key_is_written_out():
    hub = '[organisation]\nname = "A"\nas2_id = "A"\n\n[log]\norigin = "a/b"\n'
    after = put_beside(files(hub), "main", "next")
    keys = read(after).hub.organisation.keys
    assert [(key.ref, key.use, key.succeeds) for key in keys] == [
        ("main", ("sign", "decrypt"), None),
        ("next", ("sign", "decrypt"), "main"),
    ]


def test_the_successor_takes_the_old_ones_place():
    after = put_in_place(put_beside(files(birch=PARTNER), "main", "next"), "main", "next")
    configuration = read(after)
    hub = configuration.hub
    assert [(key.ref, key.use, key.succeeds) for key in hub.organisation.keys] == [
        ("main", ("decrypt",), None),
        ("next", ("sign", "decrypt"), None),
    ]
    assert (hub.listen.as2.tls.key, hub.listen.as2.tls.successor) == ("next", None)
    assert hub.listen.sftp.host_keys == ("ssh-host", "next")
    birch = configuration.partners["birch"]
    assert (birch.sftp.key, birch.sftp.successor) == ("next", None)
    assert (birch.webdav.tls.client_key, birch.webdav.tls.successor) == ("next", None)
    assert not uses_old(configuration, "main")
    gone = put_in_place(put_beside(files(birch=PARTNER), "main", "next"), "main", "next", keep=False)
    assert [key.ref for key in read(gone).hub.organisation.keys] == ["next"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_successor_that_is_given_up_leaves_what_was_there(keep):
    before = files(birch=PARTNER)
    after = drop_successor(put_beside(before, "main", "next"), "main", "next", keep=keep)
    configuration = read(after)
    hub = configuration.hub
    wanted = [("main", ("sign", "decrypt"))] + ([("next", ("decrypt",))] if keep else [])
    assert [(key.ref, key.use) for key in hub.organisation.keys] == wanted
    assert hub.listen == read(before).hub.listen
    assert configuration.partners == read(before).partners


def test_what_is_written_in_one_line_is_written_anew():
    hub = '[organisation]\nname = "A"\nas2_id = "A"\nkeys = [{ref = "main"}]\n'
    keys = read(put_beside(files(hub), "main", "next")).hub.organisation.keys
    assert [key.ref for key in keys] == ["main", "next"]


scalars = st.one_of(
    st.integers(0, 9), st.booleans(), st.text("ab #[]=\"'\\", max_size=6), st.lists(st.integers(0, 9))
)
names = st.text("abc", min_size=1, max_size=2)
tables = st.dictionaries(names, scalars, max_size=4)
documents = st.fixed_dictionaries(
    {}, optional={"x": scalars, "t": tables, "u": tables, "k": st.lists(tables, min_size=1, max_size=3)}
)


@given(documents, documents)
def test_a_rewritten_text_says_what_is_wanted(before, wanted):
    import tomli_w

    text = "# a comment\n" + tomli_w.dumps(before)
    assert tomllib.loads(rewritten(text, before, wanted)) == wanted
