"""Finds objects in an array: python3 detect_array.py NETWORK ARRAY.npy (height x width x 3, uint8, RGB)."""
import sys

import numpy

from bonsai_yolo import Detector

with Detector(sys.argv[1], conf=0.25) as detector:
    for found in detector.predict(numpy.load(sys.argv[2])):
        print(f"{found.name} {found.confidence:.3f} at {[round(side) for side in found.xyxy]}")
