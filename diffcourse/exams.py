"""Exams on paper: a seed draws questions, problems, numbers and the order of options; the worked solutions are a second document."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, cycle
from pathlib import Path

from diffcourse import __version__
from diffcourse.checks import whole
from diffcourse.learn import bank, registry
from diffcourse.learn.bank import BankQuestion, Problem, Sheet
from diffcourse.learn.exercise import Option, Question
from diffcourse.paper import Paper

MARKS, QUESTIONS, PROBLEMS, A_QUESTION = 90, 12, 5, 2
"""A whole exam: marks, which are minutes; questions with options; problems; marks of a question."""
WARM_UP_AND_REVIEW = ("00", "00b", "11")  # lessons that are examined only when they are named
RULES = [
    "One option of each question is right. It earns {each} marks; a wrong one costs nothing.",
    "In problems the steps earn the marks, so write them down. Three significant digits are enough.",
    "Logarithms are natural. Allowed are pens, a pocket calculator and the cheat sheet of the course.",
]


@dataclass(frozen=True, eq=False)
class Exam:
    """One exam: seed and lessons, questions with their options in the order in which they are printed, problems with their numbers."""

    seed: int
    lessons: tuple[str, ...]
    questions: tuple[BankQuestion, ...]
    problems: tuple[tuple[Problem, Sheet], ...]

    @property
    def marks(self) -> int:
        """All marks, which are minutes too."""
        return A_QUESTION * len(self.questions) + sum(sheet.marks for _, sheet in self.problems)

    @property
    def key(self) -> str:
        """The letters of the right options."""
        return "".join("ABCDEFGH"[q.question.right] for q in self.questions)

    def save(self, path: str | Path) -> Path:
        """Write the exam as PDF, with room for answers."""
        return self.paper().save(path)

    def save_solutions(self, path: str | Path) -> Path:
        """Write the solutions as PDF: why each option is right or wrong, each step of each problem with its marks."""
        return self.solutions().save(path)

    def paper(self) -> Paper:
        """The exam as it is handed out."""
        page = self._begun("Exam")
        page.table([["Name: " + "_" * 44, "Date: " + "_" * 24]], [3, 2], head=False)
        page.skip(8)
        page.items([rule.format(each=A_QUESTION) for rule in RULES])
        page.skip(6)
        parts = ["Questions", *(f"Problem {i + 1}" for i in range(len(self.problems))), "Sum"]
        most = [A_QUESTION * len(self.questions), *(sheet.marks for _, sheet in self.problems), self.marks]
        page.table([parts, [f"      / {m}" for m in most]], [1] * len(parts))
        page.rule()
        for i, (label, one) in enumerate(self._numbered()):
            with page.together():
                if i == 0:
                    page.heading("Questions", right=f"{A_QUESTION} marks each")
                page.choice(label, printed(one.text), [printed(f"**{x}** {o.text}") for x, o in _lettered(one)])
        for i, (problem, sheet) in enumerate(self.problems):
            for k, part in enumerate(sheet.parts):
                with page.together():
                    if k == 0:
                        _head(page, i, problem, sheet)
                    page.paragraph(part.text, 20, f"({'abcdefgh'[k]})", f"[{part.marks}]")
                    page.answer(part.marks + 1)
                    page.skip(10)
        return page

    def solutions(self) -> Paper:
        """The solutions, for those who mark."""
        page = self._begun("Solutions")
        page.paragraph(
            f"Right options of the questions: **{self.key}**. A step that follows from a slip before it earns its marks."
        )
        for i, (label, one) in enumerate(self._numbered()):
            with page.together():
                if i == 0:
                    page.heading("Questions", right=f"{A_QUESTION} marks each")
                options, notes = [printed(f"**{x}** {o.text}") for x, o in _lettered(one)], [o.why for o in one.options]
                page.choice(label, printed(one.text), options, one.right, [printed(note) for note in notes])
        for i, (problem, sheet) in enumerate(self.problems):
            for k, part in enumerate(sheet.parts):
                with page.together():
                    if k == 0:
                        _head(page, i, problem, sheet)
                    page.paragraph(part.text, 20, f"({'abcdefgh'[k]})", f"[{part.marks}]", colour="#0072B2")
                    for step, marks in part.solution:
                        page.paragraph(step, 20, right=f"{marks}")
                    page.skip(6)
        return page

    def _begun(self, what: str) -> Paper:
        about = f"Diffusion models, {what.lower()} {self.seed}"
        page = Paper(about, f"{about} · lessons {', '.join(self.lessons)} · diffcourse {__version__}")
        page.heading("Diffusion models", 20, f"{what} {self.seed}")
        page.paragraph(f"{self.marks} minutes, {self.marks} marks. Lessons {', '.join(self.lessons)}.")
        page.skip(8)
        return page

    def _numbered(self) -> list[tuple[str, Question]]:
        return [(f"{i + 1}.", q.question) for i, q in enumerate(self.questions)]


def exam(seed: int = 0, lessons: Sequence[str] | None = None) -> Exam:
    """The exam of this seed: 12 questions and 5 problems, 90 marks for 90 minutes, spread over the lessons; the same one every time.

    lessons  those to be examined, such as ["01", "02", "03"]; 01 to 10 by default. Few lessons may not fill 90 minutes: what
             they have is asked then, and the exam says its own marks and minutes.
    """
    whole("seed", seed, 0)
    asked = {q.lesson for q in bank.questions().values()} | {quiz.lesson for quiz in registry.quizzes().values()}
    asked |= {p.lesson for p in bank.problems().values()}
    known = [name for name in registry.lessons() if name in asked]
    if lessons is None:
        lessons = [name for name in known if name not in WARM_UP_AND_REVIEW]
    if isinstance(lessons, str) or not lessons or (wrong := [name for name in lessons if name not in known]):
        got = lessons if isinstance(lessons, str) or not lessons else ", ".join(map(str, wrong))
        raise ValueError(f"lessons must be a list of some of {', '.join(known)}, got {got!r}")
    chosen = tuple(name for name in known if name in lessons)
    r = random.Random(f"exam {seed}")
    problems = _drawn_problems(r, [p for name in chosen for p in _problems(name)])
    solved = [p.lesson for p in problems]
    questions = _drawn_questions(r, sorted(chosen, key=lambda name: (solved.count(name), r.random())))
    return Exam(
        seed,
        chosen,
        tuple(_shuffled(r, q) for q in sorted(questions, key=lambda q: chosen.index(q.lesson))),
        tuple((p, p.make(random.Random(f"{p.name} {seed}"))) for p in problems),
    )


def _questions(lesson: str) -> list[BankQuestion]:
    """Those of the bank; where it has none of a lesson, those of the lesson's quizzes."""
    held = [q for q in bank.questions().values() if q.lesson == lesson]
    quizzes = [quiz for quiz in registry.quizzes().values() if quiz.lesson == lesson and not held]
    return held or [BankQuestion(f"{z.name}_{i}", q) for z in quizzes for i, q in enumerate(z.questions)]


