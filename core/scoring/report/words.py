"""What statuses, reasons and policies mean, one plain sentence for each, as the report says it."""

from collections.abc import Mapping

from core.scoring.matching import Reason
from core.scoring.policy import Missing
from core.scoring.scores import ScoreStatus

STATUS_LABELS: Mapping[str, str] = {
    ScoreStatus.OK: "ok",
    ScoreStatus.BELOW_MIN_OVERLAP: "below coverage",
    ScoreStatus.NO_VARIANTS_MATCHED: "no variants matched",
    ScoreStatus.MISSING_CALL: "missing call",
    ScoreStatus.NO_CALLS: "no calls",
}

STATUS_SENTENCES: Mapping[str, str] = {
    ScoreStatus.OK: "The score has at least the coverage that the policy asks for.",
    ScoreStatus.BELOW_MIN_OVERLAP: (
        "Fewer rows of the scoring file were matched than the policy asks for (min_overlap). "
        "The sum is shown, but it is not the score that was published: do not compare it with one "
        "of another coverage."
    ),
    ScoreStatus.NO_VARIANTS_MATCHED: (
        "No row of the scoring file could be matched, so there is no number. A different genome "
        "build, or genotypes of another region, are the usual causes."
    ),
    ScoreStatus.MISSING_CALL: (
        "A call is missing and the policy fails on that, so this sample has no number."
    ),
    ScoreStatus.NO_CALLS: (
        "Every matched call of this sample is missing or on a chromosome that it does not have. "
        "The sum is the empty one, 0, and says nothing about the person."
    ),
}

MATCHED_SENTENCE = "The row was found in the genotypes and is part of the sum."

REASON_SENTENCES: Mapping[str, str] = {
    Reason.AMBIGUOUS: (
        "The two alleles are each other's complement (A/T or C/G), so they cannot tell on which "
        "strand the score was written. Such rows are left out rather than guessed."
    ),
    Reason.MULTIALLELIC: (
        "The genotypes have several alternative alleles at this site, and the policy leaves such "
        "sites out."
    ),
    Reason.STRAND_FLIP_IGNORED: (
        "The alleles fit only when read on the other strand, which the policy does not allow."
    ),
    Reason.SPLIT_MULTIALLELIC: (
        "The effect allele is the reference allele of a site that the genotypes spread over "
        "several records; its count would need all of them together."
    ),
    Reason.DUPLICATE_TARGET: (
        "Several rows of this score claim the same variant of the genotypes. Counting it twice "
        "would be wrong, and which of the rows is meant is not known."
    ),
    Reason.DUPLICATE_SCORE_ROW: "The scoring file lists the same variant and alleles repeatedly.",
    Reason.ALLELE_MISMATCH: (
        "The genotypes have a variant at this position, but with other alleles than the score."
    ),
    Reason.ABSENT_LOCUS: (
        "The genotypes have no record at this position. The site was not genotyped, was filtered "
        "out, or, in a file that lists only variants, nobody carries an alternative allele there. "
        "The row adds nothing to the sum and nothing to the denominator."
    ),
    Reason.REFERENCE_BASE_UNKNOWN: (
        "The genotypes say that people have the reference allele at this position, or have no call "
        "there, but not which of the row's alleles that is; a reference FASTA would tell."
    ),
    Reason.CALLABLE_REGION: (
        "The genotypes have no record at this position, and it lies in a region that was said to "
        "be callable: everybody counts as having the reference allele alone."
    ),
    Reason.STATED_REFERENCE: (
        "The genotypes have no record at this position, and whoever asked for the score stated "
        "that absent sites are reference: everybody counts as having the reference allele alone."
    ),
    Reason.ABSENT_AS_MISSING: (
        "The genotypes have no record at this position, and the policy has absent sites count as "
        "missing calls: everybody of one sex got the same, and it says nothing about the person."
    ),
    Reason.BAD_COORDINATES: (
        "The scoring file gives no usable position for this row, so it cannot be looked up."
    ),
    Reason.UNSUPPORTED_COMPLEX: (
        "The row is no single-variant effect (a haplotype, an interaction, an HLA or star allele, "
        "letters other than A, C, G, T), which a sum of allele counts cannot hold."
    ),
    Reason.LIFTOVER_FAILED: (
        "The chain file has no one place for the row on the build of the genotypes."
    ),
    Reason.SEX_UNKNOWN: (
        "The row is on Y and was matched; samples of unknown sex without a call there were not "
        "imputed."
    ),
}

