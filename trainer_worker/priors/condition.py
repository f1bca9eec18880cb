"""One class of a labelled prior as a folder of its own, which sampler and trainer load like any other."""

from __future__ import annotations

import os
from pathlib import Path

from apa.priors.folder import ConditionedConfig, load_prior, save_adapted


def write_condition(base: Path, label: str, guidance_scale: float, name: str, out: Path) -> None:
    """Write the folder; it points to the labelled prior's and copies none of its weights.

    Args:
        label: the class, by its name on the labelled prior's card, or by its number.

    Raises:
        FailedPrecondition: the prior was trained without labels.
        InvalidArgument: no such class or scale.
    """
    prior = load_prior(base)
    named = label in prior.card.class_names or not label.isdecimal()
    wanted = label if named else int(label)
    prior.conditioned(wanted, guidance_scale)
    class_name = label if named else prior.card.class_names[int(label)]
    card = prior.card.model_validate(
        prior.card.model_dump()
        | {
            "name": name,
            "class_names": (),
            "description": f"{class_name}, guidance {guidance_scale:g}. {prior.card.description}".strip(),
            # Measured on the whole prior; of one class they would be untrue.
            "quality": {},
        }
    )
    path = os.path.relpath(base.resolve(), out.resolve())
    save_adapted(out, ConditionedConfig(path=path, label=wanted, guidance_scale=guidance_scale), card)
