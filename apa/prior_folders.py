"""Prior folders without torch: which exist, and their cards.

A prior is a folder of `config.json` (architecture, noise path, hash of the weights), `weights.safetensors`,
`card.json`, and for a catalogue its items. `apa.priors.folder` reads and writes the rest of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from apa.errors import DataLoss, NotFound
from apa.records.prior_card import PriorCard

CARD_FILE = "card.json"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"


def shipped_priors_dir() -> Path:
    """The folder of the priors that come with the package."""
    return Path(__file__).parent / "priors" / "shipped"


def list_priors(directories: Iterable[Path | str] = ()) -> dict[str, Path]:
    """Name to folder, for every prior under the given directories and among the shipped ones.

    The name is the folder's own, so that one damaged card hides nothing; an earlier directory wins, the
    shipped priors come last.
    """
    found: dict[str, Path] = {}
    for directory in [*map(Path, directories), shipped_priors_dir()]:
        if not directory.is_dir():
            continue
        for folder in sorted(directory.iterdir()):
            if (folder / CARD_FILE).is_file():
                found.setdefault(folder.name, folder)
    return found


def find_prior(name: str, directories: Iterable[Path | str] = ()) -> Path:
    """The folder of the prior with this name.

    Raises:
        NotFound: there is none; the message names those that exist.
    """
    priors = list_priors(directories)
    if name not in priors:
        raise NotFound("no such prior", field="prior", expected=f"one of {sorted(priors)}", found=name)
    return priors[name]


def read_card(folder: Path | str) -> PriorCard:
    """The card of a prior folder.

    Raises:
        NotFound: there is no card.
        DataLoss: it is not a card.
    """
    path = Path(folder) / CARD_FILE
    try:
        return PriorCard.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound("not a prior folder", field="prior", expected=CARD_FILE, found=str(folder)) from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataLoss(
            "the prior's card is damaged", field=str(path), expected="a card", found=str(error)
        ) from error
