"""Requests of persons whose data the hub may hold: finding it, handing it out, erasing it, and saying what stays and
why.

:mod:`~ecluse.app.subjects.deadlines`  what the law says: how long, and on which grounds something stays
:mod:`~ecluse.app.subjects.requests`   a request, from the day it came until it is answered
:mod:`~ecluse.app.subjects.searching`  where personal data can be, and finding it there
:mod:`~ecluse.app.subjects.planning`   what would be erased, what not, and why
:mod:`~ecluse.app.subjects.erasing`    signatures, and carrying the plan out
:mod:`~ecluse.app.subjects.export`     everything that was found, in one file
:mod:`~ecluse.app.subjects.letters`    the answer to the person, in English and French
"""
