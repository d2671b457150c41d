"""What docker-compose.yml is held to, without an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.files import ONCE, ROOT, SERVICES, TOOL, compose, dockerfile, env_values, environment, stages, variables
from laurel_local import compose_env
from laurel_local.kafka_jars import KAFKA_VERSION

SCHEMA = Path(__file__).parent / "compose-spec" / "compose-spec.json"
COMPOSE = compose()
PARTS: dict[str, dict[str, Any]] = COMPOSE["services"]
UNCHECKED = {"otel"}  # its image has nothing that could be run
OURS = (*SERVICES, *ONCE, TOOL)


def published(name: str) -> list[tuple[str, int, int]]:
    """A part's ports: address on the host, port on the host, port in the container."""
    ports = [text.rsplit(":", 2) for text in PARTS[name].get("ports", [])]
    return [(address[0] if address else "0.0.0.0", int(outside), int(inside)) for *address, outside, inside in ports]


def test_the_schema_is_the_published_one() -> None:
    stated = re.search(r"SHA-256: (\w{64})", (SCHEMA.parent / "SOURCE.md").read_text())
    assert stated is not None
    assert sha256(SCHEMA.read_bytes()).hexdigest() == stated[1]


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_the_schema_would_notice_a_mistake() -> None:
    wrong = compose()
    wrong["services"]["issuer"]["helthcheck"] = wrong["services"]["issuer"].pop("healthcheck")
    with pytest.raises(jsonschema.ValidationError, match="helthcheck"):
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(wrong)


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


COMPOSE_COMMANDS = [
    command
    for command in (["docker", "compose"], ["docker-compose"])
    if shutil.which(command[0]) and _runs([*command, "version"])
]


# Where there is no Docker Compose there is nothing to ask: the specification's schema has been asked above.
if COMPOSE_COMMANDS:

    def test_docker_compose_takes_it(tmp_path: Path) -> None:
        command = [*COMPOSE_COMMANDS[0], "--project-directory", str(ROOT), "--file", str(ROOT / "docker-compose.yml")]
        values = {name: value for name, value in os.environ.items() if name not in variables()}
        compose_env.make(tmp_path, uid=1000, gid=1000)

        taken = subprocess.run([*command, "--env-file", str(tmp_path / ".env"), "config", "--format", "json"],
                               capture_output=True, text=True, check=False, env=values)  # fmt: skip
        (tmp_path / "empty").touch()
        refused = subprocess.run([*command, "--env-file", str(tmp_path / "empty"), "config"],
                                 capture_output=True, text=True, check=False, env=values)  # fmt: skip

        assert taken.returncode == 0, taken.stderr
        assert taken.stderr == ""
        assert set(json.loads(taken.stdout)["services"]) == set(PARTS)
        assert refused.returncode != 0
        assert "make compose-env" in refused.stderr


@pytest.mark.parametrize("name", [name for name in PARTS if name not in OURS])
def test_a_foreign_image_is_pinned_to_one_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", PARTS[name]["image"])


