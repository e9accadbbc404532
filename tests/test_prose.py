"""Numbers in prose are those that cells print: the tool finds which are marked, which are not, and which are true no longer."""

import json

import lessons
import nbformat
import prose
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from prose import numerals


def text(name, source, **numbers):
    cell = new_markdown_cell(source, metadata={"numbers": numbers} if numbers else {})
    cell["id"] = name
    return cell


def code(name, printed="", source="x", **data):
    cell = new_code_cell(source, execution_count=1)
    cell["id"] = name
    cell.outputs = [new_output("stream", text=printed)] if printed else []
    cell.outputs += [new_output("display_data", data)] if data else []
    return cell


def stale(*cells, root=None):
    return prose.stale(new_notebook(cells=list(cells)), root)


def holds(said, printed, numeral=None):
    """Is the numeral of a sentence what a cell prints?"""
    mark = numeral or numerals(said)[0].text
    return stale(text("t", said, **{mark: "c"}), code("c", printed)) == []


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("It falls to 17.2.", "17.24"),
        ("It falls to 17.2.", "loss: 17.15"),
        ("It is 43 % of all.", "0.4312"),
        ("It is 43% of all.", "share 43.1%"),
        ("It is 43 per cent.", "share 0.43"),
        ("It is 0.43 of all.", "share 43.1 %"),
        ("There are 20,000 digits.", "20000"),
        ("There are 20\u202f000 digits.", "20,000 digits"),
        ("There are 20000 digits.", "of 20,000"),
        ("There are about 20,000 digits.", "19,412"),
        ("It is 3·10⁻⁴.", "3.2e-04"),
        ("It is −0.31 at the end.", "tensor(-0.3093)"),
        ("It is 0.31 lower.", "difference -0.3093"),
        ("It is 40× slower.", "ratio 39.8"),
        (r"There $\bar\alpha=0.31$ is left.", "0.312"),
        (r"It is $2.5\cdot10^{-3}$.", "0.00249"),
        ("Between 1.5–2.5 nats.", "1.5 2.5"),
    ],
)
def test_a_number_that_rounds_to_the_numeral_prints_it(said, printed):
    assert holds(said, printed)


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("It falls to 17.2.", "17.26"),
        ("It falls to 17.2.", ""),
        ("It falls to 17.2.", "x17.2 v17.2"),
        ("It is 43 % of all.", "0.4371"),
        ("It is 0.43 of all.", "0.4371"),
        ("It is 43 of all.", "0.43"),
        ("There are 20,000 digits.", "20,400"),
        ("There are about 20,000 digits.", "22,000"),
        ("It is 3·10⁻⁴.", "3.2e-03"),
        ("It is −0.31 at the end.", "0.31"),
    ],
)
def test_a_number_that_does_not_makes_the_mark_stale(said, printed):
    assert not holds(said, printed)


def test_a_stale_mark_is_told_with_its_sentence_and_what_is_printed_now():
    said = "First words.\n\nThe loss is 17.2 nats: less than before. Last words of 9.9."
    (told,) = stale(text("t", said, **{"17.2": "c"}), code("c", "step 400: 18.31 nats"))
    assert told == (
        "text t: the mark '17.2': “The loss is 17.2 nats: less than before.” is no longer true; c now has 18.31, 400"
    )


def test_what_a_cell_shows_in_any_way_counts():
    for shown in (
        {"text/plain": "0.156"},
        {"text/html": "<style>.a{width: 9px}</style><td style='top: 8px'>0.156</td>"},
    ):
        assert stale(text("t", "It is 0.16.", **{"0.16": "c"}), code("c", **shown)) == []
        assert "now has" in stale(text("t", "It is 0.98.", **{"0.98": "c"}), code("c", **shown))[0]
    assert "8" not in stale(text("t", "It is 7.", **{"7": "c"}), code("c", **shown))[0].split("now has")[1]
    picture = code("c", **{"image/png": "iVBOR", "text/plain": "[picture]"})
    picture.outputs[0].metadata = {"image/png": {"alt": "[falls to 0.156]"}}
    assert stale(text("t", "It is 0.16.", **{"0.16": "c"}), picture) == []


def test_each_source_of_a_mark_must_print_it():
    cells = code("a", "0.156"), code("b", "0.158"), code("c", "0.18")
    assert stale(text("t", "It is 0.16.", **{"0.16": ["a", "b"]}), *cells) == []
    (told,) = stale(text("t", "It is 0.16.", **{"0.16": ["a", "b", "c"]}), *cells)
    assert "c now has 0.18" in told


def test_the_code_of_a_cell_can_be_the_source():
    cell = code("c", "nothing", source="n = profile.pick(smoke=100, laptop=20_000)")
    assert stale(text("t", "Of 20,000 digits.", **{"20,000": "c: code"}), cell) == []
    assert stale(text("t", "Of 20,000 digits.", **{"20,000": "c"}), cell)
    assert stale(text("t", "Of 30,000 digits.", **{"30,000": "c: code"}), cell)


