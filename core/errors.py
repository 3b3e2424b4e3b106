"""Every error that CuraGenie raises on purpose.

    CuraGenieError
    ├── UserError                     the request or the data is wrong: never retried
    │   ├── GenotypeFileError         a genotype file that cannot be read (file, line, field)
    │   │   └── NotStoredError        calls that a genotype store was not written with
    │   ├── FastqFileError            reads that cannot be read (file, record, line)
    │   ├── ScoringFileError          a scoring file that cannot be read (file, line, field)
    │   ├── FrequencyFileError        an allele frequency file that cannot be read
    │   ├── ReferenceFastaError       a reference FASTA, or its index, that cannot be read
    │   ├── CallableRegionsError      a BED file of callable regions that cannot be read
    │   ├── SampleSheetError          a --samples table that cannot be read
    │   ├── CohortError               files that do not make one cohort
    │   ├── GenomeBuildError          genotypes and scoring files on different genome builds
    │   ├── PolicyError               a scoring policy field or value that does not exist
    │   ├── SettingsError             a setting that cannot be used
    │   ├── UnsupportedFormatError    a file kind that no reader takes
    │   ├── IdempotencyKeyReusedError an Idempotency-Key that came with another request
    │   ├── NotFoundError             no such record for this user
    │   ├── ConflictError             the record's state does not allow the request
    │   │   ├── ScoringFileNotInstalledError
    │   │   └── ReferenceFastaNotConfiguredError
    │   └── UploadTooLargeError       more bytes than one upload may have
    ├── PgsCatalogError               the PGS Catalog sent what cannot be used: not retried
    └── InfrastructureError           the machine, network or a server failed: retried
        ├── DamagedObjectError           a stored object is not what was written
        ├── WrittenOnceError             another object stands where one may be written once
        └── PgsCatalogUnreachableError   the PGS Catalog did not answer, or asks for a long pause

A message says what is wrong, where, and how to put it right. `code` is a stable slug for programs.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a mistake: `line` counts from 1, `field` is a column, key or sample."""

    file: str
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line is not None else ""
        field = f", {self.field}" if self.field is not None else ""
        return f"{self.file}{line}{field}"


class CuraGenieError(Exception):
    """The root. `str()` of it is one sentence for people; `as_dict()` is the same for programs."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: Where | None = None, fix: str | None = None) -> None:
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where is not None else ""
        fix = f" {self.fix}" if self.fix is not None else ""
        return f"{place}{self.what}{fix}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders on Ray; keyword arguments need this to survive the trip."""
        return _rebuild, (type(self), self.what, self.where, self.fix)

    def as_dict(self) -> dict[str, object]:
        """`code, what, retryable` and, where known, `file, line, field, fix`."""
        facts: dict[str, object] = {
            "code": self.code,
            "what": self.what,
            "retryable": self.retryable,
            "fix": self.fix,
        }
        if self.where is not None:
            facts |= {"file": self.where.file, "line": self.where.line, "field": self.where.field}
        return {name: fact for name, fact in facts.items() if fact is not None}


def _rebuild(
    kind: type[CuraGenieError], what: str, where: Where | None, fix: str | None
) -> CuraGenieError:
    return kind(what, where=where, fix=fix)


class UserError(CuraGenieError):
    code = "invalid_request"


class GenotypeFileError(UserError):
    code = "invalid_genotype_file"


class NotStoredError(GenotypeFileError):
    code = "not_stored"


class FastqFileError(UserError):
    code = "invalid_fastq_file"


class ScoringFileError(UserError):
    code = "invalid_scoring_file"


class ChainFileError(UserError):
    code = "invalid_chain_file"


class FrequencyFileError(UserError):
    code = "invalid_frequency_file"


class ReferenceFastaError(UserError):
    code = "invalid_reference_fasta"


class CallableRegionsError(UserError):
    code = "invalid_callable_regions"


class SampleSheetError(UserError):
    code = "invalid_sample_sheet"


class CohortError(UserError):
    code = "invalid_cohort"


class GenomeBuildError(UserError):
    code = "genome_build_mismatch"


class PolicyError(UserError):
    code = "invalid_policy"


class SettingsError(UserError):
    code = "invalid_settings"


class UnsupportedFormatError(UserError):
    code = "unsupported_format"


class IdempotencyKeyReusedError(UserError):
    code = "idempotency_key_reused"


class NotFoundError(UserError):
    code = "not_found"


class ConflictError(UserError):
    code = "conflict"


class ScoringFileNotInstalledError(ConflictError):
    code = "scoring_file_not_installed"


class ReferenceFastaNotConfiguredError(ConflictError):
    code = "reference_fasta_not_configured"


class UploadTooLargeError(UserError):
    code = "upload_too_large"


class PgsCatalogError(CuraGenieError):
    code = "pgs_catalog_error"


class InfrastructureError(CuraGenieError):
    code = "infrastructure_error"
    retryable = True


class DamagedObjectError(InfrastructureError):
    code = "damaged_object"


class WrittenOnceError(InfrastructureError):
    code = "written_once"


class PgsCatalogUnreachableError(InfrastructureError):
    code = "pgs_catalog_unreachable"
