"""Ask which model a name stands for, and whether the service made a file."""

from __future__ import annotations

from functools import partial
from typing import overload

from ..arguments import shown_progress
from ..events import Operation
from ..lookups import Name, Names, Provenance, checked_names, resolve_call, resolve_error, verify_call, verify_error
from ..outcomes import CallState
from ..policies import repeat_read
from ..progress import ShowProgress
from ..uploads import FileInput
from .backend import AWAITED, in_thread
from .engine import AsyncEngine


class AsyncModelsClient:
    """The names of models, as the service knows them; reach it as ``client.models``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @overload
    async def resolve(self, names: Name) -> str: ...
    @overload
    async def resolve(self, names: list[str]) -> dict[str, str]: ...
    @overload
    async def resolve(self, names: Names) -> dict[str, str]: ...
    async def resolve(self, names: Name | list[str] | Names) -> str | dict[str, str]:
        """Ask which model a name stands for now, such as one that ends in ``-latest``. Free of charge.

        No key is sent; the service needs none for this.

        Args:
            names: A name, or a list of names; a model of the catalogue stands for its name.

        Returns:
            The canonical name; for a list, a dict of each name and its canonical name.

        Raises:
            ModelNotFoundError: The service does not know a name.
            InvalidInputError: ``names`` is neither a name nor a list of names.
            CallError: The service could not be asked; ``cause`` says why.

        Example:
            >>> await client.models.resolve("lucy-latest")
            'lucy-2.5'
        """
        checked = checked_names(names, self._engine.settings)
        call = resolve_call(self._engine.settings, checked)
        try:
            found = await self._engine.call(Operation(name="resolve"), call, repeat_read, resolve_error)
        except BaseException as error:
            CallState().explain(error)
            raise
        return found[checked] if isinstance(checked, str) else found


async def verify(engine: AsyncEngine, file: FileInput, progress: ShowProgress | None) -> Provenance:
    """Ask whether the service made a file; see ``client.verify``."""
    try:
        with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
            meter = engine.reporter.meter("upload", on_progress, engine.transport.now)
            call = await in_thread(partial(verify_call, engine.settings, file, meter))
            return await engine.call(Operation(name="verify"), call, repeat_read, verify_error)
    except BaseException as error:
        CallState().explain(error)
        raise
