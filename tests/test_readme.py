"""What the README tells a newcomer to do, done: its programs run as printed, its fits for fewer steps."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apa.client import Client
from apa.local.stack import LocalStack

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.S)
COMMANDS = [line.strip() for line in re.findall(r"^    (\S.*)$", README, re.M)]


@pytest.fixture(scope="module")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's vectors with items, and somebody's photos."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    np.save(folder / "vectors.npy", rng.normal(size=(200, 4)).astype(np.float32))
    rows = "".join(f"i{i},Item {i},{1900 + i}\n" for i in range(200))
    (folder / "items.csv").write_text("item_id,title,year\n" + rows)
    (folder / "photos").mkdir()
    for i in range(24):
        picture = rng.integers(0, 255, size=(16, 16), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "photos" / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def fitted(own_data: Path) -> Path:
    """The README's two fits, in its own words but for a few steps only."""
    fits = [command for command in COMMANDS if command.startswith("apa prior fit")]
    assert len(fits) == 2
    for command in fits:
        told = re.sub(r"--minutes \d+", "--steps 20 --width 16", command)
        arguments = shlex.split(told)[1:]
        apa = Path(sys.executable).with_name("apa")
        subprocess.run([apa, *arguments], cwd=own_data, check=True, timeout=280, capture_output=True)
    return own_data


@pytest.fixture(scope="module")
def stack(fitted: Path) -> Iterator[LocalStack]:
    """What the README's `apa up --priors priors` starts."""
    assert "apa up --priors priors" in COMMANDS
    with LocalStack(prior_folders=[fitted / "priors"]) as running:
        yield running


def test_every_make_target_of_the_readme_exists() -> None:
    targets = [shlex.split(line, comments=True)[1] for line in COMMANDS if line.startswith("make ")]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
def test_the_backend_of_the_readme_runs_against_a_stack(stack: LocalStack) -> None:
    (program,) = [text for text in PROGRAMS if "Client(" in text]
    program = program.replace("127.0.0.1:50051", stack.sampler).replace("127.0.0.1:50052", stack.feedback)
    asked: list[str] = []

    def ask_the_user(item: object) -> float:
        film = item.item  # type: ignore[attr-defined]
        asked.append(film.item_id)
        return float("Comedy" in film.attributes["genres"])

    exec(compile(program, "README.md", "exec"), {"ask_the_user": ask_the_user})
    assert len(asked) == len(set(asked)) == 40, "no film is shown twice"


@pytest.mark.slow
def test_priors_fitted_as_the_readme_says_are_served(stack: LocalStack) -> None:
    with Client(sampler=stack.sampler, feedback=stack.feedback) as apa:
        assert {"mine", "photos", "films", "fashion"} <= {prior.card.name for prior in apa.list_priors()}
        session = apa.create_session(prior="mine", budget=8)
        slate = apa.sample(session.session_id).slate
        assert all(item.item is not None and item.item.title.startswith("Item") for item in slate.items)
        apa.record_feedback(session.session_id, {item.particle_id: 1.0 for item in slate.items})
        assert apa.wait_for_refit(session.session_id).surrogate is not None
        photos = apa.sample(apa.create_session(prior="photos", budget=8).session_id).slate
        assert all(item.png for item in photos.items)


def test_the_in_process_program_of_the_readme_prints_what_it_computed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (program,) = [text for text in PROGRAMS if "GaussianMixturePrior" in text]
    exec(compile(program, "README.md", "exec"), {})
    log_z, kl_to_prior = map(float, capsys.readouterr().out.split())
    # log E[exp(x_1)] of the mixture in closed form: 0.1 / 2 + log cosh(2).
    assert abs(log_z - (0.05 + np.log(np.cosh(2.0)))) < 0.15
    assert kl_to_prior > 0.0


def test_every_link_of_the_documents_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")):
                assert os.path.exists(page.parent / target), f"{page.name} links to {target}"
