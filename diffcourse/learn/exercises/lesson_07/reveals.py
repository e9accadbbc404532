"""Answers of lesson 07 that a reader looks for herself."""

from diffcourse.learn.exercise import Reveal

REVEALS = [
    Reveal(
        "07.edge",
        title="Why the identity fails on the uniform density",
        text="Integration by parts leaves p·ŝ at both ends of the axis. A density that fades out makes it vanish there. The uniform one "
        "does not fade: it ends at x = 1 with p = 1, so the term ŝ(1) − ŝ(0) stays. For ŝ(x) = x that is 1, the constant by which the two "
        "sides differed. It depends on ŝ, so a network trained this way learns another score.",
    ),
    Reveal(
        "07.bug_where",
        title="Why Bob's network learns no arrows",
        text="He asks the network at the clean x₀, and compares with −ε/σ. But ε was drawn without a look at x₀: of all that can be said "
        "from x₀ about it, 0 is best. His field is zero, and his loss ends at ½·D/σ². The network must see the noised point.",
        code="loss = (score(alpha * x0 + sigma * eps) + eps / sigma).square().sum(dim=1) / 2",
    ),
    Reveal(
        "07.bug_langevin",
        title="What Ada's chain draws",
        text="Her noise is √τ·z, where √(2τ)·z belongs. With τ' = τ/2 her step reads x + 2τ'·s + √(2τ')·z: a right step, of half the size, "
        "with the score 2·s. That is the score of p², made to integrate to 1, where each mode is narrower by √2 and a heavy one heavier "
        "still. Nothing crashes, and the pictures look tidier than the data.",
        code="x = x + tau * score(x) + (2 * tau) ** 0.5 * z",
    ),
]
