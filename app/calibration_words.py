"""A calibration in lines of text, for a terminal and for its report."""

from collections.abc import Sequence

from livecassi.app.calibrating.steps import exposure_text
from livecassi.calibration import Calibration
from livecassi.calibration.checks import Check, Verdict
from livecassi.calibration.record import CalibrationRecord, CaptureEntry, LineEntry

MARKS = {Verdict.PASS: "pass", Verdict.WARN: "WARN", Verdict.FAIL: "FAIL"}
NOT_MEASURED = "imported or simulated, not measured: there is no record"
HASH_DIGITS = 12


def identity_rows(calibration: Calibration) -> list[tuple[str, str]]:
    """What it is and which frames it belongs to: name and value; what is unknown is left out."""
    header, record = calibration.header, calibration.header.record
    nm = calibration.wavelengths_nm
    bands, height, width = calibration.cube_shape
    rows = [
        ("id", calibration.id),
        ("descends from", record.parent_id if record is not None else ""),
        ("system", str(header.system)),
        ("made", date_text(header.created)),
        ("operator", record.operator if record is not None else ""),
        ("optics", record.optics if record is not None else ""),
        ("software", record.software if record is not None else ""),
        ("bands", f"{bands}, {nm[0]:.2f} to {nm[-1]:.2f} nm, {calibration.dispersion_px.max():.2f} px of dispersion"),
        ("scene", f"{height} × {width} px, frames {calibration.measurement_shape[0]} × "
                  f"{calibration.measurement_shape[1]} px"),
        ("camera", camera_text(calibration)),
        ("notes", header.notes),
    ]  # fmt: skip
    return [(name, value) for name, value in rows if value]


def camera_text(calibration: Calibration) -> str:
    """Serial, exposure, gain, depth, temperature, region and flips of the frames, as far as they are known."""
    header = calibration.header
    parts = [
        header.camera_serial,
        exposure_text(header.exposure_us) if header.exposure_us is not None else "",
        f"{header.gain_db:g} dB" if header.gain_db is not None else "",
        f"{header.bit_depth} bits" if header.bit_depth is not None else "",
        f"{header.temperature_c:.1f} °C" if header.temperature_c is not None else "",
        "region at row {}, column {}, {} × {}".format(*header.roi) if header.roi is not None else "",
        "rows flipped" if header.flip_rows else "",
        "columns flipped" if header.flip_columns else "",
    ]
    return ", ".join(part for part in parts if part)


def limit_text(check: Check) -> str:
    """The limit of a check: '≤ 0.1 px', '≥ 0.9'."""
    return f"{'≥' if check.higher_is_better else '≤'} {check.limit:.3g} {check.unit}".rstrip()


def value_text(check: Check) -> str:
    """The figure of a check with its unit."""
    return f"{check.value:.3g} {check.unit}".rstrip()


def curve_text(record: CalibrationRecord) -> str:
    """The formula of the dispersion curve with its numbers; empty where there is none."""
    if record.curve is None:
        return ""
    powers = ("", " (1000/λ)²", " (1000/λ)⁴", " (1000/λ)⁶", " (1000/λ)⁸", " (1000/λ)¹⁰")
    terms = " ".join(
        f"{'-' if c < 0 else '+'} {abs(c):.6g}{power}"
        for c, power in zip(record.curve.coefficients, powers, strict=False)
    )
    low, high = record.curve.range_nm
    return f"s(λ) = {terms.removeprefix('+ ')} px, from {low:g} to {high:g} nm"


def line_row(line: LineEntry) -> tuple[str, ...]:
    """Wavelength, name, shift with its error, residual, left out, correlation, point spread."""
    return (
        f"{line.wavelength_nm:.2f}",
        f"{line.fwhm_nm:g}" if line.fwhm_nm else "-",
        shorten(line.name, 16) or "-",
        f"{line.shift_px:.3f}",
        f"{line.sigma_px:.3f}",
        f"{line.residual_px:+.3f}",
        "-" if line.left_out_px is None else f"{line.left_out_px:+.3f}",
        f"{line.correlation:.3f}",
        "-" if line.across_px is None or line.along_px is None else f"{line.across_px:.2f} / {line.along_px:.2f}",
    )


LINE_HEADING = ("nm", "fwhm", "name", "shift px", "σ px", "off px", "left out", "corr.", "spread px")


def capture_row(entry: CaptureEntry) -> tuple[str, ...]:
    """Kind with its line, time, frames, settings, saturation, and the hash of the first frame."""
    wavelength = f" {entry.wavelength_nm:g} nm" if entry.wavelength_nm is not None else ""
    return (
        f"{entry.kind}{wavelength}",
        date_text(entry.captured),
        str(entry.frames),
        exposure_text(entry.exposure_us),
        f"{entry.gain_db:g}",
        "-" if entry.temperature_c is None else f"{entry.temperature_c:.1f}",
        f"{100 * entry.saturated_fraction:.3f}",
        entry.frame_hashes[0][:HASH_DIGITS] if entry.frame_hashes else "-",
    )


