"""Read a study: a YAML file of a notebook and lists of parameters, every combination of which is one point to run.

Everything is checked before anything runs: the notebook, the names and types of its parameters, that no two points are
the same. A point's name says what varies and ends in a hash of all its parameters, so no two can collide.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers.reporting.run import freshness, parameters, plan
from helpers.runtime import paths

KEYS = {"title", "notebook", "notebooks", "profile", "fixed", "grid", "points", "show"}
MOST_POINTS = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


@dataclass(frozen=True)
class Point:
    """One notebook with one choice of parameters; `varied` are those that tell it from its neighbours."""

    job: plan.Job
    varied: dict

    @property
    def label(self) -> str:
        """Say what is particular about it: "seed = 3, gamma = 0.01"."""
        return ", ".join(f"{name} = {value}" for name, value in self.varied.items()) or self.job.recorded


@dataclass(frozen=True)
class Study:
    """A study's name (of its file), title, points in order, words that choose which results are compared, its file."""

    name: str
    title: str
    points: tuple[Point, ...]
    show: tuple[str, ...]
    file: str

    @property
    def directory(self) -> Path:
        """Where everything about it is kept."""
        return paths.BUILD / "studies" / self.name

    @property
    def where(self) -> plan.Places:
        """The places of its points' products."""
        parts = ("results", "executed", "failed", "state", "logs")
        return plan.Places(self.directory, *(self.directory / part for part in parts))


def read(path: Path) -> Study:
    """Read and check a study file.

    Raises ValueError naming the file and what is wrong: not YAML, an unknown key, notebook or parameter, a value of
    the wrong type, an empty list, the same point twice, more than 1,000 points.
    """
    name = path.stem
    if not path.is_file():
        raise ValueError(f"STUDY={path}: no such file; a study is a YAML file, such as studies/seeds.yaml")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{path.name}: a study's name may hold letters, digits, _ and -")
    content = parameters.read_overrides(path)
    unknown = sorted(set(content) - KEYS)
    if unknown:
        raise ValueError(f"{path.name}: unknown key {unknown[0]!r}; a study has: {', '.join(sorted(KEYS))}")
    slugs = _slugs(content, path.name)
    profile = content.get("profile", "standard")
    if profile not in plan.PROFILES:
        raise ValueError(f"{path.name}: profile must be one of {', '.join(plan.PROFILES)}, got {profile!r}")
    fixed = _mapping(content, "fixed", path.name)
    choices = _choices(content, path.name)
    if len(choices) * len(slugs) > MOST_POINTS:
        raise ValueError(f"{path.name}: {len(choices) * len(slugs):,} points; at most {MOST_POINTS:,} are allowed")
    points = [point for slug in slugs for point in _points(slug, profile, fixed, choices, path.name, len(slugs) > 1)]
    ordered = sorted(points, key=lambda point: point.job.slug)
    twice = [one for one, other in itertools.pairwise(ordered) if one.job.slug == other.job.slug]
    if twice:
        raise ValueError(f"{path.name}: the point {twice[0].label} is listed twice")
    show = content.get("show", [])
    if not isinstance(show, list) or not all(isinstance(words, str) and words for words in show):
        raise ValueError(f"{path.name}: show must be a list of words, got {show!r}")
    title = content.get("title", name)
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"{path.name}: title must be text, got {title!r}")
    inside = path.resolve().is_relative_to(paths.ROOT.resolve())
    file = path.resolve().relative_to(paths.ROOT.resolve()) if inside else path
    return Study(name, title.strip(), tuple(points), tuple(show), str(file))


def _slugs(content: Mapping, source: str) -> list[str]:
    wanted = content["notebooks"] if "notebooks" in content else [content.get("notebook")]
    if ("notebook" in content) == ("notebooks" in content) or not isinstance(wanted, list) or not wanted:
        raise ValueError(f"{source}: needs either `notebook: NN` or `notebooks: [NN, ...]`")
    there = [path.stem for path in plan.reports()]
    found = []
    for one in wanted:
        # YAML reads 02 as the number 2.
        text = str(one).removesuffix(".ipynb").removeprefix("notebooks/")
        slug = [slug for slug in there if slug == text or slug.split("_")[0] == text.zfill(2)]
        if len(slug) != 1:
            raise ValueError(f"{source}: no notebook {one!r}; there are: {', '.join(there)}")
        found += slug
    return found


def _choices(content: Mapping, source: str) -> list[dict]:
    """Return what varies: the product of the grid's lists, then the listed points; one empty choice for neither."""
    grid, listed = _mapping(content, "grid", source), content.get("points", [])
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{source}: grid: {name} must be a list of at least one value, got {values!r}")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError(f"{source}: points must be a list of mappings of parameters, got {listed!r}")
    product = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())] if grid else []
    if not product and not listed:
        raise ValueError(f"{source}: needs a `grid` of parameter lists or a list of `points`")
    return product + listed


def _mapping(content: Mapping, key: str, source: str) -> dict:
    found = content.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{source}: {key} must be a mapping of parameter names, got {found!r}")
    return found


def _points(slug: str, profile: str, fixed: dict, choices: list[dict], source: str, several: bool) -> list[Point]:
    try:
        notebook = nbformat.read(paths.NOTEBOOKS / f"{slug}.ipynb", as_version=4)
        declared = parameters.declared(notebook)
        page = freshness.page_digest(notebook)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError, ValueError) as error:
        text = str(error)[:200]
        raise ValueError(f"notebooks/{slug}.ipynb{', ' if text.startswith('cell ') else ': '}{text}") from None
    base = parameters.read_overrides(paths.PROFILES / profile / f"{slug}.yaml")
    parameters.validate(base, declared, source=f"profiles/{profile}/{slug}.yaml")
    common = {} if profile == "standard" or "profile" not in declared else {"profile": profile}
    found = []
    for choice in choices:
        overrides = common | base | fixed | choice
        parameters.validate(overrides, declared, source=f"{source}, {slug}")
        # 1 and 1.0 are the same learning rate, so they must be the same point.
        overrides = {
            name: float(value) if declared[name].annotation == "float" else value for name, value in overrides.items()
        }
        resolved = {name: one.default for name, one in declared.items()} | overrides
        chosen = {name: overrides[name] for name in choice}
        job = plan.Job(
            slug=_name(slug, chosen, resolved),
            title=slug,
            notebook=notebook,
            overrides=overrides,
            resolved=resolved,
            components={},  # looked at when it is to run
            page=page,
            recorded=slug,
        )
        found.append(Point(job, ({"notebook": slug} if several else {}) | chosen))
    return found


def _name(slug: str, varied: dict, resolved: dict) -> str:
    """Return a file name that a person can read and that no other choice of parameters has."""
    words = "_".join(f"{name}={value}" for name, value in varied.items())
    readable = re.sub(r"[^A-Za-z0-9.=_-]+", "-", words)[:60].strip("-.")
    whole = json.dumps([slug, resolved], sort_keys=True)
    return "--".join(filter(None, [slug[:24], readable, hashlib.sha256(whole.encode()).hexdigest()[:12]]))
