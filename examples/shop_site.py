"""A small shop on loopback to act in: search, a product, an order form, a confirmation. Nothing is ever sold.

    python examples/shop_site.py [PORT]   serves it, to look at with a browser (default: any free port)

Pages are plain HTML forms, made here. What was ordered stands in `ShopSite.orders`, and that alone says whether a task
is done: the confirmation page is for the agent to read, not for the scorer.
"""

from __future__ import annotations

import random
import sys
import threading
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple, Self
from urllib.parse import parse_qs, quote, urlsplit

_STYLE: Final = """body{margin:0;font:20px/1.5 "DejaVu Sans",sans-serif;color:#222;background:#f6f4ef}
header{background:#24513f;color:#fff;padding:14px 40px;display:flex;gap:40px;align-items:center}
header a{color:#fff;text-decoration:none;font-weight:700;font-size:26px} main{padding:24px 40px;max-width:820px}
input,select,button{font:inherit;padding:8px 12px;border:1px solid #9a958a;border-radius:4px;background:#fff}
input[name=q]{width:300px} input[name=name]{width:380px} button{background:#d9822b;border-color:#b9691b;color:#fff}
.item{display:flex;justify-content:space-between;background:#fff;border:1px solid #ddd8cc;padding:14px;margin:10px 0}
.row{margin:14px 0;display:flex;gap:14px;align-items:center}
.no{background:#f9dcd3;border:1px solid #c05a3c;padding:9px}
a{color:#1d5c8f} input[type=radio],input[type=checkbox]{width:20px;height:20px} h1{font-size:30px;margin:4px 0 12px}"""
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>
<header><a href="/">Kettle &amp; Clay</a><form action="/search"><input name="q" aria-label="Search" placeholder="Search
 the shop" value="{query}"> <button>Find</button></form></header><main>{body}</main></html>"""


class Product(NamedTuple):
    """What can be bought."""

    key: str
    name: str
    price: int  # pence


PRODUCTS: Final = tuple(
    Product(f"{colour}-{thing}-{size}", f"{colour.capitalize()} {thing}, {size}", 480 + 160 * kind + 220 * large)
    for kind, thing in enumerate(("mug", "bowl", "teapot"))
    for colour in ("blue", "green", "white")
    for large, size in enumerate(("small", "large"))
)
NAMES: Final = ("Ada Park", "Ben Okoro", "Chi Lane", "Dora Weiss", "Emil Sand", "Fay Moor")


@dataclass(frozen=True)
class Order:
    """What somebody ordered.

    Attributes:
        product: Key of the product.
        quantity: How many.
        name: For whom.
        delivery: "standard" or "express".
    """

    product: str
    quantity: int
    name: str
    delivery: str

    @property
    def words(self) -> str:
        """The task that asks for it."""
        product = next(one for one in PRODUCTS if one.key == self.product)
        return (
            f'Order {self.quantity} of "{product.name}" in this shop, for {self.name}, with {self.delivery} delivery. '
            "Finish when the order is placed."
        )


def order_for(seed: int) -> Order:
    """The task of a seed."""
    rng = random.Random(seed)  # noqa: S311  (a task, no secret)
    name, delivery = rng.choice(NAMES), rng.choice(("standard", "express"))
    return Order(rng.choice(PRODUCTS).key, rng.randint(2, 5), name, delivery)


