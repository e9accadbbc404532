"""A pad to draw a digit on, by mouse, pen or finger."""

import base64
import io
from typing import Any

import anywidget
import torch
import torch.nn.functional as F
import traitlets
from PIL import Image
from torch import Tensor

from diffcourse import data, stills
from diffcourse.images import check_images


class DigitPad(anywidget.AnyWidget):
    """A black square to draw on in white, by mouse, pen or finger, with a button that clears it.

    `value`: the picture's grey values as bytes, SIDE x SIDE, row by row; setting it from Python draws it. `array`: the same as 28x28
    numbers from 0 to 255.
    """

    SIDE = 112
    value = traitlets.CBytes().tag(sync=True)  # a browser sends a memoryview

    _esm = """
    function render({ model, el }) {
      const side = 112, canvas = document.createElement("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
      canvas.width = canvas.height = side;
      canvas.className = "diffcourse-pad";
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "drawing area for one digit; the buttons beside it work from the keyboard");
      function show() {
        const value = model.get("value"), picture = pen.createImageData(side, side);
        for (let i = 0; i < side * side; i++) {
          const grey = value && value.byteLength === side * side ? value.getUint8(i) : 0;
          picture.data.set([grey, grey, grey, 255], 4 * i);
        }
        pen.putImageData(picture, 0, 0);
      }
      function send() {
        const rgba = pen.getImageData(0, 0, side, side).data, grey = new Uint8Array(side * side);
        for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
        model.set("value", new DataView(grey.buffer));
        model.save_changes();
      }
      let last = null;
      function place(event) {
        const box = canvas.getBoundingClientRect();
        return [(event.clientX - box.left) * side / box.width, (event.clientY - box.top) * side / box.height];
      }
      function line(to) {
        pen.strokeStyle = "white";
        pen.lineWidth = 9;
        pen.lineCap = pen.lineJoin = "round";
        pen.beginPath();
        pen.moveTo(...last);
        pen.lineTo(to[0] + 0.01, to[1]);
        pen.stroke();
        last = to;
      }
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        last = place(event);
        line(last);
        event.preventDefault();
      });
      canvas.addEventListener("pointermove", (event) => { if (last) line(place(event)); });
      for (const end of ["pointerup", "pointercancel"])
        canvas.addEventListener(end, () => { if (last) { last = null; send(); } });
      const clear = document.createElement("button");
      clear.textContent = "Clear";
      clear.className = "jupyter-button";
      clear.addEventListener("click", () => {
        pen.fillStyle = "black";
        pen.fillRect(0, 0, side, side);
        send();
      });
      show();
      model.on("change:value", show);
      el.append(canvas, clear);
    }
    export default { render };
    """
    _css = """
    .diffcourse-pad { width: 196px; height: 196px; display: block; margin-bottom: 4px; cursor: crosshair; touch-action: none;
      border: 1px solid #888; }
    """

    @traitlets.validate("value")
    def _whole(self, proposal: Any) -> bytes:
        value = bytes(proposal["value"])
        if len(value) not in (0, self.SIDE**2):
            raise ValueError(f"value must be {self.SIDE}·{self.SIDE} grey values, or none, got {len(value)}")
        return value

    def show(self, digit: Tensor) -> None:
        """Draw a digit (1, 1, 28, 28) in [-1, 1]."""
        if check_images(digit, name="digit").shape != (1, 1, 28, 28):
            raise ValueError(f"digit must be (1, 1, 28, 28), got {tuple(digit.shape)}")
        large = F.interpolate(digit, size=(self.SIDE, self.SIDE))
        self.value = data.to_uint8(large).numpy().tobytes()

    def _still(self, _change: Any = None) -> None:
        buffer = io.BytesIO()
        Image.frombytes("L", (self.SIDE, self.SIDE), self.value or bytes(self.SIDE**2)).save(buffer, "PNG")
        stills.keep(self.model_id, *stills.picture(base64.b64encode(buffer.getvalue()).decode(), "a drawn digit"))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self.observe(self._still, names="value")  # a method observes once, however often it is asked to
        self._still()
        return super()._repr_mimebundle_(**kwargs)

    @property
    def array(self) -> Tensor:
        """What is drawn, as 28x28 numbers from 0 to 255."""
        pixels = torch.tensor(list(self.value or bytes(self.SIDE**2)), dtype=torch.float32)
        return F.avg_pool2d(pixels.view(1, 1, self.SIDE, self.SIDE), self.SIDE // 28)[0, 0]
