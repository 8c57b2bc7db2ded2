"""Documents and the seals around them, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Inside", "is_around", "is_container", "is_meta"]


def is_around(name: str) -> bool:
    """Whether a file's name says that a seal is around it."""
    return name.lower().endswith(".p7m")


def is_container(name: str) -> bool:
    """Whether a file's name says that it is a container."""
    return name.lower().endswith((".asice", ".sce"))


def is_meta(name: str) -> bool:
    """Whether a file of a container is about its documents, and none of them."""
    return name == "mimetype" or name.lower().startswith("meta-inf")


@dataclass(frozen=True, slots=True)
class Inside:
    """A document that goes into a container.

    Attributes:
        name: Its name; unique among them, and no path.
        content_type: Its media type.
        size: Octets.
        chunks: Gives its octets; called twice.
    """

    name: str
    content_type: str
    size: int
    chunks: Callable[[], Iterable[bytes]]
