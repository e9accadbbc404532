"""Command line of the exercises: `python -m diffcourse.learn audit` proves them, `stub` and `solution` print their source; a
solution that was shown is recorded."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from diffcourse import console
from diffcourse.learn import record, registry
from diffcourse.learn.audit import Report, audit


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 1 where the audit found a defect, 2 for an unknown name or path, 130 after Ctrl-C."""
    return console.run(lambda: _main(argv))


def _main(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m diffcourse.learn", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    auditing = commands.add_parser("audit", help="count exercises, named mistakes and quizzes, and prove them")
    auditing.add_argument(
        "which", nargs="?", help="a lesson (02) or a name (02.q_sample); by default all that is in --from, or all"
    )
    auditing.add_argument("--json", action="store_true", help="print the counts and the defects as JSON")
    for command, what in (("stub", "the cell that an exercise starts with"), ("solution", "an exercise's solution")):
        commands.add_parser(command, help=f"print {what}").add_argument("name")
    for each in commands.choices.values():
        each.add_argument("--from", dest="own", metavar="PATH", help="a file or folder of exercises of your own")
    args = parser.parse_args(argv)
    try:
        own = registry.register(args.own) if args.own is not None else None
        if args.command != "audit":
            print(getattr(registry.exercise(args.name), args.command))
            if args.command == "solution":
                record.solution_shown(args.name)
                print(*record.STORE.take_notices(), sep="\n", end="", file=sys.stderr)
            return 0
        report = Report()
        for which in own if own and args.which is None else [args.which]:
            report.add(audit(which))
    except (registry.UnknownName, FileNotFoundError, ValueError) as error:
        print(error, *getattr(error, "__notes__", []), file=sys.stderr)
        return 2
    print(json.dumps(asdict(report), indent=1, ensure_ascii=False) if args.json else report)
    return 1 if report.defects else 0


if __name__ == "__main__":
    sys.exit(main())
