"""What every explorer stands on: `Explorer` and its handles; and the explorer of any trajectory."""

import base64
import html
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from diffcourse import metrics, plot, stills
from diffcourse.checks import whole
from diffcourse.denoiser import Estimate
from diffcourse.images import check_images

INSIDE = "calc(100% - 4px)"  # as wide as a cell's output: the margins of a widget count too


class Explorer(ipywidgets.VBox):
    """Controls above, a picture and a line of text below. A saved notebook keeps the last picture.

    controls  {parameter: widget}; a change redraws once
    compute   (**parameters) -> arrays: any value, the numbers that the picture shows
    columns   so many controls stand in a row, below each other; one whose layout says `grid_column="1 / -1"` has a row of its own above
    draw      (arrays) -> plot.Picture; its `alt` text is the line below the picture. Any matplotlib figure will do: its titles are
              then the line, unless it has an attribute `alt`; one of pyplot's is closed
    """

    def __init__(
        self,
        controls: Mapping[str, ipywidgets.Widget],
        compute: Callable[..., Any],
        draw: Callable[[Any], plot.Picture],
        extras: Sequence[ipywidgets.Widget] = (),
        columns: int = 3,
    ):
        if not isinstance(controls, Mapping) or not all(hasattr(control, "value") for control in controls.values()):
            raise TypeError(f"controls must be widgets that have a value, {{parameter: widget}}, got {controls!r:.200}")
        for name, given in (("compute", compute), ("draw", draw)):
            if not callable(given):
                raise TypeError(f"{name} must be a function, got {type(given).__name__}")
        self.controls, self._compute, self._draw, self._displayed = dict(controls), compute, draw, False
        own_size = ipywidgets.Layout(
            align_self="flex-start", max_width=INSIDE
        )  # else it is stretched to the page's width
        self.image = ipywidgets.Image(format="png", layout=own_size)
        self.text = ipywidgets.HTML()
        self.bar = ipywidgets.IntProgress(layout=ipywidgets.Layout(display="none", width="24em", max_width=INSIDE))
        for control in self.controls.values():
            control.observe(self._refresh, names="value")
        self._refresh()
        super().__init__([_arranged(extras, list(self.controls.values()), columns), self.bar, self.image, self.text])

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values by parameter name."""
        return {name: control.value for name, control in self.controls.items()}

    def watched(self, steps: Iterable[Any], total: int, what: str = "drawing") -> Iterator[Any]:
        """The steps, with a bar above the picture until they are done; before the explorer is seen, one below the cell if it takes long."""
        if not self._displayed:
            yield from patient(steps, what, total)
            return
        self.bar.description, self.bar.max, self.bar.value, self.bar.layout.display = what, total, 0, None
        try:
            for step in steps:
                self.bar.value += 1
                yield step
        finally:
            self.bar.layout.display = "none"

    def _refresh(self, _change: Any = None) -> None:
        self.image.value, self.alt = shown(self._draw(self._compute(**self.values)))
        self.text.value = f"<span>{html.escape(self.alt)}</span>"
        if self._displayed:
            self._still()

    def _still(self) -> Any:
        """The picture as it is, noted for the notebook that is saved."""
        first, words = stills.picture(base64.b64encode(self.image.value).decode(), self.alt)
        stills.keep(self.model_id, first, words)
        return first

    def _repr_mimebundle_(self, **kwargs: Any):
        self._displayed, first = True, self._still()
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        content, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**content, **first["data"]}, {**metadata, **first["metadata"]}


def patient(steps: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
    """The steps, with a bar below the cell if they take longer than a second, which goes when they are done."""
    from tqdm.auto import tqdm

    return tqdm(steps, what, total, leave=False, delay=1, disable=stills.kernel() is None)


def _arranged(extras: Sequence[Any], controls: Sequence[Any], columns: int) -> Any:
    """Controls in columns of one width, their labels too, below each other where a page is narrow; extras before them."""
    labels = [len(control.description) for control in controls if getattr(control, "description", "")]
    for control in controls:
        if hasattr(getattr(control, "style", None), "description_width"):
            control.style.description_width = f"{0.55 * max(labels, default=0) + 1:.3g}em"
    if extras:
        return ipywidgets.HBox([*extras, *controls], layout=ipywidgets.Layout(flex_flow="row wrap"))
    rows = [control for control in controls if control.layout.grid_column == "1 / -1"]
    controls = [control for control in controls if control not in rows]
    columns = min(columns, len(controls))
    width = f"min({INSIDE}, {26 * max(columns, 1)}em)"
    for row in rows:  # not in the grid: JupyterLab gives it a single column there, whatever its layout says
        row.layout.width = width
    for control in controls if columns > 1 else []:
        control.layout.width = "auto"
    if columns <= 1:
        return ipywidgets.VBox([*rows, *controls])
    least = f"min(100%, max({100 / columns - 1:.0f}%, ({18 * columns}em - 100%) * 999))"  # all the width, below 18 em a control
    template = f"repeat(auto-fill, minmax({least}, 1fr))"
    grid = ipywidgets.GridBox(controls, layout=ipywidgets.Layout(grid_template_columns=template, width=width))
    return ipywidgets.VBox([*rows, grid]) if rows else grid


def examples(texts: Sequence[str], choose: Callable[[str], None], width: Any) -> ipywidgets.Dropdown:
    """A list of examples: one that is chosen is handed to `choose`, and the list reads as before."""
    first = "choose an example …"
    listed = ipywidgets.Dropdown(options=[(first, ""), *((text, text) for text in texts if text)], layout=width)

    def chosen(change: Any) -> None:
        if change["new"]:
            listed.value = ""
            choose(change["new"])

    listed.observe(chosen, names="value")
    return listed


def check_kind(name: str, given: Any, kind: type, also: str = "") -> None:
    """A TypeError that names the argument where it is not of the kind."""
    if not isinstance(given, kind):
        raise TypeError(f"{name} must be a {kind.__name__}{also}, got {type(given).__name__}")


def shown(picture: Any) -> tuple[bytes, str]:
    """PNG and words of what has both, as `plot.Picture`, or of any matplotlib figure."""
    if hasattr(picture, "png") and hasattr(picture, "alt"):
        return picture.png(), picture.alt
    if not isinstance(picture, Figure):
        raise TypeError(f"draw must return a plot.Picture or a matplotlib figure, got {type(picture).__name__}")
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png", dpi=100)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(picture)  # else it is shown a second time, and kept for ever
    titles = [picture.get_suptitle(), *(ax.get_title() for ax in picture.axes)]
    return buffer.getvalue(), getattr(picture, "alt", None) or ", ".join(filter(None, titles)) or "a figure"


def read_digits(images: Tensor) -> Tensor | None:
    """The judge's probabilities (N, 10); None where images do not lie on a dark ground, as those of an untrained network."""
    try:
        return metrics.probabilities(images)
    except ValueError:
        return None


