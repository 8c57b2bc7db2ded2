"""Jobs: taken once, kept by a lease, and a result counts only under the fence of its claim."""

from __future__ import annotations

import threading
import time

import pytest
from tests.support.mutants import without_fence
from tests.support.nouns import NOW, SECOND, job

from ecluse.model.nouns import Job, JobState
from ecluse.store.port import Lost, Store, Tx


def add(store: Store, *jobs: Job) -> None:
    store.write(lambda tx: [tx.add_job(each) for each in jobs])


def claim(
    store: Store, owner: str = "one", now: int = NOW, limit: int = 10, **wanted: list[str]
) -> list[Job]:
    return store.write(lambda tx: tx.claim_jobs(owner, now, 10 * SECOND, limit, **wanted))  # type: ignore[arg-type]


def test_a_key_is_added_once(store: Store) -> None:
    assert store.write(lambda tx: tx.add_job(job("k1", payload=b'{"a":1}')))
    assert not store.write(lambda tx: tx.add_job(job("k1", payload=b'{"a":2}')))
    assert store.read(lambda view: view.job("k1")) == job("k1", payload=b'{"a":1}')
    assert store.read(lambda view: view.job("k2")) is None


def test_a_claim_gives_lease_attempt_and_fence(store: Store) -> None:
    add(store, job("k1"))
    (taken,) = claim(store)
    assert taken == job(
        "k1", state=JobState.RUNNING, attempts=1, owner="one", lease_until=NOW + 10 * SECOND, fence=1
    )
    assert store.read(lambda view: view.job("k1")) == taken
    assert claim(store, "two") == []


def test_claims_are_oldest_first_of_those_that_are_due(store: Store) -> None:
    add(store, *(job(f"k{n}", due=NOW - n) for n in range(5)), job("later", due=NOW + 1))
    assert [each.key for each in claim(store, limit=2)] == ["k4", "k3"]
    assert [each.key for each in claim(store, limit=9)] == ["k2", "k1", "k0"]
    assert [each.key for each in claim(store, now=NOW + 1)] == ["later"]


def test_claims_by_kind_and_past_full_lanes(store: Store) -> None:
    add(
        store, job("a", kind="x", lane="birch"), job("b", kind="y", lane="cedar"), job("c", kind="y", lane="")
    )
    assert claim(store, full_lanes=["birch", "cedar", ""]) == []
    assert claim(store, kinds=["z"]) == []
    assert [each.key for each in claim(store, kinds=["y"], full_lanes=["cedar"])] == ["c"]
    assert [each.key for each in claim(store, kinds=["x", "y"], full_lanes=["birch"])] == ["b"]
    assert [each.key for each in claim(store)] == ["a"]


def test_a_lease_that_ended_is_taken_over_also_by_kind_and_lane(store: Store) -> None:
    add(store, job("k1"))
    claim(store)
    later = NOW + 10 * SECOND
    assert claim(store, "two", later - 1) == []
    assert claim(store, "two", later, kinds=["other"]) == []
    assert claim(store, "two", later, full_lanes=["birch"]) == []
    (again,) = claim(store, "two", later)
    assert (again.attempts, again.fence, again.owner) == (2, 2, "two")


def old_owner_is_fenced(store: Store) -> None:
    """The scenario that a store without the fence must fail: same owner, other claim."""
    add(store, job("k1"))
    (old,) = claim(store, "one")
    (new,) = claim(store, "one", NOW + 10 * SECOND)
    for late in (
        lambda tx: tx.finish_job(old),
        lambda tx: tx.retry_job(old, NOW, "ours", "E."),
        lambda tx: tx.bury_job(old, "ours", "E."),
        lambda tx: tx.extend_lease(old, NOW + 99 * SECOND),
    ):
        with pytest.raises(Lost):
            store.write(late)
        assert store.read(lambda view: view.job("k1")) == new
    store.write(lambda tx: tx.finish_job(new))
    found = store.read(lambda view: view.job("k1"))
    assert found is not None
    assert found.state is JobState.DONE


def test_who_lost_the_lease_records_nothing(store: Store) -> None:
    old_owner_is_fenced(store)


