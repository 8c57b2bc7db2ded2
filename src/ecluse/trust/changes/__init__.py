"""What would change, and whether it is a matter of trust: then a second person approves it where the hub has two.

``plan`` compares two configurations; ``sensitive`` judges a plan by the tables in which every field of every file
stands: ``sensitive_fields`` and ``free_fields``.
"""
