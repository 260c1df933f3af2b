"""The front page says what the results say: claims, models and headline checked against other ways to count."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import specimen
from test_render import everything_inert, read

from helpers import results
from helpers.evaluation import comparison, metrics
from helpers.reporting.front_page import headline, index, leaderboard, notes, scoreboard, search
from helpers.reporting.page import site, wording
from helpers.results import Report, Row, rows
from helpers.runtime import paths


def report(*rows, notebook="05_x") -> Report:
    return Report(notebook=notebook, profile="standard", seed=0, question="q", answer="a", rows=rows)


def row(value=0.9968, *, n=10_000, split="60000/10000", system="net", **more) -> Row:
    return Row(system, split, "accuracy", value, n, **{"model": "fast"} | more)


# Claims -------------------------------------------------------------------------------------------------------


def test_every_claim_has_a_line_and_our_rows_stand_beside_them():
    claims = results.claims()
    lines = {line.claim_id: line for line in scoreboard.lines([report(row(0.9, claim_id="hdr-knn-5", section="a"))])}
    assert list(lines) == list(claims.index)
    assert (lines["hdr-knn-5"].verdict, lines["hdr-knn-5"].slug, lines["hdr-knn-5"].section) == ("lower", "05_x", "a")
    assert lines["hdr-knn-5"].published_low == pytest.approx(metrics.wilson(9688, 10000).low)
    assert sum(line.verdict == "not yet run" for line in lines.values()) == len(claims) - 1
    assert all(line.published_low is None for line in lines.values() if line.published_n is None)


def test_a_short_budget_is_neither_judged_nor_called_incomparable():
    note = "3 epochs, where the claim had 40"
    short = row(
        0.9, n=4200, split="kaggle, validation", claim_id="hwd-recog-40", note=note, short_budget=True, seconds=12.5
    )
    line = next(line for line in scoreboard.lines([report(short)]) if line.claim_id == "hwd-recog-40")
    assert (line.verdict, line.difference, line.remark, line.seconds) == (
        "short budget",
        None,
        "3 epochs, where the claim had 40",
        12.5,
    )


def test_a_claim_answered_twice_counts_once_and_by_its_judged_answer():
    short = row(0.95, claim_id="hdr-cnn", note="one epoch", short_budget=True)
    two = [report(short, notebook="06_y"), report(row(0.994, claim_id="hdr-cnn"))]
    lines = scoreboard.lines(two)
    tally = scoreboard.tally(lines)
    assert len(lines) == len(results.claims()) + 1
    assert tally.n == len(results.claims()) == sum(tally.counts.values())
    assert (tally.counts["reproduced"], tally.counts["short budget"], tally.waiting) == (1, 0, tally.n - 1)
    assert tally.judged == 1


@pytest.mark.parametrize(
    ("wanted", "anchors", "found"),
    [
        ("here", ["there", "here"], "here"),
        ("gone", ["the-data", "against-the-published-claims"], "against-the-published-claims"),
        (None, ["proclaimed", "claims-and-ours"], "claims-and-ours"),
        (None, ["the-data"], ""),
        ("believed", None, "believed"),
    ],
)
def test_a_line_links_to_its_section_or_to_the_claims(wanted, anchors, found):
    assert scoreboard.section_of(wanted, anchors) == found


def test_whisker_is_centred_and_clipped():
    common = dict.fromkeys(("claim_id", "source", "system", "split", "metric"), "x")
    line = scoreboard.ClaimLine(**common, published=0.9, published_n=9, difference=0.0017, low=-0.003, high=0.0064)
    place = scoreboard.whisker(line)
    assert place["low"] < 50 < place["mid"] < place["high"]
    assert place["mid"] == pytest.approx(50 + 100 * 0.0017 / 0.04)
    far = scoreboard.ClaimLine(**{**line.__dict__, "difference": 0.3, "low": 0.2, "high": 0.4})
    assert set(scoreboard.whisker(far).values()) == {99}


# Models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "n", "key"),
    [
        ("60000/10000", 10_000, "mnist"),
        ("standard test", 10_000, "mnist"),
        ("55000/5000/10000", 10_000, "mnist"),
        ("standard test, 55,000 to train", 10_000, "mnist"),
        ("60000/10000", 9_985, None),  # a part of the images is another test
        ("56000/7000/7000", 7_000, "nf264"),
        ("nf264, 7,000 test images", 7_000, "nf264"),
        ("nf264 validation", 7_000, "nf264-held"),
        ("kaggle, validation", 4_200, "kaggle-held"),
        ("kaggle, 28,000 test images", 28_000, "kaggle"),
        ("Kaggle proportions", 28_000, "kaggle"),
        ("70/30 in file order", 540, None),
        ("pooled, leave-one-out", 70_000, "all"),
        ("nf264 folds", 69_990, None),
    ],
)
def test_only_whole_test_sets_are_compared(split, n, key):
    assert rows.test_set(split, n) == key


def test_models_are_ranked_within_their_test_set_and_leaks_are_not_ranked():
    leaked = row(0.9989, n=7000, split="nf264 test", system="leaked", seen=0.803)
    first = report(
        row(0.99, system="b"), row(0.995, system="a"), row(0.98, n=7000, split="nf264 test", system="c"), leaked
    )
    second = report(row(0.99, system="d"), Row("guess", "60000/10000", "accuracy", 1.0, 10_000), notebook="06_y")
    mnist, nf264 = leaderboard.boards([first, second])
    assert [(each.system, each.rank) for each in mnist.standings] == [("a", 1), ("b", 2), ("d", 2)]
    assert [(each.system, each.rank, each.against) for each in nf264.standings] == [
        ("c", 1, "leader"),
        ("leaked", None, ""),
    ]
    assert nf264.leader.system == "c"
    (line,) = (one for one in scoreboard.lines([report(replace(leaked, claim_id="nf264-final"))]) if one.ours)
    assert line.conditions == "80% of the test was in its training"
    assert nf264.standings[1].because == "80% of the test was in its training"


def test_no_words_in_a_note_decide_who_is_ranked():
    told = row(0.9989, n=7000, split="nf264 test", system="told", note="80% of this test was trained on")
    (board,) = leaderboard.boards([report(told)])
    assert board.leader.system == "told", "what a note says is for readers; Row.seen is for the table"


def test_whoever_stands_on_a_board_says_under_which_conditions():
    about = {"train_images": 60_000, "passes": 8, "views": 5, "label_smoothing": 0.1, "precision": "float32"}
    rows_ = [row(0.997, system="a", **about), row(0.99, system="b", **about | {"views": 1, "train_images": 55_000})]
    found = leaderboard.boards([report(*rows_, row(0.98, system="c"))])
    page = " ".join(" ".join(read(index.render_index([], boards=found)).text).split())
    for words in (
        *("60,000 training images, 8 passes, 5 views, smoothing 0.1, 32-bit", "conditions not recorded"),
        "55,000 training images, 8 passes, smoothing 0.1, 32-bit",
    ):
        assert words in page


def test_the_claims_say_what_was_assumed_and_how_ours_came_about():
    about = {"train_images": 60_000, "passes": 10, "label_smoothing": 0, "precision": "float32"}
    mine = report(row(0.9921, claim_id="hdr-cnn", **about))
    page = " ".join(" ".join(read(index.render_index([], claims=scoreboard.lines([mine]))).text).split())
    for words in (
        "Assumed, as not said there: the layers in detail, the passes",
        "Ours: net; 60,000 training images, 10 passes",
        *("undecided", "79 mistakes against 55 to 65 on the same images", "same images: McNemar"),
    ):
        assert words in page


def test_a_published_figure_stands_with_its_own_digits_and_all_that_they_can_mean():
    lines = {line.claim_id: line for line in scoreboard.lines([])}
    assert (lines["hdr-cnn"].printed, lines["hdr-cnn"].misread) == ("99.4%", (55, 65))
    # 0.9960 of 4,200 can be one number only, 0.996 could be four.
    assert (lines["hwd-new-75"].printed, lines["hwd-new-75"].misread) == ("99.60%", (17, 17))
    assert lines["hdr-cnn"].published_low == pytest.approx(metrics.wilson(9935, 10_000).low)
    assert lines["hdr-cnn"].published_high == pytest.approx(metrics.wilson(9945, 10_000).high)
    reports = [report(row(0.9968, parameters=5))]
    page = index.render_index([], claims=lines.values(), boards=leaderboard.boards(reports))
    text = " ".join(" ".join(read(page).text).split())
    assert "Best of the five projects on the same 10,000 images 99.4%" in text
    assert "55 to 65 misread" in text
    assert "99.40%" not in text


def test_another_network_or_test_answers_no_claim_and_says_what_it_is():
    other = row(0.9971, claim_id="hwd-new-100", system="a fast net", instead="another network and another test")
    line = next(line for line in scoreboard.lines([report(other)]) if line.claim_id == "hwd-new-100")
    assert (line.verdict, line.reason, line.our_system) == (
        "not comparable",
        "another network and another test",
        "a fast net",
    )
    assert line.difference is None
    tally = scoreboard.tally([line])
    assert (tally.judged, tally.counts["not comparable"]) == (0, 1)
    text = " ".join(read(index.render_index([], claims=[line])).text)
    assert "Ours: a fast net" in text
    assert "another network and another test" in text


def test_images_that_an_account_does_not_name_are_not_called_the_same():
    unnamed = scoreboard.lines([report(row(0.9951, claim_id="hdr-resnet34"))])
    line = next(line for line in unnamed if line.claim_id == "hdr-resnet34")
    assert (line.same_images, line.images_said) == (False, False)
    assert "images not named: interval" in " ".join(read(index.render_index([], claims=[line])).text)
    boards = leaderboard.boards([report(row(parameters=5))])
    assert headline.find(boards, [line]).published is None, "nobody knows that it read the same images"


def test_held_out_images_are_called_no_test():
    held = row(0.9967, n=4200, split="kaggle, validation", system="a")
    pages = [index.render_index([], boards=leaderboard.boards([report(one)])) for one in (held, row())]
    assert ["none of this is a test" in page for page in pages] == [True, False]


def test_the_strip_promises_no_more_than_can_be_compared():
    lines = scoreboard.lines([report(row(0.9971, claim_id="hdr-cnn", instead="another network"))])
    text = " ".join(" ".join(read(index.render_index([], claims=lines)).text).split())
    assert "measured again" not in text
    assert "where the two can be compared, a test says how they stand: 1 not comparable" in text
    assert text.count("some on one thread beside other trainings, some on several threads") == 1


def test_models_measured_on_other_images_are_listed_but_not_ranked():
    disputed = row(0.999, n=9_985, system="net, labels set aside")
    small = row(0.97, n=540, split="70/30 in file order", system="SVC", model="svm")
    mnist, other = leaderboard.boards([report(row(), disputed, small)])
    assert [each.system for each in mnist.standings] == ["net"]
    assert [(each.system, each.rank, each.because) for each in other.standings] == [
        ("net, labels set aside", None, "60000/10000: 9,985 images"),
        ("SVC", None, "70/30 in file order: 540 images"),
    ]
    assert other.leader is None
    page = index.render_index([], boards=[mnist, other])
    assert "Measured on" in page
    assert "None" not in page


def test_a_run_that_two_reports_show_stands_once():
    size = {"parameters": 5}
    first = report(row(system="a", seconds=1.25), row(0.99, system="b"), row(0.98, system="c", seconds=1.25))
    second = report(row(system="again", seconds=1.25, **size), row(0.99, system="d"), notebook="06_y")
    (board,) = leaderboard.boards([first, second])
    assert [each.system for each in board.standings] == ["again", "b", "d", "c"], "the fuller row is kept"


def test_latency_is_joined_from_its_own_row():
    speed = Row("net", "one at a time", "latency_ms", 1.25, None)
    (board,) = leaderboard.boards([report(row(), row(0.9, system="other"), speed)])
    assert [each.milliseconds for each in board.standings] == [1.25, None]
    (board,) = leaderboard.boards([report(row()), report(speed, notebook="10_z")])
    assert board.leader.milliseconds == 1.25, "another report may have timed it"


@pytest.mark.parametrize(
    ("wrong", "word"), [((32, 152), "behind"), ((32, 34), "indistinguishable"), ((32, 45), "unknown")]
)
def test_without_predictions_only_what_holds_for_every_overlap_is_said(wrong, word):
    best, other = (row(1 - each / 10_000, system=str(each)) for each in wrong)
    (board,) = leaderboard.boards([report(best, other)])
    assert board.standings[1].against == word
    assert board.level_with_leader == (word == "indistinguishable")


def test_who_misreads_many_more_of_the_same_images_is_behind():
    """By hand: of 60 images that one of two misreads, the leader misreads 10; a fair coin does that once in 6 million.

    Told of the same images as many times as there are rows, in either order of the rows.
    """
    labels = np.arange(10_000) % 10
    few, many = ~np.isin(np.arange(10_000), np.arange(10)), ~np.isin(np.arange(10_000), np.arange(100, 150))
    said = [rows.misread(labels, np.where(right, labels, labels + 1)) for right in (few, many)]
    both = [row(0.999, system="few", misread=said[0]), row(0.995, system="many", misread=said[1])]
    for order in (both, both[::-1]):
        (board,) = leaderboard.boards([report(*order)])
        assert [(each.system, each.against) for each in board.standings] == [("few", "leader"), ("many", "behind")]
        assert board.standings[1].because == "McNemar, p < 0.001"


def test_a_lucky_first_seed_does_not_lead():
    """By hand: 4 misread of 10,000 by the first of three seeds, whose mean misreads 20; one other training misreads 15.

    Wilson's interval of 20 in 10,000, from the formula: (p + z²/2n ± z √(pq/n + z²/4n²)) / (1 + z²/n), z = 1.96.
    """
    lucky = row(0.9996, system="lucky", parameters=5, seconds=2.5, seeds=3, mean=0.998, sd=0.0012)
    again = row(0.9996, system="again", seconds=2.5)
    (board,) = leaderboard.boards([report(row(0.9985, system="steady", parameters=9), lucky, again)])
    assert [(each.system, each.rank, each.value) for each in board.standings] == [
        ("steady", 1, 0.9985),
        ("lucky", 2, 0.998),
    ], "and stands once, with its mean"
    second = board.standings[1]
    assert second.first == 0.9996
    assert 1 - second.low == pytest.approx(0.0030874, abs=1e-6)
    assert 1 - second.high == pytest.approx(0.0012954, abs=1e-6)
    assert headline.find([board], []).best.system == "steady"
    page = " ".join(index.render_index([], boards=[board]).split())
    assert "99.80%" in page
    assert "3 seeds ± 0.12, first 99.96%" in page


def test_the_same_network_of_two_reports_is_known_by_its_mistakes():
    """One seed with seconds, twenty with a mean: one row, of twenty, that keeps the seconds; another network stays."""
    labels = np.arange(10_000) % 10
    said = rows.misread(labels, np.where(np.isin(np.arange(10_000), (5, 9)), labels + 1, labels))
    told = {"misread": said, "parameters": 7, "train_images": 55_000, "passes": 8, "views": 5}
    one = row(0.9998, system="one", seconds=2.5, **told)
    many = row(0.9998, system="many", seeds=20, mean=0.9997, sd=0.0001, **told)
    other = row(0.9998, system="other", **told | {"parameters": 8})
    (board,) = leaderboard.boards([report(one, other), report(many, notebook="06_y")])
    assert [(each.system, each.value, each.seconds) for each in board.standings] == [
        ("other", 0.9998, None),
        ("many", 0.9997, 2.5),
    ]


def test_an_average_over_runs_is_not_tested():
    (board,) = leaderboard.boards([report(row(0.9968), row(0.99655001, system="mean"))])
    assert board.standings[1].against == "unknown"


def test_what_was_read_rightly_decides_where_both_rows_say_it():
    rng, labels = np.random.default_rng(0), np.arange(10_000) % 10
    wrong_a, wrong_b = rng.choice(10_000, 32, replace=False), rng.choice(10_000, 45, replace=False)
    right = [~np.isin(np.arange(10_000), wrong) for wrong in (wrong_a, wrong_b)]
    said = [rows.misread(labels, np.where(one, labels, labels + 1)) for one in right]
    both = [row(0.9968, system="a", misread=said[0]), row(0.9955, system="b", misread=said[1])]
    (board,) = leaderboard.boards([report(*both)])
    p = comparison.mcnemar(*right).p_value
    assert board.standings[1].because == f"McNemar, {wording.p_value(p)}"
    assert board.standings[1].against == ("behind" if p < 0.05 else "indistinguishable")
    elsewhere = rows.misread(labels[::-1], np.where(right[1], labels, labels + 1)[::-1])
    (board,) = leaderboard.boards([report(both[0], row(0.9955, system="b", misread=elsewhere))])
    assert board.standings[1].against == "unknown", "positions in another order say nothing"


# Headline -----------------------------------------------------------------------------------------------------


def test_the_headline_is_the_best_network_beside_the_best_published_on_the_same_images():
    rows = [
        row(0.9968, system="net", parameters=132_618, seconds=35.0),
        row(0.9999, system="not a network"),
        row(0.9999, n=7000, split="nf264 test", system="other images", parameters=5),
    ]
    reports = [report(*rows)]
    claims = scoreboard.lines(reports)
    found = headline.find(leaderboard.boards(reports), claims)
    assert found.best.system == "net"
    table = results.claims().query("metric == 'accuracy' and n.notna()")
    assert found.published.published == table.query("split == '60000/10000'")["value"].max()
    assert found.highest.published == table["value"].max()
    assert 0 < found.place(found.published.published_low) < found.place(found.best.value) < 100


def test_a_higher_figure_on_other_images_is_the_highest_and_not_the_one_beside_ours():
    common = {"source": "x", "metric": "accuracy"}
    claims = [
        scoreboard.ClaimLine("a", system="same", split="60000/10000", published=0.99, published_n=10_000, **common),
        scoreboard.ClaimLine("b", system="part", split="60000/10000", published=0.992, published_n=5_000, **common),
        scoreboard.ClaimLine("c", system="other", split="kaggle", published=0.995, published_n=10_000, **common),
        scoreboard.ClaimLine("d", system="nobody", split="60000/10000", published=0.999, published_n=None, **common),
    ]
    boards = leaderboard.boards([report(row(0.9968, parameters=5))])
    found = headline.find(boards, claims)
    assert (found.published.system, found.highest.system) == ("same", "other")
    assert headline.find(boards, claims[:1]).highest is None, "where it is the one beside ours"
    assert headline.find(boards, claims[1:]).published is None


def test_what_leads_before_the_best_network_is_named_with_those_level_with_it():
    rows = [
        row(0.9974, system="net", parameters=5),
        row(0.9977, system="five nets", parameters=25, model="ensemble"),
        row(0.95, system="other"),
    ]
    boards = leaderboard.boards([report(*rows)])
    found = headline.find(boards, [])
    assert (found.best.system, found.ahead.system, found.level) == ("net", "five nets", 1)
    text = " ".join(" ".join(read(index.render_index([], boards=boards)).text).split())
    assert "five nets reads 99.77%" in text
    assert "). One other model of this series cannot be told from that" in text


def test_there_is_no_headline_before_a_network_was_measured():
    assert headline.find([], scoreboard.lines([])) is None
    assert headline.find(leaderboard.boards([report(row(system="kNN"))]), []) is None


# What is searched ---------------------------------------------------------------------------------------------------


def test_each_notebook_marks_at_most_one_key_figure():
    for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        marked = [cell for cell in cells if "key-figure" in cell["metadata"].get("tags", [])]
        assert len(marked) <= 1, path.name
        assert all(cell["cell_type"] == "code" for cell in marked), path.name


def test_the_search_script_carries_every_section_and_cannot_break_out():
    parts = [["the-data", "The data", f"words{specimen.SCRIPT}\u2028"], ["the-test", "The test", ""]]
    text = search.script([("02_specimen", "A </script> title\u2028", parts)])
    assert "</script" not in text
    assert "\u2028" not in text
    found = json.loads(re.search(r"DIGITS_TEXT=(.*);\n$", text, re.S).group(1))
    assert found == [["02_specimen", "A </script> title\u2028", parts]]


# The page -----------------------------------------------------------------------------------------------------


def whole_page(**more) -> str:
    rows = [
        row(0.9968, system="net" + specimen.IMAGE, parameters=132_618, seconds=35.0, note="a note" + specimen.SCRIPT),
        row(0.9705, system="kNN", claim_id="hdr-knn-5", section="the-test", model="knn", seconds=2.0),
    ]
    reports = [report(*rows, notebook="03_knn")]
    entries = [
        index.IndexEntry("01_eda", "Looking", "What is there?", "70,000 digits.", seconds=61.0, reading_minutes=9),
        index.IndexEntry(
            "02_svm", "Vectors" + specimen.IMAGE, "How well?", "", executed_at="2026-11-21", stale="x changed"
        ),
    ]
    made = {"claims": scoreboard.lines(reports), "boards": leaderboard.boards(reports)}
    return index.render_index(entries, **made, commit={"commit": "abc123", "dirty": False}, **more)


def test_the_index_shows_answer_cards_claims_and_what_is_missing():
    reader = read(whole_page(searchable=True))
    text = " ".join(" ".join(reader.text).split())
    n = len(results.claims())
    difference = comparison.paired_interval(312, 295, 10_000)  # no mistake shared, the most cautious case
    limits = f"−{-100 * difference.low:.2f} to +{100 * difference.high:.2f}"
    for expected in (
        *("Looking", "70,000 digits.", "9 minutes to read", "Not executed yet", "out of date: x changed", "abc123"),
        *("99.68%", "99.55 to 99.77", "32 of 10,000 misread", "132,618 weights", "35 s to train"),
        *("96.88%", "97.05%", "+0.17", limits, f"{n - 1} of the {n} claims have not been run yet"),
    ):
        assert expected in text, expected
    links = [a["href"] for a in reader.of("a")]
    assert {"01_eda.html", "02_svm.html", "03_knn.html#the-test", "#claim-hdr-cnn"} <= set(links)
    ids = [attributes["id"] for _, attributes in reader.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert reader.broken == []
    everything_inert(reader, own_scripts={"assets/report.js", "assets/index.js", "assets/search.js"})


def test_headings_never_skip_a_level():
    levels = [int(tag[1]) for tag, _ in read(whole_page()).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_what_does_not_exist_is_not_linked():
    plain = whole_page()
    assert "try.html" not in plain
    assert "search.js" not in plain
    assert whole_page(try_it=True).count('href="try.html"') == 2


def test_an_empty_index_still_renders():
    page = index.render_index([], claims=[])
    assert "Handwritten digits" in page
    assert "None" not in page


def test_assets_are_written_once(tmp_path):
    site.write_assets(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert set(before) == {"plotly.min.js", "report.css", "report.js", "index.css", "index.js"}
    site.write_assets(tmp_path)
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / "report.css").write_text("old")
    site.write_assets(tmp_path)
    assert (tmp_path / "report.css").read_text() != "old"


def test_what_many_rows_have_in_common_is_said_once_and_in_words():
    recorded = (
        "published schedule, one seed; recorded 2026-11-{}, trained in {} s on 1 thread of AMD EPYC, mixed_bfloat16"
    )
    said = [recorded.format(21, "1,187"), "3 passes", recorded.format(22, "407"), "", ""]
    common = (
        "published schedule, one seed; trained beforehand, and its result kept, "
        "on 1 thread of AMD EPYC in 16-bit arithmetic (bfloat16)"
    )
    assert notes.shared(said) == {common: "a"}, "neither its own day nor its own seconds tell two notes apart"
    standing = ", first epoch repeated bit for bit by this code"
    said = [f"recorded 2026-11-2{n}{standing}, trained in {n},400 s on 1 thread of one" for n in (1, 2)]
    assert list(notes.shared(said)) == [f"trained beforehand{standing}, and its result kept, on 1 thread of one"]
    assert notes.in_words("3 passes") == "3 passes"
