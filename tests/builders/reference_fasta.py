"""A small reference FASTA with its faidx index, written by our own hand."""

from collections.abc import Mapping
from pathlib import Path

LINE_BASES = 7


def write_fasta(path: Path, sequences: Mapping[str, str]) -> Path:
    text, index = b"", []
    for name, bases in sequences.items():
        text += f">{name} some description\n".encode()
        index.append(f"{name}\t{len(bases)}\t{len(text)}\t{LINE_BASES}\t{LINE_BASES + 1}\n")
        lines = [bases[at : at + LINE_BASES] for at in range(0, len(bases), LINE_BASES)]
        text += "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(text)
    path.with_name(f"{path.name}.fai").write_text("".join(index))
    return path
