import pytest

from core.errors import CohortError, GenotypeFileError, Where
from jobs.file_names import known_as, speaking_of

URI = "file:///data/objects/genomic_data/01%20/genotypes.vcf.gz"
PATH = "/data/objects/genomic_data/01 /genotypes.vcf.gz"
NAMES = known_as(URI, "sample.vcf.gz")


@pytest.mark.parametrize("place", [URI, PATH])
def test_an_error_names_the_users_file_wherever_it_named_ours(place: str) -> None:
    with pytest.raises(GenotypeFileError) as caught, speaking_of(NAMES):
        raise GenotypeFileError(
            f"{place} is empty.", where=Where(place, line=3), fix=f"Look at {place}."
        )
    error = caught.value
    assert error.what == "sample.vcf.gz is empty."
    assert error.where == Where("sample.vcf.gz", line=3)
    assert error.fix == "Look at sample.vcf.gz."


def test_an_error_keeps_its_kind_and_whatever_names_no_file_of_ours() -> None:
    with pytest.raises(CohortError) as caught, speaking_of(NAMES):
        raise CohortError("the samples differ.")
    assert str(caught.value) == "the samples differ."


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(ZeroDivisionError), speaking_of(NAMES):
        _ = 1 // 0
