r"""The cheat sheet: the formulas of the course on one page, each beside the function of the package that computes it.

`SECTIONS` is its text, a line an entry: what is true, and after `||` where the package has it; an entry that ends in \ goes on in the next
line. Time runs as in the papers, t = 1 … T; the package's t is one less. $\alpha_t$ and $\sigma_t$ are the factors of signal and noise, as
in `diffcourse.schedule.Level`.
"""

import re

import torch
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from diffcourse.paper import SERIF, Paper
from diffcourse.plot import COLOURS, LINES
from diffcourse.schedule import DiffusionSchedule

SMALL = FontProperties(family=SERIF, size=8, math_fontfamily="stix")

SECTIONS = [
    (
        "Symbols",
        r"""
        $x_0$ data, $x_t$ noised, $\varepsilon$ the noise in it, $\hat x_0$, $\hat\varepsilon$ what a network believes;
        $\alpha_t$, $\sigma_t$ factors of signal and noise; $\beta_t$ variance of a step; z fresh noise.
        """,
    ),
    (
        "Noise",
        r"""
        $x_t = \alpha_t x_0 + \sigma_t\varepsilon$, $\varepsilon \sim \mathcal{N}(0, I)$ || DiffusionSchedule.q_sample
        DDPM: $\alpha_t^2 = \bar\alpha_t = \prod_{s \leq t}(1-\beta_s)$, $\sigma_t^2 = 1-\bar\alpha_t$ || DiffusionSchedule.at
        step: $q(x_t|x_{t-1}) = \mathcal{N}(\sqrt{1-\beta_t}\,x_{t-1}, \beta_t I)$ || schedule.jump
        $\mathrm{SNR} = \alpha^2/\sigma^2$, $\mathrm{nsr} = \sigma/\alpha$, $\lambda = \log(\alpha/\sigma)$ || Level.nsr, Level.lam
        $q(x_{t-1}|x_t,x_0) = \mathcal{N}(a\,x_0 + b\,x_t, \tilde\beta_t I)$ || DiffusionSchedule.posterior
        $a = \dfrac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}$, $b = \
        \dfrac{\sqrt{1-\beta_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}$, $\tilde\beta_t = \dfrac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\beta_t$
        Papers count $t = 1 … T$ with $x_0$ clean; code $t = 0 … T-1$. || CLEAN
        """,
    ),
    (
        "Schedules",
        r"""
        linear: 0.0001 to 0.02, $\bar\alpha_T = 4\cdot 10^{-5}$ || linear_beta_schedule
        $\sqrt{\beta}$ linear: 0.00085 to 0.012 || scaled_linear_beta_schedule
        cosine: $\bar\alpha \propto \cos^2\left(\dfrac{t/T+s}{1+s}\cdot\dfrac{\pi}{2}\right)$, $s = 0.008$ || cosine_beta_schedule
        figure
        Fewer steps: multiply $\beta$ by $1000/T$. What counts is $\bar\alpha_T \to 0$.
        """,
    ),
    (
        "What a network predicts: output $= a\\,x_0 + b\\,\\varepsilon$",
        r"""
        table
        $\hat x_0 = (b\,x_t - \sigma\cdot\mathrm{out})/(\alpha b - \sigma a)$ || denoiser.estimate
        $\hat\varepsilon = (\alpha\cdot\mathrm{out} - a\,x_t)/(\alpha b - \sigma a)$ || denoiser.PREDICTS
        $\hat x_0 = (x_t - \sigma\hat\varepsilon)/\alpha = \alpha x_t - \sigma v$ (the last for $\alpha^2+\sigma^2 = 1$)
        loss: $\mathbb{E}\,|\hat\varepsilon - \varepsilon|^2 = \mathbb{E}\,\mathrm{SNR}\cdot|\hat x_0 - x_0|^2$ || Denoiser.loss
        its minimum: $\hat x_0 = \mathbb{E}[x_0|x_t]$; of a finite set: copies || mixture.Memory
        """,
    ),
    (
        "Bounds, VAE",
        r"""
        $\mathrm{KL}(q\Vert p) = \log\dfrac{\sigma_p}{\sigma_q} + \
        \dfrac{\sigma_q^2+(\mu_q-\mu_p)^2}{2\sigma_p^2} - \dfrac{1}{2}$ || gaussian.gaussian_kl
        to $\mathcal{N}(0,1)$: $\frac{1}{2}(\mu^2+\sigma^2-1-\log\sigma^2)$ || gaussian.standard_kl
        $\mathrm{ELBO} = \mathbb{E}_q\log p(x|z) - \mathrm{KL}(q(z|x)\Vert p(z))$ || elbo.vae_elbo
        $\log p(x) - \mathrm{ELBO} = \mathrm{KL}(q(z|x)\Vert p(z|x)) \geq 0$ || elbo.mixture_elbo
        $z = \mu + \sigma\varepsilon$ carries gradients || gaussian.reparameterize
        $\mathrm{KL}(p_{\mathrm{data}}\Vert q)$ covers all modes; $\mathrm{KL}(q\Vert p_{\mathrm{data}})$ seeks one.
        DDPM: $-\log p(x_0) \leq L_T + \sum_t L_{t-1} + L_0$ || elbo.diffusion_bound
        $L_{t-1} = w_t|\varepsilon-\hat\varepsilon|^2$, $w_t = \
        \dfrac{\beta_t^2}{2\tilde\beta_t(1-\beta_t)(1-\bar\alpha_t)}$ || elbo.noise_weights
        bits per dimension $=$ nats$/(D\log 2)$ || elbo.bits_per_dim
        """,
    ),
    (
        "Sampler steps, from level t to s",
        r"""
        DDPM: $a\hat x_0 + b\,x_t + \sqrt{\tilde\beta}\,z$, no noise last || samplers.DDPM
        DDIM: $\alpha_s\hat x_0 + \sqrt{\sigma_s^2-c^2}\,\hat\varepsilon + c\,z$ || samplers.DDIM
        $c = \eta\,\dfrac{\sigma_s}{\sigma_t}\sqrt{1-\bar\alpha_t/\bar\alpha_s}$; $\eta = 1$: DDPM || samplers.posterior_std
        Euler: $x_s/\alpha_s = x_t/\alpha_t + (\mathrm{nsr}_s - \mathrm{nsr}_t)\,\hat\varepsilon$, is DDIM(0) || samplers.Euler
        Heun: again with the mean of both slopes, 2 calls || samplers.Heun
        DPM++: $\dfrac{\sigma_s}{\sigma_t}x_t - \alpha_s(e^{-h}-1)D$, $h = \lambda_s-\lambda_t$ || samplers.DPMSolverPP
        2M: $D = \hat x_0 + \dfrac{h}{2h_{\mathrm{past}}}(\hat x_0 - \hat x_{0,\mathrm{past}})$; order 1: $D = \hat x_0$
        Euler a: to $\mathrm{nsr}_{\mathrm{down}}$, then $\mathrm{nsr}_{\mathrm{up}}\,z$ back || samplers.EulerAncestral
        $\mathrm{nsr}_{\mathrm{up}}^2 = \mathrm{nsr}_s^2(1-\mathrm{nsr}_s^2/\mathrm{nsr}_t^2)$, \
        $\mathrm{nsr}_{\mathrm{down}}^2 = \mathrm{nsr}_s^2-\mathrm{nsr}_{\mathrm{up}}^2$
        """,
    ),
    (
        "Guidance",
        r"""
        $\hat\varepsilon_u + w(\hat\varepsilon_c-\hat\varepsilon_u)$: $w = 0$ free, $w = 1$ conditional || guided
        Ho, Salimans: $(1+s)\hat\varepsilon_c - s\,\hat\varepsilon_u$, so $w = 1+s$ || guidance.from_weight
        Same for $\hat x_0$, $v$, score. Negative prompt: in place of $u$. Two calls a step.
        Train: 1 in 10 conditions becomes the null one || Denoiser.loss
        rescale: guided output $\cdot\,\mathrm{std}_c/\mathrm{std}$, mixed by share || guidance.rescaled
        """,
    ),
    (
        "Scores",
        r"""
        $\nabla_x\log p_t(x) = -\hat\varepsilon/\sigma_t$; no constant Z in it || Estimate.score
        Tweedie: $\mathbb{E}[x_0|x] = (x + \sigma^2\,\mathrm{score})/\alpha$ || mixture.GaussianMixture
        mixture: score $= \sum_k r_k(\mu_k - x)/s_k^2$, $r_k = p(k|x)$ || GaussianMixture.score
        denoising: $\frac{1}{2}|\mathrm{score}(x_t) + \varepsilon/\sigma|^2$ || score.denoising_loss
        implicit: $\frac{1}{2}|\mathrm{score}|^2 + \mathrm{div}\,\mathrm{score}$ || score.implicit_loss
        Langevin: $x + h\cdot\mathrm{score} + \sqrt{2h}\,z$ || score.langevin
        on $\mathcal{N}(0,s^2)$ it ends at variance $s^2/(1-h/(2s^2))$, for $h < 2s^2$
        """,
    ),
    (
        "SDEs and flows",
        r"""
        $dx = f\,x\,dt + g\,dw$, $f = \dot\alpha/\alpha$, $g^2 = 2\sigma(\dot\sigma-f\sigma)$ || sde.forward_sde
        VP: $f = -\beta/2$, $g^2 = \beta$, $\beta = 0.1 … 20$ || sde.VP
        VE: $\alpha = 1$, $\sigma = \sigma_{\mathrm{min}}(\sigma_{\mathrm{max}}/\sigma_{\mathrm{min}})^t$, $f = 0$ || sde.VE
        reverse: $dx = [f\,x - g^2\mathrm{score}]dt + g\,d\bar w$ || sde.ReverseSDE
        flow: $dx/dt = f\,x - \frac{1}{2}g^2\mathrm{score} = \dot\alpha\hat x_0 + \dot\sigma\hat\varepsilon$ || sde.velocity
        straight: $\alpha = 1-t$, $\sigma = t$, velocity $\varepsilon - x_0$ || sde.Straight
        $d\log p(x_t)/dt = -\mathrm{div}\,\mathrm{velocity}$ || sde.likelihood
        """,
    ),
    (
        "Latents, text, Stable Diffusion",
        r"""
        $z = 0.18215\cdot$encode; 3·512² to 4·64²: 48 fold || models.AutoencoderKL
        softmax$(QK^T/\sqrt{d})\,V$, self: cost $\propto\mathrm{side}^4$ || models.CrossAttention
        CLIP: $-\frac{1}{2N}\sum_i(\log p_{i\to i}^{\mathrm{text}} + \log p_{i\to i}^{\mathrm{image}})$ || models.contrastive_loss
        strength r: start at the noised picture, last int(r·n) steps || editing.left
        LoRA: $Wx + s\cdot BAx$, B starts at 0 || adapters.LoRA
        U-Net: side divides by $2^{\mathrm{halvings}}$; skips concatenate || SimpleUNet
        """,
    ),
    (
        "Which metric sees what (names in diffcourse.metrics)",
        r"""
        Fréchet: $|m_1-m_2|^2 + \mathrm{tr}(C_1+C_2-2\sqrt{C_1C_2})$ || frechet_distance
        sees mean, spread, modes; too large for few images || floor
        precision: drawn that look real || precision_recall
        recall: real that are reached; low where modes are lost
        density, coverage: less moved by outliers || density_coverage
        label accuracy: what was asked; blind to variety || label_accuracy
        nearest: copies of training images || nearest
        share: $\mathrm{se} = \sqrt{p(1-p)/n}$ || gaussian.share_se
        a difference is decided beyond $2\sqrt{\mathrm{se}_1^2+\mathrm{se}_2^2}$
        """,
    ),
    (
        "Which sampler",
        r"""
        all T steps: DDPM; few steps: DPMSolverPP (order 2, one call a step)
        to invert and to edit: DDIM, $\eta = 0$; on the straight path it is Euler's step
        """,
    ),
    (
        "Train and sample",
        r"""
            model = Denoiser(network, schedule, null=10)
            def loss(m, b, g):
                return m.loss(b.images, b.labels, drop_prob=0.1,
                              generator=g)
            model = train.run(model, data.mnist(), loss, steps=n)
            ask = clipped(guided(model, [2, 0], guidance=2.0))
            x = sample(ask, schedule, (2, 1, 28, 28), DDIM(), 50)
        """,
    ),
    (
        "Seven common mistakes",
        r"""
        1 Drawing z without $\mu + \sigma\varepsilon$: no gradient reaches the encoder.
        2 KL weight too large: blur, dead latents; too small: bad samples.
        3 Too few steps for the sampler, or $\bar\alpha_T$ far from 0.
        4 Diffusing large pixels where latents would do: slow.
        5 Guidance left at 1 (vague) or far too large (burnt, all alike).
        6 Mixing up forward (given, adds noise) and reverse (learnt).
        7 Inputs not in $[-1, 1]$, or latents not scaled to deviation 1.
        """,
    ),
]
ROWS = [
    ["", r"$\varepsilon$", r"$x_0$", r"$v$", "flow", "score"],
    [r"$a$", "0", "1", r"$-\sigma$", r"$-1$", "0"],
    [r"$b$", "1", "0", r"$\alpha$", "1", r"$-1/\sigma$"],
]
"""output = a·x_0 + b·eps, as `diffcourse.denoiser.PREDICTS` has it."""


