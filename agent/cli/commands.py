"""The group of commands, each loaded from its file when it is asked for."""

import importlib
from typing import Any

import click

from agent import VERSION
from agent.errors import AgentError, ConfigError

COMMANDS = {
    "run": "run",
    "demo": "demo",
    "simulate": "simulate",
    "drill": "drill",
    "analyse": "analyse",
    "send": "network",
    "echo": "network",
    "find": "pull",
    "pull": "pull",
    "worklist": "studies",
    "show": "studies",
    "deliveries": "deliveries",
    "requeue": "studies",
    "report": "report",
    "withdraw": "withdraw",
    "hold": "keeping",
    "retention": "keeping",
    "verify": "verify",
    "backup": "backup",
    "restore": "backup",
    "rules": "rules",
    "check": "installation",
    "ticks": "ticks",
    "triage": "triage",
    "drift": "drift",
    "migrate": "installation",
    "move": "move",
    "models": "models",
    "compare": "comparison",
    "train": "training",
    "evaluate": "evaluation",
    "feedback": "feedback",
    "operating-point": "operating_point",
    "token": "token",
    "account": "account",
}
"""Which file of this folder holds which command."""

USAGE = 2


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"agent.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Turn every error that is meant for people into its message and exit status."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(f"tibabu: {error}", err=True)
            ctx.exit(USAGE)
        except _errors_for_people() as error:
            click.echo(f"tibabu: {error}", err=True)
            ctx.exit(1)


def _errors_for_people() -> tuple[type[Exception], ...]:
    """Return the roots of the four packages' trees of errors, whose messages say what to do."""
    from db.errors import DatabaseError  # noqa: PLC0415 - only when something went wrong
    from dicom_io.errors import DicomIoError  # noqa: PLC0415
    from model.errors import ModelError  # noqa: PLC0415

    return AgentError, DatabaseError, DicomIoError, ModelError


HELP = """Triage chest radiographs: receive studies over DICOM, score them, report back, order the worklist.

A triage aid, not a diagnosis. Only pneumonia is looked for; "not flagged" does not exclude disease.

\b
First steps:
  tibabu demo                  a whole hospital on this machine, in a minute
  tibabu analyse IMAGE...      what the model says of files
  tibabu check --config FILE   is this installation fit to run?
  tibabu run --config FILE     serve

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
"""


@click.group(cls=_Commands, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="tibabu")
def tibabu() -> None:
    """Run one of the commands."""