def _offered(label: str, options: Sequence[Any], value: Any) -> tuple[list, Any]:
    """The options as a list, and the one to begin with."""
    options = list(options)
    if not options:
        raise ValueError(f"options must hold at least one value for {label!r}, got none")
    value = options[0] if value is None else value
    if value not in options:
        raise ValueError(f"{label} must be one of {', '.join(map(str, options)):.300}, got {value!r}")
    return options, value


def slider(label: str, options: Sequence[Any], value: Any = None, *, live: bool = True) -> ipywidgets.SelectionSlider:
    """A slider over listed values; `live` redraws while it moves (for pictures that take under 50 ms), else when it is let go."""
    options, value = _offered(label, options, value)
    return ipywidgets.SelectionSlider(
        options=options,
        value=value,
        description=label,
        continuous_update=live,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="24em"),
    )


def choice(label: str, options: Sequence[Any], value: Any = None) -> ipywidgets.Dropdown:
    """A drop-down list."""
    options, value = _offered(label, options, value)
    return ipywidgets.Dropdown(
        options=options,
        value=value,
        description=label,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="16em"),
    )


class TrajectoryExplorer(Explorer):
    """One sampling, step by step: the noisy image, what the model believes the clean image to be, and how much noise is left.

    path: what `trajectory` yielded, images (B, C, H, W); the first `most` images are shown. Play runs through the steps.
    """

    def __init__(self, path: Sequence[Estimate], most: int = 5):
        path = list(path)
        if not path:
            raise ValueError("path must hold the estimates of a trajectory, got none")
        if wrong := [type(e).__name__ for e in path if not isinstance(e, Estimate)]:
            raise TypeError(f"path must hold the estimates that `trajectory` yields, got {wrong[0]}")
        whole("most", most, 1)
        check_images(path[0].x, name="path[0].x")
        frames = [(e.x[:most].cpu(), e.x0[:most].cpu(), e.at) for e in path]
        ends = {"min": 0, "max": len(frames) - 1, "value": len(frames) // 2}
        step = ipywidgets.IntSlider(**ends, description="step", layout=ipywidgets.Layout(width="24em"))
        play = ipywidgets.Play(**ends, interval=250, tooltip="run through the steps")
        self.link = ipywidgets.link((play, "value"), (step, "value"))
        super().__init__({"step": step}, lambda step: (step, *frames[step]), self._frame, extras=[play])

    @staticmethod
    def _frame(arrays: tuple[int, Tensor, Tensor, Any]) -> plot.Picture:
        step, x, x0, at = arrays
        picture = plot.strip(zip_rows(x, x0), names=["noisy image", "model's guess"], most=len(x), scale=1.0)
        picture.alt = (
            f"step {step}: t = {at.t:.0f}, signal {at.alpha:.2f}, noise {at.sigma:.2f}"
            if at.sigma
            else f"step {step}: the sample"
        )
        return picture


def zip_rows(*rows: Tensor) -> list[Tensor]:
    """Images of several rows, all (N, C, H, W), column by column: what `plot.strip` takes to draw them as rows."""
    for i, row in enumerate(rows):
        if check_images(row, name=f"rows[{i}]").shape != rows[0].shape:
            raise ValueError(f"rows must all have one shape, got {tuple(rows[0].shape)} and {tuple(row.shape)}")
    if not rows:
        raise ValueError("rows must hold at least one, got none")
    return list(torch.stack(rows, dim=1))
