"""Compression of a trained network, by ``bonsai compress``."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Union

from ._program import BonsaiError, failure, options, program

_DONE = 0
_MISSED = 3
_Path = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Compressed:
    """The result of a compression."""

    file: Optional[Path]
    """The engine that was kept; ``None`` if there is none."""
    met: bool
    """Whether the engine keeps every limit."""
    missed: List[str]
    """The limits that are not kept, and why."""
    details: Dict[str, Any]
    """Everything that the program reports, such as all engines that were tried."""


def compress(
    weights: _Path,
    data: _Path,
    *,
    max_latency: Optional[Union[float, str]] = None,
    max_macs: Optional[float] = None,
    max_size: Optional[Union[int, str]] = None,
    max_drop: Optional[float] = None,
    project: Optional[_Path] = None,
    on_event: Optional[Callable[[Dict[str, Any]], None]] = None,
    **given: Any,
) -> Compressed:
    """Makes a trained network keep limits; see ``bonsai compress --help`` for them and for the options in ``given``.

    ``max_latency`` is in milliseconds or text such as ``"8ms"``, and ``max_size`` in bytes or text such as ``"2MB"``.
    ``on_event`` is called with every event that ``--json`` prints, such as each epoch. ``given`` may have ``set``, a
    dictionary of settings. Raises :class:`BonsaiError` if the program fails; limits that are not kept are no error.
    """
    settings = given.pop("set", {})
    limits = {"max_latency": max_latency, "max_macs": max_macs, "max_size": max_size, "max_drop": max_drop}
    words = [program(), "compress", os.fspath(weights), "--json"]
    words += options({"data": os.fspath(data), **limits, "project": project, **given})
    for key, value in settings.items():
        words.append(f"--set={key}={str(value).lower() if isinstance(value, bool) else value}")
    end: Optional[Dict[str, Any]] = None
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    event: Dict[str, Any] = json.loads(line)
                    if event.get("event") == "end":
                        end = event
                    if on_event is not None:
                        on_event(event)
            except BaseException:
                # Like Ctrl-C in a terminal: the same call continues the work.
                process.terminate()
                raise
        code = process.returncode
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if code not in (_DONE, _MISSED):
        raise failure(code, text)
    result = end.get("result") if end is not None else None
    if not isinstance(result, dict):
        raise BonsaiError("bonsai compress ended without a result")
    file = result.get("file")
    return Compressed(Path(file) if file else None, code == _DONE, list(result.get("missed", [])), result)