def test_tables_are_sources_too(tmp_path):
    table = {"rows": [{"kind": "a", "w": 1.0, "right": 0.9312}, {"kind": "a", "w": 2.5, "right": [0.976, 0.981]}]}
    table["guidance 2, 1.5 steps"], table["data"] = {"floor": 0.199}, "60000 images"
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "x.json").write_text(json.dumps(table), encoding="utf-8")
    for path in (
        "rows[0].right",
        "rows[kind=a, w=1].right",
        "rows[w=1.0].right",
    ):
        source = f"benchmarks/x.json: {path}"
        assert stale(text("t", "93.1 % are right.", **{"93.1 %": source}), root=tmp_path) == []
        assert "now has" in stale(text("t", "94 % are.", **{"94 %": source}), root=tmp_path)[0]
    assert not stale(text("t", "98.1 %", **{"98.1 %": "benchmarks/x.json: rows[w=2.5].right"}), root=tmp_path)
    assert not stale(text("t", "0.20", **{"0.20": "benchmarks/x.json: guidance 2, 1.5 steps.floor"}), root=tmp_path)
    assert not stale(text("t", "60,000 images", **{"60,000": "benchmarks/x.json: data"}), root=tmp_path)
    for path in ("rows[9].right", "rows[w=7].right", "rows[].right", "nothing", "rows[0].right.more", "rows.right"):
        (told,) = stale(text("t", "94 % are.", **{"94 %": f"benchmarks/x.json: {path}"}), root=tmp_path)
        assert "names" in told and "now has" not in told
    (told,) = stale(text("t", "94 % are.", **{"94 %": "benchmarks/none.json: a"}), root=tmp_path)
    assert "none.json cannot be read" in told


def test_marks_of_what_is_not_there_are_told():
    (told,) = stale(text("t", "It is 17.3.", **{"17.2": "c"}), code("c", "17.2"))
    assert "'17.2': no such number stands in its prose" in told
    (told,) = stale(text("t", "It is 17.2.", **{"17.2 %": "c"}), code("c", "17.2"))
    assert "no such number" in told
    (told,) = stale(text("t", "It is big.", **{"big": None}))
    assert "no such number" in told
    (told,) = stale(text("t", "It is 17.2.", **{"17.2": "gone"}), code("c", "17.2"))
    assert "there is no code cell gone" in told
    (told,) = stale(text("t", "It is 17.2.", **{"17.2": "c: text"}), code("c", "17.2"))
    assert "a source is a cell" in told


LEFT_OUT = """## 3. Heading of 12.5

Since 1998 (arXiv:2006.11239) lesson 04, part 3.2, eq. 12 and equations 13 to 15 say $x = 17.5$, `n = 300`, three of 5.

$$y = 31$$

1. first
12. twelfth

```python
z = 44
```

| **Time** | 30 minutes |

[link](page_66.ipynb) to x0, 28x28, 05a and ResNet18; 90 min."""


def test_what_nobody_measures_wants_no_mark():
    assert [n.text for n in numerals(LEFT_OUT, all_of=False)] == []
    said = "Of 500 digits 3 % fail, 5 times as many, 2.5 each; -0.3 and 12, of 1,000, 40× more."
    assert [n.text for n in numerals(said, all_of=False)] == ["500", "3 %", "5", "2.5", "-0.3", "12", "1,000", "40"]


@pytest.fixture
def lesson(tmp_path):
    path = tmp_path / "small.ipynb"
    cells = [
        code("far", "0.777 and 0.5"),
        code("a", "0.1562 and 400"),
        code("quiz", "0.16 and 0.5", source='quiz("00.start")'),
        text("t", "It is 0.16, 40 % of 400, of 28 pixels. Far are 0.777 and 0.99."),
        code("b", "400", source="n = 28"),
        code("c", "0.4"),
        code("d", "0.777"),
        code("e", "0.99"),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_open_numerals_are_listed_with_the_cells_nearby_that_print_them(lesson, capsys):
    lessons.main(["--numbers", str(lesson)])
    told = [" ".join(line.split("“")[0].split()) for line in capsys.readouterr().out.splitlines()[1:]]
    assert told == [
        "t",
        "0.16 printed by a",
        "40 % printed by c",
        "400 printed by a, b",
        "28 set in b",
        "0.777 printed by far, d",
        "0.99 nowhere near",
        "6 numerals without a mark, 0 marked, 0 waived",
    ]


def test_what_one_cell_prints_is_marked_and_what_was_decided_is_kept(lesson, capsys):
    lessons.main(["--mark", str(lesson), "t:28=-", "t:400=a"])
    lessons.main(["--mark", str(lesson)])
    marks = nbformat.read(lesson, as_version=4).cells[3].metadata["numbers"]
    assert marks == {"28": None, "400": "a", "0.16": "a", "40 %": "c"}
    assert prose.stale(json.loads(lesson.read_text(encoding="utf-8")), None) == []
    lessons.main(["--numbers", str(lesson)])
    assert capsys.readouterr().out.splitlines()[-1] == "2 numerals without a mark, 3 marked, 1 waived"
    with pytest.raises(SystemExit, match="TEXT-CELL:NUMERAL=SOURCE"):
        lessons.main(["--mark", str(lesson), "a:400=a"])


def test_the_rules_find_a_stale_number_and_executing_a_lesson_keeps_its_marks(lesson):
    lessons.main(["--mark", str(lesson)])
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells[1].outputs[0].text = "0.1712"  # as if run again
    nbformat.write(lessons.normalise(notebook), lesson)
    assert [
        fault for fault in lessons.faults(lesson) if "“It is 0.16, 40 % of 400" in fault and "a now has 0.1712" in fault
    ]
    assert "0.16" in nbformat.read(lesson, as_version=4).cells[3].metadata["numbers"]
