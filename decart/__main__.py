"""``python -m decart``: an overview of the package."""

from __future__ import annotations

from ._version import __version__

OVERVIEW = f"""\
decart {__version__}: generate videos with a hosted model

Commands
  decart-emulator             run a local emulator of the service, which bills nothing
                              (needs: pip install 'decart-queue[emulator]')
  python -m decart.emulator   the same, if scripts are not on the PATH
  python -m decart            print this overview

Python
  from pathlib import Path
  from decart import DecartClient, models
  with DecartClient(api_key="your-api-key") as client:
      model, video = models.video("lucy-restyle-2"), Path("in.mp4")
      order = {{"model": model, "prompt": "Anime style", "data": video}}
      client.queue.submit_and_poll(order, save_to="out.mp4")

Documentation
  python -m pydoc decart.DecartClient   the reference; help(...) shows the same
  README.md                             the guide, also in the metadata of the package
  docs/, examples/                      in the source repository
"""


def main() -> None:
    """Print the overview."""
    print(OVERVIEW, end="")


if __name__ == "__main__":
    main()
