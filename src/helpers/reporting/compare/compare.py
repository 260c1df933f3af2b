"""`make diff BASE=rev`: the results of a revision beside those of the working tree, as one page and a few lines."""

from pathlib import Path

from helpers.reporting.compare import differences, flips, revision
from helpers.reporting.compare.differences import Change, Comparison
from helpers.reporting.compare.revision import Snapshot
from helpers.reporting.front_page import scoreboard
from helpers.reporting.page import site
from helpers.reporting.run.terminal import Terminal
from helpers.results.rows import FRACTIONS
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

MOST_IMAGES = 80  # of one network; a page with thousands of flips says nothing more
MOST_LINES = 12  # on the terminal
SPAN = 0.02  # the drawn intervals reach from -2 to +2 percentage points


def diff(base: str, *, terminal: Terminal) -> int:
    """Compare a git revision with the working tree, write build/diff.html and say the gist; return 0.

    Raises ValueError when there is no such revision, no git repository, or nothing to compare.
    """
    then, now = revision.of_revision(base), revision.of_working_tree()
    for snapshot in (then, now):
        if not snapshot:
            more = f" ({'; '.join(snapshot.unreadable)})" if snapshot.unreadable else ""
            raise ValueError(f"nothing to compare: {snapshot.name} has no results and no run records{more}")
    found = differences.compare(then, now)
    recorded, *others = flips.pairs(then.records, now.records)
    networks = ([*recorded, *flips.of_rows(found.changes)], *others)
    site.write_assets(paths.BUILD / "assets")
    page = paths.BUILD / "diff.html"
    write_atomically(page, render(base, then, now, found, networks))
    for line in summary(then, now, found, networks[0]):
        terminal.say(line)
    terminal.say(f"read {_relative(page)}")
    return 0


def render(base: str, then: Snapshot, now: Snapshot, found: Comparison, networks: tuple) -> str:
    """Return the page; `networks`: pairs of `flips`, and the names of records that appeared and went."""
    pairs, runs_new, runs_gone = networks
    answered = [claim for claim in found.claims if claim.then or claim.now]
    return (
        site.environment(Path(__file__).with_name("template"))
        .get_template("diff.html.j2")
        .render(
            whisker=scoreboard.whisker,
            base=base,
            then=then.name,
            now=now.name,
            unreadable=[*then.unreadable, *now.unreadable],
            beyond=found.judged("beyond noise"),
            within=found.judged("within noise"),
            unjudged=found.judged("not judged"),
            unchanged=len(found.judged("unchanged")),
            n_judged=len(found.judged("beyond noise")) + len(found.judged("within noise")),
            by_chance=differences.expected_by_chance(found),
            verdicts=[claim for claim in answered if claim.changed],
            standing=[claim for claim in answered if not claim.changed],
            n_unanswered=len(found.claims) - len(answered),
            appeared=found.appeared,
            gone=found.gone,
            answers=found.answers,
            pairs=pairs,
            runs_new=runs_new,
            runs_gone=runs_gone,
            n_flips=sum(len(pair.flips) for pair in pairs),
            most=MOST_IMAGES,
            fractions=FRACTIONS,
            span=SPAN,
            reach=f"{100 * SPAN:g}",
            yardsticks={
                "seeds": differences.SEEDS,
                "images": differences.IMAGES,
                "overlap": differences.OVERLAP,
                "nothing": differences.NOTHING,
            },
        )
    )


def summary(then: Snapshot, now: Snapshot, found: Comparison, pairs: list[flips.Pair]) -> list[str]:
    """Return the gist as lines for a terminal."""
    lines = [f"from {then.name} to {now.name}", *then.unreadable, *now.unreadable]
    counts = {name: len(found.judged(name)) for name in differences.JUDGEMENTS}
    lines.append(
        "results: "
        + ", ".join(f"{count} {name}" for name, count in counts.items())
        + f"; {len(found.appeared)} appeared, {len(found.gone)} gone"
    )
    beyond = found.judged("beyond noise")
    lines += [f"  {_line(change)}" for change in beyond[:MOST_LINES]]
    if len(beyond) > MOST_LINES:
        lines.append(f"  and {len(beyond) - MOST_LINES} more")
    changed = [claim for claim in found.claims if claim.changed]
    lines.append(f"claims: {len(changed)} verdict{'' if len(changed) == 1 else 's'} changed")
    for claim in changed[:MOST_LINES]:
        before, after = ((one.verdict if one else "not answered") for one in (claim.then, claim.now))
        lines.append(f"  {claim.claim_id}: {before} -> {after}")
    flipped = [pair for pair in pairs if pair.flips]
    total = sum(len(pair.flips) for pair in flipped)
    lines.append(f"networks known image by image at both: {len(pairs)}; test images read differently: {total}")
    for pair in flipped[:MOST_LINES]:
        lines.append(
            f"  {pair.name}: {pair.gained} gained, {pair.lost} lost of {pair.n:,} (McNemar p = {pair.p_value:.2g})"
        )
    return lines


def _line(change: Change) -> str:
    a, b = (change.then.value, change.now.value)
    numbers = f"{100 * a:.2f}% -> {100 * b:.2f}%" if change.share else f"{a:.4g} -> {b:.4g}"
    scale, unit = (100, " pp") if change.share else (1, "")
    interval = f"{scale * change.low:+.2f} to {scale * change.high:+.2f}{unit}"
    return (
        f"{change.notebook}: {change.now.system} | {change.now.split} | {change.now.metric}: {numbers} "
        f"({interval}, by {change.yardstick})"
    )


def _relative(path: Path) -> str:
    return path.relative_to(paths.ROOT).as_posix()
