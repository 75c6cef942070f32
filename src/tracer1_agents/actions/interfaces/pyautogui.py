"""Actions as pyautogui scripts, the form that OSWorld's controller runs inside its virtual machine.

A script is built from a typed action: numbers are pixels, and every text is the `repr` of a string, so that whatever a
model types stays a string. No text of a model is ever part of the code. The program that runs a script has imported
`pyautogui` and `time`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.interfaces.places import pixel_of
from tracer1_agents.actions.space import Drag, Hotkey, OpenApp, Scroll, Select, Type, Wait
from tracer1_agents.actions.targets import points_of
from tracer1_agents.errors import ToolError

if TYPE_CHECKING:
    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action

WHEEL_CLICKS: Final = 5  # of a scroll; ours
_DRAG_SECONDS: Final = 1.0  # programs overlook a faster one
_MENU_SECONDS: Final = 1.0  # until the list of programs, or of a field, is open
_CLICKS: Final = {
    "click": "click",
    "left_double": "doubleClick",
    "triple_click": "tripleClick",
    "right_single": "rightClick",
    "middle_click": "middleClick",
    "hover": "moveTo",
}
_SCROLLS: Final = {"up": ("scroll", 1), "down": ("scroll", -1), "right": ("hscroll", 1), "left": ("hscroll", -1)}
_ALIASES: Final = {
    "control": "ctrl", "return": "enter", "escape": "esc", "del": "delete", "cmd": "win", "command": "win",
    "meta": "win", "super": "win", "windows": "win", "option": "alt", "arrowup": "up", "arrowdown": "down",
    "arrowleft": "left", "arrowright": "right", "page_up": "pageup", "page_down": "pagedown", "caps_lock": "capslock",
    "print_screen": "printscreen", "spacebar": "space", "plus": "+", "minus": "-",
}  # fmt: skip
_KEYS: Final = frozenset(
    """alt altleft altright backspace capslock ctrl ctrlleft ctrlright delete down end enter esc home insert left menu
    numlock pagedown pageup pause printscreen right scrolllock shift shiftleft shiftright space tab up win winleft
    winright apps""".split()  # noqa: SIM905  (a list of words)
) | {f"f{number}" for number in range(1, 25)}


def pyautogui_script(action: Action, size: Size) -> str:  # noqa: PLR0911  (one case a kind)
    """The script that carries an action out.

    Args:
        action: With its place; `Finish`, tool calls and phone actions have no script.
        size: Of the screen, in pixels.

    Returns:
        Python statements, one a line.

    Raises:
        ToolError: A desktop has no such action or key, or the place is missing.
    """
    match action:
        case Type():
            return _typed(action.content)
        case Hotkey():
            keys = ", ".join(repr(_key(name)) for name in action.keys)
            return f"pyautogui.hotkey({keys})"
        case Scroll():
            name, sign = _SCROLLS[action.direction]
            if action.point is None:
                return f"pyautogui.{name}({sign * WHEEL_CLICKS})"
            x, y = pixel_of(action, action.point, size)
            return f"pyautogui.{name}({sign * WHEEL_CLICKS}, x={x}, y={y})"
        case Drag():
            (x, y), (to_x, to_y) = (pixel_of(action, point, size) for point in points_of(action))
            drag = f"pyautogui.dragTo({to_x}, {to_y}, duration={_DRAG_SECONDS}, button='left')"
            return f"pyautogui.moveTo({x}, {y})\n{drag}"
        case Select():
            lines = [_at("click", action, size), _pause(), _typed(action.option), "pyautogui.press('enter')"]
            return "\n".join(lines)
        case OpenApp():
            lines = ["pyautogui.press('win')", _pause(), _typed(action.app_name), _pause(), "pyautogui.press('enter')"]
            return "\n".join(lines)
        case Wait():
            return f"time.sleep({_MENU_SECONDS})"
    if action.kind in _CLICKS:
        return _at(_CLICKS[action.kind], action, size)
    msg = f"a desktop has no action {action.kind}"
    raise ToolError(msg)


def _typed(text: str) -> str:
    """Keys for what a keyboard has; the clipboard for everything else, which pyautogui would leave out silently."""
    if all(character.isprintable() or character in "\n\t" for character in text) and text.isascii():
        return f"pyautogui.write({text!r}, interval=0.01)"
    body, enter = (text[:-1], "\npyautogui.press('enter')") if text.endswith("\n") else (text, "")
    return f"import pyperclip\npyperclip.copy({body!r})\npyautogui.hotkey('ctrl', 'v'){enter}"


def _pause() -> str:
    return f"time.sleep({_MENU_SECONDS})"


def _at(name: str, action: Action, size: Size) -> str:
    x, y = pixel_of(action, points_of(action)[0], size)
    return f"pyautogui.{name}({x}, {y})"


def _key(name: str) -> str:
    folded = _ALIASES.get(name.casefold(), name.casefold())
    if folded not in _KEYS and not (len(folded) == 1 and folded.isascii() and folded.isprintable()):
        msg = f"a desktop's keyboard has no key {name[:40]!r}"
        raise ToolError(msg)
    return folded
