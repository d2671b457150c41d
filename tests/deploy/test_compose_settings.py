"""Each service starts with exactly what docker-compose.yml and its image tell it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.files import (
    SERVICES,
    SETTINGS,
    compose,
    dockerfile,
    env_values,
    environment,
    instruction,
    interpolated,
    stages,
)
from laurel.contracts.access import service_user
from laurel.runtime.settings import PREFIX, ServiceSettings
from laurel_local import compose_env

PARTS = compose()["services"]
MOUNTED = "/run/secrets/"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after `make compose-env`."""
    directory = tmp_path_factory.mktemp("made")
    compose_env.make(directory, uid=os.getuid() or 1000, gid=os.getgid() or 1000)
    return directory


def told(service: str, made: Path) -> dict[str, str]:
    """A service's environment in its container, with the paths of mounted secrets as they are here."""
    values = env_values(made / ".env")
    of_compose = {name: interpolated(str(text), values) for name, text in PARTS[service]["environment"].items()}
    secrets = {f"{MOUNTED}{name}": str(made / each["file"]) for name, each in compose()["secrets"].items()}
    secrets["/run/kafka/ca.pem"] = str(made / ".compose" / "smtp-ca.pem")  # any authority will do here
    together = environment(stages(dockerfile(service))[-1]) | of_compose
    return {name: secrets.get(text) or text for name, text in together.items()}


def load(service: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """The service's settings, as it would load them in its container."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in told(service, made).items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return SETTINGS[service]()


@pytest.mark.parametrize("service", SERVICES)
def test_every_name_is_a_setting_of_the_service(service: str, made: Path) -> None:
    names = {name for name in told(service, made) if name.startswith(PREFIX)}
    fields = {f"{PREFIX}{field}".upper() for field in SETTINGS[service].model_fields}
    assert names <= fields


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_without_a_default_is_set(service: str, made: Path) -> None:
    required = {
        f"{PREFIX}{name}".upper() for name, field in SETTINGS[service].model_fields.items() if field.is_required()
    }
    assert required <= told(service, made).keys()


@pytest.mark.parametrize("service", SERVICES)
def test_the_settings_are_accepted(service: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(service, made, monkeypatch)
    assert settings.public_url == "http://localhost:8010"
    assert settings.kafka_idempotence


@pytest.mark.parametrize("service", SERVICES)
def test_the_ports_agree(service: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = stages(dockerfile(service))[-1]
    port = SETTINGS[service].model_fields["http_port"].default
    assert load(service, made, monkeypatch).http_port == port
    assert instruction(image, "EXPOSE").words == [str(port)]
    assert PARTS[service]["ports"][0].split(":")[-1] == str(port)


@pytest.mark.parametrize("service", ["issuer", "registry", "notifier"])
def test_a_service_s_database_is_the_one_that_its_user_may_use(
    service: str, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = told(service, made)["LAUREL_MONGO_URL"]
    password = env_values(made / ".env")[f"MONGO_{service.upper()}_PASSWORD"]
    assert url == f"mongodb://laurel_{service}:{password}@mongo:27017/laurel_{service}"
    assert SETTINGS[service].model_fields["mongo_database"].default == f"laurel_{service}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_comes_to_kafka_as_itself_alone(service: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(service, made, monkeypatch)
    assert settings.kafka_security_protocol == "SASL_SSL"
    assert settings.kafka_username == service_user(service)
    assert settings.kafka_secret() == env_values(made / ".env")[f"KAFKA_{service.upper()}_PASSWORD"]
    advertised = PARTS["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"CLIENTS://{settings.kafka_bootstrap}" in advertised


def test_the_containers_that_read_secrets_run_as_the_owner(made: Path) -> None:
    values = env_values(made / ".env")
    for name in ("issuer", "mailpit"):
        assert interpolated(PARTS[name]["user"], values) == f"{values['LAUREL_UID']}:{values['LAUREL_GID']}"
