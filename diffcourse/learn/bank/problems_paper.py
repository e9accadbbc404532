r"""Problems for paper, with worked solutions: every number is drawn, and the solution is worked out from it, step by step as by hand.

A problem is a function of a `random.Random`. It draws numbers, and writes one text: what is given; then each part, `? ` its question and
`= ` the steps of its solution, [marks] at the end of each. One mark is one minute. `<x>` in a text is the number of that name, with four
significant digits; `<(x)>` puts it in brackets where it is negative. Formulas stand between dollars in matplotlib's mathtext, `code` and
**bold** as here, and a line that begins with four spaces is a line of code.
"""

import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from random import Random

from diffcourse.learn.bank import Part, Problem, Sheet

PROBLEMS: list[Problem] = []
Make = Callable[[Random], Sheet]
Numbers = Mapping[str, float | str]


def _problem(name: str, title: str, minutes: int) -> Callable[[Make], Make]:
    """Put a function into PROBLEMS."""

    def kept(make: Make) -> Make:
        PROBLEMS.append(Problem(name, title, minutes, make))
        return make

    return kept


def printed(x: float | str, digits: int = 4) -> str:
    """A number with so many significant digits and no zeros at its end; below 0.0001 with a power of ten, for a formula."""
    if isinstance(x, str | int):
        return str(x)
    if 0 < abs(x) < 1e-4:
        power = math.floor(math.log10(abs(x)))
        return rf"{printed(x / 10.0**power, digits)} \cdot 10^{{{power}}}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(x)))) if x else 0
    text = f"{x:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sheet(numbers: Numbers, text: str) -> Sheet:
    """The problem that a text describes, its numbers put in."""

    def put(found: re.Match[str]) -> str:
        number = printed(numbers[found["name"]])
        return f"({number})" if found["open"] and number.startswith("-") else number

    text = re.sub(r"<(?P<open>\()?(?P<name>\w+)\)?>", put, textwrap.dedent(text).strip("\n"))
    text = re.sub(r"(?m)^(?! {4})(.+)\n(?! {4}|[?=] |$)", r"\1 ", text)  # prose is one line, code is not
    given, *parts = re.split(r"\s*^\? ", text, flags=re.M)
    return Sheet(given, [_part(*re.split(r"\s*^= ", part, flags=re.M)) for part in parts])


def _part(question: str, *steps: str) -> Part:
    told = [step.rsplit(" [", 1) for step in steps]
    return Part(question, [(what, int(marks.strip(" ]\n"))) for what, marks in told])


# -- 01: VAE and ELBO -------------------------------------------------------------------------------------------------


@_problem("01.p_kl", "One Gaussian for another", 12)
def kl(r: Random) -> Sheet:
    mq, sq, mp, sp = (
        r.choice([-1.0, -0.5, 0.5, 1.0]),
        r.choice([0.5, 0.8, 1.0]),
        r.choice([0.0, 1.5, 2.0]),
        r.choice([1.5, 2.0, 2.5]),
    )
    c, s = r.choice([2.0, 3.0, 4.0]), r.choice([0.3, 0.5, 0.6])
    forward = math.log(sp / sq) + (sq**2 + (mq - mp) ** 2) / (2 * sp**2) - 0.5
    backward = math.log(sq / sp) + (sp**2 + (mp - mq) ** 2) / (2 * sq**2) - 0.5
    numbers = {
        "mq": mq, "sq": sq, "mp": mp, "sp": sp, "c": c, "s": s, "ab": forward, "ba": backward,
        "lr": math.log(sp / sq), "gap": (mq - mp) ** 2, "vq": sq**2, "vp": sp**2, "v": s**2 + c**2,
        "std": math.hypot(s, c),
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        Two Gaussians in one dimension: $q$ with mean $\mu_q = <mq>$ and standard deviation $\sigma_q = <sq>$, and $p$
        with mean $\mu_p = <mp>$ and standard deviation $\sigma_p = <sp>$.

        ? Write down $\mathrm{KL}(q\,\|\,p)$ for Gaussians, and compute it in nats.
        = $\mathrm{KL}(q\,\|\,p) = \log\frac{\sigma_p}{\sigma_q} + \frac{\sigma_q^2 + (\mu_q - \mu_p)^2}{2\sigma_p^2}
        - \frac{1}{2}$ [2]
        = $= <lr> + (<vq> + <gap>)/(2\cdot<vp>) - 0.5 = <ab>$ [2]

        ? Compute $\mathrm{KL}(p\,\|\,q)$.
        = The names change places: $-<lr> + (<vp> + <gap>)/(2\cdot<vq>) - 0.5 = <ba>$ [2]

        ? Now $p$ is the density of data with two bumps, $\frac{1}{2}\mathcal{N}(-<c>, <s>^2) +
        \frac{1}{2}\mathcal{N}(<c>, <s>^2)$. One Gaussian $q$ is fitted to it such that $\mathrm{KL}(p\,\|\,q)$ is
        least. Which mean and standard deviation has $q$?
        = $\mathrm{KL}(p\,\|\,q)$ is least where $q$ has the mean and the variance of $p$. The mean is 0. [1]
        = Variance: $\mathbb{E}[x^2] = <s>^2 + <c>^2 = <v>$, so the standard deviation is $<std>$ [2]

        ? Which of the two directions does maximum likelihood minimise? Where does the $q$ of part (c) draw its
        samples, and what would the other direction prefer?
        = Maximum likelihood minimises $\mathrm{KL}(p_{data}\,\|\,q)$. [1]
        = This $q$ covers both bumps, so it draws most samples between them, where no data are. [1]
        = $\mathrm{KL}(q\,\|\,p)$ punishes $q$ for being where $p$ is small: it sits on one bump and leaves the other
        out. [1]
        """,
    )


@_problem("01.p_elbo", "A bound that can be checked", 14)
def elbo(r: Random) -> Sheet:
    s2, x, m, v = (
        r.choice([0.5, 1.0, 2.0]),
        r.choice([-2.0, -1.5, 1.5, 2.0, 3.0]),
        r.choice([0.2, 0.5, -0.2]),
        r.choice([0.3, 0.6, 0.8]),
    )
    evidence = -0.5 * math.log(2 * math.pi * (1 + s2)) - x**2 / (2 * (1 + s2))
    mean, var = x / (1 + s2), s2 / (1 + s2)
    reconstruction = -0.5 * math.log(2 * math.pi * s2) - ((x - m) ** 2 + v) / (2 * s2)
    rate = 0.5 * (m**2 + v - 1 - math.log(v))
    gap = 0.5 * (math.log(var / v) + (v + (m - mean) ** 2) / var - 1)
    numbers = {
        "s2": s2, "x": x, "m": m, "v": v, "one": 1 + s2, "evidence": evidence, "mean": mean, "var": var,
        "rec": reconstruction, "rate": rate, "elbo": reconstruction - rate, "gap": gap,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A model with one latent number: $z \sim \mathcal{N}(0, 1)$ and $x\,|\,z \sim \mathcal{N}(z, s^2)$ with $s^2 =
        <s2>$. One point of data, $x = <x>$. The encoder says $q(z\,|\,x) = \mathcal{N}(m, v)$ with $m = <m>$ and
        variance $v = <v>$.

        ? Compute $\log p(x)$.
        = $x \sim \mathcal{N}(0, 1 + s^2)$, so $\log p(x) = -\frac{1}{2}\log(2\pi\cdot<one>) - <(x)>^2/(2\cdot<one>) =
        <evidence>$ [2]

        ? Compute the mean and the variance of the true posterior $p(z\,|\,x)$.
        = Precisions add up, $1 + 1/s^2$: the variance is $s^2/(1 + s^2) = <var>$ [2]
        = The mean is $x/(1 + s^2) = <mean>$ [1]

        ? Compute the two terms of the ELBO, $\mathbb{E}_q[\log p(x\,|\,z)]$ and $\mathrm{KL}(q(z\,|\,x)\,\|\,p(z))$,
        and the ELBO.
        = $\mathbb{E}_q(x - z)^2 = (x - m)^2 + v$, so the first is $-\frac{1}{2}\log(2\pi s^2) - ((x-m)^2 + v)/(2s^2) = <rec>$ [3]
        = $\mathrm{KL} = \frac{1}{2}(m^2 + v - 1 - \log v) = <rate>$ [2]
        = ELBO $= <rec> - <rate> = <elbo>$ [1]

        ? How far below $\log p(x)$ is the ELBO? Of which two distributions is this the KL? Check it by the formula.
        = $\log p(x) - \mathrm{ELBO} = <gap>$ [1]
        = It is $\mathrm{KL}(q(z\,|\,x)\,\|\,p(z\,|\,x))$, to the posterior and not to the prior:
        $\frac{1}{2}(\log\frac{<var>}{<v>} + \frac{<v> + (<m> - <(mean)>)^2}{<var>} - 1) = <gap>$ [2]
        """,
    )


