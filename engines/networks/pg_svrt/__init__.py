"""PG-SVRT, the network that reconstructs video: three frames at a time."""

from livecassi.engines.networks.pg_svrt.front import PreparedMask
from livecassi.engines.networks.pg_svrt.network import PGSVRT

__all__ = ["PGSVRT", "PreparedMask"]
