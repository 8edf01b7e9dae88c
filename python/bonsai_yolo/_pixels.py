"""Arrays of pixels, by Python's buffer protocol."""

from __future__ import annotations

from typing import Any, Tuple


def pixels(array: Any) -> Tuple[int, int, memoryview]:
    """Width, height and bytes of an array of ``height x width x 3`` values of 8 bits, without a copy.

    Raises ``TypeError`` for other kinds of values and ``ValueError`` for other shapes or an array with gaps.
    """
    try:
        view = memoryview(array)
    except (TypeError, ValueError, BufferError) as error:
        raise TypeError(
            f"expected a path, an array of pixels, or a list of these, but got {type(array).__name__}: {error}"
        ) from None
    if view.format != "B":
        raise TypeError(
            f"the array has values of format {view.format!r}, but pixels are unsigned bytes from 0 to 255: convert it "
            "with `.astype('uint8')` (after multiplying by 255 if its values are from 0 to 1)"
        )
    if view.ndim != 3 or view.shape is None or view.shape[2] != 3:
        raise ValueError(f"the array has the shape {view.shape}, but an image is height x width x 3")
    if 0 in view.shape:
        raise ValueError(f"the array has the shape {view.shape}, which has no pixels")
    if not view.c_contiguous:
        raise ValueError(
            "the rows of the array do not follow each other in memory: pass `numpy.ascontiguousarray(array)`, or, if "
            "it was made by `[..., ::-1]`, the original array with `bgr=True`"
        )
    height, width, _ = view.shape
    return width, height, view.cast("B")
