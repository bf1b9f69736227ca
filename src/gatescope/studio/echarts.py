"""The script of Apache ECharts as NiceGUI ships it, for pages that have no server."""

from __future__ import annotations

import re
from importlib.resources import files

NOTICE = (
    "Charts are drawn by Apache ECharts, Copyright The Apache Software Foundation, under the "
    "Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0."
)


def script() -> str:
    """ECharts as a module that leaves itself in `window.echarts`.

    NiceGUI has it as two modules, of which the first imports the second and gives it its name;
    here they are one, for a file that is opened from disk may import nothing.

    Raises:
        RuntimeError: NiceGUI ships it in another form than it did.
    """
    folder = files("nicegui") / "elements" / "echart" / "dist"
    entry = (folder / "index.js").read_text("utf-8")
    imported = re.search(r'import\{([^}]*)\}from"\./([\w.-]+)"', entry)
    exported = re.search(r"export\{([^}]*)\}", entry)
    if not imported or not exported:
        raise RuntimeError("NiceGUI's module of ECharts begins in another way")
    code, _, names = (folder / imported[2]).read_text("utf-8").rpartition("export{")
    inner = _before(names)[_before(imported[1])[_before(exported[1])["echarts"]]]
    return f"/* {NOTICE} */\n{code}window.echarts={inner};"


def _before(names: str) -> dict[str, str]:
    """What names were before they were renamed, as in `old as new`."""
    return {new: old for old, new in re.findall(r"([\w$]+) as ([\w$]+)", names)}