CAPTURE_HEADING = ("capture", "taken (UTC)", "frames", "exposure", "dB", "°C", "sat. %", "first frame's hash")


def shorten(words: str, most: int) -> str:
    """At most so many characters, with an ellipsis where some are left out."""
    return words if len(words) <= most else words[: most - 1] + "…"


def date_text(iso: str) -> str:
    """'2026-11-20 10:00:00' of an ISO date; the rest is left out."""
    return iso[:19].replace("T", " ")


def summary_lines(calibration: Calibration) -> list[str]:
    """Everything that `livecassi calibrate inspect` prints, line by line."""
    record = calibration.header.record
    lines = [f"{calibration.header.name or 'calibration'}: {_verdict(record)}", ""]
    rows = identity_rows(calibration)
    lines += [f"  {name:14} {value}" for name, value in rows]
    present = ", ".join(f"{n} {' × '.join(map(str, a.shape))}" for n, a in calibration.arrays().items())
    lines += [f"  {'arrays':14} {present}"]
    if calibration.header.quality and record is None:  # else they are among the checks
        lines += [f"  {'figures':14} {', '.join(f'{n} {v:.4g}' for n, v in calibration.header.quality.items())}"]
    if record is None:
        return lines
    if record.checks:
        lines += ["", "checks"]
        lines += check_lines(record.checks)
    lines += [f"  !     {override}" for override in record.overrides]
    if record.curve is not None:
        lines += ["", f"dispersion ({record.curve.medium})", f"  {curve_text(record)}"]
    if record.lines:
        lines += ["", *_table(LINE_HEADING, [line_row(line) for line in record.lines])]
    lines += _figures(record)
    if record.captures:
        lines += ["", *_table(CAPTURE_HEADING, [capture_row(entry) for entry in record.captures])]
    return lines


def check_lines(checks: Sequence[Check]) -> list[str]:
    """One line for each check: verdict, number, limit, and what to do where it did not pass."""
    return [f"  {MARKS[check.verdict]}  {check.words}" for check in checks]


def part_rows(record: CalibrationRecord) -> list[tuple[str, str]]:
    """Registration, field, sensor and lens, each in one line of words."""
    rows = []
    if (found := record.registration) is not None:
        rows.append(
            (
                "mask against design",
                f"rms {found.rms_px:.3f} px, correlation {found.correlation:.3f}, turned "
                f"{found.rotation_degrees:+.3f}°, {100 * (found.scale - 1):+.3f} % larger",
            )
        )
    if (field := record.field) is not None:
        rows.append(
            (
                "at the edge of the field",
                f"smile {field.smile_px:+.3f} px, tilt {field.tilt_px:+.3f} px, keystone {field.keystone_px:+.3f} px",
            )
        )
    if (sensor := record.sensor) is not None:
        named = (
            ("dark {:.4g} DN", sensor.dark_dn),
            ("read noise {:.3g} DN", sensor.read_noise_dn),
            ("read noise {:.3g} e", sensor.read_noise_e),
            ("{:.4g} e per DN", sensor.electrons_per_dn),
            ("full well {:,.0f} e", sensor.full_well_e),
            ("{} hot pixels", sensor.hot_pixels),
            ("nonlinearity {:.2g} %", sensor.nonlinearity_percent),
            ("vignetting {:.3g} %", sensor.vignetting_percent),
            ("pixel response {:.2g} %", sensor.pixel_response_percent),
        )
        rows.append(("sensor", ", ".join(words.format(v) for words, v in named if v is not None)))
    if (lens := record.distortion) is not None:
        k1, k2 = (*lens.coefficients, 0.0, 0.0)[:2]
        rows.append(("lens", f"k1 {k1:+.4f}, k2 {k2:+.4f}, rms {lens.rms_px:.3f} px from {lens.views} views"))
    if (light := record.response) is not None:
        rows.append(
            (
                "response",
                f"standard errors up to {max(light.sigma):.2g}, {100 * light.residual:.2g} % of the white left over, "
                f"stray light {100 * light.stray_share:.2g} %",
            )
        )
    if (scale := record.radiance) is not None:
        off = max(sigma / value for sigma, value in zip(scale.sigma, scale.scale, strict=True) if value)
        rows.append(
            (
                "to the spectrometer",
                f"bands times {min(scale.scale):.4g} to {max(scale.scale):.4g}, each within {100 * off:.2g} %",
            )
        )
    return rows


def _figures(record: CalibrationRecord) -> list[str]:
    rows = part_rows(record)
    return ["", *(f"  {name:24} {value}" for name, value in rows)] if rows else []


def _verdict(record: CalibrationRecord | None) -> str:
    if record is None:
        return NOT_MEASURED
    counted = {verdict: sum(check.verdict is verdict for check in record.checks) for verdict in Verdict}
    return f"{MARKS[record.verdict]} ({', '.join(f'{n} {v}' for v, n in counted.items() if n) or 'no checks'})"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    return [
        "  " + "  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip()
        for row in (heading, *rows)
    ]
