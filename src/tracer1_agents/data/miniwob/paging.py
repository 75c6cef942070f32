"""Oracles of the tasks that spread over several views: mail, search results, a contact book, posts, flights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer1_agents.data.miniwob.clicking import quoted

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Desk, Moves, Node


def email_inbox(desk: Desk) -> Moves:
    """Delete, star, reply to or forward one mail of the list."""
    found = re.search(r"Find the email by (\S+) and", desk.utterance)
    sender = found[1] if found else ""
    if "trash icon" in desk.utterance or "star icon" in desk.utterance:
        icon = "trash" if "trash icon" in desk.utterance else "star"
        yield from desk.click(lambda: _of_mail(desk, sender, f".{icon}"))
        return
    yield from desk.click(lambda: _of_mail(desk, sender, ".email-subject"))
    if "reply to them" in desk.utterance:
        yield from desk.click("#email .email-reply")
        yield from desk.fill("#reply-text", quoted(desk.utterance)[0])
        yield from desk.click("#send-reply")
    else:
        recipient = re.search(r"forward that email to (\S+?)\.$", desk.utterance)
        yield from desk.click("#email .email-forward")
        yield from desk.fill(".forward-sender", recipient[1] if recipient else "")
        yield from desk.click("#send-forward")


def search_engine(desk: Desk) -> Moves:
    """Search, turn pages, take the result with the number."""
    found = re.search(r"the (\d)\w\w search result", desk.utterance)
    page, place = divmod(int(found[1]) - 1 if found else 0, 3)
    yield from desk.fill("#search-text", quoted(desk.utterance)[0])
    yield from desk.click("#search")
    if page:
        yield from desk.click("#pagination a", str(page + 1))
    yield from desk.click(lambda: desk.shown(".search-title")[place])


def phone_book(desk: Desk) -> Moves:
    """Turn pages until the name, then the detail."""
    found = re.search(r"Find (\S+) in the contact book and click on their (\w+)", desk.utterance)
    name, detail = (found[1], found[2]) if found else ("", "")
    for _ in range(5):
        if desk.node(".name").text == name:
            break
        yield from desk.click("#pagination a", ">")
    yield from desk.click(f"#contact a.{detail}")


def social_media_all(desk: Desk) -> Moves:
    """One button on all posts of a user, or on as many as asked, then Submit."""
    found = re.search(r'Click the "(\w+)" button on (.+?) posts? by (\S+) and then', desk.utterance)
    label, much, user = (found[1].lower(), found[2], found[3]) if found else ("", "", "")
    users = [node.text for node in desk.nodes(".media .username")]
    mine = [index for index, name in enumerate(users) if name == user]
    for index in mine[: int(much)] if much.isdigit() else mine:
        yield from desk.click(lambda at=index: desk.nodes(f".media .{label}")[at])  # type: ignore[misc]
    yield from desk.click("#submitRow button")


def _of_mail(desk: Desk, sender: str, selector: str) -> Node:
    index = [node.text for node in desk.nodes("#main .email-thread .email-sender")].index(sender)
    return desk.nodes(f"#main .email-thread {selector}")[index]