# -- 02: the mathematics of DDPM --------------------------------------------------------------------------------------


@_problem("02.p_forward", "How noisy is step t?", 13)
def forward(r: Random) -> Sheet:
    beta, T, t = r.choice([0.02, 0.03, 0.04, 0.05]), r.choice([60, 80, 100]), r.choice([5, 10, 20])
    x0, eps = r.choice([-0.8, -0.5, 0.5, 0.8]), r.choice([-1.2, -0.6, 0.4, 1.5])
    bar, end = (1 - beta) ** t, (1 - beta) ** T
    half = math.log(0.5) / math.log(1 - beta)
    numbers = {
        "beta": beta, "T": T, "t": t, "x0": x0, "eps": eps, "bar": bar, "a": bar**0.5, "s": (1 - bar) ** 0.5,
        "keep": 1 - beta, "xt": bar**0.5 * x0 + (1 - bar) ** 0.5 * eps, "snr": bar / (1 - bar), "half": half,
        "first": math.floor(half) + 1, "end": end, "left": end**0.5,
        "kl": 0.5 * (end * x0**2 - end - math.log(1 - end)),
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A chain with the same $\beta = <beta>$ at each of its $T = <T>$ steps, $x_t = \sqrt{1-\beta}\,x_{t-1} +
        \sqrt{\beta}\,\varepsilon_t$; here $t$ counts from 1 as in the papers. A pixel has the value $x_0 = <x0>$.

        ? Compute $\bar\alpha_t$ for $t = <t>$.
        = $\bar\alpha_t = (1-\beta)^t = <keep>^{<t>} = <bar>$ [2]

        ? Noise with $\varepsilon = <eps>$ is drawn. Compute $x_t$ in one step, without the steps before it.
        = $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\varepsilon$ [1]
        = $= <a>\cdot<(x0)> + <s>\cdot<(eps)> = <xt>$ [2]

        ? Compute the signal-to-noise ratio $\bar\alpha_t/(1-\bar\alpha_t)$ there, and the first step at which it is
        below 1.
        = $\mathrm{SNR} = <bar>/(1 - <bar>) = <snr>$ [2]
        = Below 1 means $\bar\alpha_t < 1/2$, that is $t > \log(1/2)/\log<keep> = <half>$ [2]
        = so the first step is $t = <first>$ [1]

        ? Is the chain long enough? Compute the factor of $x_0$ in $x_T$, and
        $\mathrm{KL}(q(x_T\,|\,x_0)\,\|\,\mathcal{N}(0, 1))$ for this pixel.
        = $\sqrt{\bar\alpha_T} = \sqrt{<end>} = <left>$ [1]
        = $\mathrm{KL} = \frac{1}{2}(\bar\alpha_T x_0^2 + (1 - \bar\alpha_T) - 1 - \log(1 - \bar\alpha_T)) = <kl>$ [1]
        = Sampling starts from $\mathcal{N}(0, 1)$, so what counts is that $\bar\alpha_T$ is near 0, not that $T$ is
        large: here $<left>$ of the pixel is still there. [1]
        """,
    )


@_problem("02.p_posterior", "One step back in a chain of two", 13)
def posterior(r: Random) -> Sheet:
    b1, b2 = r.choice([0.1, 0.2, 0.3]), r.choice([0.2, 0.4, 0.5])
    x0, x2, hat = r.choice([-1.0, -0.5, 0.5, 1.0]), r.choice([-0.9, 0.2, 0.7, 1.4]), r.choice([-0.8, 0.3, 1.1])
    one, two = 1 - b1, (1 - b1) * (1 - b2)
    var = b2 * (1 - one) / (1 - two)
    c0, c2 = one**0.5 * b2 / (1 - two), (1 - b2) ** 0.5 * (1 - one) / (1 - two)
    guess = (x2 - (1 - two) ** 0.5 * hat) / two**0.5
    numbers = {
        "b1": b1, "b2": b2, "x0": x0, "x2": x2, "hat": hat, "one": one, "two": two, "rest": 1 - two, "var": var,
        "c0": c0, "c2": c2, "a1": one**0.5, "a2": (1 - b2) ** 0.5, "mean": c0 * x0 + c2 * x2, "guess": guess,
        "step": c0 * guess + c2 * x2,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A chain of two steps, $\beta_1 = <b1>$ and $\beta_2 = <b2>$, in one dimension. The data point is $x_0 = <x0>$,
        and at its end the chain stands at $x_2 = <x2>$.

        ? Compute $\bar\alpha_1$ and $\bar\alpha_2$.
        = $\bar\alpha_1 = 1 - \beta_1 = <one>$, $\bar\alpha_2 = (1-\beta_1)(1-\beta_2) = <two>$ [2]

        ? Which two Gaussian factors make $q(x_1\,|\,x_2, x_0)$, as functions of $x_1$? Give their means and variances
        in numbers.
        = $q(x_1\,|\,x_0) = \mathcal{N}(<a1>\cdot<(x0)>, <b1>)$ [1]
        = $q(x_2\,|\,x_1) = \mathcal{N}(<a2>\,x_1, <b2>)$, read as a function of $x_1$; by Bayes' rule their product,
        up to a constant [1]

        ? Compute the posterior's variance and mean.
        = Precisions add up: $1/\tilde\beta_2 = 1/\beta_1 + (1-\beta_2)/\beta_2$, so $\tilde\beta_2 =
        \beta_2(1-\bar\alpha_1)/(1-\bar\alpha_2) = <var>$ [3]
        = The weights of $x_0$ and $x_2$ are $\sqrt{\bar\alpha_1}\,\beta_2/(1-\bar\alpha_2) = <c0>$ and
        $\sqrt{1-\beta_2}\,(1-\bar\alpha_1)/(1-\bar\alpha_2) = <c2>$ [2]
        = Mean: $<c0>\cdot<(x0)> + <c2>\cdot<(x2)> = <mean>$ [1]

        ? When sampling, $x_0$ is not known. The network says $\hat\varepsilon = <hat>$ at $x_2$. Which $\hat x_0$
        does it believe in, and what is the mean of the step that DDPM then takes?
        = $\hat x_0 = (x_2 - \sqrt{1-\bar\alpha_2}\,\hat\varepsilon)/\sqrt{\bar\alpha_2} = <guess>$ [2]
        = The same weights, with $\hat x_0$ for $x_0$: $<c0>\cdot<(guess)> + <c2>\cdot<(x2)> = <step>$ [1]
        """,
    )


