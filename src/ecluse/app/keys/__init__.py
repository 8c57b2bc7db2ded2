"""Keys and certificates on a node: made, taken over, listed, ordered by ACME, counted in use, asked about, or held by a
process of their own (``signer``).
"""