class ShopSite(ThreadingHTTPServer):
    """The shop, served on loopback from the moment it is made.

    Args:
        port: 0 takes a free one.

    Attributes:
        orders: What was ordered so far.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.orders: list[Order] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}/"

    def solved(self, wanted: Order) -> bool:
        """Whether this was ordered, and nothing else."""
        return self.orders == [wanted]

    def wait(self) -> None:
        """Until it is ended."""
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def __enter__(self) -> Self:
        """Itself; leaving the block ends it."""
        return self


class _Handler(BaseHTTPRequestHandler):
    server: ShopSite

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        fields = {key: values[0] for key, values in parse_qs(parts.query).items()}
        match parts.path.strip("/").split("/"):
            case [""]:
                self._page("Kettle & Clay", "<h1>Mugs, bowls and teapots</h1><p>Search for what you need.</p>")
            case ["search"]:
                self._search(fields.get("q", ""))
            case ["product", key] if product := _product(key):
                self._page(product.name, _product_page(product))
            case ["order", key] if product := _product(key):
                self._page("Your order", _form(product, fields))
            case ["thanks", number] if number.isdecimal() and 0 < int(number) <= len(self.server.orders):
                self._page("Thank you", f"<h1>Thank you</h1><p>Your order number {number} is placed.</p>")
            case _:
                self._page("Not found", "<h1>There is no such page</h1>", status=404)

    def do_POST(self) -> None:
        """An order form comes in; one that lacks something is shown again."""
        length = min(int(self.headers.get("content-length", 0)), 10_000)
        sent = parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
        fields = {key: values[0].strip() for key, values in sent.items()}
        product = _product(urlsplit(self.path).path.removeprefix("/order/"))
        if product is None:
            self._page("Not found", "<h1>There is no such page</h1>", status=404)
        elif problem := _problem(fields):
            self._page("Your order", _form(product, fields, problem))
        else:
            quantity = int(fields["quantity"])
            self.server.orders.append(Order(product.key, quantity, fields["name"], fields["delivery"]))
            self.send_response(303)
            self.send_header("location", f"/thanks/{len(self.server.orders)}")
            self.send_header("content-length", "0")
            self.end_headers()

    def _search(self, query: str) -> None:
        words = query.lower().split()
        found = [one for one in PRODUCTS if words and all(word in one.name.lower() for word in words)]
        rows = "".join(
            f'<div class="item"><a href="/product/{one.key}">{escape(one.name)}</a> <span>£{one.price / 100:.2f}</span>'
            "</div>"
            for one in found
        )
        self._page("Search", f"<h1>{len(found)} found</h1>{rows}", query=query)

    def _page(self, title: str, body: str, *, query: str = "", status: int = 200) -> None:
        page = _PAGE.format(title=escape(title), style=_STYLE, query=escape(query), body=body).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _product(key: str) -> Product | None:
    return next((one for one in PRODUCTS if one.key == key), None)


def _product_page(product: Product) -> str:
    amounts = "".join(f"<option>{number}</option>" for number in range(1, 7))
    return f"""<h1>{escape(product.name)}</h1><p>£{product.price / 100:.2f} each, in stock.</p>
<form action="/order/{quote(product.key)}"><div class="row"><label>Quantity
<select name="quantity" aria-label="Quantity">{amounts}</select></label>
<button>Order</button></div></form>"""


def _form(product: Product, fields: dict[str, str], problem: str = "") -> str:
    quantity, name = escape(fields.get("quantity", "1")), escape(fields.get("name", ""))
    kinds = "".join(
        f'<label><input type="radio" name="delivery" value="{kind}"{_checked(fields.get("delivery") == kind)}> '
        f"{kind.capitalize()}</label>"
        for kind in ("standard", "express")
    )
    told = f'<p class="no">{escape(problem)}</p>' if problem else ""
    return f"""<h1>Your order</h1>{told}<p>{quantity} of {escape(product.name)}</p>
<form method="post" action="/order/{quote(product.key)}">
<input type="hidden" name="quantity" value="{quantity}">
<div class="row"><label>Name <input name="name" autocomplete="off" value="{name}"></label></div>
<div class="row">Delivery {kinds}</div>
<div class="row"><label><input type="checkbox" name="terms"{_checked("terms" in fields)}> I accept the terms</label>
</div><button>Place order</button></form>"""


def _checked(is_so: bool) -> str:  # noqa: FBT001  (one word in a tag)
    return " checked" if is_so else ""


def _problem(fields: dict[str, str]) -> str:
    """What keeps an order from being placed; empty where nothing does."""
    if not fields.get("quantity", "").isdecimal() or not 0 < int(fields["quantity"]) <= 6:  # noqa: PLR2004  (as the list)
        return "Choose a quantity from 1 to 6."
    if not fields.get("name"):
        return "Please give a name."
    if fields.get("delivery") not in {"standard", "express"}:
        return "Choose a delivery."
    return "" if "terms" in fields else "Please accept the terms."


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].isdecimal():
        sys.exit(__doc__)
    with ShopSite(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as shop:
        sys.stdout.write(f"{shop.url} (Ctrl-C ends it)\n{order_for(0).words}\n")
        sys.stdout.flush()
        try:
            shop.wait()
        except KeyboardInterrupt:
            sys.exit(130)
