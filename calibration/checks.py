"""What is judged while calibrating: a number, its limits, and the words for a person."""

import math
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """The colours of a traffic light."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class Check(BaseModel):
    """One judged figure. `limit` is where PASS ends, `fail_limit` where FAIL begins.

    `higher_is_better` says on which side of the limits the good values lie. `advice` is told where it did not pass.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    name: str
    value: float
    unit: str
    limit: float
    fail_limit: float
    higher_is_better: bool = False
    advice: str = ""

    @property
    def verdict(self) -> Verdict:
        """PASS up to `limit`, FAIL beyond `fail_limit`, WARN between; a value that is not finite fails."""
        if not math.isfinite(self.value):
            return Verdict.FAIL
        sign = -1.0 if self.higher_is_better else 1.0
        if sign * self.value <= sign * self.limit:
            return Verdict.PASS
        return Verdict.FAIL if sign * self.value > sign * self.fail_limit else Verdict.WARN

    @property
    def words(self) -> str:
        """The figure with its limit, and where it did not pass what to do."""
        unit = f" {self.unit}" if self.unit else ""
        needed = "needed at least" if self.higher_is_better else "allowed"
        told = f"{self.name} {self.value:.3g}{unit}, {needed} {self.limit:.3g}{unit}"
        return told if self.verdict is Verdict.PASS or not self.advice else f"{told}: {self.advice}"


def worst(checks: Iterable[Check]) -> Verdict:
    """The worst verdict of several; PASS where there are none."""
    verdicts = {check.verdict for check in checks}
    return next((v for v in (Verdict.FAIL, Verdict.WARN) if v in verdicts), Verdict.PASS)
