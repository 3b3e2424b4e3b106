"""docker-compose.yml as Compose reads it: merged, and with the doubled dollars made single."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class ComposeService:
    name: str
    keys: dict[str, Any]

    @property
    def command(self) -> list[str]:
        """What the container runs, word by word."""
        return [str(word).replace("$$", "$") for word in self.keys.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        return self.keys.get("environment", {})

    @property
    def is_ours(self) -> bool:
        return self.keys["image"].startswith("curagenie:")

    @property
    def ends(self) -> bool:
        """It does one thing and ends, so nobody asks for its health."""
        return self.keys.get("healthcheck") == {"disable": True}


def compose_file() -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())


def compose_services() -> dict[str, ComposeService]:
    services = compose_file()["services"]
    return {name: ComposeService(name, keys) for name, keys in services.items()}
