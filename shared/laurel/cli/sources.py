"""Where `laurel reconcile` finds the databases: settings from the environment, as the services have them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from laurel.cli.exits import WrongUse
from laurel.reconciliation import Sources
from laurel.runtime.settings import KafkaSettings, MongoSettings, complaints


def sources_from_environment(kafka: KafkaSettings, databases: Mapping[str, str]) -> Sources:
    """The settings for each service's database, by service. Raises WrongUse."""
    return Sources(kafka, **{service: _settings(service, name) for service, name in databases.items()})


def _settings(service: str, database: str) -> MongoSettings:
    prefix = f"LAUREL_{service.upper()}_"

    class Own(MongoSettings, env_prefix=prefix):
        """The service's own address, where it has one."""

    for settings in (Own, MongoSettings):
        try:
            return settings(mongo_database=database)
        except ValidationError as error:
            missing = all(finding["type"] == "missing" for finding in error.errors())
            if settings is Own and missing:
                continue
            raise WrongUse("\n".join(complaints(error))) from None
    raise AssertionError("the last of the settings either returned or raised")
