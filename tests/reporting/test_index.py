"""The front page is made from what lies on disk, again when that changes, and says what is stale."""

import json
from dataclasses import replace

import pytest
import specimen

from helpers import results
from helpers.reporting.front_page import index
from helpers.reporting.page import card, render
from helpers.reporting.run import freshness, plan
from helpers.runtime import paths

SLUG = "02_specimen"


@pytest.fixture
def places(tmp_path, monkeypatch) -> plan.Places:
    """One rendered report with its results and manifest in a scratch folder."""
    where = plan.Places(*(tmp_path / name for name in ("pages", "results", "executed", "failed", "state", "logs")))
    monkeypatch.setattr(paths, "REPORTS", where.pages)
    monkeypatch.setenv("DIGITS_RESULTS_DIR", str(where.results))
    where.pages.mkdir()
    page = render.render_page(specimen.notebook(hostile=False), slug=SLUG, commit={})
    (where.pages / f"{SLUG}.html").write_text(page, encoding="utf-8")
    card.write(where.cards, SLUG, specimen.notebook(hostile=False))
    about = {"claim_id": "hdr-cnn", "parameters": 5, "section": "the-test"}
    about |= {"train_images": 60_000, "passes": 8, "label_smoothing": 0.1, "precision": "float32"}
    net = results.Row("net", "60000/10000", "accuracy", 0.9968, 10_000, **about)
    results.save(SLUG, [net], profile="standard", seed=0, question="How well?", answer="Well enough.")
    return where


@pytest.fixture
def job() -> plan.Job:
    notebook = specimen.notebook(hostile=False)
    parts = freshness.components(notebook, {"seed": 0})
    return plan.Job(SLUG, "A specimen", notebook, {}, {"seed": 0}, parts, "a page", None, None)


def note(places, job, **changes) -> None:
    about = {
        "components": job.components,
        "page": job.page,
        "seconds": 12.0,
        "executed_at": "2026-11-21T14:00:00+00:00",
    }
    (places.pages / "manifest.json").write_text(json.dumps({SLUG: about | changes}))


def test_page_and_search_come_from_what_the_report_says_of_itself(places, job):
    note(places, job)
    written = index.write_index([job], places)
    page = written.read_text(encoding="utf-8")
    for expected in (
        "A specimen",
        "How well?",
        "Well enough.",
        "99.68%",
        '<img src="data:image/png;base64,',
        ">up to date<",
        "#the-test",
    ):
        assert expected in page, expected
    script = (places.pages / "assets" / "search.js").read_text(encoding="utf-8")
    assert "high-school students" in script
    assert "try.html" not in page


def test_a_card_that_is_lost_costs_the_picture_and_no_more(places, job):
    note(places, job)
    (places.cards / f"{SLUG}.json").write_text("{")
    page = index.write_index([job], places).read_text(encoding="utf-8")
    assert "Well enough." in page
    assert "<img" not in page


def test_it_is_written_again_only_when_something_changed(places, job):
    note(places, job)
    written = index.write_index([job], places)
    first = written.stat().st_mtime_ns
    assert index.write_index([job], places).stat().st_mtime_ns == first
    (places.pages / "try.html").write_text("<p>")
    assert index.write_index([job], places).stat().st_mtime_ns > first
    assert 'href="try.html"' in written.read_text(encoding="utf-8")
    second = written.stat().st_mtime_ns
    (places.pages / "assets" / "search.js").unlink()
    assert index.write_index([job], places).stat().st_mtime_ns > second
    written.write_text("tampered")
    index.write_index([job], places)
    assert "Well enough." in written.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"page": "older"}, "out of date: prose, title or template changed"),
        ({"components": {}}, "is new and"),
        ({"components": None}, "out of date: never executed here"),
    ],
)
def test_a_stale_report_says_why(places, job, changes, words):
    note(places, job, **changes)
    page = index.write_index([job], places).read_text(encoding="utf-8")
    assert words in page
    assert ">up to date<" not in page


@pytest.mark.parametrize("there", [True, False])
def test_a_report_whose_last_execution_failed_says_so(places, job, there):
    """Its sources may be those of the page: it was forced, or ran into a limit."""
    note(places, job)
    if not there:
        (places.pages / f"{SLUG}.html").unlink()
    index.write_index([job], places)
    places.failed.mkdir()
    (places.failed / f"{SLUG}.html").write_text("why")
    page = index.write_index([job], places).read_text(encoding="utf-8")
    earlier = "; what stands here is of an earlier one" if there else ""
    assert f"its last execution failed{earlier}<" in page
    assert ("It could not be executed." in page) == (not there)
    assert ">up to date<" not in page
    assert "Not executed yet" not in page
    (places.failed / f"{SLUG}.html").unlink()
    page = index.write_index([job], places).read_text(encoding="utf-8")
    assert "failed" not in page.split('id="reports"')[1].split("</ol>")[0]


def test_what_went_wrong_is_linked_where_it_lies_below(places, job):
    note(places, job)
    places = replace(places, failed=places.pages / "failed")
    places.failed.mkdir()
    (places.failed / f"{SLUG}.html").write_text("why")
    page = index.write_index([job], places).read_text(encoding="utf-8")
    assert f'an earlier one: <a href="failed/{SLUG}.html">what went wrong</a>' in page


def test_a_notebook_that_cannot_be_read_says_why_there_is_no_page(places, job):
    (places.pages / f"{SLUG}.html").unlink()
    broken = replace(job, error="notebooks/02_specimen.ipynb: got no title")
    page = index.write_index([broken], places).read_text(encoding="utf-8")
    assert "Not executed yet: notebooks/02_specimen.ipynb: got no title." in page


def test_in_work_says_since_when_so_that_a_killed_build_is_known(places, job):
    note(places, job)
    (places.failed).mkdir()
    (places.failed / f"{SLUG}.html").write_text("why")
    index.write_index([job], places, in_work={SLUG}, since="2026-11-21T09:00:00+00:00")
    written = index.write_index([job], places, in_work={SLUG}, since="2026-11-21T14:03:59+00:00")
    page = written.read_text(encoding="utf-8")
    assert "in work since 14:03 on 21 November 2026: what stands here is of an earlier run" in page
    assert "failed" not in page.split('id="reports"')[1].split("</ol>")[0]


def test_a_report_without_a_page_is_announced_and_not_counted(places, job):
    (places.pages / f"{SLUG}.html").unlink()
    page = index.write_index([job], places).read_text(encoding="utf-8")
    assert "Not executed yet" in page
    assert "No executed notebooks" in page
    assert f"{SLUG}.html" not in page, "nothing to link to"
    assert "99.68%" not in page
