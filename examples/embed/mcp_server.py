"""A small MCP server on stdin and stdout, for `mcp_tools.py`: a basket that lives as long as the session."""

from __future__ import annotations

from mcp.server.fastmcp import FastMCP

server, basket = FastMCP("shop", log_level="ERROR"), list[str]()


@server.tool()
def put(item: str) -> str:
    """Put an item into the basket."""
    basket.append(item)
    return f"in the basket: {', '.join(basket)}"


if __name__ == "__main__":
    server.run("stdio")
