"""The record of processing activities (GDPR, article 30): ``record`` makes it, ``page`` writes it for people."""
