"""The leaderboard as one HTML page that needs no network.

The data travel as JSON in a script element that is never executed; the page's own script puts them into
the document as text only. A content security policy allows that script and style, by hash, and nothing else.
"""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).with_name("leaderboard.html")


def page(board: dict[str, Any]) -> str:
    """The page of a leaderboard given as plain JSON."""
    template = TEMPLATE.read_text(encoding="utf-8")
    script = re.search(r"<script>(.*?)</script>", template, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", template, re.DOTALL)
    if script is None or style is None:
        raise ValueError(f"{TEMPLATE}: has no script or no style")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"script-src '{_hash(script[1])}'; style-src '{_hash(style[1])}'"
    )
    return template.replace("{{POLICY}}", policy).replace("{{DATA}}", embed(board))


def embed(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
