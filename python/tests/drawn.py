"""Networks and a picture for the tests: a fixture of the repository, and a network trained on a drawn dataset."""

from __future__ import annotations

import functools
import gzip
import os
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

from bonsai_yolo import program

WIDTH, HEIGHT = 90, 60
_FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "checkpoint" / "old.pt.gz"
#: The weights are random, so every box counts.
OPTIONS = {"conf": 0.0, "max_det": 4}


@functools.lru_cache(maxsize=None)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def folder() -> Path:
    """A folder that is removed at the end."""
    return Path(_folder().name)


@functools.lru_cache(maxsize=None)
def weights() -> Path:
    """A network with random weights, whose objects depend on the picture."""
    path = folder() / "old.pt"
    path.write_bytes(gzip.decompress(_FIXTURE.read_bytes()))
    return path


@functools.lru_cache(maxsize=None)
def run() -> Path:
    """A run directory with a small dataset and a network that was trained on it for an epoch."""
    path = folder() / "run"
    words = "pipeline --quiet --imgsz 64 --batch 4 --epochs 1 --until baseline"
    small = "--set shapes.train=8 --set shapes.val=4 --set shapes.test=2"
    subprocess.run(
        [program(), *words.split(), *small.split(), "--project", os.fspath(path)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return path


def trained() -> Path:
    """The network in it."""
    return run() / "baseline" / "best.safetensors"


def dataset() -> Path:
    """The dataset in it."""
    return run() / "dataset" / "shapes" / "data.yaml"


def pixels() -> bytes:
    """Rows of red, green and blue."""
    return bytes(
        value for y in range(HEIGHT) for x in range(WIDTH) for value in (x * 2, y * 4, (x * y) % 256)
    )


@functools.lru_cache(maxsize=None)
def png() -> Path:
    """A file with the same pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    stride = 3 * WIDTH
    rows = b"".join(b"\0" + pixels()[y * stride : (y + 1) * stride] for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    path = folder() / "picture.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path
