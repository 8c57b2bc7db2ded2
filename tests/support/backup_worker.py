"""Makes or prunes a backup in a process of its own, to be killed: ``python -m tests.support.backup_worker HUB run``."""

from __future__ import annotations

import sys
from pathlib import Path

from ecluse.app.backup.keep import prune
from ecluse.app.backup.run import make_backup, open_site
from ecluse.app.opening import open_node
from ecluse.trust.settings.backup import Keep


def main(folder: str, what: str) -> None:
    with open_node(Path(folder)) as node:
        site = open_site(node)
        if what == "run":
            make_backup(site)
        else:
            prune(site, Keep(last=1, daily=0, weekly=0, monthly=0))
        print("durable", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
