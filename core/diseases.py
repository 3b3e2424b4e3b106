"""Disease types and the scoring files that stand for them, read from `configs/diseases.yaml`.

A disease type names accessions and cites where each comes from. One without an accession is
known by name only: nothing may be calculated for it until somebody adds a scoring file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from core.errors import NotFoundError, ScoringFileNotInstalledError, SettingsError, Where


@dataclass(frozen=True, slots=True)
class DiseaseScore:
    """One scoring file of a disease, in the words of its own header."""

    accession: str
    pgs_name: str
    trait_reported: str
    citation: str


@dataclass(frozen=True, slots=True)
class Disease:
    disease_type: str
    name: str
    scores: tuple[DiseaseScore, ...]


@dataclass(frozen=True, slots=True)
class DiseaseCatalogue:
    diseases: Mapping[str, Disease]
    source: Path

    def of(self, disease_type: str) -> Disease:
        """Raises NotFoundError that names the types there are."""
        disease = self.diseases.get(disease_type)
        if disease is None:
            raise NotFoundError(
                f"There is no disease type {disease_type!r}.",
                fix=f"Choose one of {', '.join(sorted(self.diseases))}, or send accessions.",
            )
        return disease

    def accessions_of(self, disease_type: str) -> tuple[str, ...]:
        """At least one accession. Raises ScoringFileNotInstalledError where none is named."""
        disease = self.of(disease_type)
        if not disease.scores:
            raise ScoringFileNotInstalledError(
                f"No scoring file stands for {disease_type} here.",
                where=Where(file=self.source.name, field=disease_type),
                fix=(
                    "Choose a score at https://www.pgscatalog.org, copy its scoring file into the "
                    f"scoring file folder, and name its accession under {disease_type} in "
                    f"{self.source.name}; or send its accession in 'accessions'."
                ),
            )
        return tuple(score.accession for score in disease.scores)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    scores: tuple[DiseaseScore, ...] = ()


_ENTRIES = TypeAdapter(dict[str, _Entry])


def read_diseases(path: Path) -> DiseaseCatalogue:
    """Raises SettingsError where the file is not a table of disease types."""
    try:
        entries = _ENTRIES.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SettingsError(
            f"The disease types cannot be used: {error}.",
            where=Where(file=str(path)),
            fix="Write each disease type as in the diseases.yaml that came with CuraGenie.",
        ) from error
    diseases = {key: Disease(key, entry.name, entry.scores) for key, entry in entries.items()}
    return DiseaseCatalogue(diseases, path)