@pytest.mark.parametrize("verb", ["finish_job", "retry_job", "bury_job", "extend_lease"])
def test_a_store_without_the_fence_is_found_out(
    store: Store, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_fence(monkeypatch, verb)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        old_owner_is_fenced(store)


def test_losing_the_lease_undoes_the_whole_unit(store: Store) -> None:
    add(store, job("k1"))
    (old,) = claim(store)
    claim(store, "two", NOW + 10 * SECOND)

    def finish(tx: Tx) -> None:
        tx.put_setting("result", b"1")
        tx.finish_job(old)

    with pytest.raises(Lost):
        store.write(finish)
    assert store.read(lambda view: view.setting("result")) is None


def test_extend_retry_bury_wake(store: Store) -> None:
    add(store, job("k1"))
    (taken,) = claim(store)
    store.write(lambda tx: tx.extend_lease(taken, NOW + 20 * SECOND))
    assert claim(store, "two", NOW + 15 * SECOND) == []
    store.write(lambda tx: tx.retry_job(taken, NOW + 30 * SECOND, "transient", "Away\0."))
    due = job("k1", due=NOW + 30 * SECOND, attempts=1, fence=1, fault="transient", error="Away\u2400.")
    assert store.read(lambda view: view.job("k1")) == due
    with pytest.raises(Lost):
        store.write(lambda tx: tx.finish_job(taken))
    (taken,) = claim(store, "two", NOW + 30 * SECOND)
    assert (taken.attempts, taken.fence) == (2, 2)
    assert store.write(lambda tx: tx.wake_job("k1", NOW))
    assert store.read(lambda view: view.job("k1")) == taken
    store.write(lambda tx: tx.bury_job(taken, "permanent", "No."))
    assert claim(store, now=NOW + 10**12) == []
    buried = store.read(lambda view: view.job("k1"))
    assert buried is not None
    assert (buried.state, buried.fault, buried.error, buried.owner) == (JobState.DEAD, "permanent", "No.", "")
    assert store.write(lambda tx: tx.wake_job("k1", NOW + 5))
    assert store.read(lambda view: view.job("k1")) == job("k1", due=NOW + 5, fence=2)
    assert not store.write(lambda tx: tx.wake_job("k2", NOW))


def test_prune_forgets_old_done_jobs_only(store: Store) -> None:
    add(store, *(job(f"k{n}", due=NOW - 10 + n) for n in range(4)))
    taken = claim(store, limit=3)
    store.write(lambda tx: [tx.finish_job(each) for each in taken])
    assert store.write(lambda tx: tx.prune_jobs(NOW - 8, 1)) == 1
    assert store.write(lambda tx: tx.prune_jobs(NOW - 8, 9)) == 1
    assert store.write(lambda tx: tx.prune_jobs(NOW - 8, 9)) == 0
    assert [each.key for each in store.read(lambda view: view.jobs())] == ["k3", "k2"]


def test_the_list_has_what_is_not_done_first(store: Store) -> None:
    add(store, *(job(f"k{n}", due=NOW - n, kind="xy"[n % 2]) for n in range(4)))
    (first,) = claim(store, limit=1)
    store.write(lambda tx: tx.finish_job(first))
    assert [each.key for each in store.read(lambda view: view.jobs())] == ["k2", "k1", "k0", "k3"]
    assert [each.key for each in store.read(lambda view: view.jobs(kind="y", limit=1))] == ["k1"]


def test_claimers_never_share_a_job(store: Store, second: Store) -> None:
    add(store, *(job(f"k{n:03}") for n in range(120)))
    taken: list[str] = []

    def work(own: Store, owner: str) -> None:
        while found := claim(own, owner, limit=7):
            taken.extend(each.key for each in found)
            own.write(lambda tx: [tx.finish_job(each) for each in found])

    threads = [threading.Thread(target=work, args=((store, second)[n % 2], f"n{n}")) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [f"k{n:03}" for n in range(120)]


def waited(store: Store, timeout: float) -> float:
    begin = time.monotonic()
    store.wait_for_jobs(timeout)
    return time.monotonic() - begin


def test_a_waiter_is_woken_by_its_own_node_and_by_another(store: Store, second: Store) -> None:
    add(store, job("k0"))
    for _ in range(3):  # the first waits may return at once: what was before is not known
        waited(store, 0.3)
    assert waited(store, 0.3) >= 0.29
    for n, other in enumerate((store, second)):
        timer = threading.Timer(0.2, lambda n=n, other=other: add(other, job(f"k1{n}")))
        timer.start()
        assert waited(store, 10) < 5
        timer.join()


def test_a_job_added_between_claim_and_wait_is_not_slept_over(store: Store) -> None:
    for _ in range(3):
        waited(store, 0.2)
    add(store, job("k1"))
    assert waited(store, 10) < 5
