"""An atlas of images as markup: cards that open, and filters that wait for report.js to bring them to life.

The numbers and pictures come as data and everything else is written here, so nothing of a notebook's output can pose
as markup. Without scripts every card stands open and the filters stay hidden.
"""

import html
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from helpers.reporting.page import prose

MIME = "application/vnd.digits.atlas+json"
_PNG = re.compile(r"iVBORw0KGgo[A-Za-z0-9+/]+={0,2}")  # how every PNG begins in base64
_SURE = (("0 0.5", "below 50%"), ("0.5 0.8", "50% to 80%"), ("0.8 1.01", "80% and above"))
_OTHERS = (("none", "none of the others misreads it"), ("some", "some do"), ("all", "all of them do"))


def to_html(payload: Any) -> str:
    """Return an atlas (see `figures.atlas`) as a figure; a sentence in its place when the data is not one."""
    try:
        cards = [_checked(card) for card in payload["cards"]]
        noun, near = str(payload.get("noun") or "image"), str(payload.get("near_noun") or "image")
        alt = html.escape(str(payload["alt"]))
    except (TypeError, KeyError, ValueError, AttributeError):
        return '<p class="quiet">An atlas stood here that cannot be read.</p>'
    caption = prose.to_html(str(payload["caption"]))[0] if payload.get("caption") else ""
    return (
        f'<figure class="atlas" role="group" aria-label="{alt}">{_tools(cards)}'
        f"<ol>{''.join(_card(card, noun, near) for card in cards)}</ol>"
        f"{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"
    )


def _picture(value: Mapping) -> dict:
    if not _PNG.fullmatch(value["png"]):
        raise ValueError("png: not a PNG in base64")
    return {"index": int(value["index"]), "label": int(value["label"]), "png": value["png"]}


def _checked(card: Mapping) -> dict:
    """Return a card whose numbers are numbers, whose picture is a PNG and whose words are escaped."""
    answers = [(html.escape(str(name)), int(answer)) for name, answer in card["answers"]]
    return _picture(card) | {
        "read": int(card["read"]),
        "sure": min(1.0, max(0.0, float(card["sure"]))),
        "answers": answers,
        "near": [_picture(one) for one in card["near"]],
        "note": html.escape(str(card.get("note") or "")),
    }


def _tools(cards: list[dict]) -> str:
    fields = [
        _select("label", "Labelled", _counted(card["label"] for card in cards)),
        _select("read", "Read as", _counted(card["read"] for card in cards)),
        _select("sure", "How sure", _SURE),
    ]
    if any(card["answers"] for card in cards):
        fields.append(_select("others", "Other readers", _OTHERS))
    order = (
        '<label>Order <select data-order><option value="">as ranked</option><option>by number</option></select></label>'
    )
    return (
        f'<div class="tools" role="group" aria-label="Filters" hidden>{"".join(fields)}{order}'
        '<button type="button" data-act="quiz" aria-pressed="false">Can you read it?</button>'
        '<button type="button" data-act="reset">Show all</button>'
        f'<p role="status">{len(cards)} of {len(cards)} shown</p></div>'
    )


def _counted(values) -> list[tuple[str, str]]:
    return [(str(value), f"{value} ({count})") for value, count in sorted(Counter(values).items())]


def _select(name: str, words: str, options) -> str:
    choices = "".join(f'<option value="{value}">{text}</option>' for value, text in options)
    return f'<label>{words} <select data-filter="{name}"><option value="">any</option>{choices}</select></label>'


def _card(card: dict, noun: str, near: str) -> str:
    wrong = sum(answer != card["label"] for _, answer in card["answers"])
    others = ("none" if not wrong else "all" if wrong == len(card["answers"]) else "some") if card["answers"] else ""
    data = {"index": card["index"], "label": card["label"], "read": card["read"], "sure": f"{card['sure']:.4f}"}
    marks = "".join(f' data-{name}="{value}"' for name, value in (data | {"others": others}).items())
    said = " · ".join(_answer(name, answer, card["label"]) for name, answer in card["answers"])
    parts = [
        f"<p>Labelled <b>{card['label']}</b>, read as <b>{card['read']}</b>, {_percent(card['sure'])} sure.</p>",
        f"<p>{said}</p>" if said else "",
        f"<p>{card['note']}</p>" if card["note"] else "",
        _neighbours(card["near"], near),
    ]
    words = f"{noun} {card['index']}"
    return (
        f"<li><details open{marks}><summary>{_img(card, words)}"
        f'<span class="number"><span class="hidden">{html.escape(noun)} </span>{card["index"]}</span> '
        f'<span class="answer">{card["label"]} read as {card["read"]}</span></summary>'
        f'<div class="more">{"".join(parts)}</div></details></li>'
    )


def _answer(name: str, answer: int, label: int) -> str:
    off = ' class="off"' if answer != label else ""
    return f"{name} <b{off}>{answer}</b>"


def _neighbours(near: list[dict], noun: str) -> str:
    if not near:
        return ""
    items = "".join(
        f'<li data-index="{one["index"]}">{_img(one, words)}<b>{one["label"]}</b> '
        f'<span class="number">{one["index"]}</span></li>'
        for one in near
        for words in [f"{noun} {one['index']}, a {one['label']}"]
    )
    return f'<p class="quiet">Nearest {html.escape(noun)}s</p><ul>{items}</ul>'


def _img(one: dict, words: str) -> str:
    alt = html.escape(words[:1].upper() + words[1:])
    return f'<img class="invert" alt="{alt}" width="28" height="28" src="data:image/png;base64,{one["png"]}">'


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
