"""``python -m decart``: what the package has to offer, on one screen."""

from __future__ import annotations

from ._version import __version__

OVERVIEW = f"""\
decart {__version__}: generate videos with a hosted model

Commands
  decart-emulator             run a local emulator of the service, which bills nothing
                              (needs: pip install 'decart-queue[emulator]')
  python -m decart.emulator   the same, where scripts are not on the PATH
  python -m decart            print this overview

Python
  from decart import DecartClient, models
  with DecartClient(api_key="your-api-key") as client:
      order = {{"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}}
      client.queue.submit_and_poll(order, save_to="lake.mp4")

Documentation
  python -m pydoc decart.DecartClient   the reference; help(...) shows the same
  README.md                             a guide, also in the metadata of the package
  docs/, examples/                      in the source repository
"""


def main() -> None:
    """Print the overview."""
    print(OVERVIEW, end="")


if __name__ == "__main__":
    main()
