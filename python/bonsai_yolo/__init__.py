"""Finds objects in images with the program ``bonsai``, and makes trained networks smaller.

>>> from bonsai_yolo import Detector
>>> with Detector("best.pt") as detector:  # doctest: +SKIP
...     for found in detector.predict("photo.jpg"):
...         print(found.name, found.confidence, found.xyxy)

The module needs nothing but the standard library; it starts the program, which is in the same package.
"""

from ._compress import Compressed, compress
from ._detection import Detection
from ._detector import Detector, Source, predict
from ._program import BonsaiError, program

__all__ = ["BonsaiError", "Compressed", "Detection", "Detector", "Source", "compress", "predict", "program"]
