"""What a page says about its encoding, and what is made of it."""

from __future__ import annotations

import codecs

import pytest

from tracer1_agents.tools.charsets import codec_of, decode_page

HELLO, KONNICHIWA = "Привет, мир", "こんにちは"


@pytest.mark.parametrize(
    ("body", "declared", "text"),
    [
        (HELLO.encode("cp1251"), "windows-1251", HELLO),
        (KONNICHIWA.encode("cp932"), "Shift_JIS", KONNICHIWA),
        (HELLO.encode("utf-16-be"), "utf-16be", HELLO),
        (HELLO.encode("utf-16-le"), "utf-16", HELLO),
        (codecs.BOM_UTF8 + HELLO.encode(), "windows-1251", HELLO),
        (HELLO.encode("utf-16"), "utf-8", HELLO),
        (HELLO.encode(), None, HELLO),
        (HELLO.encode(), "no such thing", HELLO),
        (HELLO.encode(), "x" * 100, HELLO),
        (HELLO.encode(), "zlib", HELLO),
        ("caf\u00e9".encode("cp1252"), "utf-8", "caf\u00e9"),
        (b"a\r\nb\rc", "koi8-r", "a\nb\nc"),
        (b"\x81\x82", "iso-8859-1", "\ufffd\u201a"),
    ],
)
def test_the_mark_counts_before_the_header(body, declared, text):
    assert decode_page(body, declared, markup=False) == text


@pytest.mark.parametrize(
    "meta",
    [
        '<meta charset="windows-1251">',
        "<META lang=ru CharSet = 'WINDOWS-1251' />",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        '<?xml version="1.0" encoding="windows-1251"?>',
    ],
)
def test_a_page_may_say_it_itself(meta):
    page = f"<html>{meta}{HELLO}"
    assert decode_page(page.encode("cp1251"), None, markup=True) == page
    assert decode_page(page.encode("koi8-r"), "koi8-r", markup=True) == page  # the header counts before the page
    assert decode_page(page.encode("cp1251"), "no such thing", markup=True) == page
    assert HELLO not in decode_page(page.encode("cp1251"), None, markup=False)


def test_a_page_that_calls_itself_utf_16_byte_by_byte_is_not():
    page = f'<meta charset="utf-16">{HELLO}'
    assert decode_page(page.encode(), None, markup=True) == page


@pytest.mark.parametrize("declared", [None, "windows-1251", "shift_jis"])
def test_binary_data_is_refused_under_any_label(declared):
    with pytest.raises(ValueError, match="binary data"):
        decode_page(b"PK\0\0", declared, markup=True)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("ISO-8859-1", "cp1252"),
        ("us-ascii", "cp1252"),
        ("gb2312", "gb18030"),
        ("euc-kr", "cp949"),
        ("x-sjis", "cp932"),
        ("windows-31j", "cp932"),
        ("windows-874", "cp874"),
        ("iso-8859-8-i", "iso8859-8"),
        (" utf8 ", "utf-8"),
        ("unicode_escape", None),
        ("idna", None),
        ("utf-7", None),
        ("../x", None),
        ("", None),
        ("\0", None),
    ],
)
def test_labels_mean_what_browsers_take_them_for(label, codec):
    assert codec_of(label) == codec
