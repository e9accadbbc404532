"""What comes from the network comes whole, or there is a sentence soon: no server, proxy or hotel's log-in page makes anybody wait."""

import contextlib
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE = (
    15.0  # seconds in which LEAST bytes must have come, whatever it is that takes so long: names, proxies, answers
)
LEAST = 32_768


def fetch(url: str, most: int) -> bytes:
    """The content at `url`, at most `most` bytes. OSError, in a few words, where it cannot be had or comes too slowly."""
    came, problems, ended = bytearray(), [], threading.Event()

    def get() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "diffcourse"})
            opener = urllib.request.build_opener()  # of its own: it reads the proxies of this moment
            with opener.open(request, timeout=PATIENCE) as answer:
                while not ended.is_set() and len(came) <= most and (part := answer.read1(1 << 16)):
                    came.extend(part)
        except Exception as error:  # OSError, HTTPException, ValueError of an odd proxy, …
            problems.append(error)
        ended.set()

    threading.Thread(
        target=get, daemon=True
    ).start()  # looking up a name has no time limit of its own, nor have headers
    before, since = 0, time.monotonic()
    while not ended.wait(0.1):  # not in one go: Ctrl-C is heard between
        if time.monotonic() - since < PATIENCE:
            continue
        if len(came) - before < LEAST:
            ended.set()
            slow = f"{len(came) - before:,} bytes" if came else "no answer"
            raise TimeoutError(f"{slow} in {PATIENCE:g} seconds")
        before, since = len(came), time.monotonic()
    if problems:
        late = isinstance(getattr(problems[0], "reason", problems[0]), TimeoutError)
        raise (TimeoutError if late else OSError)(_told(problems[0])) from problems[0]
    if len(came) > most:
        raise OSError(f"the answer is longer than {most:,} bytes")
    return bytes(came)


def _told(error: Exception) -> str:
    """A few words, not a page: the reason within urllib's errors, and of others their first line."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, urllib.error.HTTPError):
        reason = f"HTTP {error.code} {error.reason}"
    elif isinstance(reason, TimeoutError):
        reason = f"no answer in {PATIENCE:g} seconds"
    line = (str(reason).splitlines() or [""])[0]
    return "".join(filter(str.isprintable, line)).strip()[:200] or type(error).__name__


def of_hub(name: str) -> Path | None:
    """The folder in which the hub's cache holds a model whole; else None, said what is downloaded, and TimeoutError if nobody answers."""
    from huggingface_hub import constants, try_to_load_from_cache

    with contextlib.suppress(ValueError):  # no name that the hub could have
        if isinstance(found := try_to_load_from_cache(name, "config.json"), str):
            here = {file.name for file in Path(found).parent.iterdir()}
            if here & {"model.safetensors", "model.safetensors.index.json"} and here & {"tokenizer.json", "vocab.json"}:
                return Path(found).parent  # asking whether there is a newer one may take for ever
    if not constants.HF_HUB_OFFLINE:
        print(f"Looking for {name} on {constants.ENDPOINT}; it is downloaded to {constants.HF_HUB_CACHE} …")
        try:
            fetch(f"{constants.ENDPOINT}/{name}/resolve/main/config.json", most=1 << 20)
        except TimeoutError:
            raise
        except OSError:
            pass  # transformers says it better, and may know a password
    return None