def _problems(lesson: str) -> list[Problem]:
    return [p for p in bank.problems().values() if p.lesson == lesson]


def _drawn_problems(r: random.Random, among: Sequence[Problem]) -> list[Problem]:
    """Of all choices one with as many lessons as can be and, of these, with the marks that are nearest to those wanted."""
    wanted, most = MARKS - A_QUESTION * QUESTIONS, min(PROBLEMS, len(among))
    lessons = min(most, len({p.lesson for p in among}))
    best: tuple[tuple[int, int], tuple[Problem, ...]] = ((0, 0), ())
    for some in combinations(r.sample(among, len(among)), most):
        far = (lessons - len({p.lesson for p in some}), abs(wanted - sum(p.minutes for p in some)))
        if not best[1] or far < best[0]:
            best = far, some
        if best[0] == (0, 0):
            break
    return sorted(best[1], key=lambda p: p.name)


def _drawn_questions(r: random.Random, lessons: Sequence[str]) -> list[BankQuestion]:
    """One of each lesson in turn, until there are enough or no more."""
    left = {name: r.sample(held := _questions(name), len(held)) for name in lessons}
    drawn: list[BankQuestion] = []
    for name in cycle(lessons):
        if len(drawn) == QUESTIONS or not any(left.values()):
            return drawn
        if left[name]:
            drawn.append(left[name].pop())
    return drawn


def _shuffled(r: random.Random, asked: BankQuestion) -> BankQuestion:
    options = r.sample(asked.question.options, len(asked.question.options))
    return BankQuestion(asked.name, Question(asked.question.text, options), asked.items)


def _lettered(question: Question) -> list[tuple[str, Option]]:
    return list(zip("ABCDEFGH", question.options, strict=False))


def _head(page: Paper, i: int, problem: Problem, sheet: Sheet) -> None:
    page.heading(f"Problem {i + 1}. {problem.title}", right=f"{sheet.marks} marks")
    page.paragraph(sheet.given)
    page.skip(4)


LETTERS = {
    "α": r"\alpha",
    "β": r"\beta",
    "ε": r"\varepsilon",
    "η": r"\eta",
    "θ": r"\theta",
    "μ": r"\mu",
    "σ": r"\sigma",
    "φ": r"\varphi",
}
SMALL = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼ", "0123456789+-aeoxhklmnpstij")
_LOW = re.compile(r"(?P<letter>[A-Za-zα-ωᾱ])(?P<mark>[\u0302\u0304\u0303]?)(?P<low>[₀-₉₊₋ₐ-ₜᵢⱼ]+)|(?P<code>`[^`]*`)")


def printed(text: str) -> str:
    """The plain text of a question for paper: letters with small ones below them, which few fonts have, become formulas."""

    def formula(found: re.Match[str]) -> str:
        if found["code"]:
            return found["code"]
        letter = found["letter"].replace("ᾱ", r"\bar\alpha")
        mark = {"\u0302": r"\hat", "\u0304": r"\bar", "\u0303": r"\tilde"}.get(found["mark"], "")
        return f"${mark}{{{LETTERS.get(letter, letter)}}}_{{{found['low'].translate(SMALL)}}}$"

    return _LOW.sub(formula, text)
