import os
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.genome_build import GenomeBuild
from core.settings import Settings, load_settings

OURS = "CURAGENIE_"
CONTRACT = (
    "DATABASE_",
    "REDIS_",
    "AWS_",
    "S3_",
    "SECRET_KEY",
    "DEBUG",
    "CORS_",
)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith((OURS, *CONTRACT)):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_any_variable_the_embedded_stack_is_described(tmp_path: Path) -> None:
    settings = load_settings()
    data_dir = tmp_path / ".curagenie"
    assert settings.data_dir == data_dir
    assert settings.database_url == f"sqlite:///{data_dir}/curagenie.db"
    assert settings.objects_location.root == data_dir / "objects"
    assert settings.objects_location.bucket is None
    assert settings.scoring_files_dir == data_dir / "scoring_files"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.shard_bytes is None
    assert settings.s3_access is None
    assert (settings.config_dir / "diseases.yaml").is_file()


def test_the_names_of_the_contract_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "DATABASE_URL": "postgresql://cura:secret@db/cura",
        "REDIS_URL": "redis://cache:6379/0",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_ENDPOINT_URL": "http://s3:9000",
        "S3_BUCKET_NAME": "genomes",
        "SECRET_KEY": "hunter3",
        "DEBUG": "true",
        "CORS_ORIGINS": "http://localhost:3000, https://app.example",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.database_url == variables["DATABASE_URL"]
    assert settings.redis_url == variables["REDIS_URL"]
    assert settings.debug is True
    assert settings.cors_origins == ("http://localhost:3000", "https://app.example")
    location = settings.objects_location
    assert location.bucket == "genomes"
    assert location.s3 is not None
    assert location.s3.endpoint_url == "http://s3:9000"
    assert location.s3.secret_access_key == "hunter2"


def test_a_dotenv_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("CURAGENIE_PORT=9000\nCURAGENIE_SHARD_BYTES=1000000\n")
    monkeypatch.setenv("CURAGENIE_PORT", "9001")
    settings = load_settings()
    assert (settings.port, settings.shard_bytes) == (9001, 1_000_000)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET_NAME", "")
    monkeypatch.setenv("CURAGENIE_PORT", "")
    settings = load_settings()
    assert (settings.s3_bucket_name, settings.port) == (None, 8000)


def test_a_relative_sqlite_file_means_the_same_file_in_every_process(tmp_path: Path) -> None:
    settings = load_settings(database_url="sqlite:///records.db")
    assert settings.database_url == f"sqlite:///{tmp_path}/records.db"
    assert load_settings(database_url=f"sqlite:///{tmp_path}/records.db") == settings


def test_the_data_directory_moves_what_lives_in_it(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "elsewhere")
    assert settings.database_url == f"sqlite:///{tmp_path}/elsewhere/curagenie.db"
    assert settings.scoring_files_dir == tmp_path / "elsewhere" / "scoring_files"


def test_chain_files_are_found_by_the_build_that_they_lead_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().chains == {}
    monkeypatch.setenv("CURAGENIE_CHAIN_37_TO_38", str(tmp_path / "up.chain"))
    monkeypatch.setenv("CURAGENIE_CHAIN_38_TO_37", "down.chain")
    assert load_settings().chains == {
        GenomeBuild.GRCH38: tmp_path / "up.chain",
        GenomeBuild.GRCH37: tmp_path / "down.chain",
    }


def test_reference_fastas_are_found_by_their_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().reference_fastas == {}
    monkeypatch.setenv("CURAGENIE_REFERENCE_FASTA_37", str(tmp_path / "hs37.fa"))
    monkeypatch.setenv("CURAGENIE_REFERENCE_FASTA_38", "hg38.fa")
    assert load_settings().reference_fastas == {
        GenomeBuild.GRCH37: tmp_path / "hs37.fa",
        GenomeBuild.GRCH38: tmp_path / "hg38.fa",
    }


def test_secrets_are_read_from_a_folder_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("database_password", "redis_password", "aws_secret_access_key", "secret_key"):
        (tmp_path / name).write_text(f"{name} of/file\n")
    monkeypatch.setenv("CURAGENIE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://cura@db/cura")
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/1")
    monkeypatch.setenv("SECRET_KEY", "of the environment")
    settings = load_settings()
    assert settings.database_url == "postgresql://cura:database_password%20of%2Ffile@db/cura"
    assert settings.redis_url == "redis://:redis_password%20of%2Ffile@cache:6379/1"
    assert settings.s3_access is not None
    assert settings.s3_access.secret_access_key == "aws_secret_access_key of/file"
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == "of the environment"
    assert "of/file" not in repr(settings)
    assert "of%2Ffile" not in repr(settings)


def test_a_url_that_names_its_password_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://cura:own@db/cura")
    assert load_settings().database_url == "postgresql://cura:own@db/cura"


def test_a_folder_of_secrets_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURAGENIE_SECRETS_DIR", "/nowhere")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert error.value.where is not None
    assert error.value.where.field == "CURAGENIE_SECRETS_DIR"


def test_no_secret_shows_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://cura:hunter2@db/cura")
    settings = load_settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.objects_location)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CURAGENIE_PORT", "0"),
        ("CURAGENIE_PORT", "hunter2"),
        ("CURAGENIE_SHARD_BYTES", "12"),
        ("DATABASE_URL", "mysql://root:hunter2@db/cura"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DEBUG", "hunter2"),
        ("CURAGENIE_PGS_CATALOG_URL", "http://catalog.example/hunter2"),
        ("CURAGENIE_PGS_CATALOG_URL", "https://me:hunter2@catalog.example/rest"),
        ("CURAGENIE_PGS_CATALOG_URL", "https://catalog.example/rest?key=hunter2"),
        ("CURAGENIE_PGS_CATALOG_URL", "https://catalog.example:hunter2/rest"),
        ("CURAGENIE_PGS_CATALOG_URL", "http://[hunter2/rest"),
        ("CURAGENIE_PGS_CATALOG_URL", "file:///hunter2"),
        ("CURAGENIE_PGS_CATALOG_URL", "hunter2"),
    ],
)
def test_a_bad_value_names_its_variable_and_the_fix_but_not_itself(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert caught.value.fix is not None
    assert "hunter2" not in str(caught.value)


def test_a_bad_value_given_by_field_name_is_reported_by_its_variable() -> None:
    with pytest.raises(SettingsError, match="CURAGENIE_PORT"):
        load_settings(port=0)


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror.example:8443/pgs/rest",
        "http://127.0.0.1:8100/rest",
        "http://localhost/rest",
        "http://[::1]:80/rest",
    ],
)
def test_the_pgs_catalog_is_reached_by_https_or_on_this_machine(url: str) -> None:
    assert load_settings(pgs_catalog_url=f"{url}/").pgs_catalog_url == url


def test_heartbeats_must_be_more_frequent_than_the_lease_is_long() -> None:
    with pytest.raises(SettingsError, match="CURAGENIE_LEASE_SECONDS"):
        load_settings(lease_seconds=5, heartbeat_seconds=5)


def test_settings_do_not_change_once_loaded() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]
