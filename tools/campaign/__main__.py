"""python tools/campaign [--quick] [PART…]: try everything, print what failed and the table."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from campaign import Case, alone, cases


def outcome(one: Case) -> tuple[str, str]:
    """survived, failed or excused, and what was seen."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, alone(Path(folder)):
        try:
            one.attempt(Path(folder))
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
            return ("excused", f"{one.excused} ({seen})") if one.excused else ("failed", seen)
    return "survived", ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--quick", action="store_true", help="without the slow cases")
    options = parser.parse_args()
    began, table = time.monotonic(), Counter()
    chosen = [one for one in cases(options.parts) if not (options.quick and one.slow)]
    for one in chosen:
        result, seen = outcome(one)
        table[one.part, result] += 1
        if seen:
            print(f"{result}: {one.part}, {one.name}\n    {seen}", flush=True)
    heads = ("tried", "survived", "failed", "excused")
    print(f"\n{'part':<16}" + "".join(f"{head:>10}" for head in heads))
    for part in [*dict.fromkeys(one.part for one in chosen), "all"]:
        counts = [sum(n for (p, r), n in table.items() if part in (p, "all") and r == head) for head in heads[1:]]
        print(f"{part:<16}{sum(counts):>10}" + "".join(f"{n:>10}" for n in counts))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if any(result == "failed" for _, result in table) else 0


if __name__ == "__main__":
    sys.exit(main())
