"""The model names that the service accepts, the model that each stands for, and which are retired.

::

    a name of decart.models        what its entry says
    another spelling of one        the same, under that name: lucy-2-5, lucy_2_5, mirage_v2
    a name that moves over time    lucy-latest and the like: what the service resolves it to today

Spellings and moving names are those of the service's OpenAPI document and of its public clients.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .. import models
from ..models import ModelDefinition

_SPELLINGS = {
    "lucy-2.1": ("lucy_2_rt_preview", "lucy_2_rt", "lucy_v2v_14b_rt"),
    "lucy-2": ("lucy_2", "lucy_2_v2v"),
    "lucy-2.5": ("lucy-2-5", "lucy_2_5"),
    "lucy-2.1-vton": ("lucy-2.viton", "lucy-2.1.viton"),
    "lucy-vton-3": ("lucy-2.1-vton-3",),
    "lucy-vton-3.5": ("lucy-vton-3-5",),
    "lucy-vton-3.5-4-3": ("lucy-vton-3-5-4-3",),
    "lucy-vton-3.5-1-1": ("lucy-vton-3-5-1-1",),
    "lucy-restyle-2": ("mirage_v2",),
    "lucy-robot-720p": ("lucy-samsung-robot-poc", "lucy-solomon-robot-poc"),
    "lucy-image-2": ("lucy_pro_i2i",),
}
_LATEST = {
    "lucy-clip-latest": "lucy-clip",
    "lucy-motion-latest": "lucy-motion",
    "lucy-restyle-latest": "lucy-restyle-2",
    "lucy-latest": "lucy-2.5",
    "lucy-vton-latest": "lucy-vton-3.6",
    "lucy-image-latest": "lucy-image-2",
}


def _entries() -> Iterable[ModelDefinition]:
    for name in models.names():
        entry = models.known(name)
        assert entry is not None
        yield entry
        for spelling in _SPELLINGS.get(name, ()):
            yield attrs.evolve(entry, name=spelling, endpoint=entry.endpoint.replace(name, spelling), alias_of=name)


class Catalogue:
    """The models of an emulator.

    Args:
        own: Models of your own; one with a known name replaces that model.
        today: Whether retired names are refused, as by today's service; otherwise they work.

    Example:
        >>> Catalogue().canonical("lucy_2_5")
        'lucy-2.5'
    """

    def __init__(self, own: Iterable[ModelDefinition] = (), *, today: bool = False) -> None:
        own = tuple(own)
        self._models = {model.name: model for model in (*_entries(), *own)}
        self._models |= {model.endpoint.rpartition("/")[2]: model for model in own}  # where its inputs go
        self._today = today

    def __getitem__(self, name: str) -> ModelDefinition:
        return self._models[name]

    def names(self, *, pictures: bool = False) -> list[str]:
        """Return all names, or those of the image models."""
        return [name for name, model in self._models.items() if not pictures or model.task.endswith("-to-image")]

    def canonical(self, name: str) -> str | None:
        """Return the name that ``name`` stands for, itself if it is canonical, ``None`` if it is unknown."""
        if name not in self._models:
            return None
        return _LATEST.get(name) or self._models[name].alias_of or name

    def retirement(self, name: str) -> str | None:
        """Return a sentence that says when a model was retired, or ``None`` if it works."""
        model = self._models[name]
        return f"Model {name} has been retired ({model.retired})" if self._today and model.retired else None
