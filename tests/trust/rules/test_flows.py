"""What must hold of flows, by themselves and together; and that a good one is left in peace."""

from __future__ import annotations

import pytest
from tests.support.trust import HUB, PARTNER, files

from ecluse.model.basics import Instant
from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import ConfigurationError

FOLDERS = '[folders.orders]\npath = "orders"\n[folders.out]\npath = "out"\n[calendars.fr]\ncountry = "FR"\n'
SFTP = (
    '[sftp]\nhost = "files.birch.example"\nuser = "aster"\npassword = "env:BIRCH"\n'
    'host_keys = ["SHA256:' + "A" * 43 + '"]\n'
)
GOOD = """name = "Orders"
timezone = "Europe/Paris"
trigger = "timetable"
[from]
channel = "folder:orders"
folder = "new"
names = ["*.edi"]
marker = "{name}.ok"
[open]
unpack = "gzip"
[[to]]
channel = "as2:birch"
name = "{stem}-{date:%Y%m%d}-{counter:6}{suffix}"
subject = "Order {reference}"
[[to]]
channel = "sftp:birch"
[timetable]
cron = "*/15 8-18 * * mon-fri"
calendar = "fr"
[[expect]]
name = "daily"
by = "18:00"
[order]
key = "{partner}"
[duplicates]
action = "skip"
[retention]
payload = "30d"
"""


def read(hub: str = HUB + FOLDERS, **flows: str) -> Configuration:
    partner = PARTNER.replace("[[certificates]]", SFTP + "[[certificates]]")
    named = {f"flows/{id}.toml": text for id, text in flows.items()}
    return Configuration.from_files(files(partner, hub, **named), Instant(1_780_000_000_000_000))


def problems(hub: str = HUB + FOLDERS, **flows: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        read(hub, **flows)
    return [(problem.code, problem.field) for problem in caught.value.problems]


def simple(source: str = "", to: str = 'channel = "as2:birch"', rest: str = "", top: str = "") -> str:
    return f'name = "x"\n{top}\n[from]\n{source}\n[[to]]\n{to}\n{rest}'


def test_a_good_flow_is_read() -> None:
    configuration = read(
        orders=GOOD, hand=simple(), every=simple('channel = "as2:*"', 'channel = "folder:out"')
    )
    assert list(configuration.flows) == ["every", "hand", "orders"]
    assert configuration.flows["orders"].from_.marker == "{name}.ok"


FOLDER = 'channel = "folder:orders"'


@pytest.mark.parametrize(
    "text, code, field",
    [
        (simple('channel = "folder:nowhere"'), "config.unknown-channel", "from.channel"),
        (simple('channel = "folder:inbox"'), "config.unknown-channel", "from.channel"),
        (simple('channel = "sftp:cedar"'), "config.unknown-channel", "from.channel"),
        (simple('channel = "s3:birch"'), "config.unknown-channel", "from.channel"),
        (simple('channel = "fax:birch"'), "config.unknown-channel", "from.channel"),
        (simple('channel = "sftp:*"'), "config.bad-value", "from.channel"),
        (simple('channel = "as2:*"\npartners = ["elm"]'), "config.unknown-partner", "from.partners"),
        (simple(to='channel = "as2:birch"\nname = "{nme}"'), "config.bad-template", "to[0].name"),
        (simple(to='channel = "as2:birch"\nname = "in/{name}"'), "config.bad-template", "to[0].name"),
        (simple(to='channel = "as2:birch"\nsubject = "{x}"'), "config.bad-template", "to[0].subject"),
        (simple(rest='[order]\nkey = "{counter}"'), "config.bad-template", "order.key"),
        (simple(FOLDER + '\nmarker = "done"'), "config.bad-template", "from.marker"),
        (simple(FOLDER + '\nafter = "move"'), "config.missing-field", "from.move_to"),
        (simple(FOLDER + '\nmove_to = "done"'), "config.missing-field", "from.move_to"),
        (simple(FOLDER + '\nmin_size = "2 MiB"\nmax_size = "1 MiB"'), "config.bad-value", "from.min_size"),
        (simple('channel = "as2:birch"\nmarker = "{name}.x"'), "config.needless-field", "from.marker"),
        (simple('channel = "as2:birch"', top='trigger = "command"'), "config.bad-value", "trigger"),
        (simple(top='timezone = "Mars/Base"'), "config.unknown-zone", "timezone"),
        (
            simple(FOLDER, top='trigger = "timetable"', rest='[timetable]\ncron = "0 0 31 2 *"'),
            "config.bad-timetable",
            "timetable.cron",
        ),
        (
            simple(
                FOLDER, top='trigger = "timetable"', rest='[timetable]\ncron = "0 9 * * *"\ncalendar = "de"'
            ),
            "config.unknown-calendar",
            "timetable.calendar",
        ),
        (simple(FOLDER, top='trigger = "timetable"'), "config.missing-field", "timetable"),
        (
            simple(rest='[[expect]]\nname = "a"\nby = "18:00"\ntimezone = "X"'),
            "config.unknown-zone",
            "expect[0].timezone",
        ),
        (
            simple(rest='[[expect]]\nname = "a"\nby = "18:00"\n' * 2),
            "config.duplicate-name",
            "expect",
        ),
        (simple(FOLDER, rest="[open]\nopenpgp = true"), "config.no-openpgp", "open.openpgp"),
        (simple('channel = "as2:birch"', rest="[open]\nopenpgp = true"), "config.no-openpgp", "open.openpgp"),
        (simple(to='channel = "as2:birch"\nopenpgp = "encrypt"'), "config.no-openpgp", "to[0].openpgp"),
        (simple(to='channel = "folder:out"\nopenpgp = "encrypt"'), "config.no-openpgp", "to[0].openpgp"),
    ],
)
def test_what_is_wrong_is_named(text: str, code: str, field: str) -> None:
    assert (code, field) in problems(x=text)


@pytest.mark.parametrize(
    "calendar",
    ['country = "XX"', 'region = "BY"', 'country = "DE"\nregion = "ZZ"', 'closed = ["2026-02-30"]'],
)
def test_calendars_are_checked(calendar: str) -> None:
    with pytest.raises(ConfigurationError):
        read(HUB + f"[calendars.x]\n{calendar}\n", x=simple())


def test_a_flow_that_feeds_itself() -> None:
    assert problems(x=simple(FOLDER, FOLDER)) == [("config.loop", "to")]
    assert problems(x=simple(FOLDER + "\nrecursive = true", FOLDER + '\nfolder = "deep"')) == [
        ("config.loop", "to")
    ]
    around = {
        "a": simple(FOLDER, 'channel = "folder:out"'),
        "b": simple('channel = "folder:out"', FOLDER),
    }
    assert problems(**around) == [("config.loop", "to")]
    read(x=simple(FOLDER, FOLDER + '\nfolder = "deep"'))
    read(x=simple(FOLDER + '\nnames = ["*.csv"]', FOLDER + '\nname = "{stem}.done"'))
    read(x=simple('channel = "as2:birch"', 'channel = "as2:birch"'))


NESTED = (
    HUB + '[folders.orders]\npath = "orders"\n[folders.deep]\npath = "orders/x/../deep"\n'
    '[folders.all]\npath = "."\n[folders.else]\npath = "ordersx"\n[folders.root]\npath = "/srv/in"\n'
    '[folders.below]\npath = "/srv/in/deep/er"\n'
)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("orders", "deep"),
        ("all", "orders"),
        ("all", "inbox"),
        ("root", "below"),
        ("root", 'below"\nfolder = "still/deeper'),
    ],
)
def test_a_folder_inside_another_makes_a_circle(source: str, target: str) -> None:
    to = f'channel = "folder:{target}"'
    recursive = f'channel = "folder:{source}"\nrecursive = true'
    assert problems(NESTED, x=simple(recursive, to)) == [("config.loop", "to")]
    read(NESTED, x=simple(f'channel = "folder:{source}"', to))
    around = {"a": simple(recursive, 'channel = "sftp:birch"'), "b": simple('channel = "sftp:birch"', to)}
    assert problems(NESTED, **around) == [("config.loop", "to")]


