"""The archive: documents kept as long as they must be, unchanged, provably, and then gone.

It stands below the chamber, which asks it before any key of a document is deleted, and above the evidence that it
leaves.
"""
