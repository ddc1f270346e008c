"""What is compared: laststage, Docker with its BuildKit, and mmdebstrap for bases."""

from contenders.docker import Docker, MissingDockerError
from contenders.laststage import Laststage
from contenders.mmdebstrap import Mmdebstrap

__all__ = ["Docker", "Laststage", "MissingDockerError", "Mmdebstrap"]
