"""LangChain's own suites for tools, over every tool of the toolbox; those that can run here are also invoked."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

FILE = {"file_path": "sales.csv"}
RUN = {  # offline, and with a value besides the text
    "table_columns": FILE,
    "table_aggregate": {**FILE, "column": "qty", "operation": "sum"},
    "table_filter": {**FILE, "column": "city", "operator": "=", "value": "Rome"},
    "table_sort": {**FILE, "column": "city"},
    "calculator": {"expression": "1 + 1"},
    "solver": {"equation": "x**2 = 4"},
    "plot": {**FILE, "x": "city", "y": "unit price"},
}
SHOWN = {  # text only, or with a back end that is not here
    "inspect_file_as_text": FILE,
    "table_join": {"left_path": "sales.csv", "right_path": "sales.csv", "on": "city", "output": "both.csv"},
    "ocr": {"image_path": "a.png"},
    "crop_image": {"image_path": "a.png", "box": [0, 0, 1, 1], "output": "b.png"},
    "draw_box": {"image_path": "a.png", "box": [0, 0, 1, 1]},
    "visualizer": {"question": "what?", "image_path": "a.png"},
    "objectlocation": {"object": "cup", "image_path": "a.png"},
    "facedetection": {"image_path": "a.png"},
    "segmentation": {"image_path": "a.png", "prompt": [[0, 0, 1, 1]]},
    "image_generator": {"prompt": "a cup"},
    "image_edit": {"prompt": "a cup", "image_path": "a.png"},
    "ask_search_agent": {"query": "x"},
    "search": {"query": "x"},
    "visit_page": {"url": "https://example.com"},
    "navigational_web_search": {"query": "x"},
    "download_file": {"url": "https://example.com/a.pdf"},
    "page_down": {},
    "page_up": {},
    "find_on_page_ctrl_f": {"search_string": "x"},
    "find_next": {},
    "python": {"code": "1"},
}


class OfTheToolbox:
    name = ""

    @pytest.fixture(autouse=True)
    def _box(self, full_box):
        type(self).box = full_box

    @property
    def tool_constructor(self):
        return self.box[self.name]

    @property
    def tool_invoke_params_example(self):
        return {**RUN, **SHOWN}[self.name]


for _suite, _names in ((ToolsUnitTests, [*RUN, *SHOWN]), (ToolsIntegrationTests, RUN)):
    for _name in _names:
        _title = f"Test_{_name}_{_suite.__name__}"
        globals()[_title] = type(_title, (OfTheToolbox, _suite), {"name": _name})


def test_no_tool_is_left_out(full_box):
    assert set(full_box) == {*RUN, *SHOWN}
