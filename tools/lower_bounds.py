"""The oldest versions that pyproject.toml allows, as a constraints file for pip: each name with its own lower bound.

python tools/lower_bounds.py > oldest.txt && .venv-oldest/bin/pip install -e ".[course,test]" -c oldest.txt
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOUND = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?\s*>=\s*([\w.]+)")


def constraints(project: dict) -> list[str]:
    """`name==bound` for each requirement of the package and of its extras, in alphabetical order."""
    extras = project.get("optional-dependencies", {}).values()
    found = {}
    for requirement in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        if requirement.startswith(project["name"]):  # an extra that is made of others
            continue
        bound = BOUND.match(requirement)
        if bound is None:
            raise ValueError(f"a requirement without a lower bound: {requirement}")
        found[bound[1]] = bound[2]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    print("\n".join(constraints(tomllib.loads(text)["project"])))
