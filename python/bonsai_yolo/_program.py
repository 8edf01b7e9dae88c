"""The program ``bonsai`` of this installation."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path
from typing import Iterator, List, Mapping, Optional

_NAME = "bonsai.exe" if os.name == "nt" else "bonsai"


class BonsaiError(RuntimeError):
    """The program refused its options, failed, or could not be started."""


def program() -> str:
    """The path of the program.

    The environment variable ``BONSAI_PROGRAM`` names it. Without this variable it is the one that was installed with
    this module, or else the first one on ``PATH``.
    """
    given = os.environ.get("BONSAI_PROGRAM")
    if given:
        if not os.access(given, os.X_OK):
            raise BonsaiError(f"BONSAI_PROGRAM is {given!r}, which is not a program")
        return given
    for folder in _folders():
        path = folder / _NAME
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("bonsai")
    if found is None:
        folders = ", ".join(str(folder) for folder in _folders())
        raise BonsaiError(
            f"cannot find the program bonsai in {folders} or on PATH: install the package again with "
            "`pip install --force-reinstall bonsai-yolo`, or name the program in BONSAI_PROGRAM"
        )
    return found


def _folders() -> Iterator[Path]:
    """Folders where ``pip`` may have put the program that belongs to this module."""
    package = Path(__file__).resolve().parent
    for scheme in (None, f"{os.name}_user"):
        try:
            paths = sysconfig.get_paths(scheme) if scheme else sysconfig.get_paths()
        except KeyError:
            continue
        # Another scheme than that of this module may have a program of another version.
        if package.parent in (Path(paths["purelib"]).resolve(), Path(paths["platlib"]).resolve()):
            yield Path(paths["scripts"])
    # `pip install --target FOLDER`
    yield package.parent / "bin"


def options(values: Mapping[str, object]) -> List[str]:
    """The words of a command line for options; ``None`` leaves one out, and ``True`` is an option without a value."""
    words: List[str] = []
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, (list, tuple)):
            if any("," in str(item) for item in value):
                raise ValueError(f"{name}: no item may contain a comma, but one of {value!r} does")
            words.append(f"{option}={','.join(str(item) for item in value)}")
        else:
            words.append(f"{option}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return words


def failure(code: Optional[int], errors: str) -> BonsaiError:
    """The error for a program that ended with an exit code and these lines on standard error."""
    lines = [line for line in errors.splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if line.startswith("error: ")), max(0, len(lines) - 5))
    text = "\n".join(lines[start:])
    if text.startswith("error: "):
        return BonsaiError(text[len("error: ") :])
    ended = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    return BonsaiError(f"bonsai {ended}" + (f": {text}" if text else ""))
