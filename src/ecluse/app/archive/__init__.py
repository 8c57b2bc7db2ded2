"""The archive of a node: wired and cared for (``wiring``), searched and handed over (``find``), shown (``views``),
and for how long what is kept (``retention``).
"""
