"""Names of keys: those of the union, and what a browser, X11 and Android call them.

The union writes lower case names as pyautogui does; aliases are brought to them here. A key that is in no table and is
no single character is not known, which the environments tell the planner.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tracer1_agents.environments.base import ActionFailed, Failure


class Key(NamedTuple):
    """What one key is called by the web (Playwright), by X11 and by Android ("" where there is none)."""

    web: str
    x11: str
    android: str = ""


KEYS: Final[dict[str, Key]] = {
    "ctrl": Key("Control", "Control_L", "KEYCODE_CTRL_LEFT"),
    "shift": Key("Shift", "Shift_L", "KEYCODE_SHIFT_LEFT"),
    "alt": Key("Alt", "Alt_L", "KEYCODE_ALT_LEFT"),
    "win": Key("Meta", "Super_L", "KEYCODE_META_LEFT"),
    "enter": Key("Enter", "Return", "KEYCODE_ENTER"),
    "esc": Key("Escape", "Escape", "KEYCODE_ESCAPE"),
    "tab": Key("Tab", "Tab", "KEYCODE_TAB"),
    "space": Key("Space", "space", "KEYCODE_SPACE"),
    "backspace": Key("Backspace", "BackSpace", "KEYCODE_DEL"),
    "delete": Key("Delete", "Delete", "KEYCODE_FORWARD_DEL"),
    "insert": Key("Insert", "Insert", "KEYCODE_INSERT"),
    "up": Key("ArrowUp", "Up", "KEYCODE_DPAD_UP"),
    "down": Key("ArrowDown", "Down", "KEYCODE_DPAD_DOWN"),
    "left": Key("ArrowLeft", "Left", "KEYCODE_DPAD_LEFT"),
    "right": Key("ArrowRight", "Right", "KEYCODE_DPAD_RIGHT"),
    "home": Key("Home", "Home", "KEYCODE_MOVE_HOME"),
    "end": Key("End", "End", "KEYCODE_MOVE_END"),
    "pageup": Key("PageUp", "Prior", "KEYCODE_PAGE_UP"),
    "pagedown": Key("PageDown", "Next", "KEYCODE_PAGE_DOWN"),
    "capslock": Key("CapsLock", "Caps_Lock", "KEYCODE_CAPS_LOCK"),
    "printscreen": Key("PrintScreen", "Print", "KEYCODE_SYSRQ"),
    "menu": Key("ContextMenu", "Menu", "KEYCODE_MENU"),
    "pause": Key("Pause", "Pause", "KEYCODE_BREAK"),
    "numlock": Key("NumLock", "Num_Lock", "KEYCODE_NUM_LOCK"),
    "scrolllock": Key("ScrollLock", "Scroll_Lock", "KEYCODE_SCROLL_LOCK"),
    **{f"f{number}": Key(f"F{number}", f"F{number}", f"KEYCODE_F{number}") for number in range(1, 13)},
}
_ALIASES: Final = {
    "control": "ctrl", "controlormeta": "ctrl", "return": "enter", "escape": "esc", "del": "delete", "command": "win",
    "cmd": "win", "meta": "win", "super": "win", "option": "alt", "arrowup": "up", "arrowdown": "down",
    "arrowleft": "left", "arrowright": "right", "page_up": "pageup", "page_down": "pagedown", "pgup": "pageup",
    "pgdn": "pagedown", "ctrlleft": "ctrl", "ctrlright": "ctrl", "shiftleft": "shift", "shiftright": "shift",
    "altleft": "alt", "altright": "alt", "winleft": "win", "winright": "win", "caps_lock": "capslock", " ": "space",
    "print": "printscreen", "prtsc": "printscreen", "prtscr": "printscreen", "prntscrn": "printscreen",
    "print_screen": "printscreen", "apps": "menu", "contextmenu": "menu", "num_lock": "numlock",
    "scroll_lock": "scrolllock",
}  # fmt: skip


def key_named(name: str) -> Key | None:
    """A key of the table by any of its names; None for a single character, which every place types as it is.

    Raises:
        ActionFailed: UNSUPPORTED: there is no such key.
    """
    folded = name.lower()
    known = KEYS.get(_ALIASES.get(folded, folded))
    if known is None and (len(name) != 1 or not name.isprintable()):
        raise ActionFailed(
            Failure.UNSUPPORTED, f'hotkey: there is no key "{name[:40]}"; a key is a character or a name'
        )
    return known
