"""Pages of paper: nothing leaves the page or lies on other text, what belongs together stays so, the same input gives the same bytes."""

import base64
import io
import re
import shutil
import subprocess

import pytest
from PIL import Image

from diffcourse import paper
from diffcourse.paper import HEIGHT, WIDTH, Paper

LONG = r"Some words, then $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sigma_t\varepsilon$, `code(x)` and **bold ones**. " * 4


def faults(pages, margin=18.0):
    """Where text leaves the page or lies upon other text, in words. Boxes hold room above small letters, so they may touch."""
    told = []
    for n, page in enumerate(pages):
        for i, a in enumerate(page):
            if a.x0 < margin or a.y0 < margin or a.x1 > WIDTH - margin or a.y1 > HEIGHT - margin:
                told.append(f"page {n + 1}: {a.text!r} leaves the page")
            for b in page[i + 1 :]:
                wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
                if wide > 1.0 and high > 0.3 * min(a.y1 - a.y0, b.y1 - b.y0):
                    told.append(f"page {n + 1}: {a.text!r} on {b.text!r}")
    return told


def written(columns=1):
    page = Paper("A title", "a foot", columns=columns)
    page.heading("A heading with $x_t$", right="12 marks")
    page.paragraph(LONG, 20, "(a)", "[3]")
    page.paragraph("Before\n    for i in range(3):\n        print(i)\nafter it.")
    page.choice("1.", "What?", ["one", "two", LONG], right=1, notes=["no", "yes", "no"])
    page.table([["a", "b"], ["$x_t$", LONG]], [1, 3])
    page.items(["one", LONG])
    page.answer(3)
    page.figure(lambda axes: axes.plot([0, 1]), 50)
    return page


def test_all_kinds_of_blocks_stand_on_the_page_and_apart():
    for columns in (1, 2):
        assert faults(written(columns).placed()) == []


def test_text_that_leaves_the_page_or_lies_on_other_text_is_found():
    box = paper.Placed("a", 50, 50, 90, 60)
    assert len(faults([[box, box._replace(text="b", x0=80, x1=120)]])) == 1
    assert len(faults([[box._replace(x1=WIDTH)]])) == 1


def test_a_formula_is_never_parted_from_its_comma_nor_broken():
    lines = paper.lines_of(LONG, 200, 10)
    words = [word for line in lines for word in line]
    assert [("math", r"$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sigma_t\varepsilon$"), ("text", ",")] in words
    assert all(sum(paper.extent(*piece, 10)[0] for word in line for piece in word) <= 200 for line in lines)
    assert len(paper.lines_of("one two three " * 9, 60, 10)) > len(paper.lines_of("one two three " * 9, 120, 10))


def test_lines_of_code_keep_their_spaces_and_prose_does_not():
    code = [t.text for t in written().placed()[0]]
    assert "for i in range(3):" in code and "    print(i)" in code and "after it." in code


def test_what_is_written_together_stands_in_one_column():
    page = Paper()
    page.answer(30)
    with page.together():
        page.heading("Head")
        for _ in range(8):
            page.answer(1)
    page.answer(1)
    first, second = page.placed()
    assert first == [] and second[0].text == "Head"


def test_pages_are_numbered_and_empty_space_is_left_out_at_their_top():
    page = Paper(foot="the foot")
    for _ in range(40):
        page.skip(30)
        page.paragraph("words")
    pages = page.placed()
    assert [t.text for p in pages for t in p if "/" in t.text] == [f"{i + 1} / {len(pages)}" for i in range(len(pages))]
    tops = {max(t.y1 for t in p if t.text == "words") for p in pages[1:]}
    assert len(tops) == 1 and tops.pop() > HEIGHT - 54 - 12
    assert Paper().placed() == [[]]  # an empty document has one empty page


def test_the_same_calls_give_the_same_bytes():
    once, again = written().pdf(), written().pdf()
    assert once == again and b"CreationDate" not in once


def test_what_does_not_fit_is_told():
    page = Paper()
    with pytest.raises(ValueError, match="text must fit into lines of 487 points"):
        page.paragraph("$" + "x+" * 200 + "x$")
    with pytest.raises(ValueError, match="code must fit"):
        page.paragraph("    " + "x" * 200)
    with pytest.raises(ValueError, match=r"columns must be in \[1, 4\], got 9"):
        Paper(columns=9)


def test_each_font_of_a_pdf_says_which_letters_it_draws():
    content = written().pdf()
    fonts = len(re.findall(rb"/Subtype /Type0", content))
    assert fonts and len(re.findall(rb"/ToUnicode", content)) >= fonts


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdftotext"), reason="without poppler nobody reads the file")
def test_the_text_of_a_pdf_can_be_read(tmp_path):
    written().save(tmp_path / "a.pdf")
    text = subprocess.run(["pdftotext", "a.pdf", "-"], cwd=tmp_path, capture_output=True, timeout=60).stdout
    assert "Some words, then" in text.decode() and "print(i)" in text.decode()


def test_a_notebook_shows_the_first_page_with_its_words():
    paper = Paper("Formulas")
    paper.heading("The forward process")
    content, about = paper._repr_mimebundle_()
    assert content["text/plain"].startswith("[picture: Formulas, page 1 of 1: The forward process")
    assert about["image/png"]["alt"] in content["text/plain"]
    image = Image.open(io.BytesIO(base64.b64decode(content["image/png"]))).convert("RGB")
    assert image.width == pytest.approx(8.27 * 72, abs=2) and image.getpixel((5, 5)) == (255, 255, 255)
    with pytest.raises(ValueError, match="page"):
        paper.png(2)
