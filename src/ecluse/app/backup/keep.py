"""Which backups there are, and letting go of old ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ecluse.app.backup.chunks import read_table
from ecluse.app.backup.manifest import Manifest, manifests
from ecluse.app.backup.places import PACK, TABLE, made_before
from ecluse.app.backup.run import ABANDONED, Progress, Site
from ecluse.model.basics import Instant
from ecluse.store.port import View
from ecluse.trust.settings.backup import Keep

__all__ = ["kept", "list_backups", "prune"]

_PAGE = 2000


def list_backups(site: Site) -> list[dict[str, Any]]:
    """The backups, newest first. Raises as :func:`~ecluse.app.backup.manifest.read` does."""
    found = [
        {
            "id": each.id,
            "made": each.made,
            "log": each.log,
            "version": each.version,
            "octets": each.streams + each.blob_octets,
            "blobs": each.blobs,
            "written": each.written,
            "database": each.database,
            "release": each.release,
            "left_out": each.left_out,
        }
        for each in manifests(site.place, [site.key])
    ]
    return found[::-1]


def kept(backups: Iterable[Manifest], keep: Keep) -> set[str]:
    """Ids of the backups that outlive a pruning: the newest of each day, week, month and year that counts.

    Args:
        backups: Oldest first.
        keep: How many of each; periods without a backup do not count.
    """
    newest_first = list(backups)[::-1]
    names = {each.id for each in newest_first[: max(1, keep.last)]}
    periods = (
        (keep.daily, "%Y-%m-%d"),
        (keep.weekly, "%G-%V"),
        (keep.monthly, "%Y-%m"),
        (keep.yearly, "%Y"),
    )
    for count, form in periods:
        seen: set[str] = set()
        for each in newest_first:
            period = datetime.fromtimestamp(each.at / 1_000_000, tz=UTC).strftime(form)
            if period not in seen and len(seen) < count:
                seen.add(period)
                names.add(each.id)
    return names


def prune(
    site: Site, keep: Keep, *, dry_run: bool = False, progress: Progress = lambda done, total: None
) -> dict[str, Any]:
    """Let go of backups, and of what only they needed; and of blobs whose keys the hub has erased.

    Args:
        site: Where.
        keep: What stays.
        dry_run: Only tell.
        progress: Told how many objects were looked at.

    Returns:
        ``kept`` and ``dropped`` (backups), ``objects`` (packs and tables) and ``blobs`` that were deleted.

    Raises:
        BackupBusy: Another run is under way.
        BackupDamaged: A backup that stays can't be read: nothing is deleted before a person has looked.
    """
    node, place = site.node, site.place
    with site.lease() as lease:
        found = list(manifests(place, [site.key]))
        names = kept(found, keep)
        stay = [each for each in found if each.id in names]
        dropped = [each.id for each in found if each.id not in names]
        named: set[str] = set()
        for each in stay:
            named.add(each.table)
            named.update(pack.id for pack in read_table(place, each.table, each.table_sha256).packs)
            lease.renew()
        facts: dict[str, Any] = {
            "kept": [each.id for each in stay],
            "dropped": dropped,
            "objects": 0,
            "blobs": 0,
            "dry_run": dry_run,
        }
        # A backup goes by its manifest first: one that is there is whole.
        for id in dropped if not dry_run else ():
            place.delete(id)
        # Another node's run may be writing what no manifest names yet.
        limit = Instant(node.hub.clock() - (0 if node.store.local else ABANDONED))
        for kind in (PACK, TABLE):
            for id in list(place.ids(kind)):
                if id not in named and made_before(id, limit):
                    facts["objects"] += 1
                    if not dry_run:
                        place.delete(id)
                lease.renew()
        facts["blobs"] = _drop_blobs(site, limit, lease.renew, dry_run=dry_run, progress=progress)
        if not dry_run and (dropped or facts["objects"] or facts["blobs"]):
            told = {
                "place": place.name,
                "dropped": dropped,
                "objects": facts["objects"],
                "blobs": facts["blobs"],
            }
            node.store.write(lambda tx: node.hub.event(tx, "backup.pruned", "hub", told))
        return facts


def _drop_blobs(site: Site, limit: Instant, tick: Any, *, dry_run: bool, progress: Progress) -> int:
    """Delete the bytes of blobs that nothing opens any more: the hub has no row for them, and so no key."""
    node, place = site.node, site.place
    dropped = 0
    page: list[str] = []

    def drop() -> int:
        gone = node.store.read(lambda view: _without_row(view, page))
        for id in gone if not dry_run else ():
            place.delete(id)
        return len(gone)

    for number, id in enumerate(place.ids("b")):
        if not made_before(id, limit):
            break
        page.append(id)
        if len(page) == _PAGE:
            dropped += drop()
            page.clear()
            tick()
            progress(number, number)
    return dropped + (drop() if page else 0)


def _without_row(view: View, ids: list[str]) -> list[str]:
    """Which of these (in order) have no row."""
    first = ids[0]
    rows: set[str] = set()
    after = first[:-1]
    while True:
        found = view.blobs_before(after, _PAGE)
        rows.update(found)
        if len(found) < _PAGE or found[-1] >= ids[-1]:
            return [id for id in ids if id not in rows]
        after = found[-1]
