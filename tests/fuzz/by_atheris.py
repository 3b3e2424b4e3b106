"""Fuzz one reader with atheris, which goes on from files that led it to code it had not seen.

It sees Python: headers, errors, the plain readers. Compiled kernels it does not see.
"""

import os
import random
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

atheris: Any = import_module("atheris")  # that no venv but that of `make fuzz` has

CHECKOUT = Path(__file__).parents[2]


def main(name: str, folder: str, seconds: str) -> None:
    with atheris.instrument_imports(include=["core", "tests"], exclude=_modules_of_kernels()):
        readers = import_module("tests.fuzz.readers")
        process = import_module("tests.fuzz.process")
    target, found = readers.READERS[name], Path(folder)
    watched = process.Watched(target, found, float(seconds))
    process.bound_memory()

    def check(content: bytes) -> None:
        if watched.is_over:  # libFuzzer ends the process without another word
            watched.tell()
            os._exit(0)
        watched.check(content)

    def mutated(content: bytes, most_bytes: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.randrange(8) == 0:
            return atheris.Mutate(content, most_bytes)
        return target.mutated(content, rng)[:most_bytes]

    options = (
        *(f"-artifact_prefix={found}/", f"-max_len={1 << 15}"),
        *(f"-timeout={process.MOST_SECONDS}", "-rss_limit_mb=0"),
    )
    corpus = _begun_corpus(found, [*target.seeds, *_real_files(target.real)])
    atheris.Setup([name, *options, corpus], check, custom_mutator=mutated)
    atheris.Fuzz()


def _begun_corpus(folder: Path, seeds: Sequence[bytes]) -> str:
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, seed in enumerate(seeds):
        (corpus / f"seed{i}").write_bytes(seed)
    return str(corpus)


def _real_files(pattern: str) -> list[bytes]:
    """None where no acceptance data are at hand."""
    data = os.environ.get("CURAGENIE_ACCEPTANCE_DATA")
    return [path.read_bytes() for path in sorted(Path(data).glob(pattern))] if data else []


def _modules_of_kernels() -> list[str]:
    """numba cannot compile what atheris has instrumented."""
    sources = (CHECKOUT / "core").rglob("*.py")
    own = [path for path in sources if re.search("numba|simd", path.read_text())]
    return [".".join(path.relative_to(CHECKOUT).with_suffix("").parts) for path in own]


if __name__ == "__main__":
    main(*sys.argv[1:])
