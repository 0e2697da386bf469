"""Between embeddings and the templates the enrolment store keeps. Does not seal, store or compare them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gate_controller.ports.devices import FaceModel, FaceProbe, FaceTemplate

_LITTLE_ENDIAN = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What the embeddings of one model look like.

    Attributes:
        model: The model that makes them.
        length: Numbers in one.
        shortest: Least L2 norm of a sound one; equal to `longest` up to rounding where the model's vectors are scaled to unit length.
        longest: Greatest L2 norm of a sound one.
    """

    model: FaceModel
    length: int
    shortest: float
    longest: float

    def template(self, probe: FaceProbe) -> FaceTemplate:
        """The probe as a template.

        Raises:
            ValueError: The probe is not one of this model's.
        """
        return FaceTemplate(self.model, self.of_probe(probe).astype(_LITTLE_ENDIAN).tobytes())

    def of_template(self, template: FaceTemplate) -> NDArray[np.float32]:
        """The template's embedding.

        Raises:
            ValueError: Made by another model, of the wrong length, not finite, or not of a length this model makes.
        """
        if template.model != self.model:
            msg = f"face template of model {_name(template.model)}; this is {_name(self.model)}"
            raise ValueError(msg)
        if len(template.data) != self.length * _LITTLE_ENDIAN.itemsize:
            msg = f"face template of {len(template.data)} bytes; {self.model.name} has {self.length * _LITTLE_ENDIAN.itemsize}"
            raise ValueError(msg)
        return self._sound(np.frombuffer(template.data, _LITTLE_ENDIAN).astype(np.float32), "face template")

    def of_probe(self, probe: FaceProbe) -> NDArray[np.float32]:
        """The probe's embedding.

        Raises:
            ValueError: As for a template.
        """
        if probe.model != self.model:
            msg = f"face probe of model {_name(probe.model)}; this is {_name(self.model)}"
            raise ValueError(msg)
        if probe.embedding.shape != (self.length,):
            msg = f"face probe of shape {probe.embedding.shape}; {self.model.name} has ({self.length},)"
            raise ValueError(msg)
        return self._sound(probe.embedding, "face probe")

    def _sound(self, vector: NDArray[np.float32], what: str) -> NDArray[np.float32]:
        if not np.isfinite(vector).all():
            msg = f"{what} holds numbers that are not finite"
            raise ValueError(msg)
        norm = float(np.linalg.norm(vector))
        if not self.shortest <= norm <= self.longest:
            msg = f"{what} has L2 norm {norm:.4g}; {self.model.name} makes {self.shortest:.4g} to {self.longest:.4g}"
            raise ValueError(msg)
        return vector


def _name(model: FaceModel) -> str:
    return f"{model.name} ({model.weights_sha256[:8]})"
