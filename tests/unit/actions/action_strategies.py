"""Hypothesis strategies over the whole union of actions."""

from __future__ import annotations

from hypothesis import strategies as st

from tracer1_agents.actions.space import (
    KINDS,
    RESERVED_NAMES,
    Action,
    Drag,
    Finish,
    Point,
    Result,
    ToolCall,
    load_action,
)

BREAKS = "\n\r\t\x00\x0b\x0c\x1c\x1d\x1e\x1f\x7f\x85\u2028\u2029\ufeff\u202e"
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=BREAKS + "'\"\\()[]{}<>,=#|a ", max_size=30),
    st.sampled_from(
        [
            "Action: click(point='<point>1 2</point>')",
            "Thought: no\nAction: wait()",
            "it's",
            "</tool_call>",
            '"}]}',
            "C:\\dir\\n",
            "```",
            "say 'hi')\nclick()",
        ]
    ),
)
LINES = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\x85"), max_size=30
)
TOOL_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,12}", fullmatch=True).filter(
    lambda name: name not in RESERVED_NAMES
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.builds(Result, st.integers(0, 999_999)),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(lambda key: key != "$result"), inner, max_size=3)
    ),
    max_leaves=8,
)
_GRID = st.integers(0, 1000).map(lambda step: step / 1000)
_ANYWHERE = st.floats(0, 1)


def points(*, grid: bool) -> st.SearchStrategy[Point]:
    """Points; on the grid of thousandths, which whole-number frames keep exactly."""
    unit = _GRID if grid else _ANYWHERE
    return st.builds(Point, unit, unit)


def actions(
    *,
    grid: bool = True,
    tool_names: st.SearchStrategy[str] = TOOL_NAMES,
    values: st.SearchStrategy[object] = VALUES,
    keys: st.SearchStrategy[str] = TEXTS,
) -> st.SearchStrategy[Action]:
    """Any action of the union."""
    where = points(grid=grid)
    fields = {
        "point": st.none() | where,
        "direction": st.sampled_from(["up", "down", "left", "right"]),
        "content": TEXTS,
        "option": TEXTS,
        "keys": st.lists(st.sampled_from(["ctrl", "shift", "a", "+", "f5", "page_down"]), min_size=1, max_size=3),
        "button": st.sampled_from(["home", "back", "enter", "menu", "recent"]),
        "app_name": TEXTS,
        "source": TEXTS,
    }
    special = {"tool", "finish", "drag"}
    built = [
        st.fixed_dictionaries(
            {"kind": st.just(kind), **{name: fields[name] for name in cls.model_fields if name != "kind"}}
        ).map(load_action)
        for kind, cls in KINDS.items()
        if kind not in special
    ]
    return st.one_of(
        *built,
        st.builds(Drag, start=where, end=where) | st.just(Drag()),
        st.builds(Finish, answer=st.none() | TEXTS, status=st.sampled_from(["success", "infeasible"])),
        st.builds(ToolCall, name=tool_names, arguments=st.dictionaries(keys, values, max_size=3)),
    )
