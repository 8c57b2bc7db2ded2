"""How long a partner is tried: the engine's own patience, unless the partner's file says otherwise."""

from __future__ import annotations

from tests.support.hubs import introduce, make_pair
from tests.support.nouns import message

from ecluse.engine.retry import BACKOFFS
from ecluse.errors import Fault


def test_a_partner_s_file_may_ask_for_another_patience(tmp_path):
    aster, birch = make_pair(tmp_path, key_kind="ec-p256")
    with aster, birch:
        introduce(aster, birch, "birch", "http://127.0.0.1:9/as2")
        assert aster.retry_policy(message(partner="birch")) is None
        introduce(aster, birch, "birch", "http://127.0.0.1:9/as2", 'retry = { attempts = 3, cap = "5m" }')
        policy = aster.retry_policy(message(partner="birch"))
        assert policy.backoffs[Fault.TRANSIENT].attempts == policy.backoffs[Fault.PARTNER].attempts == 3
        assert policy.backoffs[Fault.PARTNER].cap == 300
        assert policy.backoffs[Fault.OURS] == BACKOFFS[Fault.OURS]


def test_the_usual_patience_outlasts_a_weekend():
    usual = BACKOFFS[Fault.TRANSIENT]
    half_of_each_wait = sum(min(usual.cap, usual.base * 2.0**n) / 2 for n in range(usual.attempts - 1))
    assert 60 * 3600 < half_of_each_wait < usual.age
