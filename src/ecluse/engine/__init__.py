"""Durable jobs: work that outlives the process, is done at least once, and is recorded once.

A job is a row that is written in the transaction of whatever makes it necessary. A runner on any node claims
it under a lease with a fence, runs its handler, and the handler writes the job's end in the transaction of
its result: no crash, no slow node and no second owner can record it twice.

:mod:`~ecluse.engine.runner` claims and runs, :mod:`~ecluse.engine.context` is what a handler is given,
:mod:`~ecluse.engine.retry` says when to try again, :mod:`~ecluse.engine.schedule` makes jobs that recur.
"""
