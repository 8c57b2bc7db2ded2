"""Object identifiers of time-stamping."""

from __future__ import annotations

from typing import Final

TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
"""id-ct-TSTInfo (RFC 3161 s2.4.2)."""
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
"""ESS signing-certificate, which names the certificate by SHA-1 (RFC 2634 s5.4)."""
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"
"""ESS signing-certificate-v2 (RFC 5035 s3; RFC 5816 lets time-stamps use it)."""
