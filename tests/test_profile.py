"""One environment variable chooses how much work a notebook does."""

import pytest

from diffcourse import profile


@pytest.mark.parametrize("chosen, value", [("smoke", 1), ("laptop", 2), ("gpu", 3)])
def test_pick_gives_the_value_of_the_profile(monkeypatch, chosen, value):
    monkeypatch.setenv("DIFFCOURSE_PROFILE", chosen)
    assert profile.name() == chosen and profile.pick(smoke=1, laptop=2, gpu=3) == value


@pytest.mark.parametrize("unset", [None, ""])
def test_a_laptop_is_the_default(monkeypatch, unset):
    if unset is None:
        monkeypatch.delenv("DIFFCOURSE_PROFILE", raising=False)
    else:
        monkeypatch.setenv("DIFFCOURSE_PROFILE", unset)
    assert profile.name() == "laptop"


def test_a_gpu_works_as_much_as_a_laptop_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_PROFILE", "gpu")
    assert profile.pick(smoke=1, laptop=2) == 2 and profile.pick(smoke=1, laptop=2, gpu=0) == 0


def test_an_unknown_profile_is_an_error_that_lists_the_known(monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_PROFILE", "desktop")
    with pytest.raises(ValueError, match="DIFFCOURSE_PROFILE is 'desktop'; it must be one of smoke, laptop, gpu"):
        profile.pick(smoke=1, laptop=2)


def test_values_are_given_by_name():
    with pytest.raises(TypeError):
        profile.pick(1, 2)
