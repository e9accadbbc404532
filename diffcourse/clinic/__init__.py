"""Bring your own: `clinic` looks at anybody's diffusion code for the known mistakes, by running it with spies.

    from diffcourse.learn import clinic
    print(clinic(network, images, schedule=betas, loss=loss, sampler=sampler))

`CATALOGUE` lists the mistakes that have a name; each module here is a part of the examination.
"""

from diffcourse.clinic.catalogue import CATALOGUE, Mistake
from diffcourse.clinic.examine import clinic
from diffcourse.clinic.findings import Finding, Findings

__all__ = ["CATALOGUE", "Finding", "Findings", "Mistake", "clinic"]
