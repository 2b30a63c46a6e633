"""The one list of engines that the command line and the window offer."""

from functools import cache
from importlib import resources

from livecassi.app.colour import device_colours
from livecassi.app.weight_places import find_weights, user_folder
from livecassi.engines import EngineSpec
from livecassi.engines.gap_tv import SpectralBasis, gap_tv_spec, parse_basis_table
from livecassi.engines.networks import network_specs
from livecassi.engines.networks.engine_spec import network_engine
from livecassi.engines.networks.live.spec import live_spec
from livecassi.engines.networks.stills.family import WITH_PRIOR
from livecassi.engines.runtimes.offers import Offer, offers

# Of 256 x 256 on two CPU cores, by `livecassi benchmark runtimes` and `livecassi benchmark stills`.
COSTS = {
    "pg-svrt": "1.4 s (bf16) to 2.2 s for a pass of three frames of 256 x 256 on 2 CPU cores; made for a GPU",
    "hsra-s": "0.19 s (bf16) to 0.27 s for a cube of 256 x 256 on 2 CPU cores",
    "hsra-m": "0.36 s (bf16) to 0.58 s for a cube of 256 x 256 on 2 CPU cores",
    "hsra-l": "0.51 s (bf16) to 0.97 s for a cube of 256 x 256 on 2 CPU cores",
    "hsra-dum-3": "0.66 s (bf16) to 0.93 s for a cube of 256 x 256 on 2 CPU cores",
    "hsra-dum-4": "0.93 s (bf16) to 1.33 s for a cube of 256 x 256 on 2 CPU cores",
    "mst-s": "0.19 s (bf16) to 0.31 s for a cube of 256 x 256 on 2 CPU cores",
    "mst-m": "0.31 s (bf16) to 0.52 s for a cube of 256 x 256 on 2 CPU cores",
    "mst-l": "0.50 s (bf16) to 0.79 s for a cube of 256 x 256 on 2 CPU cores",
    "bisrnet": "0.40 s (bf16) to 0.62 s for a cube of 256 x 256 on 2 CPU cores",
}
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
    specs = [
        gap_tv_spec(reflectance_basis()),
        live_spec(find_weights, user_folder),
        *(
            network_engine(
                network,
                COSTS[name.removesuffix(WITH_PRIOR)] + (", and the prior" if network.with_prior else ""),
                find_weights,
                user_folder,
                runtimes_here,
                device_colours(),
            )
            for name, network in network_specs().items()
        ),
    ]
    return {spec.name: spec for spec in specs}