def test_a_folder_beside_another_makes_none() -> None:
    for source, target in (("orders", "else"), ("orders", "root"), ("below", "root"), ("deep", "orders")):
        read(
            NESTED,
            x=simple(f'channel = "folder:{source}"\nrecursive = true', f'channel = "folder:{target}"'),
        )
    assert problems(
        NESTED,
        a=simple('channel = "folder:orders"\nrecursive = true'),
        b=simple('channel = "folder:deep"'),
    ) == [("config.same-place", "from")]


def test_two_flows_that_collect_the_same_files() -> None:
    assert problems(a=simple(FOLDER), b=simple(FOLDER)) == [("config.same-place", "from")]
    assert problems(
        a=simple(FOLDER + "\nrecursive = true"), b=simple(FOLDER + '\nfolder = "deep"\nnames = ["*.edi"]')
    ) == [("config.same-place", "from")]
    read(a=simple(FOLDER + '\nnames = ["*.edi"]'), b=simple(FOLDER + '\nnames = ["*.xml"]'))
    read(a=simple(FOLDER + '\nnames = ["*.edi"]'), b=simple(FOLDER + '\nnot_names = ["*.edi"]'))
    read(a=simple(FOLDER), b=simple(FOLDER + '\nfolder = "deep"'))
    read(a=simple('channel = "as2:birch"'), b=simple('channel = "as2:*"'))


def test_two_names_for_one_folder_would_hide_circles() -> None:
    hub = HUB + FOLDERS + '[folders.again]\npath = "./x/../orders/"\n[folders.theirs]\npath = "inbox"\n'
    assert problems(hub) == [
        ("config.same-place", "folders.again.path"),
        ("config.same-place", "folders.theirs.path"),
    ]
