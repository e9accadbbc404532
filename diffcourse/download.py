"""What comes from the network comes whole, or there is a sentence soon: no server, proxy or hotel's log-in page makes anybody wait."""

import contextlib
import math
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Collection
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
        _knock(name, "config.json")
    return None


def _knock(name: str, file: str) -> None:
    """TimeoutError if nobody answers. Any other fault the hub's own client says better, and it may know a password."""
    from huggingface_hub import constants

    try:
        fetch(f"{constants.ENDPOINT}/{name}/resolve/main/{file}", most=1 << 20)
    except TimeoutError:
        raise
    except OSError:
        pass


# -- a whole Stable Diffusion -------------------------------------------------------------------------------------------

NUMBERS = 1_066_235_307  # of Stable Diffusion 1.x: U-Net 859,520,964, text 123,060,480, autoencoder 83,653,863
LICENCE = "CreativeML OpenRAIL-M: https://huggingface.co/spaces/CompVis/stable-diffusion-license"  # of 1.1 to 1.5
WEIGHTS = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
SETTINGS = ("model_index.json", "scheduler/", "tokenizer/", *(f"{part.split('/')[0]}/config.json" for part in WEIGHTS))
MEGABYTES = 6.25  # a second: a line of 50 Mbit/s


def hub_folder(name: str, *, download: bool = False, half: bool = False) -> Path:
    """The folder in which the hub's cache holds a Stable Diffusion, or into which download=True brings it; nothing comes unasked.

    Before anything large comes it is printed how large it is, its licence, how long it takes and how much memory. half: the files in half
    precision, where it has any. FileNotFoundError without download=True says the same of what is to be expected; OSError in a sentence.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    found = None
    with contextlib.suppress(ValueError):  # no name that the hub could have
        found = try_to_load_from_cache(name, "model_index.json")
    if isinstance(found, str) and (constants.HF_HUB_OFFLINE or not download):
        return Path(found).parent
    if not download:
        whole, less = 4 * NUMBERS, 2 * NUMBERS
        raise FileNotFoundError(
            f"{name!r} is neither a folder here nor in the cache of the Hugging Face hub, and nothing is downloaded unasked. A Stable "
            f"Diffusion 1.x is {_size(whole)} ({_size(less)} in half precision), takes {_minutes(whole)} ({_minutes(less)}) at 50 Mbit/s "
            f"and as much memory, and more to draw. Its licence, if it is one of 1.1 to 1.5: {LICENCE}. download=True fetches it; so does "
            f"`hf download {name} --local-dir FOLDER`, and FOLDER can be carried to another machine"
        )
    if constants.HF_HUB_OFFLINE:
        raise OSError(f"{name!r} could not be downloaded: HF_HUB_OFFLINE is set")
    return _downloaded(name, half)


def _downloaded(name: str, half: bool) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download

    try:
        _knock(name, "model_index.json")
        about = HfApi().model_info(name, files_metadata=True, timeout=PATIENCE)
        sizes = {file.rfilename: file.size or 0 for file in about.siblings or ()}
        wanted = wanted_files(sizes, half)
        total = sum(sizes[file] for file in wanted)
        licence = next((tag[8:] for tag in about.tags or () if tag.startswith("license:")), "not told: see its page")
        numbers = "float16" if any(".fp16" in file for file in wanted) else "float32"
        print(
            f"{name} from {constants.ENDPOINT}: {len(wanted)} files, {_size(total)} ({numbers}), into {constants.HF_HUB_CACHE}.\n"
            f"Licence: {licence}. Time: {_minutes(total)} at 50 Mbit/s. Memory: {_size(total)}, and more to draw."
        )
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # of urllib, of the hub's client, of its connection
        kind = TimeoutError if isinstance(error, TimeoutError) else OSError
        raise kind(
            f"{name!r} could not be downloaded ({_told(error)}): asked again, it goes on where it stopped"
        ) from error


def wanted_files(names: Collection[str], half: bool = False) -> list[str]:
    """Of the files of a Stable Diffusion on the hub, those that are read: settings, and the safetensors of one precision.

    FileNotFoundError where a part has none: then nothing is downloaded.
    """
    wanted = [name for name in names if name.startswith(SETTINGS) and not name.endswith((".bin", ".py"))]
    for stem in WEIGHTS:
        files = [name for name in names if name.startswith(f"{stem}.") or name.startswith(f"{stem}-")]
        files = [n for n in files if n.endswith((".safetensors", ".json")) and "non_ema" not in n]
        of_half = [name for name in files if ".fp16" in name]
        full = [name for name in files if name not in of_half]
        chosen = of_half if of_half and (half or not full) else full
        if not chosen:
            raise FileNotFoundError(f"it holds no {stem}.safetensors, and pickles are not read")
        wanted += chosen
    return sorted(wanted)


def _size(n: float) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e8 else f"{n / 1e6:.1f} MB"


def _minutes(n: float) -> str:
    minutes = math.ceil(n / 1e6 / MEGABYTES / 60)
    return f"{minutes} minute{'s' * (minutes != 1)}"
