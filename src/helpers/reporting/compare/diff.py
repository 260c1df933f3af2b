"""`make diff BASE=rev`: which results moved beyond their noise since a revision, and which verdicts on claims changed.

A difference is judged by a 95% interval. Where rows carry a standard deviation over seeds it is Welch's t interval on
the two means; a proportion without seeds gets Newcombe's interval, as if the two had been measured on different
images, which for the same images is generous; else two intervals of their own are compared. Each says which it was.
"""

import io
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import sqrt
from pathlib import Path

import pandas as pd

from helpers import results
from helpers.evaluation import comparison
from helpers.reporting.page import site
from helpers.reporting.run.terminal import Terminal
from helpers.results import published
from helpers.results.rows import FRACTIONS, Row
from helpers.runtime import paths
from helpers.runtime.files import write_atomically

RESULTS, CLAIMS = "reports/results/", "data/claims.csv"
SEEDS, IMAGES, OVERLAP, NOTHING = "seed noise", "number of images", "two intervals", "no yardstick"
JUDGEMENTS = ("beyond noise", "within noise", "not judged", "unchanged")
MOST_LINES = 12  # on the terminal


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Results by notebook and the published claims of one moment, and what could not be read, in words."""

    name: str
    reports: dict[str, results.Report]
    claims: pd.DataFrame
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One row then and now; low and high bound now - then, None where nothing is known of its noise."""

    notebook: str
    then: Row
    now: Row
    difference: float
    low: float | None
    high: float | None
    yardstick: str  # SEEDS, IMAGES, OVERLAP or NOTHING
    judgement: str  # one of JUDGEMENTS

    @property
    def numbers(self) -> str:
        """Say both values and the interval on their difference, fractions in percent."""
        share = self.now.metric in FRACTIONS
        value, scale, unit = ("{:.2%}", 100, " pp") if share else ("{:.4g}", 1, "")
        reach = "" if self.low is None else f", {scale * self.low:+.2f} to {scale * self.high:+.2f}{unit}"
        return f"{value.format(self.then.value)} -> {value.format(self.now.value)} (by {self.yardstick}{reach})"


def diff(base: str, *, terminal: Terminal) -> int:
    """Compare a git revision with the working tree, write build/diff.html and say the gist; return 0.

    Raises ValueError when there is no such revision, no git repository, or nothing to compare.
    """
    then, now = of_revision(base), of_working_tree()
    for snapshot in (then, now):
        if not snapshot.reports:
            more = f" ({'; '.join(snapshot.unreadable)})" if snapshot.unreadable else ""
            raise ValueError(f"nothing to compare: {snapshot.name} has no results{more}")
    changes, appeared, gone = compare(then, now)
    counts = {name: sum(each.judgement == name for each in changes) for name in JUDGEMENTS}
    moved = [each for each in changes if each.judgement != "unchanged"]
    verdicts = changed_verdicts(then, now)
    site.write_assets(paths.BUILD / "assets")
    page = paths.BUILD / "diff.html"
    about = {"base": base, "then": then, "now": now, "counts": counts, "moved": moved, "verdicts": verdicts}
    template = site.environment(Path(__file__).with_name("template")).get_template("diff.html.j2")
    write_atomically(page, template.render(**about, appeared=appeared, gone=gone))

    terminal.say("\n".join([f"from {then.name} to {now.name}", *then.unreadable, *now.unreadable]))
    counted = ", ".join(f"{count} {name}" for name, count in counts.items())
    terminal.say(f"results: {counted}; {len(appeared)} appeared, {len(gone)} gone")
    for each in moved[: min(MOST_LINES, counts["beyond noise"])]:
        terminal.say(f"  {each.notebook}: {each.now.system} | {each.now.split} | {each.now.metric}: {each.numbers}")
    if counts["beyond noise"] > MOST_LINES:
        terminal.say(f"  and {counts['beyond noise'] - MOST_LINES} more")
    terminal.say(f"claims: {len(verdicts)} verdict{'' if len(verdicts) == 1 else 's'} changed")
    for claim_id, before, after in verdicts[:MOST_LINES]:
        terminal.say(f"  {claim_id}: {before} -> {after}")
    terminal.say(f"read {page.relative_to(paths.ROOT).as_posix()}")
    return 0


