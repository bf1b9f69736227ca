"""Docs are tested: their Python runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from PIL import Image

import gatescope
from gatescope.caption.bundle import SHIPPED
from gatescope.cli.app import app
from gatescope.cli.gates import parser
from gatescope.cli.run import parser as run_parser
from gatescope.data.samples import sample_photos

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

OF_RECIPES = [["train"], ["rate"], ["sweep"]]
"""Groups that have a command for every recipe."""


def blocks(text: str, language: str, marker: str = "") -> list[str]:
    return re.findall(rf"{marker}```{language}\n(.*?)```", text, re.DOTALL)


def named_commands(text: str) -> list[str]:
    """Lines of console blocks and code in running text that call the command."""
    lines = [line for block in blocks(text, "console") for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"`(gatescope [^`]+)`", prose)
    return [line.partition("#")[0].strip() for line in lines if line.startswith("gatescope ")]


def check_command(line: str) -> str:
    """Walks a line through the tree of commands; returns the command's name."""
    plain = re.sub(r"[\[\]…]", " ", line)
    words = shlex.split(plain)[1:]
    command, name = typer.main.get_command(app), []
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        own = name in OF_RECIPES and (words[0] == "NAME" or words[0].endswith(".py"))
        name.append("gate" if own else words[0])
        words.pop(0)
        context = typer.Context(command)
        known = command.list_commands(context)
        assert name[-1] in known, f"{line}: there is no command {' '.join(name)}"
        command = command.get_command(context, name[-1])
    known = {"--help"}
    if name == ["gates"]:  # which reads its arguments without typer
        known |= {option for action in parser()._actions for option in action.option_strings}
    if name == ["run"]:
        words = words[: next((i for i, word in enumerate(words) if word.endswith(".py")), None)]
        known |= {opt for action in run_parser()._actions for opt in action.option_strings}
    for parameter in command.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    for word in words:
        assert not word.startswith("--") or word in known, f"{line}: there is no option {word}"
    return " ".join(name)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_named_exists(page: Path) -> None:
    for line in named_commands(page.read_text()):
        check_command(line)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for line in ("gatescope trian", "gatescope train captions --run r", "gatescope demo --fast"):
        with pytest.raises(AssertionError, match="there is no"):
            check_command(line)


def test_every_command_is_in_the_docs() -> None:
    told = {check_command(line) for page in PAGES for line in named_commands(page.read_text())}
    tree = typer.main.get_command(app)
    for name, command in tree.commands.items():
        inside = (
            command.list_commands(typer.Context(command)) if hasattr(command, "commands") else []
        )
        names = [f"{name} {inner}" for inner in inside] or [name]
        if [name] in OF_RECIPES[1:]:  # which do the same with every recipe
            assert any(one in told for one in names)
        else:
            assert told >= set(names)


def test_every_public_name_is_in_the_docs() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for name in set(gatescope.__all__) - {"__version__"}:
        assert f"gs.{name}" in text


RUNNABLE = [
    pytest.param(block, id=f"{name}-{place}")
    for page, name in zip(PAGES, NAMES, strict=True)
    for place, block in enumerate(blocks(page.read_text(), "python", r"<!-- runnable -->\n"))
]


@pytest.mark.parametrize("snippet", RUNNABLE)
def test_snippets_run(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "load_captioner()" in snippet and not (SHIPPED / "bundle.json").exists():
        pytest.skip("the shipped bundle is not there")
    Image.fromarray(sample_photos()["cat"]).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "snippet", "exec"), {})  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_all_python_is_python(page: Path) -> None:
    for block in blocks(page.read_text(), "python"):
        compile(block, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert set(re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)) == pages