MISSING_SENTENCES: Mapping[str, str] = {
    Missing.MEAN_EXTERNAL: (
        "A missing call counts as the expected number of effect alleles at the frequency of the "
        "named source. A variant without a frequency is left out for that person."
    ),
    Missing.MEAN_COHORT: (
        "A missing call counts as the expected number of effect alleles at the frequency among "
        "the other samples of this run: the same person scores differently in another cohort."
    ),
    Missing.ZERO: (
        "A missing call adds nothing to the sum and stays in the denominator, as if no effect "
        "allele were there."
    ),
    Missing.REFERENCE: "A missing call counts as two reference alleles.",
    Missing.FAIL: "A sample with a missing call gets no score.",
    Missing.DROP: "A missing call is left out of the sum and of the denominator.",
}

POLICY_SENTENCES: Mapping[str, str] = {
    "missing": "what a missing call counts as",
    "ambiguous": "variants whose alleles are each other's complement (A/T, C/G)",
    "strand_flip": "whether alleles may be read on the other strand",
    "multiallelic": "sites with several alternative alleles",
    "duplicate_target": "several rows of a score that match one variant",
    "ploidy": "how many copies a call has: as it is written, or by chromosome and sex",
    "x_male": "what a male's single copy on X counts as",
    "par": "whether the pseudo-autosomal regions of X are diploid",
    "half_call": "what a call with one allele missing (./1) counts as",
    "effect_type": "additive, dominant or recessive: from the file, or one for all",
    "match_by": "whether variants are matched by position or by rsID",
    "imputed_nonadditive": "the expected value of a missing dominant or recessive call",
    "reference_calls": "whether records and blocks that hold the reference allele alone answer",
    "absent": "what sites without a record count as: nothing, reference, or a missing call",
    "min_reference_gq": "the genotype quality from which a reference block's call counts",
    "harmonised_indels": "whether an indel at a harmonised position is looked for one base before",
    "min_overlap": "the share of matched rows below which a score is marked",
}

BELOW_EVIDENCE = "below_evidence"
VARIANTS_ONLY, LISTS_REFERENCE, NOT_LOOKED = "variants_only", "lists_reference", "not_looked_at"

ABSENT_SENTENCES: Mapping[str, str] = {
    VARIANTS_ONLY: (
        "The genotype file lists variants only. Sites where {who} only the reference allele are "
        "absent from such a file, and cannot be told from sites that were never sequenced. They "
        "are not counted: they add nothing to the sum and nothing to the denominator. Where the "
        "site was sequenced, an absent row whose effect allele is the alternative allele loses "
        "nothing, because two reference alleles add 0; one whose effect allele is the reference "
        "allele loses twice its weight. So the sum is not comparable with sums from files that "
        "list every site (arrays, imputed or jointly called genotypes, gVCF), nor with published "
        "distributions, and the average is one over sites chosen for carrying an alternative "
        "allele."
    ),
    LISTS_REFERENCE: (
        "The genotype file does list calls without an alternative allele, so an absent site was "
        "most likely not genotyped, or filtered out. It adds nothing to the sum and nothing to "
        "the denominator."
    ),
    BELOW_EVIDENCE: (
        "The genotype file has too few records to tell whether it lists variants only. Absent "
        "sites add nothing to the sum and nothing to the denominator."
    ),
    NOT_LOOKED: (
        "Absent sites add nothing to the sum and nothing to the denominator. Whether the "
        "genotype file lists variants only was not looked at."
    ),
}
"""`{who}`: the person carries, or everybody carries."""
