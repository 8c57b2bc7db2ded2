"""Flows on a node: their jobs and watches, those in force (``book``), the places they use, and what people see."""