def compare(then: Snapshot, now: Snapshot) -> tuple[list[Change], list[tuple[str, Row]], list[tuple[str, Row]]]:
    """Return what changed (most telling first), appeared and went; rows meet by claim, or else by name and split."""
    changes, appeared, gone = [], [], []
    for notebook in sorted(then.reports.keys() | now.reports.keys()):
        old, new = (one.reports[notebook].rows if notebook in one.reports else () for one in (then, now))
        pairs, went, came = _matched(old, new)
        changes += [judge(notebook, a, b) for a, b in pairs]
        appeared += [(notebook, row) for row in came]
        gone += [(notebook, row) for row in went]
    changes.sort(key=lambda each: (JUDGEMENTS.index(each.judgement), each.notebook, -abs(each.difference)))
    return changes, appeared, gone


def changed_verdicts(then: Snapshot, now: Snapshot) -> list[tuple[str, str, str]]:
    """Return (claim, verdict then, verdict now) where they differ, each judged with the claims of its own time."""
    old, new = _verdicts(then), _verdicts(now)
    return [
        (claim, old.get(claim, "not answered"), new.get(claim, "not answered"))
        for claim in sorted(old.keys() | new.keys())
        if old.get(claim) != new.get(claim)
    ]


def judge(notebook: str, then: Row, now: Row, *, confidence: float = 0.95) -> Change:
    """Return the change between two rows about the same thing, judged against the noise that they state."""
    over_seeds = then.sd is not None or now.sd is not None
    a, b = (row.mean if over_seeds and row.mean is not None else row.value for row in (then, now))
    difference, low, high, yardstick = b - a, None, None, NOTHING
    if over_seeds:
        low, high = _welch(then, now, difference, confidence)
        yardstick = SEEDS
    elif then.metric in FRACTIONS and then.n and now.n:
        found = comparison.newcombe(round(b * now.n), now.n, round(a * then.n), then.n, confidence=confidence)
        # Means over repetitions need not be whole images: keep the difference inside its interval.
        low, high, yardstick = min(found.low, difference), max(found.high, difference), IMAGES
    elif then.low is not None and now.low is not None:
        low, high, yardstick = now.low - then.high, now.high - then.low, OVERLAP
    if abs(difference) < 1e-12 and then.n == now.n:
        judgement = "unchanged"
    elif low is None:
        judgement = "not judged"
    else:
        judgement = "within noise" if low <= 0 <= high else "beyond noise"
    return Change(notebook, then, now, difference, low, high, yardstick, judgement)


def of_revision(revision: str) -> Snapshot:
    """Read a git revision of this project; nothing is checked out and nothing is written.

    Raises ValueError when this is not a git repository, git is missing, or there is no such revision.
    """
    _git("rev-parse", "--git-dir", otherwise=f"BASE={revision}: {paths.ROOT.name}/ is not in a git repository")
    # Whatever begins with a dash would be an option to git; --end-of-options makes it a name that does not exist.
    wrong = f"BASE={revision}: no such revision; a commit, branch or tag is needed, such as BASE=HEAD~1"
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", otherwise=wrong)
    commit = commit.decode().strip()
    about = _git("show", "--no-patch", "--format=%h of %cs, %n%s", commit, "--").decode(errors="replace").strip()
    about = "“".join(about.split("\n", 1)) + "”"
    names = _git("ls-tree", "-r", "-z", "--name-only", commit, "--", RESULTS, CLAIMS).decode(errors="replace")
    files = {name: _git("show", f"{commit}:{name}") for name in names.split("\0") if name}
    return read(f"commit {about}", files)


