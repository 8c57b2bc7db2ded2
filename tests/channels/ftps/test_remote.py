"""Collecting from foreign servers: the suite that every remote passes, and what is FTP's own."""

from __future__ import annotations

import pytest
from tests.support.ftp_places import changed, foreign
from tests.support.remotes import RemoteConformance

from ecluse.channels.ftps.client.errors import LoginRefused, NoTls, TlsRefused, Unreachable
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import _pin
from ecluse.errors import Fault


@pytest.mark.peer("vsftpd")
class TestVsftpd(RemoteConformance):
    """It has no MLSD: LIST and MDTM."""

    @pytest.fixture
    def far(self, tmp_path):
        with foreign("vsftpd", tmp_path) as far:
            yield far


@pytest.mark.peer("proftpd")
class TestProftpd(RemoteConformance):
    """It has MLSD."""

    @pytest.fixture
    def far(self, tmp_path):
        with foreign("proftpd", tmp_path) as far:
            yield far


@pytest.mark.peer("vsftpd")
@pytest.mark.parametrize("implicit", [False, True])
def test_vsftpd_demands_that_sessions_are_resumed(tmp_path, implicit: bool) -> None:
    with foreign("vsftpd", tmp_path, implicit=implicit) as far:
        line = Line(far.place)
        for number in range(5):
            line.upload(f"in/{number}", iter([b"x" * 100_000]))
        assert all(far.content(str(number)) == b"x" * 100_000 for number in range(5))
        assert line.tls.startswith("TLSv1.3")
        assert len(line.certificate) == 64
        line.close()


@pytest.mark.peer("proftpd")
@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
def test_proftpd_explicit_and_implicit(tmp_path, implicit: bool, reuse: bool) -> None:
    with foreign("proftpd", tmp_path, implicit=implicit, reuse=reuse) as far:
        line = Line(far.place)
        line.upload("a", iter([b"x" * 3_000_000]))
        assert b"".join(line.download("a")) == b"x" * 3_000_000
        assert b"".join(line.download("a", 2_999_999)) == b"x"
        line.close()


@pytest.mark.peer("vsftpd")
def test_ftp_in_clear_where_it_was_agreed(tmp_path) -> None:
    with foreign("vsftpd", tmp_path, tls=False) as far:
        line = Line(far.place)
        line.upload("in/a", iter([b"x"]))
        assert (far.content("a"), line.tls, line.certificate) == (b"x", "", "")
        line.close()


@pytest.mark.peer("vsftpd")
def test_a_server_without_tls_gets_no_password(tmp_path) -> None:
    from tests.support.ftp_places import identity

    with foreign("vsftpd", tmp_path, tls=False) as far:
        secure = changed(
            far.place, mode="explicit", anchors=identity().pem, pins=(_pin(identity().certificate),)
        )
        with pytest.raises(NoTls):
            Line(secure).command("PWD", "look")
        assert "LOGIN" not in far.server.log.read_text()


@pytest.mark.peer("proftpd")
def test_who_may_answer(tmp_path) -> None:
    from tests.support.ftp_places import identity
    from tests.support.tls_certs import make

    with foreign("proftpd", tmp_path) as far:
        other = make("127.0.0.1")
        for wrong in (
            changed(far.place, anchors=other.pem, pins=(_pin(other.certificate),)),
            changed(far.place, anchors=other.pem, pins=()),
            changed(far.place, anchors=b"", pins=()),
            changed(far.place, pins=(), host="localhost"),  # the name counts where nothing is pinned
            changed(far.place, pins=(_pin(other.certificate),)),
        ):
            with pytest.raises(TlsRefused):
                Line(wrong).command("PWD", "look")
        assert "Login successful" not in far.server.log.read_text()
        line = Line(changed(far.place, pins=(), anchors=identity().pem))
        line.command("PWD", "look")
        line.close()


@pytest.mark.peer("proftpd")
def test_a_wrong_password(tmp_path) -> None:
    with foreign("proftpd", tmp_path) as far:
        with pytest.raises(LoginRefused) as caught:
            Line(changed(far.place, password=b"not-it-at-all")).command("PWD", "look")
        assert "not-it-at-all" not in str(caught.value)
        assert "correct-horse" not in repr(far.place)


def test_nobody_there() -> None:
    from tests.support.ftp_places import place

    with pytest.raises(Unreachable) as caught:
        Line(place(1)).command("PWD", "look")
    assert caught.value.fault is Fault.TRANSIENT
