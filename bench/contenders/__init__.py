"""What is compared: laststage, and Docker with its BuildKit."""

from contenders.docker import Docker, MissingDockerError
from contenders.laststage import Laststage

__all__ = ["Docker", "Laststage", "MissingDockerError"]
