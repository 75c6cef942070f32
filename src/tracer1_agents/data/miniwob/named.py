"""The tasks by which agents are measured here, named before anything was trained on them, each with its reason.

They spread over the published difficulty: single clicks, typing, lists, menus, tables, date pickers, dragging, several
views. Left out are tasks whose instruction shows what no text says (icons, drawn angles), that race against a clock,
that nobody but a person who reads English can solve (turked mail), or that ask for one of two mails by the same sender.
`TASKS` is the list; a change of it is a change of the benchmark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracer1_agents.data.miniwob import choosing, clicking, dragging, paging, writing

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Oracle


class NamedTask(NamedTuple):
    """One of the tasks.

    Attributes:
        oracle: Solves it.
        group: What it is mostly about.
        reason: Why it is among them.
    """

    oracle: Oracle
    group: str
    reason: str


COMPOSITIONS: Final = (  # never demonstrated, never trained on: measured apart
    "click-button+click-link",
    "click-option+enter-text",
    "click-checkboxes+choose-list",
    "login-user+click-tab-2",
    "read-table+click-button",
    "choose-date-easy+click-color",
    "email-inbox-delete+enter-password",
    "drag-items+click-widget",
    "click-test+enter-text+click-link",
    "click-checkboxes+login-user+click-dialog-2",
    "choose-list+simple-arithmetic+click-tab",
    "email-inbox-important+click-option+focus-text-2",
)
TASKS: Final[dict[str, NamedTask]] = {
    "click-test": NamedTask(clicking.click_test, "click", "the least that an agent can do"),
    "click-test-2": NamedTask(clicking.click_test, "click", "one of two, by label"),
    "click-button": NamedTask(clicking.click_button, "click", "one of several among fields and text"),
    "unicode-test": NamedTask(clicking.click_button, "click", "labels in other scripts"),
    "click-button-sequence": NamedTask(clicking.click_button_sequence, "click", "an order of two"),
    "click-link": NamedTask(clicking.click_link, "click", "a small target in running text"),
    "click-dialog": NamedTask(clicking.click_dialog, "click", "what lies over a page"),
    "click-dialog-2": NamedTask(clicking.click_dialog_2, "click", "one of three in a dialog"),
    "click-widget": NamedTask(clicking.click_widget, "click", "by kind instead of label"),
    "click-color": NamedTask(clicking.click_color, "click", "by colour"),
    "click-option": NamedTask(clicking.click_option, "form", "radio buttons"),
    "click-checkboxes": NamedTask(clicking.click_checkboxes, "form", "as many as are named"),
    "click-checkboxes-large": NamedTask(clicking.click_checkboxes, "form", "up to twelve steps of the same kind"),
    "click-checkboxes-transfer": NamedTask(clicking.click_checkboxes, "form", "more boxes than in its training form"),
    "click-tab": NamedTask(clicking.click_tab, "views", "tabs"),
    "click-tab-2": NamedTask(clicking.click_tab_2, "views", "a search through tabs"),
    "click-collapsible": NamedTask(clicking.click_collapsible, "views", "what has to be opened first"),
    "click-collapsible-2": NamedTask(clicking.click_collapsible_2, "views", "a search through sections"),
    "focus-text": NamedTask(clicking.focus_text, "click", "a field"),
    "focus-text-2": NamedTask(clicking.focus_text, "click", "a field by its number"),
    "grid-coordinate": NamedTask(clicking.grid_coordinate, "click", "a place in a drawing"),
    "identify-shape": NamedTask(clicking.identify_shape, "click", "what a drawing shows"),
    "odd-or-even": NamedTask(clicking.odd_or_even, "form", "a decision for each row"),
    "ascending-numbers": NamedTask(clicking.ascending_numbers, "memory", "places that are covered after the first"),
    "buy-ticket": NamedTask(clicking.buy_ticket, "table", "the least or most of several"),
    "find-greatest": NamedTask(clicking.find_greatest, "memory", "values of which one shows at a time"),
    "enter-text": NamedTask(writing.enter_text, "typing", "a name"),
    "enter-text-2": NamedTask(writing.enter_text, "typing", "a name in another case"),
    "enter-text-dynamic": NamedTask(writing.enter_text, "typing", "letters and digits without meaning"),
    "enter-password": NamedTask(writing.enter_password, "typing", "the same twice, hidden"),
    "enter-date": NamedTask(writing.enter_date, "typing", "a date field"),
    "enter-time": NamedTask(writing.enter_time, "typing", "a time field"),
    "login-user": NamedTask(writing.login_user, "typing", "two fields and a button"),
    "login-user-popup": NamedTask(writing.login_user, "typing", "the same, interrupted"),
    "read-table": NamedTask(writing.read_table, "table", "one value"),
    "read-table-2": NamedTask(writing.read_table_2, "table", "two values by label"),
    "text-transform": NamedTask(writing.text_transform, "typing", "letters that stand askew"),
    "find-word": NamedTask(writing.find_word, "typing", "counting words"),
    "simple-arithmetic": NamedTask(writing.simple_arithmetic, "typing", "a sum"),
    "simple-algebra": NamedTask(writing.simple_algebra, "typing", "an equation"),
    "copy-paste": NamedTask(writing.copy_paste, "keys", "the clipboard"),
    "copy-paste-2": NamedTask(writing.copy_paste, "keys", "the clipboard, one of three texts"),
    "guess-number": NamedTask(writing.guess_number, "feedback", "each step follows from what came back"),
    "sign-agreement": NamedTask(writing.sign_agreement, "scroll", "a button that opens after scrolling"),
    "multi-layouts": NamedTask(writing.multi_layouts, "form", "the same form in five layouts"),
    "multi-orderings": NamedTask(writing.multi_layouts, "form", "the same form in any order"),
    "choose-list": NamedTask(choosing.choose_list, "list", "a drop-down list"),
    "click-scroll-list": NamedTask(choosing.click_scroll_list, "list", "several of an open list"),
    "click-menu": NamedTask(choosing.click_menu, "menu", "a menu that opens under the pointer"),
    "navigate-tree": NamedTask(choosing.navigate_tree, "menu", "a search through folders"),
    "use-autocomplete": NamedTask(choosing.use_autocomplete, "list", "suggestions that appear late"),
    "choose-date-easy": NamedTask(choosing.choose_date, "date", "the month is there"),
    "choose-date-medium": NamedTask(choosing.choose_date, "date", "near months"),
    "choose-date": NamedTask(choosing.choose_date, "date", "any month of a year"),
    "use-slider": NamedTask(choosing.use_slider, "drag", "a value on a scale"),
    "use-spinner": NamedTask(choosing.use_spinner, "form", "one step at a time"),
    "form-sequence": NamedTask(choosing.form_sequence, "form", "slider, checkbox, button"),
    "form-sequence-2": NamedTask(choosing.form_sequence_2, "form", "two things by their numbers"),
    "form-sequence-3": NamedTask(choosing.form_sequence_3, "list", "a list that the page draws itself"),
    "drag-box": NamedTask(dragging.drag_box, "drag", "one thing into another"),
    "drag-items": NamedTask(dragging.drag_items, "drag", "an entry to another place"),
    "drag-sort-numbers": NamedTask(dragging.drag_sort_numbers, "drag", "as many drags as are needed"),
    "drag-shapes": NamedTask(dragging.drag_shapes, "drag", "all of one kind"),
    "resize-textarea": NamedTask(dragging.resize_textarea, "drag", "a corner"),
    "scroll-text-2": NamedTask(dragging.scroll_text, "scroll", "to an end"),
    "email-inbox": NamedTask(paging.email_inbox, "mail", "one of four things to do with a mail"),
    "email-inbox-delete": NamedTask(paging.email_inbox, "mail", "an icon of one row"),
    "email-inbox-important": NamedTask(paging.email_inbox, "mail", "another icon of one row"),
    "email-inbox-reply": NamedTask(paging.email_inbox, "mail", "a text of several words"),
    "email-inbox-star-reply": NamedTask(paging.email_inbox, "mail", "two things to do, only one asked for"),
    "search-engine": NamedTask(paging.search_engine, "pages", "a result on a later page"),
    "phone-book": NamedTask(paging.phone_book, "pages", "a search through pages"),
    "social-media-all": NamedTask(paging.social_media_all, "form", "all posts of one user"),
    "social-media-some": NamedTask(paging.social_media_all, "form", "so many posts of one user"),
}


def uses_clipboard(page: str) -> bool:
    """Whether a task of a page ("a+b" for several) copies and pastes: pages of one Chromium share a clipboard."""
    return any(task in TASKS and TASKS[task].group == "keys" for task in page.split("+"))
