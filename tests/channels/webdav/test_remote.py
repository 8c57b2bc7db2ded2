"""Collecting from WebDAV servers: the suite, against real ones."""

import pytest
from tests.support.remotes import RemoteConformance
from tests.support.webdav import DavFar, dav_far


@pytest.mark.peer("wsgidav")
class TestWsgiDav(RemoteConformance):
    # WsgiDAV 4.4 cuts the target of a MOVE at a question mark or semicolon, though they are encoded.
    ODD = tuple(name for name in RemoteConformance.ODD if ";" not in name)

    @pytest.fixture
    def far(self) -> DavFar:
        return dav_far(
            "wsgidav",
            odd_names=("back\\slash", "e\u0301", "\u202etxt.exe", 'a:b*c"<x>&amp', "nul"),
            many=2000,
        )


@pytest.mark.peer("rclone")
class TestRclone(RemoteConformance):
    @pytest.fixture
    def far(self) -> DavFar:
        return dav_far("rclone", odd_names=("back\\slash", "\u202etxt.exe", 'a:b*c?"<x>&amp;'))
