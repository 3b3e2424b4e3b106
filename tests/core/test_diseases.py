import re
from pathlib import Path

import pytest

from core.diseases import read_diseases
from core.errors import NotFoundError, ScoringFileNotInstalledError, SettingsError
from core.settings import CONFIGS

CATALOGUE = read_diseases(CONFIGS / "diseases.yaml")


def test_the_demo_has_its_own_accession() -> None:
    assert CATALOGUE.accessions_of("demo") == ("DEMO000001",)


def test_every_real_disease_names_pgs_catalog_accessions_with_their_citation() -> None:
    for disease in CATALOGUE.diseases.values():
        for score in disease.scores:
            if disease.disease_type != "demo":
                assert re.fullmatch(r"PGS\d{6}", score.accession)
                assert "doi:10." in score.citation


def test_diabetes_is_known_and_says_how_to_get_a_score() -> None:
    with pytest.raises(ScoringFileNotInstalledError) as caught:
        CATALOGUE.accessions_of("diabetes")
    assert caught.value.fix is not None
    assert "pgscatalog.org" in caught.value.fix


def test_an_unknown_disease_type_is_not_found_and_the_known_ones_are_named() -> None:
    with pytest.raises(NotFoundError, match=r"breast_cancer.*demo.*diabetes"):
        CATALOGUE.accessions_of("melancholy")


@pytest.mark.parametrize(
    "text",
    [
        "demo: 1\n",
        "demo:\n  name: Demo\n  scores:\n    - accession: X\n",
        "demo:\n  title: x\n",
        "[",
    ],
    ids=["no table", "no citation", "unknown field", "no yaml"],
)
def test_a_file_that_cannot_be_used_is_a_settings_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "diseases.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"diseases\.yaml"):
        read_diseases(path)
