"""An object that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Tuple


@dataclass(frozen=True)
class Detection:
    """An object in an image."""

    class_id: int
    """Number of the class, from 0."""
    name: str
    """Name of the class."""
    confidence: float
    """Score from 0 to 1."""
    xyxy: Tuple[float, float, float, float]
    """Left, top, right and bottom, in pixels of the image."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Detection:
        """The object that a line of ``bonsai predict --json`` or ``bonsai serve`` describes."""
        left, top, right, bottom = found["xyxy"]
        return cls(found["class_id"], found["name"], found["confidence"], (left, top, right, bottom))
