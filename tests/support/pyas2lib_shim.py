"""pyas2lib as a foreign peer, importable with today's OpenSSL.

The library that it stands on reads OpenSSL's version with a pattern for one-digit patch levels, and so fails
at import from 3.0.10 on. For the length of that import the pattern finds two digits as well.
"""

from __future__ import annotations

import re
import unittest.mock

_PATTERN = r"\b(\d\.\d\.\d[a-z]*)\b"


def _search(pattern, string, flags=0, _original=re.search):
    return _original(r"\b(\d+\.\d+\.\d+[a-z]*)\b" if pattern == _PATTERN else pattern, string, flags)


def load():
    """The module ``pyas2lib``."""
    with unittest.mock.patch("re.search", _search):
        import pyas2lib

        return pyas2lib
