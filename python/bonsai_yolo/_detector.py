"""A running ``bonsai serve`` process, and the objects that it finds."""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple, Type, Union, overload

from ._detection import Detection
from ._pixels import pixels
from ._program import BonsaiError, failure, options, program

Source = Any
"""A path (``str`` or ``os.PathLike``), or an array of ``height x width x 3`` bytes with the buffer protocol."""

_PROTOCOL = 1
# The program reads this many requests before their answers are read.
_AHEAD = 2
_PIPE_BYTES = 1 << 20
# The program reads lines below 64 KiB, and the system opens paths of 4 KiB.
_LONGEST_PATH = 60_000
_SECONDS_TO_END = 10.0
_log = logging.getLogger("bonsai_yolo")


class Detector:
    """A network in a process of its own, which ends with :meth:`close` or at the end of a ``with`` block.

    A detector may be used by several threads; their images are looked at one after the other. It belongs to the process
    that made it: a forked process must make its own.
    """

    names: List[str]
    """Names of the classes, by their numbers."""
    imgsz: int
    """Side of the network's input in pixels."""
    version: str
    """Version of the program."""
    milliseconds: float
    """Time that the program took for the last image, from its pixels to the objects."""

    def __init__(
        self,
        weights: Union[str, "os.PathLike[str]"],
        *,
        conf: Optional[float] = None,
        iou: Optional[float] = None,
        max_det: Optional[int] = None,
        classes: Optional[Sequence[Union[int, str]]] = None,
        imgsz: Optional[int] = None,
        threads: Optional[int] = None,
        runtime: Optional[str] = None,
    ) -> None:
        """Loads a checkpoint, CPU engine, ``.pt`` or ONNX file.

        The options are those of ``bonsai predict``; ``None`` is the default of the program. Raises
        :class:`BonsaiError` if the file or an option is refused.
        """
        given = {
            "weights": os.fspath(weights),
            "conf": conf,
            "iou": iou,
            "max_det": max_det,
            "classes": None if classes is None else list(classes),
            "imgsz": imgsz,
            "threads": threads,
            "runtime": runtime,
        }
        self.milliseconds = 0.0
        self._lock = threading.Lock()
        # A random start, so that no other detector has the same numbers.
        self._next_id = int.from_bytes(os.urandom(6), "little") >> 1
        self._pid = os.getpid()
        _all.add(self)
        self._process: Optional["subprocess.Popen[bytes]"] = None
        # A file, because a pipe that nobody reads could fill up and stop the program.
        self._errors = tempfile.TemporaryFile()
        self._reported = 0
        try:
            self._process = subprocess.Popen(
                [program(), "serve", "--stdin", *options(given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # Ctrl-C is for this program, which may handle it and go on.
                start_new_session=True,
            )
            _enlarge(self._process)
            ready = self._read()
            if ready.get("protocol") != _PROTOCOL:
                raise BonsaiError(
                    f"the program answers by protocol {ready.get('protocol')}, but this module needs {_PROTOCOL}: "
                    "install both from the same package"
                )
        except OSError as error:
            self._end(kill=True)
            raise BonsaiError(f"cannot start {program()}: {error}") from error
        except BaseException:
            self._end(kill=True)
            raise
        self.names = list(ready["names"])
        self.imgsz = int(ready["imgsz"])
        self.version = str(ready["version"])

    @overload
    def predict(self, source: List[Source], *, bgr: bool = False) -> List[List[Detection]]: ...

    @overload
    def predict(self, source: Source, *, bgr: bool = False) -> List[Detection]: ...

    def predict(self, source: Any, *, bgr: bool = False) -> Any:
        """The objects in an image, most confident first; for a list of images, a list of these.

        An array has red, green and blue in this order, or with ``bgr=True`` blue, green and red, as OpenCV has it.
        Raises :class:`BonsaiError` if an image cannot be read, and ``TypeError`` or ``ValueError`` for an array that is
        not an image; the detector can be used after each of these.
        """
        is_list = isinstance(source, (list, tuple))
        requests = [_request(image, bgr) for image in (source if is_list else [source])]
        self._check_process()
        with self._lock:
            found = self._ask(requests)
        return found if is_list else found[0]

    def close(self) -> None:
        """Ends the process. A closed detector may be closed again."""
        with self._lock:
            self._end(kill=False)

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # An error in __init__ may have left no process.
        if getattr(self, "_process", None) is not None:
            self._end(kill=True)

    def __repr__(self) -> str:
        state = "closed" if self._process is None else f"{len(self.names)} classes, {self.imgsz} px"
        return f"<Detector: {state}>"

    def _ask(self, requests: List[Tuple[Dict[str, Any], Optional[memoryview]]]) -> List[List[Detection]]:
        found: List[List[Detection]] = []
        refused: List[str] = []
        waiting: Deque[int] = deque()
        try:
            for request, body in requests:
                waiting.append(self._write(request, body))
                if len(waiting) == _AHEAD:
                    self._take(waiting.popleft(), found, refused)
            while waiting:
                self._take(waiting.popleft(), found, refused)
        except BaseException:
            # An interrupted exchange cannot be continued: an answer or a part of a request is left.
            self._end(kill=True)
            raise
        if refused:
            raise BonsaiError("; ".join(refused))
        return found

    def _take(self, expected: int, found: List[List[Detection]], refused: List[str]) -> None:
        """Reads the answer to a request."""
        answer = self._read()
        if answer.get("id") != expected:
            raise BonsaiError(f"the answer to request {expected} has the id {answer.get('id')!r}")
        if "error" in answer:
            # Later answers are read before the error is raised, so that the next call finds its own.
            refused.append(answer["error"])
            return
        self.milliseconds = float(answer["milliseconds"])
        found.append([Detection.from_json(one) for one in answer["detections"]])

    def _write(self, request: Dict[str, Any], body: Optional[memoryview]) -> int:
        process = self._running()
        assert process.stdin is not None
        request_id = self._next_id
        self._next_id += 1
        line = json.dumps({"id": request_id, **request}) + "\n"
        try:
            process.stdin.write(line.encode())
            if body is not None:
                process.stdin.write(body)
            process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None
        return request_id

    def _read(self) -> Dict[str, Any]:
        process = self._running()
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._failed()
        self._report()
        answer: Dict[str, Any] = json.loads(line)
        if answer.get("fatal"):
            raise BonsaiError(answer["error"])
        return answer

    def _abandon(self) -> None:
        """In a forked process: closes its ends of the pipes, so that the program still ends with the parent."""
        process = self._process
        if process is None:
            return
        process.returncode = -1  # The program is the parent's to wait for.
        for pipe in (process.stdin, process.stdout):
            try:
                # Not through the buffer, which may hold a part of a request of the parent.
                pipe.raw.close()  # type: ignore[union-attr]
            except OSError:
                pass

    def _check_process(self) -> None:
        """Refuses a forked process, whose requests would mix with those of its parent."""
        if self._pid != os.getpid():
            raise BonsaiError("the detector belongs to another process: make one in each process")

    @property
    def _is_usable(self) -> bool:
        process = self._process
        return self._pid == os.getpid() and process is not None and process.poll() is None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise BonsaiError("the detector is closed")
        return self._process

    def _failed(self) -> BonsaiError:
        """The error for a process that has ended or closed its output."""
        process = self._running()
        try:
            code: Optional[int] = process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            code = None
        size = os.fstat(self._errors.fileno()).st_size
        return failure(code, os.pread(self._errors.fileno(), size, 0).decode(errors="replace"))

    def _report(self) -> None:
        """Logs warnings of the program, such as one about a number that is not finite."""
        size = os.fstat(self._errors.fileno()).st_size
        if size > self._reported:
            # Not `seek`: the program shares the position of the file.
            text = os.pread(self._errors.fileno(), size - self._reported, self._reported)
            self._reported = size
            for line in text.decode(errors="replace").splitlines():
                if line.strip() and not line.startswith(("error: ", "  cause: ", "hint: ")):
                    _log.warning("%s", line)

    def _end(self, kill: bool) -> None:
        process, self._process = self._process, None
        if process is not None and self._pid == os.getpid():
            assert process.stdin is not None and process.stdout is not None
            if kill:
                process.kill()
            try:
                process.stdin.close()
            except OSError:
                pass  # What was not written is for a process that has ended.
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        self._errors.close()


def _request(source: Source, bgr: bool) -> Tuple[Dict[str, Any], Optional[memoryview]]:
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if not isinstance(path, str):
            raise TypeError(f"a path must be text, but is {path!r}")
        try:
            path.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the path {path!r} is not Unicode: pass the pixels instead") from None
        path = os.path.abspath(path)
        if len(json.dumps(path)) > _LONGEST_PATH:
            raise ValueError(f"a path of {len(path)} letters is longer than any file's")
        return {"path": path}, None
    width, height, body = pixels(source)
    order = "bgr8" if bgr else "rgb8"
    return {"width": width, "height": height, "format": order, "bytes": body.nbytes}, body


def _enlarge(process: "subprocess.Popen[bytes]") -> None:
    """Lets a whole image fit into the pipe, so that fewer switches between the processes are needed."""
    if sys.platform == "linux" and process.stdin is not None:
        import fcntl

        # F_SETPIPE_SZ has a name since Python 3.10.
        try:
            fcntl.fcntl(process.stdin.fileno(), getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE_BYTES)
        except OSError:
            pass  # The system allows less; it only takes longer.


_all: "weakref.WeakSet[Detector]" = weakref.WeakSet()
_kept: Optional[Tuple[Any, Detector]] = None
_kept_lock = threading.Lock()


def predict(source: Any, weights: Union[str, "os.PathLike[str]"], *, bgr: bool = False, **given: Any) -> Any:
    """The objects in an image, or in each image of a list; see :meth:`Detector.predict`.

    ``given`` are options of :class:`Detector`. The process with the network is kept for the next call with the same
    weights and options, until a call with others or the end of this program.
    """
    global _kept
    file = Path(weights).absolute()
    try:
        state = file.stat()
        stamp = (state.st_size, state.st_mtime_ns)
    except OSError:
        stamp = None  # The program reports it.
    key = (str(file), stamp, repr(sorted(given.items())))
    with _kept_lock:
        if _kept is not None and (_kept[0] != key or not _kept[1]._is_usable):
            _kept[1].close()
            _kept = None
        if _kept is None:
            _kept = (key, Detector(weights, **given))
        return _kept[1].predict(source, bgr=bgr)


def _forget_kept() -> None:
    """In a forked process: the kept detector is the parent's, and another thread may have held the lock."""
    global _kept, _kept_lock
    for detector in list(_all):
        detector._abandon()
    _kept = None
    _kept_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_kept)


@atexit.register
def _close_kept() -> None:
    if _kept is not None:
        _kept[1].close()
