"""Messages as people handle them: handed in (``outbox``), followed, looked up, and told whole (``life``)."""
