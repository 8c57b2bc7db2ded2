"""Durable writes: the one room that puts a file where it must not be lost.

What is written appears under its name whole and durable, or not at all, also where the power fails in
between. The order that makes it so: a temporary name in the same folder, write, fsync the file, link (or
rename), fsync the folder. A failed fsync is never tried again: the kernel may have dropped the very pages
that it could not write, and the next fsync would lie.

- :mod:`~ecluse.durable.writing`  whole files in one call
- :mod:`~ecluse.durable.files`    a file being written
- :mod:`~ecluse.durable.parts`    temporary names, and what killed processes left
- :mod:`~ecluse.durable.folders`  folders, and names in them
- :mod:`~ecluse.durable.scratch`  folders for one piece of work, which nothing of is left
- :mod:`~ecluse.durable.errors`   what a disk refuses
"""

from ecluse.durable.errors import DiskError, NameTaken, disk_errors
from ecluse.durable.files import NewFile, appear
from ecluse.durable.folders import make_folder, remove, sync_at, sync_folder
from ecluse.durable.parts import drop_parts, is_part, sweep_parts
from ecluse.durable.scratch import scratch_folder
from ecluse.durable.writing import replace, write_new, write_together

__all__ = [
    "DiskError",
    "NameTaken",
    "NewFile",
    "appear",
    "disk_errors",
    "drop_parts",
    "is_part",
    "make_folder",
    "remove",
    "replace",
    "scratch_folder",
    "sweep_parts",
    "sync_at",
    "sync_folder",
    "write_new",
    "write_together",
]
