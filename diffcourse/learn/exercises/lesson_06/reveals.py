"""What was wrong in the code that lesson 06 shows."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "06.bug_rows",
        title="The eleventh label",
        text="Ten rows are numbered 0 to 9, and “none” is the eleventh label. It shows only when the first label is dropped: with p = 0.1 "
        "and small batches that may be the second batch; when sampling, the first step.",
        code="nn.Embedding(10 + 1, dim)",
    ),
    Reveal(
        "06.bug_dropout",
        title="Two bugs of the loop",
        text="None is no whole number and no float, and a mask is no index of a list: “none” must be a label like the others, here 10. And "
        "writing into `conditions` writes into the data set, so that every epoch forgets a tenth of what is left. Nothing crashes; the "
        "samples merely stop obeying. A new tensor is the cure.",
        code="conditions = torch.where(mask, 10, conditions)",
    ),
    Reveal(
        "06.bug_sampler",
        title="Four bugs of the sampler",
        text='1: `device="cuda"` is the default; without such a device the first line stops. Take the device of the model. '
        "2: `None` goes into an embedding, which wants the number of a row. 3: `sampling_step` is defined nowhere: let it be handed in. "
        "4: without `torch.no_grad()` each step keeps its activations for a backward pass that never comes. Of this toy of one layer these "
        "are megabytes; of Stable Diffusion they are gigabytes a step.",
        code="""@torch.no_grad()
def classifier_free_guidance_sample(model, schedule, shape, condition, null, step, w=7.5):
    x = torch.randn(shape, device=next(model.parameters()).device)
    nothing = torch.full_like(condition, null)
    for t in range(schedule.T - 1, -1, -1):
        given, none = model(x, t, condition), model(x, t, nothing)
        x = step(x, none + w * (given - none), t, schedule)
    return x""",
    ),
    Reveal(
        "06.wrong_word",
        title="The wrong word",
        text="“Quality”, as if it were one thing. More guidance brings obedience; of the two others, it first gives and then takes "
        "fidelity, and takes variety from the beginning.",
    ),
]
