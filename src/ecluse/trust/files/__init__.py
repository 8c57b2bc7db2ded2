"""From the text of TOML files to their Structs and back: every problem told, nothing that is unknown passed over.

``reading`` reads, ``shape`` knows secrets and choices by their types, ``known`` spares the next process the work,
``tomltext`` changes a table and leaves the rest as somebody wrote it, and ``editors`` has the schemas for editors.
"""
