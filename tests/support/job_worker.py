"""A hub's engine in a process, to be killed: ``python -m tests.support.job_worker DB NODE PAUSE LEASE``.

Each job of kind ``work`` appends a line to ``DB.effects`` (its effect, at least once), pauses, and
records its result (once). It prints ``ready`` and, with each effect, the job's key; it ends with its stdin.
"""

import sys
import time
from pathlib import Path

from ecluse.engine.context import JobContext, Outcome
from ecluse.engine.runner import Runner
from ecluse.model.basics import system_clock, system_entropy
from ecluse.model.nouns import Job
from ecluse.store.open import open_store


def main(database: str, node: str, pause: str, lease: str) -> None:
    effects = Path(f"{database}.effects")

    def handler(job: Job, context: JobContext) -> Outcome:
        with effects.open("a") as file:
            file.write(f"{job.key} {node}\n")
        sys.stdout.write(f"{job.key}\n")  # in one: another thread may write a key too
        sys.stdout.flush()
        time.sleep(float(pause))
        before = context.job.fence
        return context.finish(
            lambda tx: tx.put_setting(
                f"result.{job.key}", (tx.setting(f"result.{job.key}") or b"") + f"{node}:{before} ".encode()
            )
        )

    store = open_store(f"sqlite:{database}", node=node)
    runner = Runner(
        store, node, system_clock, system_entropy, {"work": handler}, workers=4, lease=float(lease)
    )
    runner.start()
    print("ready", flush=True)
    sys.stdin.read()
    runner.stop(5)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
