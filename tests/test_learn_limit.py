"""What a limit stops, and that nothing of it is left: in the main thread, without SIGALRM as on Windows, and in a real kernel."""

import contextlib
import os
import signal
import threading
import time

import pytest

from diffcourse.learn import limit, run
from diffcourse.learn.limit import Limit, TimeUp


def swallowing():
    while True:
        try:  # noqa: SIM105
            time.sleep(0.005)
        except:  # noqa: E722
            pass


def two_loops():
    while True:
        with contextlib.suppress(BaseException):
            swallowing()


def numbers():
    return [float(i) for i in range(10**9)]


@pytest.fixture(params=["alarm", "no alarm"])
def clock(request, monkeypatch):
    if request.param == "no alarm":
        monkeypatch.delattr(signal, "setitimer")


@pytest.mark.slow
@pytest.mark.parametrize("endless", [swallowing, two_loops, numbers])
def test_it_stops_and_nothing_rings_afterwards(clock, endless):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeUp):
        Limit(0.3).call(endless)
    time.sleep(0.3)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM)) == before


@pytest.mark.slow
def test_the_stop_button_gets_through_what_swallows_everything():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            run.Runner(60.0).call(two_loops)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 30


def test_time_in_which_the_machine_was_busy_elsewhere_does_not_count(monkeypatch):
    """The process is held: no ticks arrive, its processor stands still, and the wall's clock goes on."""
    monkeypatch.setattr(limit.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(limit.time, "process_time", lambda: 0.0)
    clock = Limit(1.0)
    clock._wall = 0.0
    assert not clock.tick()
    assert clock._now() == pytest.approx(0.01)


KERNEL = """
import torch, time
from diffcourse.learn import check, run
run.LIMIT = 1.0

def of_numbers(images): return torch.tensor([float(i) for i in range(10**9)])
def of_pairs(images): return {i: float(i) for i in range(10**9)}
def mapped(images): return list(map(lambda i: float(i), range(10**9)))
def of_tensors(images): return [torch.ones(3) for _ in range(10**9)]
def products(images):
    x = torch.randn(300, 300)
    while True: x = x @ x.softmax(0)
def recursive(images):
    def f(n): return f(n + 1)
    while True:
        try: f(0)
        except RecursionError: pass
def swallowing(images):
    while True:
        try: time.sleep(0.01)
        except: pass
"""


@pytest.mark.slow
def test_the_kernel_lives_on_after_each():
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()

    def said(code: str) -> str:
        texts = []
        client.execute_interactive(code, timeout=120, output_hook=lambda m: texts.append(str(m["content"])))
        return " ".join(texts)

    try:
        said(KERNEL)
        for name in ("of_numbers", "of_pairs", "mapped", "of_tensors", "products", "recursive", "swallowing"):
            assert "still running after 1 seconds" in said(f'_ = check("00.to_minus_one_one", {name})'), name
            time.sleep(1)
            assert "'text/plain': '2'" in said("1 + 1"), name
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