def test_kafka_is_the_version_that_the_tests_run_on() -> None:
    assert PARTS["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_built_from_this_repository(name: str) -> None:
    # Without a name for the image: compose would first look for an image of that name on the Internet.
    assert PARTS[name]["build"] == {"context": ".", "dockerfile": f"services/{name}/Dockerfile"}
    assert dockerfile(name).is_file()
    assert "image" not in PARTS[name]


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_can_do_little_to_its_container(name: str) -> None:
    part = PARTS[name]
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in part


def test_whoever_is_root_or_may_give_files_away_is_in_no_network() -> None:
    powerful = {name for name in PARTS if "cap_add" in PARTS[name] or PARTS[name].get("user", "").startswith("0")}
    assert powerful == {"kafka-certificates"}
    assert PARTS["kafka-certificates"]["cap_add"] == ["CHOWN"]
    assert {name for name in PARTS if "network_mode" in PARTS[name]} == powerful
    assert PARTS["kafka-certificates"]["network_mode"] == "none"


@pytest.mark.parametrize("name", [*ONCE, TOOL])
def test_what_ends_by_itself_is_the_registry_s_image_and_is_not_started_again(name: str) -> None:
    assert PARTS[name]["build"] == PARTS["registry"]["build"]
    assert PARTS[name]["healthcheck"] == {"disable": True}, "the image's own asks for a server"
    assert "restart" not in PARTS[name]


def test_the_tool_is_started_only_by_name() -> None:
    assert {name for name in PARTS if "profiles" in PARTS[name]} == {TOOL}


def test_every_part_says_whether_it_is_well_and_waits_for_what_it_needs() -> None:
    for name, part in PARTS.items():
        checked = "test" in part.get("healthcheck", {})
        assert checked == (name not in {*UNCHECKED, *ONCE, TOOL}), name
        for other, wait in part.get("depends_on", {}).items():
            expected = "service_started" if other in UNCHECKED else "service_healthy"
            if other in ONCE:
                expected = "service_completed_successfully"
            assert wait["condition"] == expected, (name, other)
    needs = {name: set(part.get("depends_on", {})) for name, part in PARTS.items()}
    assert needs["issuer"] == needs["registry"] == {"kafka-users", "mongo", "otel"}
    assert needs["verifier"] == {"kafka-users", "otel"}
    assert needs["notifier"] == {"kafka-users", "mongo", "otel", "mailpit"}
    assert needs["kafka-users"] == {"kafka"}
    assert needs["kafka"] == {"kafka-certificates"}
    # Otherwise `up --wait` would take what has ended for what has failed.
    assert set(ONCE) <= set().union(*(needs[name] for name in PARTS if name != TOOL))


def test_only_the_registry_and_the_verifier_are_open_to_other_machines() -> None:
    reachable = {name: published(name) for name in PARTS if published(name)}
    assert reachable == {
        "issuer": [("127.0.0.1", 8000, 8000)],
        "registry": [("0.0.0.0", 8010, 8010)],
        "verifier": [("0.0.0.0", 8020, 8020)],
        "notifier": [("127.0.0.1", 8030, 8030)],
        "mailpit": [("127.0.0.1", 8025, 8025)],
    }


def test_the_issuer_shares_no_network_with_another_service() -> None:
    networks = {name: set(part.get("networks", [])) for name, part in PARTS.items()}
    for other in ("registry", "verifier", "notifier", "mailpit", TOOL, *ONCE):
        assert not networks["issuer"] & networks[other]
    assert not networks["verifier"] & networks["mongo"]
    assert {name for name in PARTS if "intake" in networks[name]} == {"issuer"}
    assert set(COMPOSE["networks"]) == set().union(*networks.values())


def test_what_holds_data_has_no_way_out() -> None:
    for name in ("kafka", "kafka-users", "mongo", "otel", TOOL):
        for network in PARTS[name]["networks"]:
            assert COMPOSE["networks"][network] == {"internal": True}, (name, network)
    assert COMPOSE["networks"]["intake"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_data_is_kept_in_volumes_that_are_declared() -> None:
    mounts = [tuple(each.split(":")[:2]) for part in PARTS.values() for each in part.get("volumes", [])]
    assert {source for source, _ in mounts if not source.startswith(".")} == set(COMPOSE["volumes"])
    assert ("kafka-data", PARTS["kafka"]["environment"]["KAFKA_LOG_DIRS"]) in mounts
    assert ("mongo-data", "/data/db") in mounts


def test_only_the_broker_and_who_makes_its_users_have_its_key() -> None:
    mounts = {name: {each.partition(":")[0]: each for each in part.get("volumes", [])} for name, part in PARTS.items()}
    assert {name for name in PARTS if "kafka-certificates" in mounts[name]} == {*ONCE, "kafka"}
    assert {name for name in PARTS if "kafka-authority" in mounts[name]} == {*SERVICES, TOOL, "kafka-certificates"}
    for name, volumes in mounts.items():
        for volume in ("kafka-certificates", "kafka-authority"):
            if volume in volumes and name != "kafka-certificates":
                assert volumes[volume].endswith(":ro"), (name, volume)


def test_every_file_that_is_mounted_exists_and_is_read_only(tmp_path: Path) -> None:
    compose_env.make(tmp_path, uid=1000, gid=1000)
    mounts = [each for part in PARTS.values() for each in part.get("volumes", []) if each.startswith(".")]
    assert len(mounts) == 7
    for mount in mounts:
        source, _, mode = mount.split(":")
        file = (tmp_path if source.startswith("./.compose/") else ROOT) / source
        assert file.stat().st_mode & 0o444 == 0o444, f"{source} is read by a user of a container's own"
        assert mode == "ro"


def test_every_secret_that_is_mounted_is_made(tmp_path: Path) -> None:
    compose_env.make(tmp_path, uid=1000, gid=1000)
    used = {secret for part in PARTS.values() for secret in part.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        assert (tmp_path / secret["file"]).is_file(), secret


def test_nothing_is_told_more_secrets_than_it_needs() -> None:
    told = {
        name: set(re.findall(r"\$\{(\w+(?:PASSWORD|KEY|TOKEN))\b", yaml.safe_dump(part))) | set(part.get("secrets", []))
        for name, part in PARTS.items()
    }
    assert told == {
        "issuer": {"LAUREL_MASTER_KEY", "MONGO_ISSUER_PASSWORD", "KAFKA_ISSUER_PASSWORD", "signing-keys"},
        "registry": {"LAUREL_ADMIN_TOKEN", "MONGO_REGISTRY_PASSWORD", "KAFKA_REGISTRY_PASSWORD"},
        "verifier": {"KAFKA_VERIFIER_PASSWORD"},
        "notifier": {"LAUREL_ADMIN_TOKEN", "MONGO_NOTIFIER_PASSWORD", "KAFKA_NOTIFIER_PASSWORD", "smtp-ca"},
        "kafka-certificates": set(),
        "kafka": set(),
        "kafka-users": {
            f"KAFKA_{name}_PASSWORD" for name in ("ISSUER", "REGISTRY", "VERIFIER", "NOTIFIER", "OPERATOR")
        },
        "laurel": {"KAFKA_OPERATOR_PASSWORD"},
        "mongo": {"MONGO_ROOT_PASSWORD", *(f"MONGO_{name}_PASSWORD" for name in ("ISSUER", "REGISTRY", "NOTIFIER"))},
        "mailpit": {"smtp-certificate", "smtp-key"},
        "otel": set(),
    }


def test_the_example_names_every_variable_and_no_other() -> None:
    example = ROOT / "deploy" / "compose.env.example"
    optional = set(re.findall(r"^#(\w+)=", example.read_text(), flags=re.MULTILINE))
    assert dict.fromkeys(env_values(example), True) | dict.fromkeys(optional, False) == variables()


def test_the_collector_takes_spans_where_the_services_send_them() -> None:
    config = yaml.safe_load((ROOT / "deploy/otel/collector.yaml").read_text())
    _, port = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].split(":")
    for name in SERVICES:
        assert PARTS[name]["environment"]["LAUREL_OTLP_ENDPOINT"] == f"http://otel:{port}/v1/traces"
        assert set(PARTS[name]["networks"]) & set(PARTS["otel"]["networks"])
    for pipeline in config["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind])
    mounted = PARTS["otel"]["volumes"][0].split(":")[1]
    assert PARTS["otel"]["command"] == ["--config", mounted]


@pytest.mark.parametrize("name", SERVICES)
def test_the_readiness_check_is_the_image_s_check_of_another_path(name: str) -> None:
    image = next(each for each in stages(dockerfile(name))[-1] if each.name == "HEALTHCHECK")
    (asked,) = re.findall(r"'(/\w+)'", image.rest)
    (ready,) = re.findall(r"'(/\w+)'", PARTS[name]["healthcheck"]["test"][-1])
    assert (asked, ready) == ("/livez", "/readyz")
    command = json.loads(image.rest.removeprefix("CMD "))
    assert PARTS[name]["healthcheck"]["test"][1:] == [word.replace("/livez", "/readyz") for word in command]
    assert environment(stages(dockerfile(name))[-1])["LAUREL_HTTP_HOST"] == "0.0.0.0"


def test_every_service_has_a_lock_of_its_own_that_agrees_with_the_workspace() -> None:
    workspace = blocks(ROOT / "requirements.lock")
    shared = requirements(ROOT / "shared")
    for name in SERVICES:
        lock = blocks(ROOT / "services" / name / "requirements.lock")
        assert lock.items() <= workspace.items(), f"services/{name}/requirements.lock is old: run make lock"
        assert shared | requirements(ROOT / "services" / name) <= lock.keys() | {"laurel"}
        assert all("--hash=sha256:" in block and "://" not in block for block in lock.values())


def blocks(lock: Path) -> dict[str, str]:
    """A lock's entries by name."""
    entries = re.findall(r"^([a-z0-9-]+)==((?:.*\\\n)*.*)\n", lock.read_text(), flags=re.MULTILINE)
    assert entries
    return dict(entries)


def requirements(package: Path) -> set[str]:
    """The names that a package requires."""
    declared = tomllib.loads((package / "pyproject.toml").read_text())["project"]["dependencies"]
    return {re.split(r"[^a-z0-9-]", each)[0] for each in declared}
