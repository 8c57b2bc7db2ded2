"""Transparency logs: the Merkle tree of RFC 6962 and the C2SP text formats around it.

``merkle`` is the tree, ``note`` the signed text, ``checkpoint`` the signed head of a log, ``proof`` the file
that proves one record to a third party. Bytes in, facts out: keys stay with the caller, who gives ``sign``.
"""
