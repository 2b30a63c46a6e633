"""Scores as papers print them, to stand beside own ones. Nothing here was measured by livecassi.

DynaSpec: tables of the README of the published code (nju-cite/DynaSpec, CVPR 2026); definitions of that code, 30 bands,
K = 10 KAIST scenes, D = 5 DynaSpec scenes. KAIST: tables of the HSRA poster (ICML 2026) and of the BiSRNet paper; 28
bands, ten scenes, the definition of PSNR and SSIM is not stated. The two must never stand in one table.
"""

from dataclasses import dataclass

from livecassi.calibration import System


@dataclass(frozen=True, slots=True)
class PublishedClasses:
    """A method's means over the static (K) and the dynamic (D) clips; PSNR in dB, SAM in degrees."""

    method: str
    psnr_k: float
    psnr_d: float
    ssim_k: float
    ssim_d: float
    sam_k: float
    sam_d: float


@dataclass(frozen=True, slots=True)
class PublishedMean:
    """A method's one mean: over the two classes (DynaSpec) or the ten scenes (KAIST)."""

    method: str
    psnr_db: float
    ssim: float
    sam_deg: float | None = None


DYNASPEC_DD = (
    PublishedClasses("PG-SVRT", 41.23, 41.82, 0.9882, 0.9904, 3.8050, 4.0118),
    PublishedClasses("DPU*", 40.50, 41.36, 0.9853, 0.9889, 5.1685, 4.5997),
    PublishedClasses("DPU", 40.02, 41.01, 0.9856, 0.9893, 5.2250, 4.4732),
    PublishedClasses("CST-L", 39.93, 40.06, 0.9864, 0.9876, 4.1342, 4.4578),
    PublishedClasses("MST-L", 39.99, 39.58, 0.9881, 0.9873, 3.8248, 4.2208),
    PublishedClasses("DAUHST", 38.98, 40.39, 0.9832, 0.9883, 5.4514, 4.7962),
    PublishedClasses("PADUT", 38.61, 40.41, 0.9828, 0.9881, 4.7154, 4.4372),
    PublishedClasses("GAP-Net", 36.92, 39.38, 0.9755, 0.9851, 6.1204, 5.3402),
)

DYNASPEC_SYSTEMS = {
    System.DD_CASSI: PublishedMean("PG-SVRT", 41.52, 0.9893, 3.9084),
    System.NDSSI: PublishedMean("PG-SVRT", 37.84, 0.9825, 5.4091),
    System.SD_CASSI: PublishedMean("PG-SVRT", 37.78, 0.9700, 4.0737),
    System.PMVIS: PublishedMean("PG-SVRT", 28.45, 0.8456, 5.4162),
}

KAIST = (
    PublishedMean("BiSRNet", 29.76, 0.837),
    PublishedMean("TSA-Net", 31.46, 0.894),
    PublishedMean("MST-S", 34.26, 0.935),
    PublishedMean("MST-M", 34.94, 0.943),
    PublishedMean("MST-L", 35.18, 0.948),
    PublishedMean("CST-L", 35.85, 0.954),
    PublishedMean("HSRA-S", 36.08, 0.952),
    PublishedMean("DAUHST-3stg", 37.22, 0.963),
    PublishedMean("HSRA-L", 37.49, 0.965),
    PublishedMean("HSRA-DUM-4stg", 39.81, 0.979),
)
