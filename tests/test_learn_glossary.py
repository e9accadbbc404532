"""The glossary: each term is introduced where it says, and no lesson's prose uses one before; links lead to cells that hold it."""

import re
from functools import cache, reduce
from urllib.parse import unquote

import pytest

from diffcourse import files
from diffcourse.learn import glossary, notebooks
from diffcourse.learn.glossary import terms

NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]+\$|\]\([^)]*\)|<[^>]+>|https?://\S+|^#+ .*?$", re.M | re.S
)
ANNOUNCES = re.compile(
    r"\b[Ll]essons? \d\d|\b\d\d[abc]?_\w+|\[\d\d[abc]? |\b\d\d[abc]\b|\b[Ll]ater\b|\bparts? \d|\bwe shall see\b"
)
CLOSING = re.compile(r"^## (?:Where to read on|What to reuse|What to remember)", re.M)
EXCEPTIONS = {  # (term, "lesson:cell"): why it may stand there
    ("coverage", "10:c10-1"): "mode coverage stands in the claims that the lesson quotes, and then explains",
}


def prose(text: str) -> str:
    """What is read as sentences: no code, formulas, link targets, headings and titles of papers."""
    return NOT_PROSE.sub(" ", CLOSING.split(text)[0])


def sentences(text: str) -> list[str]:
    """Also each row of a table and each point of a list is one."""
    return [s for s in re.split(r"(?<=[.!?:])\s+(?=[A-Z*(\[])|\n\s*[-|>]|\n\n", text) if s.strip()]


@cache
def early_uses() -> list[tuple[str, str, str]]:
    """(term, "lesson:cell", sentence) for each use in prose before the term's introduction that does not announce it.

    The cells above a lesson's first part say what it will teach: there its own terms may stand.
    """
    found, at, opening = [], {}, {}
    read = []
    for lesson in notebooks.course():
        begun = False
        for cell in notebooks.cells(lesson):
            begun = begun or bool(cell.kind == "markdown" and re.search(r"^## ", cell.text, re.M))
            place = f"{lesson}:{cell.id}"
            at[place] = len(at)
            opening[place] = not begun
            if cell.kind == "markdown":
                read += [(place, lesson, told, told.casefold()) for told in sentences(prose(f"{cell.text}\n"))]
    patterns = {term: term.pattern for term in terms()}
    for term in (term for term in terms() if not term.common):
        pattern = patterns[term]
        longer = [patterns[t] for t in terms() if t is not term and any(map(pattern.search, (t.name, *t.also)))]
        starts = [name.casefold()[:4].rstrip("- ") for name in (term.name, *term.also)]  # only for speed
        announced = set()  # cells
        for place, lesson, told, folded in read:
            if at[place] >= at[term.at]:
                break
            if opening[place] and lesson == term.place[0]:
                continue
            if not any(start in folded for start in starts) or not pattern.search(told):
                continue
            if not pattern.search(reduce(lambda text, name: name.sub(" ", text), longer, told)):
                continue
            if ANNOUNCES.search(told):
                announced.add(place)
            elif place not in announced:
                found.append((term.name, place, " ".join(told.split())))
    return found


def test_no_term_is_used_before_its_introduction():
    early = [f"{name} in {place}: {told}" for name, place, told in early_uses() if (name, place) not in EXCEPTIONS]
    assert not early, "\n".join(early)


def test_every_exception_is_needed():
    assert EXCEPTIONS.keys() <= {(name, place) for name, place, _ in early_uses()}


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.name)
def test_a_term_stands_in_the_cell_that_introduces_it(term):
    lesson, cell = term.place
    found = [c for c in notebooks.cells(lesson) if c.id == cell]
    assert len(found) == 1 and found[0].kind == "markdown"
    names = [re.findall(r"\w{2,}", re.sub(r" \(.*\)$", "", name.casefold())) for name in (term.name, *term.also)]
    assert any(all(word in found[0].text.casefold() for word in words) for words in names if words)


def test_terms_have_one_name_each_and_one_or_two_sentences():
    names = [name.casefold() for term in terms() for name in (term.name, *term.also)]
    assert len(names) == len(set(names)) and len(terms()) >= 120
    for term in terms():
        assert 20 <= len(term.text) <= 220 and term.text.endswith(".") and "—" not in term.text, term.name


def test_links_lead_to_cells_of_the_reader_s_lessons(monkeypatch):
    monkeypatch.chdir(files.lessons())
    links = re.findall(r'href="([^"#]+)#cell-id=([^"]+)"', glossary()._repr_html_())
    assert len(links) == len(terms())
    for file, cell in links:
        lesson = unquote(file).split("_")[0]
        assert (files.lessons() / unquote(file)).exists() and cell in {c.id for c in notebooks.cells(lesson)}


def test_elsewhere_the_lesson_is_named_without_a_link(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "href" not in glossary("DDIM")._repr_html_() and ">04, 2 · Same marginals" in glossary("DDIM")._repr_html_()


def test_any_name_of_a_term_will_do():
    assert str(glossary("CFG")) == str(glossary("cfg")) == str(glossary("classifier-free guidance"))
    assert str(glossary("precision")).startswith("precision (of a Gaussian)")
    assert len(glossary().entries) == len(terms())


def test_an_unknown_term_is_answered_with_the_nearest():
    with pytest.raises(KeyError, match=r"no term is called 'elbow': did you mean elbo"):
        glossary("elbow")


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("latent", "two latents", True),
        ("latent", "latently", False),
        ("linear multistep method", "LMS and lms", True),
        ("eta", "beta", False),
        ("skip connection", "Skip-connections", True),
        ("reparameterisation", "the reparameterization trick", True),
        ("generative adversarial network", "began", False),
        ("consistency model", "`consistency models`", False),
    ],
)
def test_a_term_is_found_as_people_write_it(name, text, there):
    (term,) = [t for t in terms() if t.name == name]
    assert bool(term.pattern.search(text)) == there
