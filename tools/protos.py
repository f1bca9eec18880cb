"""Generates `apa/pb` from `protos/`, or checks that it is up to date and that the contracts lint.

python tools/protos.py generate | check
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "apa" / "pb"
HEADER = '"""Generated from protos/ by `make protos`; never edited."""\n'


def generate(target: Path) -> None:
    """Writes one flat package of generated modules to `target`, with its imports made absolute."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        _protoc(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}")
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob("*_pb2*"):
            old.unlink()
        (target / "__init__.py").write_text(HEADER)
        for module in sorted((out / "apa" / "v1").iterdir()):
            text = re.sub(r"^from apa\.v1 import", "from apa.pb import", module.read_text(), flags=re.M)
            (target / module.name).write_text(text)


def lint() -> None:
    """`buf lint` over an image that protoc built, so that google/rpc needs no registry."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "apa.binpb"
        _protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={image}")
        buf = Path(sysconfig.get_path("scripts")) / "buf"
        subprocess.run([buf, "lint", image, "--config", PROTOS / "buf.yaml", "--path", "apa"], check=True)


def stale(target: Path) -> list[str]:
    """Names of generated files that differ from what the contracts give now."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        names = {path.name for side in (fresh, target) for path in side.iterdir() if path.is_file()}
        return sorted(name for name in names if _bytes(fresh / name) != _bytes(target / name))


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _protoc(*outputs: str) -> None:
    import google.rpc
    import grpc_tools

    includes = [PROTOS, Path(grpc_tools.__file__).parent / "_proto", Path(google.rpc.__path__[0]).parents[1]]
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    flags = [*(f"-I{path}" for path in includes), *outputs, *files]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *flags], check=True)


def main(argv: list[str]) -> int:
    if argv == ["generate"]:
        generate(GENERATED)
        return 0
    if argv == ["check"]:
        lint()
        differing = stale(GENERATED)
        if differing:
            print(f"apa/pb is stale: {', '.join(differing)}; run `make protos`", file=sys.stderr)
        return 1 if differing else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
