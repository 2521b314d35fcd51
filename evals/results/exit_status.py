"""The exit status that a verdict has, for sessions and for commands."""

from __future__ import annotations

from collections.abc import Sequence

from evals.results.gates import GateResult, overall
from evals.statistics.rates import Decision

INCONCLUSIVE = 6
"""No gate failed, and one is inconclusive. pytest itself ends so only where --max-warnings is exceeded."""
WHOLE = ("complete", "errors")
"""Gates that say whether the run is whole and undamaged."""


def status_of(results: Sequence[GateResult], inconclusive: str | None = None) -> int:
    """0 where every gate passed, 1 where one failed or the run is not whole, else 6.

    :param inconclusive: "pass" or "fail" make 0 or 1 of the 6.
    """
    verdict = overall(results)
    if verdict is Decision.INCONCLUSIVE and is_whole(results):
        return {"pass": 0, "fail": 1}.get(inconclusive or "", INCONCLUSIVE)
    return 0 if verdict is Decision.PASS else 1


def is_whole(results: Sequence[GateResult]) -> bool:
    """True where every case was answered and judged, and nothing broke."""
    return all(result.verdict is Decision.PASS for result in results if result.name in WHOLE)
