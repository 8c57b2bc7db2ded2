"""What the files of a configuration may say: each field with its kind, its default and a sentence.

Structs and nothing else; what must hold beyond the shape of a field stands in :mod:`ecluse.trust.rules`. ``schema`` has
``ecluse.toml`` and a partner's file, and names all others; ``fields`` has the kinds of values.
"""
