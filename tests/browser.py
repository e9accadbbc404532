"""JupyterLab in a real browser: notebooks are run, handled, saved and opened again as a reader does it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat

SEEN = (
    "(all) => all.filter((i) => i.complete && i.naturalWidth && i.getBoundingClientRect().width > 20).map((i) => i.src)"
)
CHROMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def missing() -> str | None:
    """Why there can be no test in a browser here, or None."""
    try:
        import jupyterlab  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        return f"no {error.name} here: python -m pip install {error.name}"
    return (
        None
        if chrome()
        else f"no browser here: none of {', '.join(CHROMES)} is on the PATH (Debian: apt-get install chromium)"
    )


def chrome() -> str | None:
    return next(filter(None, map(shutil.which, CHROMES)), None)


def write(path: Path, *cells: str) -> Path:
    """A notebook of these code cells, not run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    nbformat.write(notebook, path)
    return path


class Server:
    """`diffcourse lab` (or another command) in a folder, as a context; `stop` and `start` as often as you like."""

    def __init__(self, folder: Path, *command: str, **environment: str):
        self.folder, self.environment = folder, {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self.command = command or ("-m", "diffcourse", "lab", "--dir", str(folder), "--no-browser")
        self.process = None

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = [
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=reader",
            "--allow-root",
        ]
        options += ["--LabApp.expose_app_in_browser=True", "--ServerApp.terminals_enabled=False"]
        options = ["--", *options] if "diffcourse" in self.command else options
        self.log = open(self.folder.parent / f"{self.folder.name}.log", "ab")
        self.process = subprocess.Popen(
            [sys.executable, *self.command, *options],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        until = time.monotonic() + 90
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status?token=reader", timeout=5):
                    return self
            except OSError:
                time.sleep(0.2)
        self.__exit__()
        raise RuntimeError(Path(self.log.name).read_text(encoding="utf-8", errors="replace")[-3000:])

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Page:
    """A notebook in the browser."""

    def __init__(self, page, server: Server, name: str):
        self.page = page
        page.goto(f"http://127.0.0.1:{server.port}/lab/tree/{name}?token=reader&reset", wait_until="load")
        page.wait_for_function(
            "() => window.jupyterapp && window.jupyterapp.shell.currentWidget?.context?.isReady", timeout=60_000
        )
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=60_000)
        page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
            timeout=90_000,
        )

    def do(self, command: str) -> None:
        self.page.evaluate("(command) => window.jupyterapp.commands.execute(command)", command)

    def run(self, timeout: int = 120) -> None:
        """Run All Cells, and wait until the last one has its number."""
        self.do("notebook:run-all-cells")
        self.idle(timeout)

    def idle(self, timeout: int = 120) -> None:
        self.page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .every((cell) => cell.model.type !== 'code' || /\\d/.test(cell.node.querySelector(".jp-InputPrompt").textContent))
                && window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'""",
            timeout=timeout * 1000,
        )
        self.page.wait_for_timeout(500)

    def save(self) -> None:
        self.do("docmanager:save")
        self.page.wait_for_timeout(300)

    def settle(self) -> None:
        """Until no widget is being looked for: one that is not found is given up after two seconds."""
        self.page.wait_for_function("() => !document.body.innerText.includes('Loading widget')", timeout=60_000)
        self.page.wait_for_timeout(300)

    @property
    def outputs(self):
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell-outputArea")

    @property
    def text(self) -> str:
        """All that the outputs say."""
        return "\n".join(self.outputs.all_inner_texts())

    def says(self, *words: str, timeout: int = 60) -> None:
        """Wait until the outputs hold one of these words."""
        self.outputs.get_by_text(re.compile("|".join(map(re.escape, words)))).first.wait_for(timeout=timeout * 1000)

    @property
    def sources(self) -> list[str]:
        """Where the pictures come from that are really seen."""
        return self.outputs.locator("img").evaluate_all(SEEN)