def of_working_tree() -> Snapshot:
    """Read what lies in reports/ and data/ now, committed or not."""
    files = [path for path in (paths.CLAIMS, *sorted(paths.RESULTS.glob("*.json"))) if path.is_file()]
    return read("the working tree", {path.relative_to(paths.ROOT).as_posix(): path.read_bytes() for path in files})


def read(name: str, files: Mapping[str, bytes]) -> Snapshot:
    """Return the snapshot that files (path in the project -> content) make; what cannot be read is told, not raised.

    Of another time's results, fields that rows no longer have are left out, and new ones keep their defaults.
    """
    reports, unreadable = {}, []
    claims = pd.DataFrame(columns=["source", "system", "split", "metric", "value", "n", "note"])
    known = {field.name for field in fields(Row)}
    for path, content in files.items():
        try:
            if path == CLAIMS:
                claims = published.read_claims(io.BytesIO(content))
            elif path.endswith(".json") and "/." not in path:
                document = json.loads(content)
                for row in document["rows"]:  # before it was a field, a note said so
                    row.setdefault("short_budget", str(row.get("note", "")).startswith("short budget"))
                rows = tuple(Row(**{key: row[key] for key in row.keys() & known}) for row in document["rows"])
                about = {one.name: document[one.name] for one in fields(results.Report) if one.name in document}
                reports[Path(path).stem] = results.Report(**about | {"rows": rows})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            unreadable.append(f"{path} of {name} cannot be read: {str(error)[:120]}")
    return Snapshot(name, reports, claims, tuple(unreadable))


def _welch(then: Row, now: Row, difference: float, confidence: float) -> tuple[float, float]:
    """Bound the difference of two means by Welch's t (1947); a row without seeds borrows the other's spread."""
    from scipy import stats

    parts = []
    for row, other in ((then, now), (now, then)):
        sd, degrees = (row.sd, row.seeds - 1) if row.sd is not None else (other.sd, other.seeds - 1)
        # A single value, unlike a mean, carries the whole spread of one seed.
        parts.append((sd**2 / (row.seeds if row.sd is not None and row.mean is not None else 1), degrees))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return difference, difference
    degrees = variance**2 / sum(part**2 / freedom for part, freedom in parts)
    reach = float(stats.t.ppf(0.5 + confidence / 2, degrees)) * sqrt(variance)
    return difference - reach, difference + reach


def _matched(old: Iterable[Row], new: Iterable[Row]) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Pair rows by claim first, for a system may be renamed; then by system, split and metric, in order."""
    old, new, pairs = list(old), list(new), []
    for identify in (lambda row: row.claim_id, lambda row: (row.system, row.split)):
        waiting = defaultdict(list)
        for row in old:
            if identify(row) is not None:
                waiting[identify(row), row.metric].append(row)
        met = [(waiting[identify(row), row.metric].pop(0), row) for row in new if waiting[identify(row), row.metric]]
        taken = {id(row) for pair in met for row in pair}
        pairs += met
        old, new = ([row for row in rows if id(row) not in taken] for rows in (old, new))
    return pairs, old, new


def _verdicts(snapshot: Snapshot) -> dict[str, str]:
    rows = [row for report in snapshot.reports.values() for row in report.rows if row.claim_id in snapshot.claims.index]
    return {row.claim_id: results.verdict(row, snapshot.claims.loc[row.claim_id]).verdict for row in rows}


def _git(*arguments: str, otherwise: str = "") -> bytes:
    """Return what a git command prints. Raises ValueError with `otherwise`, or with git's own words, when it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=paths.ROOT, capture_output=True, timeout=120)
    except FileNotFoundError:
        raise ValueError("git is not installed, and comparing with a revision needs it") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        # "dubious ownership" and the like say more than that there is no repository.
        more = f" ({said[-1][:200]})" if said and "not a git repository" not in said[0] else ""
        raise ValueError((otherwise or f"git {arguments[0]} failed") + more)
    return done.stdout
