"""What tests of several lessons ask of an explorer."""


def assert_every_handle_changes_the_picture(explorer):
    """Each control shows one picture at its first value and another at its last, and is put back."""
    for control in explorer.controls.values():
        before, seen = control.value, set()
        for value in (control.options[0], control.options[-1]):
            control.value = value
            seen.add(explorer.image.value)
        assert len(seen) == 2, control.description
        control.value = before
