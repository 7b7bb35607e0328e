"""Every command of the command line, as its `--help` says it."""

from collections.abc import Iterator
from copy import copy

import click

from agent.cli.commands import tibabu

_HEAD = """\
# Commands

Written from the code by `python -m agent.reference docs/reference`; do not edit. What `tibabu COMMAND --help` says;
`-h` and `--help` are left out, which each command has. Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
"""
_WIDTH = 110


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(_commands(tibabu, _context(tibabu, "tibabu", None)))


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = copy(group.get_command(context, name))
        if command is None or command.hidden:
            continue
        command.add_help_option = False  # click keeps the option that it made first, under whoever's names
        own = _context(command, name, context)
        yield f"\n## {own.command_path}\n```text\n{command.get_help(own)}\n```\n"
        if isinstance(command, click.Group):
            yield from _commands(command, own)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
    )
