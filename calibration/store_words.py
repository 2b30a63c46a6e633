"""The words in a calibration file for whoever has only the file."""

CONVENTIONS = (
    "arrays row first; mask 0..1 in undispersed camera pixels; dispersion_px: columns by which a band is displaced, "
    "positive to larger column numbers; dark in digital numbers; response and flat relative"
)

# axes, unit, description
ARRAY_WORDS = {
    "wavelengths_nm": ("band", "nm", "centre of each band, ascending"),
    "mask": (
        "row, mask column",
        "transmission 0..1",
        "coded aperture as light of the first band shows it, in camera pixels; grey, never binarised",
    ),
    "dispersion_px": (
        "band",
        "camera columns",
        "displacement of each band against the first, fractional, >= 0. Single disperser: light of mask column j "
        "lands at camera column j + shift. Dual disperser: camera column n sees mask column n + shift",
    ),
    "response": ("band", "relative", "efficiency of each band: lamp x optics x detector; 1 where unknown"),
    "dark": ("row, camera column", "digital numbers", "mean of frames without light at the exposure in the header"),
    "flat": ("row, camera column", "relative", "sensitivity: vignetting x pixel response; frames are divided by it"),
    "covariance": ("band, band", "camera columns squared", "of dispersion_px"),
    "hot_pixels": ("row, camera column", "0 or 1", "1 where a pixel is hot or dead"),
    "psf_px": (
        "band, (across, along)",
        "camera pixels",
        "standard deviation of the point spread across and along the dispersion",
    ),
    "residuals_px": (
        "(along, across), tile row, tile column",
        "camera pixels",
        "what the fit leaves on tiles of the field, along and across the dispersion",
    ),
}

README = """A calibration of a coded-aperture snapshot spectral imager, written by livecassi.

Frame y(row, n) in digital numbers -> measurement (y - dark) / full_scale / flat, full_scale = 2^bit_depth - 1.
The scene is a cube x(band, row, column). The model of the measurement, with s = dispersion_px and g = response:
  single disperser (sd-cassi, pmvis): y(i, n) = sum_k g_k mask(i, n - s_k) x_k(i, n - s_k)
  dual disperser (dd-cassi, ndssi):   y(i, n) = sum_k g_k mask(i, n + s_k) x_k(i, n)
Fractional shifts are interpolated linearly between neighbouring columns.
The mask's frame is where light of the first band (s = 0) shows it. Columns are the axis of the dispersion; rows and
columns count from 0 at the first pixel of the frame, as the camera delivers it (header: roi, flip_rows, flip_columns).
Wavelengths are as the header says (record.curve.medium: air or vacuum).
header: JSON with everything that is no array. record, where there is one: copies of its figures as plain datasets;
the dispersion curve is s(nm) = sum_t coefficients[t] (1000 / nm)^(2 t), in camera columns.
id: SHA-256 over header and arrays. A new fit is a new file with a new id.
"""
