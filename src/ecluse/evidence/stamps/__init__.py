"""RFC 3161 time-stamps on checkpoints: who else saw the log, and when.

A stamp is an authority's token over the bytes of a checkpoint's note as it stands in the database. It is a record of
kind ``stamp``; :func:`stamps` gives those of a checkpoint. ``asking`` makes the request and judges the answer,
``keeping`` writes both down with their event, ``checking`` verifies what is kept.
"""

from ecluse.evidence.stamps.stamp import Stamp, all_stamps, stamped_size, stamps

__all__ = ["Stamp", "all_stamps", "stamped_size", "stamps"]
