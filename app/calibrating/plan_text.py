"""A plan to begin with, every key explained."""

from livecassi.calibration import System

_STEPPED = """\
first_nm = {first}          # the first band
step_px = 2.0           # columns from band to band; networks of the field want 2
count = {count}
# wavelengths = "tsa28"   # instead: band centres, also "410:700:10" or "450,460.5,471\""""
_LISTED = """\
wavelengths = "410:700:10"  # band centres; also "tsa28" or "450,460.5,471"
# first_nm = 410          # instead: the first band,
# step_px = 2.0           # how many columns from band to band,
# count = 30              # and how many bands"""
_BANDS = {
    System.SD_CASSI: _STEPPED.format(first=450, count=28),
    System.DD_CASSI: _LISTED,
    System.PMVIS: _STEPPED.format(first=410, count=30),
    System.NDSSI: _STEPPED.format(first=410, count=30),
}
_LINES = {
    System.SD_CASSI: (455, 470, 488, 505, 532, 560, 589, 610, 640),
    System.DD_CASSI: (415, 436, 455, 480, 505, 532, 560, 589, 620, 655, 690),
    System.PMVIS: (415, 436, 455, 480, 505, 532, 560, 589, 620, 655, 690),
    System.NDSSI: (415, 436, 455, 480, 505, 532, 560, 589, 620, 655, 690),
}
_VERIFY = {System.SD_CASSI: 546}
_HEAD = """\
# The plan of a calibration, for: livecassi calibrate run --source camera --plan THIS_FILE
# What begins with # is a comment; a key that is left out has the value that stands here.

system = "{system}"     # sd-cassi, dd-cassi, pmvis or ndssi
name = "bench 1"
operator = ""
optics = ""             # lens, prism, filters: whatever somebody should know in a year
notes = ""
# exposure_us = 10000   # of the scene and of every capture that names none; left out: chosen on the white reference
# gain_db = 0.0
line_frames = 8         # averaged for each line
medium = "air"          # air or vacuum: what the wavelengths below are given in
white_reflectance = 1.0 # of the white reference, 0.99 for a usual white tile
# white_spectrum = "white.csv"  # what a spectrometer reads of it: a header row, then nm and value; scales to radiance
# curve_terms = 3       # of the dispersion curve; left out: as many as the lines allow, at most 3
# design = "mask.png"   # drawing of the coded aperture in camera pixels, beside this file
# spectrometer_serial = ""
# bit_depth = 12        # of frames that come from files (frames_from), where those do not tell

[bands]
{bands}

[dark]                  # cap on; one is taken for every exposure in use
frames = 32

[flat]                  # mask out, even white light; without exposures_us at four that fill 15 to 85 % of the sensor
frames = 16
# exposures_us = [1000, 2500, 5000, 8000]

[mask]                  # mask in, disperser out; frames = 0 where the disperser cannot be taken out
frames = 16
# frames_from = "mask_frames"  # any capture can come from a recording or a folder of pictures instead

[white]                 # the white reference under the lamp of the scene
frames = 8

[chart]                 # a chessboard: so many views, for the distortion of the lens; 0: none
frames = 0

# Narrow light, one [[line]] each: at least two, better seven, spread over the band with one at its blue end, where the
# dispersion is steepest. Measure filters with a spectrometer: their centres are off by a nanometre or two.
"""
_LINE = """
[[line]]
nm = {nm}
fwhm = 0.0              # full width in nm: 0 for a laser or a lamp's line, 10 for a usual filter
# expected_px = 12      # about where it lands; only masks that repeat themselves (pmvis, ndssi) need it
"""
_VERIFIED = """
[[line]]                # kept out of the fit: it tells how good the others are
nm = {nm}
verify = true
"""


def example_plan(system: System) -> str:
    """TOML that `parse_plan` reads: usual bands and lines of a system."""
    lines = "".join(_LINE.format(nm=nm) for nm in _LINES[system][:1])
    lines += "".join(f"\n[[line]]\nnm = {nm}\n" for nm in _LINES[system][1:])
    verify = _VERIFIED.format(nm=_VERIFY.get(system, 546))
    return _HEAD.format(system=system, bands=_BANDS[system]) + lines + verify
