"""Partners as people handle them: invited and taken on (``onboarding``, ``letter``), shown (``views``, ``roles``),
audited, and what they are seen to use (``sightings``).
"""
