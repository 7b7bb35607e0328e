"""Every example in the public texts is one of this program: read, loaded, compiled, held against its command line."""

import ast
import json
import re
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from agent.cli.commands import tibabu
from agent.config.file import Config

REPOSITORY = Path(__file__).parents[3]
Snippets = Callable[[str], list[Any]]


def test_every_block_that_does_not_run_says_why_and_what_checks_it_instead(page: str, snippets: Snippets) -> None:
    """Programs are run by a test of their own, unless they are files that whoever follows the page has."""
    for one in snippets(page):
        why = one.marked("not run")
        assert why or one.title or one.language not in {"python", "js", "ini"}, str(one)
        if why is not None:
            reason, _, check = why.partition("; checked by ")
            assert reason, str(one)
            assert check == "its options" or (REPOSITORY / check).exists(), f"{one}: {check}"


def test_every_fence_says_what_it_is_written_in(snippets: Snippets) -> None:
    """How the blocks of each language are checked stands in tests/fixtures/snippets.py."""
    languages = {"sh", "toml", "python", "json", "yaml", "ini", "js", "csv", "text"}
    for path in (*REPOSITORY.glob("*.md"), REPOSITORY / "benchmarks/README.md", *(REPOSITORY / "docs").rglob("*.md")):
        found = snippets(str(path.relative_to(REPOSITORY)))
        assert [str(one) for one in found if one.language not in languages] == []
        assert len(re.findall(r"^\s*```", path.read_text(encoding="utf-8"), re.MULTILINE)) == 2 * len(found), path


def test_every_example_of_a_configuration_loads(page: str, snippets: Snippets) -> None:
    for one in snippets(page):
        if one.language == "toml":
            Config.model_validate(tomllib.loads(one.text))


def test_every_document_and_program_can_be_read(page: str, snippets: Snippets) -> None:
    for one in snippets(page):
        if one.language == "json":
            json.loads(one.text)
        if one.language == "yaml":
            assert yaml.safe_load(one.text)
        if one.language == "python":
            ast.parse(one.text)


def test_every_command_is_one_of_the_program_with_options_that_it_has(page: str, snippets: Snippets) -> None:
    for one in snippets(page):
        for words in one.commands if one.language == "sh" else ():
            if Path(words[0]).name == "tibabu":
                check_command(tibabu, words[1:], str(one))
            elif Path(words[0]).name.startswith("python") and words[1:2] == ["-m"]:
                assert find_spec(words[2]), f"{one}: {words}"
            elif Path(words[0]).name.startswith("python") and words[1:2] != ["-c"]:
                assert (REPOSITORY / words[1]).exists(), f"{one}: {words}"


def test_every_command_within_a_sentence_has_the_options_that_it_is_named_with(page: str) -> None:
    prose = re.sub(r"^```.*?^```$", "", (REPOSITORY / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for line in re.findall(r"`tibabu ([a-z][^`]*)`", prose):
        name, *words = line.split()
        command = tibabu.get_command(click.Context(tibabu), name)
        assert command is not None, name
        if isinstance(command, click.Group) and words:
            command = command.get_command(click.Context(command), words[0])
            assert command is not None, line
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= {*known, "--help"}, line


def check_command(command: click.Command, words: list[str], where: str) -> None:
    """Read a command line as click does, without running it; what stands for a value, such as FOLDER, passes."""
    names = ["-h", "--help"]  # a command keeps what it was first asked with
    context = click.Context(command, info_name=command.name, help_option_names=names)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    if isinstance(command, click.Group):
        if not rest:
            assert {"--help", "--version"} & set(words), f"{where}: {words}"
            return
        inner = command.get_command(context, rest[0])
        assert inner is not None, f"{where}: {rest[0]}"
        check_command(inner, rest[1:], where)
        return
    assert not rest, f"{where}: too much: {rest}"
    for parameter in command.params:
        given = values.get(parameter.name or "")
        assert not (parameter.required and parameter.value_is_missing(given)), f"{where}: no {parameter.name}: {words}"
        if isinstance(parameter.type, click.Choice) and isinstance(given, str) and not given.isupper():
            assert given in parameter.type.choices, f"{where}: {given}"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "no command"),
        (["unknown"], "unknown command"),
        (["worklist", "--unknown"], "unknown option"),
        (["rules"], "half a command"),
        (["show"], "without its study"),
        (["worklist", "too much"], "an argument too many"),
        (["withdraw", "1.2.3", "--reason", "smoke"], "no choice of it"),
    ],
)
def test_a_command_line_that_the_program_would_refuse_is_found(words: list[str], why: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check_command(tibabu, words, why)
