"""`objectives`: what the course wants you to be able to do, and which of its exercises show that you are."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from diffcourse.learn import notebooks, record
from diffcourse.learn.bank.objectives import OBJECTIVES, Objective


@dataclass(frozen=True)
class Goal:
    """An objective, and which of its exercises this reader has solved."""

    objective: Objective
    solved: Sequence[str]

    @property
    def reached(self) -> bool:
        """All are solved; a solution that was read does not count."""
        return self.next is None

    @property
    def next(self) -> str | None:
        """The first exercise that is not solved."""
        return next((name for name in self.objective.exercises if name not in self.solved), None)

    @property
    def count(self) -> str:
        return f"{len(self.solved)} of {len(self.objective.exercises)}"


@dataclass(frozen=True)
class Goals:
    """The objectives: `str` and `print` give text, a notebook shows them as HTML, with links to what is next."""

    goals: Sequence[Goal]

    @property
    def reached(self) -> list[str]:
        return [goal.objective.item for goal in self.goals if goal.reached]

    def __str__(self) -> str:
        lines = [f"{len(self.reached)} of {len(self.goals)} objectives reached"]
        for goal in self.goals:
            after = f", next: {goal.next}" if goal.next else ""
            lines += ["", f"{'✓' if goal.reached else '·'} {goal.objective.title} ({goal.count} exercises{after})"]
            lines += [f"  {goal.objective.text}"]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads = "".join(
            f'<th scope="col" style="text-align: left">{head}</th>' for head in ("objective", "solved", "next")
        )
        rows = "".join(map(_row, self.goals))
        told = f"<p><b>{len(self.reached)} of {len(self.goals)}</b> objectives reached.</p>"
        return f"{told}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def objectives() -> Goals:
    """The objectives of the course, each with how many of its exercises you have solved, and which is next.

    The last expression of a cell shows it. An objective is reached when all its exercises are solved; a solution that was read does not
    count.
    """
    kept = record.STORE.read()["exercises"]
    done = {name for name, entry in kept.items() if entry["solved"]}
    return Goals([Goal(each, [name for name in each.exercises if name in done]) for each in OBJECTIVES])


def _row(goal: Goal) -> str:
    what = f"<b>{escape(goal.objective.title)}</b><br>{escape(goal.objective.text)}"
    target = notebooks.link(goal.next) if goal.next else None
    after = escape(goal.next or "reached")
    after = f'<a href="{escape(target)}">{after}</a>' if target else after
    cells = "".join(
        f'<td style="text-align: left; vertical-align: top">{cell}</td>' for cell in (what, goal.count, after)
    )
    return f"<tr>{cells}</tr>"
