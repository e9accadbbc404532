"""Stops code that runs too long, and nothing but that code: nothing is raised in what cleans up after it.

What is limited is time that the code could use: the ticks of a clock that reach it, which come as one while the machine is busy elsewhere,
or the processor's time, whichever is more. A single call into C, such as `list(map(float, range(10**9)))`, ends before it can be stopped.
"""

import ctypes
import random
import signal
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable
from types import FrameType
from typing import Any

_TICK = 0.01  # seconds
_AGAIN = 0.1  # seconds from ring to ring, where code swallows them
_PATIENCE = 3  # rings that may be swallowed; then each one that is sets a trap some lines further on

_handle = getattr(
    signal.signal, "__wrapped__", signal.signal
)  # without its enumeration, which takes longer than the rest

_here = threading.local()  # .limit: the innermost that runs in a thread


class TimeUp(BaseException):
    """The learner's code ran too long. Not an Exception, so that `except Exception` in her loop does not stop it."""

    def __init__(self) -> None:
        _swallowed()

    def __del__(self) -> None:  # behind `except: pass`
        _swallowed()


def _swallowed() -> None:
    limit = getattr(_here, "limit", None)
    if limit is not None and limit.rings > _PATIENCE and not limit.over:
        limit.trap(sys._getframe())


class Limit:
    """Seconds that a call may take. Several calls may share them, one after the other."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.spent = 0.0
        self.over = True
        self.rings = 0
        self._random = random.Random(0)
        self._ticks, self._stopped, self._trapped = 0, False, False
        self._wall, self._processor = time.monotonic(), time.process_time()

    def call(self, function: Callable, *args: Any) -> Any:
        """function(*args). TimeUp where that takes longer, KeyboardInterrupt where the reader stops it, whatever the function swallows."""
        if self.spent >= self.seconds:
            raise TimeUp
        self.rings, self._ticks, self._stopped, self._trapped = 0, 0, False, False
        self._wall, self._processor = time.monotonic(), time.process_time()
        clock = _Signals(self) if threading.current_thread() is threading.main_thread() else _Thread(self)
        outer, _here.limit = getattr(_here, "limit", None), self
        clock.start()
        self.over = False
        try:
            return _inside(function, args)
        finally:
            self.over = True  # an assignment, so that nothing can arrive before it is done
            while True:
                try:
                    clock.stop()
                    for _ in range(10):  # what is pending is raised where a loop turns: here, and is dropped
                        pass
                    break
                except TimeUp:
                    continue
            if self._trapped:
                sys.settrace(self._traced)
            self.spent = self._now()
            _here.limit = outer
            if self._stopped:
                raise KeyboardInterrupt

    def _now(self) -> float:
        wall = time.monotonic() - self._wall
        busy = time.process_time() - self._processor
        return self.spent + min(wall, max(self._ticks * _TICK, busy))

    def tick(self) -> bool:
        """A tick has arrived: is it time to stop?"""
        self._ticks += 1
        return self._stopped or self._now() >= self.seconds

    def ring(self, frame: FrameType | None) -> bool:
        """May the code be stopped at this frame? Counted where it may."""
        while frame is not None and frame.f_code is not _inside.__code__:
            frame = frame.f_back
        self.rings += frame is not None and not self.over
        return frame is not None and not self.over

    @property
    def again(self) -> float:
        """Seconds to the next ring."""
        return _AGAIN if self.rings <= _PATIENCE else _TICK

    def trap(self, frame: FrameType | None) -> None:
        """Raise TimeUp once more, a few lines after this frame: in the end between two turns of a loop, where no `except` is in the way."""
        if not self._trapped:
            self._trapped, self._traced = True, sys.gettrace()
        sys.settrace(None)
        lines = self._random.randrange(1, 2 + self._random.randrange(12))

        def trace(at: FrameType, event: str, _: Any) -> Any:
            nonlocal lines
            if at.f_code.co_filename == __file__:  # this function's like
                return None
            lines -= event == "line"
            if lines == 0 and not self.over:
                raise TimeUp
            return trace

        while frame is not None and frame.f_code is not _inside.__code__:
            frame.f_trace = trace
            frame = frame.f_back
        sys.settrace(trace)

    def stopped(self) -> None:
        """The reader's stop button was pressed."""
        self._stopped = True


def _inside(function: Callable, args: tuple) -> Any:
    """The limited call. It is stopped only while this frame is on the stack."""
    return function(*args)


class _Signals:
    """The clock of the main thread: SIGALRM, or on Windows a thread that interrupts it as the stop button would; and that button."""

    def __init__(self, limit: Limit):
        self.limit = limit
        self.ticks = hasattr(signal, "setitimer")
        self.due = False

    def start(self) -> None:
        self.began, self.outer = time.monotonic(), 0.0
        before = signal.getsignal(signal.SIGINT)
        self.before = {}
        if callable(before) or not self.ticks:  # a background process of a shell ignores it
            self.before[signal.SIGINT] = _handle(signal.SIGINT, self.stop_button)
        if self.ticks:
            self.before[signal.SIGALRM] = _handle(signal.SIGALRM, self.alarm)
            self.outer, _ = signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
        else:
            self.thread = _Ticker(self.limit, self.interrupt)

    def stop(self) -> None:
        if self.ticks:
            signal.setitimer(signal.ITIMER_REAL, 0)
        else:
            self.thread.end()
        for which, handler in self.before.items():
            _handle(which, signal.SIG_DFL if handler is None else handler)
        if self.outer:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, self.outer - (time.monotonic() - self.began)))
            self.outer = 0.0

    def alarm(self, signum: int, frame: FrameType | None) -> None:
        if self.limit.tick() and self.limit.ring(frame):
            signal.setitimer(signal.ITIMER_REAL, self.limit.again, self.limit.again)
            raise TimeUp

    def interrupt(self) -> None:
        self.due = True
        interrupt_main()

    def stop_button(self, signum: int, frame: FrameType | None) -> None:
        due, self.due = self.due, False
        if not due:
            self.limit.stopped()
        if self.limit.ring(frame):
            raise TimeUp if due else KeyboardInterrupt


class _Thread:
    """The clock of any other thread: a thread that raises in it."""

    def __init__(self, limit: Limit):
        self.limit, self.ident = limit, threading.get_ident()

    def start(self) -> None:
        self.thread = _Ticker(self.limit, self.interrupt)

    def stop(self) -> None:
        self.thread.end()

    def interrupt(self) -> None:
        if self.limit.ring(sys._current_frames().get(self.ident)):
            _raise_in(self.ident)


class _Ticker:
    """Calls `interrupt` from a thread of its own when the time is up, and again until it has ended."""

    def __init__(self, limit: Limit, interrupt: Callable[[], None]):
        self.limit, self.interrupt = limit, interrupt
        self.over, self.lock = threading.Event(), threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        wait = _TICK
        while not self.over.wait(wait):
            with self.lock:
                if not self.over.is_set() and self.limit.tick():
                    self.interrupt()
                    wait = self.limit.again

    def end(self) -> None:
        """No ring comes after this."""
        with self.lock:
            self.over.set()


def _raise_in(thread: int) -> None:
    """Raise TimeUp in a thread, where it next looks for what is pending.

    What is pending is never taken back. `PyThreadState_SetAsyncExc(thread, None)` would leave Python 3.11 and 3.12 with a flag that asks
    every thread to look for it, for good: all code runs slower, and 3.11 never comes out of a call that is traced, as under coverage.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimeUp))