@_problem("02.p_bug_short", "Find the bug: a shorter chain", 11)
def shorter(r: Random) -> Sheet:
    T, end, m = r.choice([100, 200, 250, 400, 500]), r.choice([0.02, 0.016]), r.choice([-0.7, -0.5, 0.6])
    total = T * (1e-4 + end) / 2
    bar, mended = math.exp(-total), math.exp(-1000 * (1e-4 + end) / 2)
    numbers = {
        "T": T, "end": end, "m": m, "sum": total, "bar": bar, "left": bar**0.5, "mean": bar**0.5 * m,
        "factor": 1000 / T, "mended": mended, "all": 1000 * (1e-4 + end) / 2,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        To sample faster, a student trains with a shorter chain. She finds that the images get worse, and concludes
        that a diffusion model needs many steps.
            betas = torch.linspace(1e-4, <end>, T)      # was written for T = 1000
            alpha_bars = torch.cumprod(1 - betas, dim=0)
            x = torch.randn(n, 1, 28, 28)               # sampling starts here
        She uses $T = <T>$. Below, you may use $\log(1-\beta) \approx -\beta$.

        ? Estimate $\bar\alpha_T$ at the end of her chain.
        = $\log\bar\alpha_T \approx -\sum\beta_t = -T\cdot(0.0001 + <end>)/2 = -<sum>$ [2]
        = so $\bar\alpha_T \approx <bar>$ [1]

        ? Suppose that the mean of the pixels is $<m>$. What is the mean of $x_T$ in training, and what is it where
        she starts to sample?
        = In training $\sqrt{\bar\alpha_T}\cdot<(m)> = <left>\cdot<(m)> = <mean>$ [2]
        = In sampling 0: the network is asked about inputs on which it was not trained. [1]

        ? Mend the schedule by one factor, such that $T = <T>$ ends as $T = 1000$ did. Which factor, and which
        $\bar\alpha_T$?
        = Multiply all $\beta$ by $1000/T = <factor>$ [2]
        = Then $\sum\beta_t = <all>$ as before, and $\bar\alpha_T \approx <mended>$ [1]

        ? What was her conclusion confounded by? Name an experiment that separates the two.
        = Fewer steps came together with signal that is left at the end of the chain. [1]
        = Compare chains of both lengths with equal ends (rescaled betas, or cosine), or leave training alone and take
        fewer steps in sampling. [1]
        """,
    )


# -- 03: training -----------------------------------------------------------------------------------------------------


@_problem("03.p_eps", "One output, five names", 13)
def parameterisations(r: Random) -> Sheet:
    bar, other = r.choice([0.64, 0.36, 0.5, 0.8]), r.choice([0.01, 0.04, 0.0625])
    x, eps = r.choice([-0.9, 0.4, 0.7, 1.2]), r.choice([-1.1, -0.5, 0.6, 0.9])
    a, s = bar**0.5, (1 - bar) ** 0.5
    x0 = (x - s * eps) / a
    v = a * eps - s * x0
    numbers = {
        "bar": bar, "other": other, "x": x, "eps": eps, "a": a, "s": s, "x0": x0, "v": v, "score": -eps / s,
        "flow": eps - x0, "gain": s / a, "gain2": ((1 - other) / other) ** 0.5, "w": bar / (1 - bar),
        "err": 0.1 * s / a, "err2": 0.1 * ((1 - other) / other) ** 0.5,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        At a level with $\bar\alpha = <bar>$, so $x_t = \alpha x_0 + \sigma\varepsilon$ with $\alpha^2 = \bar\alpha$
        and $\sigma^2 = 1 - \bar\alpha$, a network is given the pixel $x_t = <x>$ and answers $\hat\varepsilon =
        <eps>$.

        ? Compute $\hat x_0$, $\hat v = \alpha\hat\varepsilon - \sigma\hat x_0$, the score, and the velocity
        $\hat\varepsilon - \hat x_0$ of the straight path.
        = $\hat x_0 = (x_t - \sigma\hat\varepsilon)/\alpha = (<x> - <s>\cdot<(eps)>)/<a> = <x0>$ [2]
        = $\hat v = <a>\cdot<(eps)> - <s>\cdot<(x0)> = <v>$ [2]
        = score $= -\hat\varepsilon/\sigma = <score>$ [1]
        = velocity $= <flow>$ [1]

        ? Show that $\alpha x_t - \sigma v = x_0$, and check it with your numbers.
        = $\alpha(\alpha x_0 + \sigma\varepsilon) - \sigma(\alpha\varepsilon - \sigma x_0) = (\alpha^2 +
        \sigma^2)x_0 = x_0$; $<a>\cdot<(x)> - <s>\cdot<(v)> = <x0>$ [2]

        ? $\hat\varepsilon$ is wrong by 0.1. By how much is $\hat x_0$ wrong here, and by how much at $\bar\alpha =
        <other>$?
        = An error of $\varepsilon$ is multiplied by $\sigma/\alpha$: here by $<gain>$, so $\hat x_0$ is wrong by
        $<err>$ [1]
        = at $\bar\alpha = <other>$ by $<gain2>$, so it is wrong by $<err2>$ [1]

        ? The loss $|\hat\varepsilon - \varepsilon|^2$ equals $w\cdot|\hat x_0 - x_0|^2$. Which $w$, by formula and at
        this level?
        = $w = \alpha^2/\sigma^2$, the signal-to-noise ratio, $= <w>$ [2]

        ? Which of the outputs $\varepsilon$, $x_0$, $v$ cannot be turned into $x_0$ at $\bar\alpha = 0$, and why?
        = $\varepsilon$: there $x_t = \varepsilon$, so the right answer says nothing about $x_0$. [1]
        """,
    )


