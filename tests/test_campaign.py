"""The campaign of faults, case by case: `python tools/campaign` prints the same as a table.

Nasty answers to every exercise and Ctrl-C in every command take a quarter of an hour: these run once a week.
"""

import pytest
from campaign import Broken, Case, alone, cases, check_sentence, refused


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, id=f"{one.part}: {one.name}", marks=[pytest.mark.slow] if one.slow else [])
        for one in cases()
        if not one.excused and not (one.slow and one.part in ("answers", "pipes"))
    ],
)
def test_is_survived(one: Case, tmp_path):
    with alone(tmp_path):
        one.attempt(tmp_path)


def test_an_obscure_error_is_no_sentence():
    with pytest.raises(Broken, match="AttributeError instead"):
        refused(lambda: None.shape)
    with pytest.raises(Broken, match="nobody complained"):
        refused(lambda: 3)
    with pytest.raises(Broken, match="does not name"):
        check_sentence("images must be finite", "labels")
