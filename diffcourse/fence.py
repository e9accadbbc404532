"""Runs a Python module on what nobody vouches for, such as a notebook of somebody else's, so that it harms nothing.

Where Linux lets its users make namespaces, the program is root of nothing: it sees no network and no process but its own, all files are
read-only but those of an empty folder in memory, and the end of the program is the end of all that it started. Elsewhere a hook of Python's
(`sys.addaudithook`) refuses it network, processes and writing outside its folder: enough for carelessness, and no wall for
one who means harm. Either way there are limits of time, memory, output, files and processes.
"""

import contextlib
import functools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

ROOM = 4 << 30
"""Bytes of memory that a program and what it started may hold."""
OUTPUT = 5 << 20
"""Bytes that it may print."""
FILE = 256 << 20
"""Bytes of a file that it writes; there may be four such files."""
PROCESSES = 64

# Mounts are private to the program, so nothing of this is seen outside. A capability dropped here cannot be had again: a second set of
# namespaces, which anybody may make, inherits mounts that are locked as they are.
_SHUT = r"""
mount --make-rprivate / && mount -t tmpfs -o size=1g tmpfs "$1" || exit 99
while read -r _ at _; do
  at=$(printf '%b' "$at"); [ "$at" = "$1" ] || mount -o remount,bind,ro "$at" 2>/dev/null
done < /proc/self/mounts
touch "$1/t" && ! touch "$1.t" 2>/dev/null && rm "$1/t" && cd "$1" || exit 99
shift; exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def command(folder: str, *program: str) -> list[str]:
    """The command that runs a program with `folder` as the only place to write to, behind namespaces if these can be made."""
    shut = ["unshare", "-rmpn", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _SHUT, "sh", folder]
    return [*shut, *program] if walled() else list(program)


@functools.cache
def walled() -> bool:
    """Can namespaces be made here? Tried once, with a program that does nothing."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        return False
    with tempfile.TemporaryDirectory() as folder:
        shut = ["unshare", "-rmpn", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _SHUT, "sh", folder, "true"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(shut, capture_output=True, timeout=20).returncode == 0
    return False


class Stopped(Exception):
    """The program ended before it was done: `why` is time-out, too much output, too much memory or died."""

    def __init__(self, why: str, more: str = "") -> None:
        super().__init__(why, more)
        self.why, self.more = why, more


def run(module: str, job: Any, environment: dict[str, str], clock: Callable[[Any], float]) -> Iterator[Any]:
    """Run `python -m module` behind the fence with a job on its stdin, as JSON; yields what it sends by `Line.send`, as it comes.

    clock: called with each thing that came, and with None at the start; how many seconds there are until the next one. `Stopped` where
    these are over, or it ends without the word that it is done.
    """
    with tempfile.TemporaryDirectory(prefix="diffcourse-", ignore_cleanup_errors=True) as made:
        folder = os.path.realpath(made)
        homes = {"HOME": folder, "USERPROFILE": folder, "TMPDIR": folder, "TEMP": folder, "MPLCONFIGDIR": folder}
        token = os.urandom(16).hex()
        process = subprocess.Popen(
            command(folder, sys.executable, "-m", module),
            cwd=folder,
            env={**environment, **homes, "XDG_CACHE_HOME": folder, "DIFFCOURSE_HOME": str(Path(folder, "home"))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin and process.stdout and process.stderr
        lines: queue.Queue[bytes | None] = queue.Queue()
        printed = _Printed(process.stderr)
        reading = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reading.start()
        try:
            with contextlib.suppress(OSError), process.stdin as pipe:  # one that died early does not read
                pipe.write(json.dumps({"token": token, "folder": folder, "walled": walled(), "job": job}).encode())
            yield from _told(process, lines, printed, token.encode(), clock)
        finally:
            _end(process)
            for thread, pipe in ((reading, process.stdout), (printed.thread, process.stderr)):
                thread.join(5)  # whoever still holds the other end is not waited for
                if not thread.is_alive():
                    pipe.close()


def _told(
    process: subprocess.Popen[bytes],
    lines: "queue.Queue[bytes | None]",
    printed: "_Printed",
    token: bytes,
    clock: Callable[[Any], float],
) -> Iterator[Any]:
    until = time.monotonic() + clock(None)
    while True:
        try:
            line = lines.get(timeout=0.25)
        except queue.Empty:
            line = b""
        if printed.size > OUTPUT:
            raise Stopped("too much output", f"more than {OUTPUT >> 20} MB")
        if line is None:
            raise Stopped("died", printed.last())
        if line.startswith(token):  # others are the program's own
            told = json.loads(line[len(token) :])
            if told == "done":
                return
            yield told
            until = time.monotonic() + clock(told)
        if _held(process.pid) > ROOM:
            raise Stopped("died", f"it took more than {ROOM >> 30} GB of memory")
        if time.monotonic() > until:
            raise Stopped("time-out")


class _Printed:
    """Reads what a program prints, counts it and keeps its end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe, self.size, self.end = pipe, 0, b""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while part := os.read(self.pipe.fileno(), 1 << 16):
            self.size += len(part)
            self.end = (self.end + part)[-4000:]

    def last(self) -> str:
        """The last line."""
        self.thread.join(1)
        lines = self.end.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


def _read(pipe: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    while line := pipe.readline(1 << 20):
        if lines.qsize() < 10_000:
            lines.put(line)
    lines.put(None)


def _tree(pid: int) -> list[Any]:
    import psutil

    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


def _held(pid: int) -> int:
    """Bytes of memory of a process and of all that it started."""
    import psutil

    held = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            held += process.memory_info().rss
    return held


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with all that it started and that can be found."""
    import psutil

    for one in _tree(process.pid)[::-1]:
        with contextlib.suppress(psutil.Error):
            one.kill()
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


# -- inside -----------------------------------------------------------------------------------------------------------


class Line:
    """The program's side: the job, and `send`, which only this object's holder can do; what is printed from now on is counted as output."""

    def __init__(self) -> None:
        given = json.loads(sys.stdin.buffer.read())
        self.job, self._token, self._walled = given["job"], given["token"].encode(), given["walled"]
        self.folder = os.path.realpath(given["folder"])
        self._out = os.dup(1)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # who waits for input hears that there is none
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
        self.refused: list[str] = []  # what the hook did not allow
        _limit(self._walled)
        sys.addaudithook(self._hook)

    def send(self, what: Any) -> None:
        """Tell the other side something that JSON can hold; at last, "done"."""
        os.write(self._out, self._token + json.dumps(what).encode() + b"\n")

    def _hook(self, event: str, args: tuple) -> None:
        if event in _NETWORK:
            if not _package_asks():
                self.refused.append("network")
            raise PermissionError("there is no network here")
        if self._walled:
            return
        if event in _STARTS or (event == "os.kill" and args[0] != os.getpid()):
            raise PermissionError(f"{event} is not allowed here")
        paths = args[:1] if event in _WRITES or (event == "open" and _for_writing(args)) else ()
        paths = args[:2] if event in ("os.rename", "os.link", "os.symlink") else paths
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and not self._mine(os.fsdecode(path)):
                raise PermissionError(f"writing to {os.fsdecode(path)!r} is not allowed here")

    def _mine(self, path: str) -> bool:
        return path == os.devnull or os.path.realpath(path).startswith(self.folder + os.sep)


_NETWORK = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
_STARTS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "os.killpg",
}
_WRITES = {"os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.utime", "shutil.rmtree"}


def _for_writing(args: tuple) -> bool:
    _, mode, flags = args
    return any(c in mode for c in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))


def _package_asks() -> bool:
    """Does the course itself look for a download, which it can do without?"""
    frame: Any = sys._getframe(2)
    while frame is not None and os.path.basename(frame.f_code.co_filename) != "download.py":
        frame = frame.f_back
    return frame is not None


def _limit(walled: bool) -> None:
    with contextlib.suppress(ImportError):  # Windows
        import resource

        limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": FILE, "RLIMIT_DATA": ROOM, "RLIMIT_NOFILE": 512}
        if walled:  # elsewhere the user's other processes count too
            limits["RLIMIT_NPROC"] = PROCESSES
        for name, most in limits.items():
            with contextlib.suppress(ValueError, OSError, AttributeError):
                resource.setrlimit(getattr(resource, name), (most, most))
        with contextlib.suppress(OSError):
            os.nice(5)