@_problem("03.p_unet", "A U-Net on paper", 14)
def unet(r: Random) -> Sheet:
    side, c, odd = r.choice([32, 48, 64]), r.choice([16, 24, 32, 64]), r.choice([20, 28, 36, 44])
    down = [odd, odd // 2, odd // 4, odd // 8]
    numbers = {
        "side": side, "half": side // 2, "quarter": side // 4, "c": c, "c2": 2 * c, "c4": 4 * c, "c6": 6 * c,
        "c3": 3 * c, "odd": odd, "d1": down[1], "d2": down[2], "d3": down[3], "up": 2 * down[3],
        "pad": -(-odd // 8) * 8, "params": 9 * 6 * c * 2 * c + 2 * c, "mults": 9 * 6 * c * 2 * c * (side // 2) ** 2,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A U-Net for grey images of side $S = <side>$ with $c = <c>$ channels: a convolution $1 \to c$; on the way down
        at sides $S$ and $S/2$ a block each, with $c \to c$ and $c \to 2c$ channels, whose output is kept as a skip,
        and then side is halved; in the middle, at side $S/4$, a block $2c \to 4c$. On the way up, side is doubled,
        channels stay, the skip of that side is concatenated, and a block follows: to $2c$ channels at side $S/2$, to
        $c$ at side $S$.

        ? Give the shape (channels, side, side) of both skips and of the middle's output.
        = First skip: $(<c>, <side>, <side>)$ [1]
        = second skip: $(<c2>, <half>, <half>)$ [1]
        = middle: $(<c4>, <quarter>, <quarter>)$ [1]

        ? How many channels enter the first convolution of each of the two blocks on the way up?
        = At $S/2$: $4c$ from below and $2c$ of the skip, $<c6>$ [2]
        = at $S$: $2c$ from below and $c$ of the skip, $<c3>$ [1]

        ? The first convolution of the block at $S/2$ has kernels of 3×3, a bias, and $2c$ channels at its end. How
        many parameters has it, and how many multiplications does it take for one image?
        = Parameters: $9\cdot<c6>\cdot<c2> + <c2> = <params>$ [2]
        = Multiplications: $9\cdot<c6>\cdot<c2>$ at each of $<half>^2$ positions, $<mults>$ [2]

        ? Another U-Net halves side three times, each time from $n$ to the whole part of $n/2$, and is given images of
        side $<odd>$. Follow the sides down and up until it fails. What is the least change of the input that mends
        it?
        = Down: $<odd>, <d1>, <d2>, <d3>$ [1]
        = Up: $<d3>$ is doubled to $<up>$, but the skip there has side $<d2>$: they cannot be concatenated. [1]
        = Sides must be multiples of $2^3$: pad to $<pad>$, and cut the output back to $<odd>$ [2]
        """,
    )


# -- 04: samplers -----------------------------------------------------------------------------------------------------


@_problem("04.p_ddim", "A step of DDIM", 14)
def ddim(r: Random) -> Sheet:
    now, to = r.choice([0.2, 0.3, 0.36]), r.choice([0.5, 0.64, 0.7])
    x, eps, z = r.choice([-0.8, 0.5, 1.1]), r.choice([-1.2, -0.4, 0.7, 1.3]), r.choice([-0.9, 0.5, 1.2])
    x0 = (x - (1 - now) ** 0.5 * eps) / now**0.5
    std = ((1 - to) / (1 - now) * (1 - now / to)) ** 0.5
    rest = (1 - to - std**2) ** 0.5
    numbers = {
        "now": now, "to": to, "x": x, "eps": eps, "z": z, "x0": x0, "std": std, "rest": rest, "a": to**0.5,
        "s": (1 - to) ** 0.5, "zero": to**0.5 * x0 + (1 - to) ** 0.5 * eps,
        "one": to**0.5 * x0 + rest * eps + std * z,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A sampler stands at $x_t = <x>$, where $\bar\alpha_t = <now>$, and goes to a level with $\bar\alpha_s = <to>$.
        The network says $\hat\varepsilon = <eps>$.

        ? Compute $\hat x_0$.
        = $\hat x_0 = (x_t - \sqrt{1-\bar\alpha_t}\,\hat\varepsilon)/\sqrt{\bar\alpha_t} = <x0>$ [2]

        ? Compute $x_s$ for $\eta = 0$.
        = $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\varepsilon$ [1]
        = $= <a>\cdot<(x0)> + <s>\cdot<(eps)> = <zero>$ [2]

        ? Compute $x_s$ for $\eta = 1$ if $z = <z>$ is drawn.
        = $\sigma^2 = \frac{1-\bar\alpha_s}{1-\bar\alpha_t}(1 - \frac{\bar\alpha_t}{\bar\alpha_s})$, so $\sigma =
        <std>$ [2]
        = For $\hat\varepsilon$ remains $\sqrt{1 - \bar\alpha_s - \sigma^2} = <rest>$ [1]
        = $x_s = <a>\cdot<(x0)> + <rest>\cdot<(eps)> + <std>\cdot<(z)> = <one>$ [2]

        ? Both samplers take the last step, to $\bar\alpha_s = 1$. How do their results differ, from equal $x_t$ and
        $\hat\varepsilon$?
        = Not at all: $1-\bar\alpha_s = 0$, so $\sigma = 0$ as well, and both return $\hat x_0$. [2]

        ? Two students draw 1000 images each with $\eta = 0$. One says that they must all be equal, since the sampler
        is deterministic. What is right?
        = It is a fixed function of the start $x_T$, and this is drawn: other $x_T$, other images. Only the same $x_T$
        gives the same image. [2]
        """,
    )


@_problem("04.p_bug_steps", "Find the bugs: a sampler", 12)
def steps(r: Random) -> Sheet:
    n = r.choice([30, 45, 51, 60, 70, 300, 400])
    stride = 1000 // n
    count = len(range(0, 1000, stride))
    numbers = {"n": n, "stride": stride, "count": count, "first": stride * (count - 1)}  # fmt: skip
    return _sheet(
        numbers,
        r"""
        This sampler is called with $T = 1000$ and $n = <n>$. Its `alpha_bars` is a tensor of length 1000.
            def sample(model, x, alpha_bars, T, n):
                times = list(range(0, T, T // n))[::-1]
                for i, t in enumerate(times):
                    now = alpha_bars[t]
                    to = alpha_bars[times[i + 1]] if i + 1 < len(times) else 1.0
                    eps = model(x, t)
                    x0 = (x - torch.sqrt(1 - now) * eps) / torch.sqrt(now)
                    x = torch.sqrt(to) * x0 + torch.sqrt(1 - to) * eps
                return x

        ? Which is the first entry of `times`, and how many entries has it? What is wrong with each of the two?
        = The stride is $1000 // <n> = <stride>$, so `times` has $<count>$ entries [2]
        = and begins with $<first>$ [1]
        = It takes $<count>$ steps where $<n>$ were asked for, and $t = 999$, the level of the noise it starts from,
        is not visited. [2]

        ? The call ends with an error. In which step, in which line, and why?
        = In the last step, number $<count>$, in the line of `x = torch.sqrt(to) ...` [1]
        = There `to` is the Python number 1.0, and `torch.sqrt` takes tensors only. [1]

        ? Repair both: write the line of `times`, and the line of `to`.
        = `times = torch.linspace(T - 1, 0, n).round().long().tolist()`, or any list of n different times from T - 1
        down [2]
        = `... else torch.ones_like(now)` [1]

        ? A test with `n = 2` and a model that returns zeros takes no time. Which two facts would you assert, such
        that both bugs are found?
        = That it returns at all, with x's shape and finite: the error comes in the last step of every call. [1]
        = That the model was asked exactly n times, and first at T - 1 (kept in a list by the model). [1]
        """,
    )


# -- 05: latents, text and attention ----------------------------------------------------------------------------------


@_problem("05a.p_cost", "What a latent space saves", 12)
def cost(r: Random) -> Sheet:
    side, channels, odd = r.choice([256, 512, 768, 1024]), r.choice([4, 8, 16]), r.choice([300, 500, 700, 1000])
    small = side // 8
    numbers = {
        "side": side, "c": channels, "small": small, "pixels": 3 * side**2, "numbers": channels * small**2,
        "ratio": 192 / channels, "bits": 96 / channels, "tokens": small**2, "square": small**4, "odd": odd,
        "cut": odd // 8 * 8,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        An autoencoder maps RGB images of side $S = <side>$ to latents of $c = <c>$ channels whose side is smaller by
        a factor of 8.

        ? Give the shape of a latent, and by which factor it holds fewer numbers than the image.
        = $(<c>, <small>, <small>)$ [1]
        = $<pixels>/<numbers> = <ratio>$ [2]

        ? The image has 8 bits a number, the latent is stored in half precision. Which factor is it in bits?
        = Half precision takes 16 bits, twice as many: $<ratio>\cdot 8/16 = <bits>$ [2]

        ? Self-attention at the full resolution of the latent: how many tokens, how many weights in one head's
        attention matrix, and how many times as many would it be on the pixels?
        = $<small>^2 = <tokens>$ tokens [1]
        = $<tokens>^2 = <square>$ weights [1]
        = On pixels $8^2$ times as many tokens, so $8^4 = 4096$ times as many weights [2]

        ? $S$ is doubled. By which factors grow the cost of a convolution and that of the attention matrix?
        = Convolution by 4, as the number of positions; attention by 16, as its square. [2]

        ? Somebody puts in an image of side $<odd>$. What has to be done first, and is a latent model better in
        principle because of its latents?
        = The side must be a multiple of 8: cut it to $<cut>$, or resize. Latents are cheaper; what the autoencoder
        loses no diffusion brings back. [1]
        """,
    )


def _softmax(scores: Sequence[float]) -> list[float]:
    exps = [math.exp(score) for score in scores]
    return [e / sum(exps) for e in exps]


@_problem("05b.p_attention", "Attention by hand", 14)
def attention(r: Random) -> Sheet:
    Q = [[r.choice([1, 2]), r.choice([0, 1])], [r.choice([0, -1]), r.choice([1, 2])]]
    K = [[1, r.choice([0, -1])], [0, r.choice([1, 2])], [r.choice([-1, 1]), 1]]
    V = [r.choice([1, 2]), r.choice([-1, -2]), r.choice([3, 4])]
    dots = [[sum(a * b for a, b in zip(q, k, strict=True)) for k in K] for q in Q]
    W = [_softmax([dot / 2**0.5 for dot in row]) for row in dots]
    masked = _softmax([dot / 2**0.5 for dot in dots[0][:2]])
    out = [sum(w * v for w, v in zip(row, V, strict=True)) for row in W]
    numbers: dict[str, float] = {}
    numbers |= {f"q{i}{j}": Q[i][j] for i in range(2) for j in range(2)} | {
        f"k{i}{j}": K[i][j] for i in range(3) for j in range(2)
    }
    numbers |= {f"v{i}": V[i] for i in range(3)} | {f"d{i}{j}": dots[i][j] for i in range(2) for j in range(3)}
    weights = {f"w{i}{j}": W[i][j] for i in range(2) for j in range(3)} | {
        "o0": out[0],
        "o1": out[1],
        "m0": masked[0],
        "m1": masked[1],
    }
    numbers = numbers | weights  # fmt: skip
    return _sheet(
        numbers,
        r"""
        Two queries $q_1 = (<q00>, <q01>)$ and $q_2 = (<q10>, <q11>)$ of width $d = 2$; three keys $k_1 = (<k00>,
        <k01>)$, $k_2 = (<k10>, <k11>)$, $k_3 = (<k20>, <k21>)$ with the values $v_1 = <v0>$, $v_2 = <v1>$, $v_3 =
        <v2>$, one number each.

        ? Compute $QK^T$. By what is it divided before the softmax?
        = $QK^T$ has the rows $(<d00>, <d01>, <d02>)$ and $(<d10>, <d11>, <d12>)$ [2]
        = It is divided by $\sqrt{d} = \sqrt{2}$. [1]

        ? Compute both rows of weights.
        = Row of $q_1$: $<w00>, <w01>, <w02>$ [3]
        = Row of $q_2$: $<w10>, <w11>, <w12>$ [2]

        ? Compute both outputs.
        = $<w00>\cdot<(v0)> + <w01>\cdot<(v1)> + <w02>\cdot<(v2)> = <o0>$ [1]
        = and in the same way $<o1>$ [1]

        ? The third key belongs to padding, and is masked. What are the weights of $q_1$ now?
        = Its score becomes $-\infty$, its weight 0; the others are normalised anew: $<m0>, <m1>$ [2]

        ? Keys and values are put into another order, both the same. What changes? And how large is the attention of
        all 64×64 positions of a latent to 77 tokens, with 8 heads?
        = Outputs stay as they are: only position embeddings know of order. [1]
        = $8 \times 4096 \times 77$ weights [1]
        """,
    )


@_problem("05b.p_clip", "Three pictures, three captions", 12)
def clip(r: Random) -> Sheet:
    scale = r.choice([5, 10])
    S = [[r.choice([0.5, 0.6, 0.7]) if i == j else r.choice([0.1, 0.2, 0.3, 0.4]) for j in range(3)] for i in range(3)]
    row, column = _softmax([scale * s for s in S[0]])[0], _softmax([scale * S[i][0] for i in range(3)])[0]
    numbers = {f"s{i}{j}": S[i][j] for i in range(3) for j in range(3)} | {"scale": scale, "row": row,
        "rowloss": -math.log(row), "column": column, "columnloss": -math.log(column), "chance": math.log(3),
        "l0": scale * S[0][0], "l1": scale * S[0][1], "l2": scale * S[0][2], "c1": scale * S[1][0], "c2": scale
        * S[2][0], "zero": _softmax([scale * S[0][0], scale * S[0][1]])[0]}  # fmt: skip
    return _sheet(
        numbers,
        r"""
        CLIP compares three images with their three captions. The cosines of image $i$ with caption $j$ are, row by
        row, $(<s00>, <s01>, <s02>)$, $(<s10>, <s11>, <s12>)$, $(<s20>, <s21>, <s22>)$. They are multiplied by the
        scale $<scale>$.

        ? Compute the probability that image 1 finds its own caption, and the loss of this row in nats.
        = Logits $<l0>, <l1>, <l2>$; softmax: $p = <row>$ [3]
        = Loss $-\log p = <rowloss>$ [1]

        ? Compute the loss of caption 1, which is to find its image.
        = Logits are the column $<l0>, <c1>, <c2>$; $p = <column>$ [2]
        = Loss $-\log p = <columnloss>$ [1]

        ? Which loss has a model that knows nothing? Why does it depend on the batch?
        = All probabilities are 1/3: $\log 3 = <chance>$ [1]
        = With $N$ pairs it is $\log N$: the task is to find one among $N$. [1]

        ? Captions 1 and 3 have the same words. What does the loss then ask for that is wrong, and how is it mended?
        Compute the probability of the first part again, mended.
        = It pushes image 1 away from caption 3, which describes it just as well. [1]
        = Leave such pairs out of the sum: $p = <zero>$ [2]
        """,
    )


@_problem("05c.p_scale", "A forgotten scale factor", 11)
def scale(r: Random) -> Sheet:
    std, bar, end = r.choice([3.0, 4.0, 5.0, 5.5]), r.choice([0.1, 0.2, 0.3]), r.choice([0.0047, 0.0064, 0.01])
    numbers = {
        "std": std, "bar": bar, "end": end, "factor": 1 / std, "var": bar * std**2 + 1 - bar,
        "half": 1 / (1 + std**2), "snr": std**2 * bar / (1 - bar), "snr1": bar / (1 - bar), "left": end**0.5 * std,
        "left1": end**0.5,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        The latents of an autoencoder have mean 0 and standard deviation $<std>$. A diffusion model is trained on them
        with a variance-preserving schedule, $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\varepsilon$.

        ? By which factor are the latents to be multiplied before training?
        = By $1/<std> = <factor>$, so that they have standard deviation 1 [1]

        ? At $\bar\alpha_t = <bar>$, compute the variance of $x_t$ and the ratio of signal power to noise power,
        without and with this factor.
        = Without: variance $\bar\alpha_t\cdot<std>^2 + 1 - \bar\alpha_t = <var>$ [1]
        = ratio $<std>^2\,\bar\alpha_t/(1-\bar\alpha_t) = <snr>$ [1]
        = With: variance 1, ratio $\bar\alpha_t/(1-\bar\alpha_t) = <snr1>$ [2]

        ? At which $\bar\alpha_t$ have signal and noise the same power, without and with the factor?
        = Without: $<std>^2\,\bar\alpha = 1 - \bar\alpha$, so $\bar\alpha = 1/(1 + <std>^2) = <half>$ [2]
        = With: $\bar\alpha = 0.5$ [1]

        ? The schedule ends at $\bar\alpha_T = <end>$. How large is the standard deviation of the signal there,
        without and with the factor?
        = Without $\sqrt{<end>}\cdot<std> = <left>$, against noise of standard deviation 1; with it $<left1>$ [1]

        ? What would you see in samples if the factor were used in training, but the decoder were given the samples as
        they are?
        = The decoder expects numbers $<std>$ times as large: it has to be given the sample divided by the factor. [1]
        = Otherwise images come out flat and grey, of low contrast, though the model is right. [1]
        """,
    )


@_problem("05c.p_decided", "Is the difference decided?", 12)
def decided(r: Random) -> Sheet:
    n = r.choice([200, 300, 400, 500])
    b = round(n * r.choice([0.62, 0.7, 0.74, 0.78]))
    only_a, only_b = r.choice(
        [(20, 8), (24, 9), (30, 10), (19, 12), (22, 15), (34, 15), (40, 18)]
    )  # none is a close call
    a = b + only_a - only_b
    p, q = a / n, b / n
    each = [(share * (1 - share) / n) ** 0.5 for share in (p, q)]
    se, d = math.hypot(*each), p - q
    paired = ((only_a + only_b) / n - d**2) ** 0.5 / n**0.5

    def verdict(se: float) -> str:
        return f"decided: 0 is {'more' if abs(d) > 2 * se else 'less'} than two standard errors away"

    told, told2 = (("" if abs(d) > 2 * error else "not ") + verdict(error) for error in (se, paired))
    numbers = {
        "n": n, "a": a, "b": b, "only_a": only_a, "only_b": only_b, "p": p, "q": q, "ea": each[0], "eb": each[1],
        "d": d, "se": se, "paired": paired, "low": d - 2 * se, "high": d + 2 * se, "low2": d - 2 * paired,
        "high2": d + 2 * paired, "told": told, "told2": told2,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        Two text-to-image models draw for the same $n = <n>$ prompts, one image each. A judge finds that model A drew
        what was asked for in $<a>$ of them, and model B in $<b>$. Use two standard errors for an interval of about 95
        %.

        ? Compute both shares and their standard errors.
        = Shares: $<p>$ and $<q>$ [1]
        = $\sqrt{p(1-p)/n}$: $<ea>$ and $<eb>$ [2]

        ? Compute the difference of the shares, its standard error as if the two sets of prompts were independent, and
        the interval. Is the difference decided?
        = A minus B: $<d>$ [1]
        = Standard error $\sqrt{<ea>^2 + <eb>^2} = <se>$ [2]
        = Interval from $<low>$ to $<high>$: the difference is <told>. [1]

        ? The prompts were the same. With $<only_a>$ prompts only A was right, with $<only_b>$ only B, with all others
        both or neither. Compute the standard error of the mean difference per prompt, and judge again.
        = Differences are 1, -1 or 0: their mean square is $(<only_a> + <only_b>)/n$, their mean $<d>$ [1]
        = Standard error $\sqrt{(<only_a> + <only_b>)/n - <d>^2}/\sqrt{n} = <paired>$ [2]
        = Interval from $<low2>$ to $<high2>$: it is <told2>. [1]

        ? Both models were trained once. Which question does none of these error bars answer?
        = Whether A's way of training is better: a second training of either would give another share. That takes
        several trainings. [1]
        """,
    )


# -- 06: guidance -----------------------------------------------------------------------------------------------------


@_problem("06.p_guidance", "Guidance in two conventions", 12)
def guidance(r: Random) -> Sheet:
    w, bar, x = r.choice([2.0, 3.0, 5.0, 7.5]), r.choice([0.25, 0.36, 0.5]), r.choice([-0.4, 0.6, 0.9])
    u, c = r.choice([-0.5, 0.2, 0.4]), r.choice([-0.8, 0.7, 1.0])
    a, s, g = bar**0.5, (1 - bar) ** 0.5, u + w * (c - u)
    x0u, x0c, x0 = ((x - s * eps) / a for eps in (u, c, g))
    numbers = {"w": w, "bar": bar, "x": x, "u": u, "c": c, "g": g, "s": w - 1, "x0u": x0u, "x0c": x0c, "x0": x0}  # fmt: skip
    return _sheet(
        numbers,
        r"""
        At a level with $\bar\alpha = <bar>$ and $x_t = <x>$ a network says $\hat\varepsilon_u = <u>$ without a
        condition, and $\hat\varepsilon_c = <c>$ with one. Guidance is $w = <w>$, in the convention in which $w = 1$
        is the plain conditional model.

        ? Compute the guided $\hat\varepsilon$.
        = $\hat\varepsilon_u + w(\hat\varepsilon_c - \hat\varepsilon_u) = <u> + <w>\cdot(<c> - <(u)>) = <g>$ [2]

        ? The paper of Ho and Salimans writes $(1 + s)\hat\varepsilon_c - s\,\hat\varepsilon_u$. Which $s$ means the
        same? Check it. Which values of $w$ and $s$ are the plain conditional model, and which the unconditional one?
        = $s = w - 1 = <s>$ [1]
        = $(1 + <s>)\cdot<(c)> - <s>\cdot<(u)> = <g>$ [1]
        = Conditional: $w = 1$, $s = 0$. Unconditional: $w = 0$, $s = -1$. [2]

        ? Compute $\hat x_0$ for $\hat\varepsilon_u$, $\hat\varepsilon_c$ and the guided $\hat\varepsilon$. Show that
        guidance of $\hat x_0$ is the same as of $\hat\varepsilon$.
        = $(x_t - \sigma\hat\varepsilon)/\alpha$: $<x0u>$, $<x0c>$ and $<x0>$ [3]
        = $\hat x_0$ is linear in $\hat\varepsilon$, so $<x0u> + <w>\cdot(<x0c> - <(x0u)>) = <x0>$ [1]

        ? Data lie in $[-1, 1]$. What does large guidance do to $\hat x_0$, and what is done against it? How many
        calls of the network do 50 steps take?
        = It may leave the range of the data, with burnt colours; clip $\hat x_0$, rescale, or guide in an interval of
        levels only. [1]
        = 50 of a doubled batch, or 100. [1]
        """,
    )


@_problem("06.p_bug_null", "Find the bugs: dropping the condition", 11)
def null(r: Random) -> Sheet:
    K, p, B = r.choice([10, 26, 47]), r.choice([0.05, 0.1, 0.15]), r.choice([32, 64])
    numbers = {
        "K": K, "last": K - 1, "K1": K + 1, "p": p, "keep": 1 - p, "B": B, "mean": p * B, "none": (1 - p) ** B,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A denoiser is to be trained for classifier-free guidance, with $<K>$ classes. Batches are of $<B>$ images.
            self.embed = nn.Embedding(<K>, 64)                   # in __init__
            ...
            def training_step(self, x0, labels):                  # labels: LongTensor (B,)
                drop = torch.rand(len(labels)) < <p>
                labels[drop] = None
                t = torch.randint(0, self.T, (len(x0),))
                eps = torch.randn_like(x0)
                return F.mse_loss(self(self.noised(x0, t, eps), t, labels), eps)

        ? Which line raises an error, why, and what harm would it do to the caller's data even if it did not?
        = `labels[drop] = None`: a tensor of integers cannot hold None. [1]
        = It writes into the caller's labels: the data set itself would lose its labels, more in every epoch. [1]

        ? Somebody mends it by writing $<K>$ in place of `None`. What happens now, and when?
        = `nn.Embedding(<K>, 64)` has the rows 0 to $<last>$: index $<K>$ is out of range [1]
        = as soon as a batch drops at least one label. [1]

        ? Write the two lines as they should be.
        = `nn.Embedding(<K1>, 64)`, the last row for none [1]
        = `labels = torch.where(drop, <K>, labels)`, which makes a new tensor [2]

        ? How many labels of a batch are dropped on average? With which probability is none?
        = $<p>\cdot<B> = <mean>$ [1]
        = $(1 - <p>)^{<B>} = <none>$ [1]

        ? Dropping was forgotten altogether (probability 0). Training runs without an error. What does sampling with
        $w = 3$ do?
        = The row for none was never trained: it is still its random beginning, [1]
        = so the images are pushed away from the answer to a random embedding, which is arbitrary, and the more so the
        larger w. [1]
        """,
    )


# -- 07: scores -------------------------------------------------------------------------------------------------------


@_problem("07.p_score", "The score between two bumps", 13)
def score(r: Random) -> Sheet:
    c, s, pi, x = (
        r.choice([1.0, 1.5, 2.0]),
        r.choice([0.8, 1.0, 1.2]),
        r.choice([0.3, 0.4, 0.6, 0.7]),
        r.choice([-0.6, -0.3, 0.2, 0.5]),
    )
    up = math.log(pi) - (x - c) ** 2 / (2 * s**2)
    down = math.log(1 - pi) - (x + c) ** 2 / (2 * s**2)
    w = 1 / (1 + math.exp(down - up))
    g = (w * (c - x) + (1 - w) * (-c - x)) / s**2
    numbers = {
        "c": c, "s": s, "pi": pi, "rest": 1 - pi, "x": x, "up": up, "down": down, "w": w, "w2": 1 - w, "g": g,
        "mean": c * (2 * w - 1), "right": -(4 * c) / s**2, "five": 5 * c,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A density with two bumps of the same width: weight $\pi = <pi>$ at $c = <c>$ and weight $<rest>$ at $-<c>$,
        each of standard deviation $s = <s>$.

        ? Compute the responsibilities of the two bumps at $x = <x>$.
        = Logarithms, up to what both share: $\log\pi - (x-c)^2/(2s^2) = <up>$ and $<down>$ [2]
        = Softmax: $<w>$ for the bump at $<c>$, $<w2>$ for the other [2]

        ? Compute the score at $x$.
        = The scores of the bumps, $(\pm c - x)/s^2$, weighted by responsibility [1]
        = $(<w>\cdot(<c> - <(x)>) + <w2>\cdot(-<c> - <(x)>))/<s>^2 = <g>$ [2]

        ? Now the bumps are noise: the data are the two points $\pm c$, and $x$ is such a point with noise of standard
        deviation $s$ added. Compute $\mathbb{E}[x_0\,|\,x]$ in two ways.
        = By Tweedie's formula $x + s^2\cdot\mathrm{score} = <x> + <s>^2\cdot<(g)> = <mean>$ [2]
        = By responsibilities $<w>\cdot<c> - <w2>\cdot<c> = <mean>$ [1]

        ? Which value is the score near at $x = <five>$, and why?
        = There the bump at $c$ has all responsibility: $-(x-c)/s^2 = <right>$ [1]

        ? The density was known without its constant 1/Z only. Which of your results would change? And with equal
        weights the score is 0 at x = 0: is that a maximum of the density?
        = None: the logarithm turns 1/Z into a constant term, whose derivative is 0. [1]
        = If the bumps are far apart ($c > s$), it is a minimum; the score is 0 at both kinds of places. Else it is
        the only maximum. [1]
        """,
    )


@_problem("07.p_langevin", "Langevin steps that are too large", 12)
def langevin(r: Random) -> Sheet:
    s, h, a, k = r.choice([0.5, 1.0, 2.0]), r.choice([0.2, 0.4, 0.5]), r.choice([3.0, 4.0, 5.0]), r.choice([5, 10])
    h = h * s**2
    factor, var = 1 - h / s**2, s**2 / (1 - h / (2 * s**2))
    numbers = {
        "s": s, "h": h, "a": a, "k": k, "factor": factor, "var": var, "std": var**0.5, "v": s**2,
        "ratio": 100 * ((var / s**2) ** 0.5 - 1), "limit": 2 * s**2, "mean": a * factor**k,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        Langevin dynamics, $x_{k+1} = x_k + h\cdot\mathrm{score}(x_k) + \sqrt{2h}\,z_k$, for the target
        $\mathcal{N}(0, s^2)$ with $s = <s>$ and step $h = <h>$.

        ? Write one step as $x_{k+1} = f\,x_k + \sqrt{2h}\,z_k$. Which number is $f$?
        = The score is $-x/s^2$, so $f = 1 - h/s^2 = <factor>$ [2]

        ? Which variance does the chain end at? Derive it.
        = A variance that stays fulfils $V = f^2 V + 2h$ [1]
        = so $V = 2h/(1 - f^2) = s^2/(1 - h/(2s^2))$ [2]
        = $= <var>$, where the target has $<v>$ [1]

        ? By how many percent is the standard deviation of the samples too large?
        = $\sqrt{V}/s - 1$, in percent $<ratio>$ [2]

        ? From which step size on does the chain run away?
        = Where $|f| \geq 1$: from $h = 2s^2 = <limit>$ [2]

        ? It starts at $x_0 = <a>$. What is the mean after $<k>$ steps?
        = Each step multiplies the mean by $f$: $<a>\cdot<factor>^{<k>} = <mean>$ [2]
        """,
    )


# -- 08: SDEs and flows -----------------------------------------------------------------------------------------------


@_problem("08.p_ode", "A flow that can be solved", 14)
def ode(r: Random) -> Sheet:
    s, t, to, x = r.choice([0.5, 1.0]), r.choice([2.0, 3.0, 4.0]), r.choice([0.5, 1.0]), r.choice([-2.0, 1.5, 2.5])
    slope = x * t / (s**2 + t**2)
    exact = x * ((s**2 + to**2) / (s**2 + t**2)) ** 0.5
    euler = x + (to - t) * slope
    mid = (t + to) / 2
    half = x + (mid - t) * slope
    slope2 = half * mid / (s**2 + mid**2)
    two = half + (to - mid) * slope2
    numbers = {
        "s": s, "t": t, "to": to, "x": x, "score": -x / (s**2 + t**2), "slope": slope, "exact": exact,
        "euler": euler, "error": abs(euler - exact), "mid": mid, "half": half, "slope2": slope2, "two": two,
        "error2": abs(two - exact), "ratio": abs(euler - exact) / abs(two - exact),
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        Data $\mathcal{N}(0, s^2)$ with $s = <s>$ and a variance-exploding path, $x = x_0 + \sigma\varepsilon$. The
        probability-flow ODE is $dx/d\sigma = -\sigma\cdot\mathrm{score}(x, \sigma)$. At $\sigma_1 = <t>$ a sample is
        at $x = <x>$; it is to be brought to $\sigma_2 = <to>$.

        ? Compute the score and the slope $dx/d\sigma$ at the start.
        = $x$ has the variance $s^2 + \sigma^2$, so the score is $-x/(s^2 + \sigma^2) = <score>$ [2]
        = slope $= \sigma x/(s^2 + \sigma^2) = <slope>$ [1]

        ? Solve the ODE exactly.
        = $d\log x/d\sigma = \sigma/(s^2 + \sigma^2)$, so $x$ is proportional to $\sqrt{s^2 + \sigma^2}$ [2]
        = $x(\sigma_2) = <x>\cdot\sqrt{(s^2 + \sigma_2^2)/(s^2 + \sigma_1^2)} = <exact>$ [1]

        ? Take one Euler step from $\sigma_1$ to $\sigma_2$. How far off is it?
        = $<x> + (<to> - <t>)\cdot<(slope)> = <euler>$ [1]
        = off by $<error>$ [1]

        ? Take two Euler steps of equal length in $\sigma$. How far off?
        = First to $\sigma = <mid>$: $x = <half>$ [1]
        = The slope there is $<slope2>$ [1]
        = so $x = <two>$ [1]
        = off by $<error2>$ [1]

        ? By which factor did the error shrink, and what would you expect of very small steps? Why is it no random
        error?
        = By $<ratio>$. Euler is of first order: for small steps half the step halves the error. [1]
        = The flow is deterministic: the same start gives the same error every time. [1]
        """,
    )


@_problem("08.p_flow", "What flow matching learns", 12)
def flow(r: Random) -> Sheet:
    t, x0, eps = r.choice([0.4, 0.5, 0.6]), r.choice([-1.0, 1.0]), r.choice([-1.3, -0.5, 0.4, 0.9])
    x, h = r.choice([-0.3, 0.2, 0.4]), r.choice([0.1, 0.2])
    logit = 2 * (1 - t) * x / t**2
    w = 1 / (1 + math.exp(-logit))
    mean = 2 * w - 1
    noise = (x - (1 - t) * mean) / t
    numbers = {
        "t": t, "keep": 1 - t, "x0": x0, "eps": eps, "xt": (1 - t) * x0 + t * eps, "target": eps - x0, "x": x,
        "h": h, "logit": logit, "w": w, "mean": mean, "noise": noise, "v": noise - mean,
        "next": x - h * (noise - mean),
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        Flow matching on the straight path $x_t = (1 - t)x_0 + t\varepsilon$, where $t = 0$ is data and $t = 1$ is
        noise. The data are two points, $-1$ and $1$, each with probability 1/2. Let $t = <t>$.

        ? In training $x_0 = <x0>$ and $\varepsilon = <eps>$ are drawn. Compute the input of the network and its
        target.
        = Input $x_t = <keep>\cdot<(x0)> + <t>\cdot<(eps)> = <xt>$ [1]
        = Target $dx_t/dt = \varepsilon - x_0 = <target>$ [2]

        ? Now the network is asked at $x_t = <x>$. Compute the probability that this came from the data point 1.
        = $x_t$ given $x_0$ is $\mathcal{N}((1-t)x_0, t^2)$; the logarithm of the ratio of both is $2(1-t)x_t/t^2 =
        <logit>$ [2]
        = so the probability is $1/(1 + e^{-<(logit)>}) = <w>$ [1]

        ? Compute $\mathbb{E}[x_0\,|\,x_t]$, $\mathbb{E}[\varepsilon\,|\,x_t]$ and the velocity that a perfect network
        answers.
        = $\mathbb{E}[x_0\,|\,x_t] = 2\cdot<w> - 1 = <mean>$ [1]
        = $\mathbb{E}[\varepsilon\,|\,x_t] = (x_t - (1-t)\,\mathbb{E}[x_0\,|\,x_t])/t = <noise>$ [1]
        = velocity: their difference, $<noise> - <(mean)> = <v>$ [1]

        ? Take an Euler step of length $<h>$ towards the data.
        = $t$ falls, so $x = <x> - <h>\cdot<(v)> = <next>$ [1]

        ? Every training pair is joined by a straight line. Why are the paths of the learnt flow not straight?
        = Lines of different pairs cross; at one place the network can answer one velocity only, the mean of those
        that pass, [1]
        = and this mean changes along the way, as one data point becomes more probable than the other. [1]
        """,
    )


# -- 09: Stable Diffusion ---------------------------------------------------------------------------------------------


@_problem("09.p_bug_minus", "Find the bugs: latents minus noise", 12)
def minus(r: Random) -> Sheet:
    sigma, x0, eps = r.choice([0.4, 0.5, 0.6, 2.0]), r.choice([-1.2, 0.5, 0.8]), r.choice([-1.0, 0.7, 1.2])
    n = r.choice([21, 26, 51, 101])
    i = round(0.8 * (n - 1))
    x, bar = x0 + sigma * eps, 1 / (1 + sigma**2)
    numbers = {
        "sigma": sigma, "x0": x0, "eps": eps, "x": x, "wrong": x - eps, "error": abs(x - eps - x0), "bar": bar,
        "root": bar**0.5, "vp": x * bar**0.5, "s": (1 - bar) ** 0.5, "n": n, "i": i,
        "time": 999 * (1 - i / (n - 1)),
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A demonstration noises a latent and wants it back in one step. Its scheduler has $n = <n>$ times, evenly from
        999 down to 0, and at index $<i>$ noise of $\sigma = <sigma>$.
            noisy = latents + sigmas[<i>] * noise
            pred = unet(noisy, <i>, text)         # predicts the noise
            clean = noisy - pred
        One number of the latent is $x_0 = <x0>$, the noise drawn for it is $\varepsilon = <eps>$. Suppose first that
        the network predicts this noise without an error.

        ? Compute this number in `noisy` and in `clean`, and the error.
        = `noisy`: $x_0 + \sigma\varepsilon = <x>$ [1]
        = `clean`: $<x> - <(eps)> = <wrong>$ [1]
        = off by $|1 - \sigma|\cdot|\varepsilon| = <error>$, with a perfect prediction [1]

        ? Write the last line as it should be.
        = `clean = noisy - sigmas[<i>] * pred`, which gives $x_0 = <x0>$ [2]

        ? The network was trained on variance-preserving inputs. Which $\bar\alpha$ belongs to this $\sigma$, by what
        is `noisy` to be multiplied before it is put in, and how is $x_0$ computed from that input?
        = $\sigma^2 = (1-\bar\alpha)/\bar\alpha$, so $\bar\alpha = 1/(1 + \sigma^2) = <bar>$ [2]
        = By $\sqrt{\bar\alpha} = <root>$ [1]
        = $(<vp> - <s>\cdot<(eps)>)/<root> = <x0>$ [1]

        ? The second argument is the training time. Which number belongs there in place of $<i>$? What does the
        network believe as it stands?
        = `timesteps[<i>]`: $999\cdot(1 - <i>/(<n> - 1)) = <time>$ [1]
        = That its input is only as noisy as at time $<i>$, cleaner than it is: it looks for too little noise. [1]

        ? Which test would have found the first bug without any network?
        = Put the true noise in place of `pred`, and ask that `clean` equals the latents. [1]
        """,
    )


# -- 10: VAE, GAN and diffusion measured ------------------------------------------------------------------------------


@_problem("10.p_frechet", "Fréchet distances", 12)
def frechet(r: Random) -> Sheet:
    m, s, m2, s2 = r.choice([0.0, 1.0]), r.choice([1.0, 2.0]), r.choice([0.5, 1.5, 2.0]), r.choice([0.5, 1.5, 3.0])
    a, b, f, shift = r.choice([1.0, 2.0]), r.choice([3.0, 4.0]), r.choice([0.5, 0.6, 0.7]), r.choice([0.3, 0.5, 0.8])
    numbers = {
        "m": m, "s": s, "m2": m2, "s2": s2, "one": (m - m2) ** 2 + (s - s2) ** 2, "a": a, "b": b, "f": f,
        "shift": shift, "rest": 1 - f, "shifted": 2 * shift**2, "shrunk": (1 - f) ** 2 * (a**2 + b**2),
        "d1": (m - m2) ** 2, "d2": (s - s2) ** 2,
        "worse": "narrower" if (1 - f) ** 2 * (a**2 + b**2) > 2 * shift**2 else "shifted",
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        The Fréchet distance of two Gaussians is $|m_1 - m_2|^2 + \mathrm{tr}(C_1 + C_2 - 2(C_1 C_2)^{1/2})$.

        ? In one dimension: means $<m>$ and $<m2>$, standard deviations $<s>$ and $<s2>$. Simplify the formula, and
        compute it.
        = $(m_1 - m_2)^2 + (s_1 - s_2)^2$ [2]
        = $= <d1> + <d2> = <one>$ [1]

        ? In two dimensions real features have mean 0 and independent coordinates of standard deviations $<a>$ and
        $<b>$. Generator A is right but for its mean, which is off by $<shift>$ in both coordinates. Generator B has
        the right mean, but all standard deviations multiplied by $<f>$. Compute both distances. Which generator does
        the distance hold for worse?
        = A: $2\cdot<shift>^2 = <shifted>$ [2]
        = B: $(1 - <f>)^2(<a>^2 + <b>^2) = <shrunk>$ [2]
        = the <worse> one [1]

        ? B draws less varied images than the data. Which two numbers, beside the distance, would tell this apart from
        images that are merely bad?
        = Precision, the share of drawn images that look real (high for B), and recall, the share of real ones that
        are near a drawn one (low for B). [2]

        ? A distance from 1,000 images is compared with one from 10,000. What is wrong, and what should stand beside
        any such number?
        = The estimate is biased upwards with few images, so the first is too large even for a perfect generator. [1]
        = The floor: the distance of as many real images to the reference, and an error bar. [1]
        """,
    )


@_problem("10.p_memory", "The perfect denoiser of two images", 12)
def memory(r: Random) -> Sheet:
    a, b = r.choice([-1.0, -0.8]), r.choice([0.4, 0.6, 1.0])
    bar, near, x = r.choice([0.3, 0.4, 0.5]), r.choice([0.8, 0.85, 0.9]), r.choice([-0.3, 0.1, 0.3])

    def weight(x: float, bar: float) -> float:
        return _softmax([-((x - bar**0.5 * image) ** 2) / (2 * (1 - bar)) for image in (a, b)])[1]

    w, w2 = weight(x, bar), weight(x, near)
    x0 = (1 - w) * a + w * b
    numbers = {
        "a": a, "b": b, "bar": bar, "near": near, "x": x, "alpha": bar**0.5,
        "ea": (x - bar**0.5 * a) ** 2 / (2 * (1 - bar)), "eb": (x - bar**0.5 * b) ** 2 / (2 * (1 - bar)), "w": w,
        "u": 1 - w, "x0": x0, "eps": (x - bar**0.5 * x0) / (1 - bar) ** 0.5, "w2": w2,
    }  # fmt: skip
    return _sheet(
        numbers,
        r"""
        A training set holds two images of one pixel each, $a = <a>$ and $b = <b>$, equally often. $x_t =
        \sqrt{\bar\alpha}\,x_0 + \sqrt{1-\bar\alpha}\,\varepsilon$ with $\bar\alpha = <bar>$, and $x_t = <x>$ is
        given.

        ? Compute the probabilities $p(x_0 = a\,|\,x_t)$ and $p(x_0 = b\,|\,x_t)$.
        = $(x_t - \sqrt{\bar\alpha}\,x_0)^2/(2(1-\bar\alpha))$ is $<ea>$ for $a$ and $<eb>$ for $b$ [2]
        = Softmax of their negatives: $<u>$ for $a$ and $<w>$ for $b$ [2]

        ? Which $\hat x_0$ minimises the mean squared error at this $x_t$? Which $\hat\varepsilon$ belongs to it?
        = The conditional mean $<u>\cdot<(a)> + <w>\cdot<(b)> = <x0>$ [2]
        = $\hat\varepsilon = (x_t - \sqrt{\bar\alpha}\,\hat x_0)/\sqrt{1-\bar\alpha} = <eps>$ [2]

        ? The same $x_t$ at $\bar\alpha = <near>$: what is $p(x_0 = b\,|\,x_t)$ now? What becomes of $\hat x_0$ as
        $\bar\alpha$ goes to 1?
        = $<w2>$ [1]
        = It goes to the image that is nearest: one probability goes to 1. [1]

        ? So what does a network with the least possible training loss draw? Why do trained networks draw something
        else, and how would you measure it?
        = Copies of the training images, and nothing else. Real networks do not reach this minimum: they are smooth,
        of limited size, and trained for a while. [1]
        = Distance of each drawn image to its nearest training image, beside that of images which were held out. [1]
        """,
    )
