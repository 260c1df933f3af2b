"""The answer in one glance: the best network of the series beside the best of the published projects."""

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.reporting.front_page.leaderboard import Board, Standing
from helpers.reporting.front_page.scoreboard import ClaimLine

# The claims' split that is MNIST's own test set.
STANDARD_CLAIM = "60000/10000"


@dataclass(frozen=True)
class Headline:
    """Our best network, the best that the projects print of the same images, and their highest of any."""

    best: Standing
    published: ClaimLine | None
    highest: ClaimLine | None  # None where it is `published`
    ahead: Standing | None  # what leads the table before it: several networks asked at once, say
    level: int  # other models that are indistinguishable from the leader of the table
    axis: tuple[float, float]  # accuracies between which the two intervals are drawn

    def place(self, value: float | None) -> float:
        """Return where an accuracy lies on the drawn axis, from 0 to 100."""
        low, high = self.axis
        return min(max(100 * ((value or 0) - low) / (high - low), 0), 100)


def find(boards: Sequence[Board], claims: Sequence[ClaimLine], *, key: str = "mnist") -> Headline | None:
    """Return the headline, from one board, that of MNIST's own test images; None before any network is on it.

    A network is a model whose number of parameters is known, and no average of several. Published figures count when
    they are accuracies whose number of images is known.
    """
    board = next((board for board in boards if board.key == key), None)
    ranked = [each for each in board.standings if each.rank] if board else []
    networks = [each for each in ranked if each.parameters and each.model != "ensemble"]
    if not networks:
        return None
    best = max(networks, key=lambda each: each.value)
    known = {line.claim_id: line for line in claims if line.metric == "accuracy" and line.published_n}
    same = [
        line
        for line in known.values()
        if line.split == STANDARD_CLAIM and line.published_n == board.n and line.images_said
    ]
    published = max(same, key=lambda line: line.published, default=None)
    highest = max(known.values(), key=lambda line: line.published, default=None)
    limits = [best.low, best.high]
    limits += [published.published_low, published.published_high] if published else []
    limits = [limit for limit in limits if limit is not None] or [best.value]
    pad = 0.12 * (max(limits) - min(limits)) or 0.001
    return Headline(
        best,
        published,
        highest if highest is not published else None,
        board.leader if board.leader.value > best.value else None,
        board.level_with_leader,
        (min(limits) - pad, min(1.0, max(limits) + pad)),
    )
