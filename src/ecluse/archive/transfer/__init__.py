"""Handing the archive over: all of it as files that anybody can read, and taken in by another hub.

An export is a BagIt bag (RFC 8493) in a folder: ``sha256sum -c manifest-sha256.txt`` checks it. ``export`` writes it,
and goes on where it was cut; ``check`` reads all of it and says what it proves, without a hub; ``load`` takes it into a
hub whose archive does not have it yet, after all of it was checked. ``layout`` and ``facts`` say what is in it.
"""

from ecluse.archive.transfer.check import Checked, check_export
from ecluse.archive.transfer.export import Exported, Scope, export_archive
from ecluse.archive.transfer.layout import BadExport
from ecluse.archive.transfer.load import Loaded, load_export

__all__ = [
    "BadExport",
    "Checked",
    "Exported",
    "Loaded",
    "Scope",
    "check_export",
    "export_archive",
    "load_export",
]
