"""The one list of engines that the command line and the window offer."""

from functools import cache
from importlib import resources

from livecassi.app.colour import device_colours
from livecassi.app.weight_places import find_weights, user_folder
from livecassi.engines import EngineSpec
from livecassi.engines.gap_tv import SpectralBasis, gap_tv_spec, parse_basis_table
from livecassi.engines.networks import find_network
from livecassi.engines.networks.live.spec import live_spec
from livecassi.engines.networks.video_spec import video_spec
from livecassi.engines.runtimes.offers import Offer, offers

PG_SVRT_COST = "1.4 s (bf16) to 2.2 s for a pass of three frames of 256 x 256 on 2 CPU cores; made for a GPU"
BASIS = "spectra/reflectance_basis.csv"


@cache
def reflectance_basis() -> SpectralBasis:
    """The shipped spectral basis, learned from measured reflectances."""
    return parse_basis_table(resources.files("livecassi.resources").joinpath(BASIS).read_text("utf-8"), BASIS)


@cache
def runtimes_here() -> tuple[Offer, ...]:
    """What this machine runs networks on; the first call may ask the GPU's driver.

    That takes up to half a second, and half a minute where the driver hangs.
    """
    return offers()


def engine_specs() -> dict[str, EngineSpec]:
    """Every engine by name."""
    pg_svrt = find_network("pg-svrt")
    specs = [
        gap_tv_spec(reflectance_basis()),
        live_spec(find_weights, user_folder),
        video_spec(pg_svrt, PG_SVRT_COST, find_weights, user_folder, runtimes_here, device_colours()),
    ]
    return {spec.name: spec for spec in specs}