def entries(text: str) -> list[tuple[str, str]]:
    """The lines of a section: what is written, and the names beside it."""
    whole = re.sub(r" \\\n +", " ", text).strip("\n").rstrip()
    pairs = (line.removeprefix(" " * 8).partition(" || ") for line in whole.splitlines())
    return [(said, names) for said, _, names in pairs]


def page() -> Paper:
    """The cheat sheet, one page of A4 in two columns; `page().save(path)` writes it."""
    sheet = Paper("Diffusion models on one page", columns=2, size=9.2, margin=24, gap=14, leading=0.14)
    for title, text in SECTIONS:
        with sheet.together():
            sheet.heading(title, 10.5, colour=COLOURS[0])
            for said, names in entries(text):
                if said == "table":
                    sheet.table(ROWS, [1] * len(ROWS[0]))
                elif said == "figure":
                    sheet.figure(_schedules, 62)
                    sheet.skip(3)
                else:
                    sheet.paragraph(said, right=", ".join(f"`{name}`" for name in names.split(", ") if name))
    return sheet


def _schedules(axes: Axes) -> None:
    """How much signal is left: alpha_bar over t/T for the three schedules."""
    paths = {
        "linear": DiffusionSchedule.linear(),
        "Stable Diffusion": DiffusionSchedule.scaled_linear(),
        "cosine": DiffusionSchedule.cosine(),
    }
    for (name, path), colour, line in zip(paths.items(), COLOURS, LINES, strict=False):
        axes.plot(torch.linspace(0, 1, path.T), path.alpha_bars, line, color=colour, label=name, linewidth=1)
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1.02))
    axes.text(0.02, 0.06, r"$\bar\alpha_t$ over $t/T$, from 1 to 0", font=SMALL)
    axes.legend(prop=SMALL, frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
