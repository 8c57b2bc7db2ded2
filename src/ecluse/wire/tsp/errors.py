"""What can be wrong with an authority's answer, and with a time-stamp."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BadTimeStamp", "MalformedTimeStamp", "TimeStampRefused", "TspError", "UntrustedAuthority"]


class TspError(EcluseError):
    """An answer of a time-stamping authority that can't be used as it stands."""

    code = "tsp.error"
    fault = Fault.PARTNER
    remedy = "Ask the authority, or name another one in [[log.authorities]]."


class MalformedTimeStamp(TspError):
    """It does not have the structure that RFC 3161 prescribes."""

    code = "tsp.malformed"
    remedy = "See that the address is that of an RFC 3161 service."


class TimeStampRefused(TspError):
    """The authority answers that it gives no time-stamp."""

    code = "tsp.refused"
    remedy = "Look at its reason: most often the hash or the policy that is asked for."


class BadTimeStamp(TspError):
    """It is no time-stamp of what was asked for: imprint, nonce, policy, signature or signer differ."""

    code = "tsp.bad"
    remedy = "Do not use it; ask the authority what happened, or name another one."


class UntrustedAuthority(TspError):
    """No trusted root vouches for the certificate that the time-stamp is signed with."""

    code = "tsp.untrusted"
    remedy = "Put the authority's root into its roots file, after comparing its fingerprint."
