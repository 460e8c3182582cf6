"""The `dlcli` command: its subcommands, and the one place where an error becomes lines on stderr and an exit code."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

import dlcli
from dlcli.cli.bench import bench_command
from dlcli.cli.console import print_error, print_json, print_notice, print_progress, terminal_width
from dlcli.cli.data import data_app
from dlcli.cli.doctor import doctor_command
from dlcli.cli.eval import eval_command
from dlcli.cli.explain import explain_command
from dlcli.cli.export import export_command
from dlcli.cli.init import init_command
from dlcli.cli.predict import predict_command
from dlcli.cli.report import report_command
from dlcli.cli.runs import runs_app
from dlcli.cli.schema import schema_command
from dlcli.cli.smoke import smoke_command
from dlcli.cli.summary import summary_command
from dlcli.cli.train import resume_arguments, train_command
from dlcli.cli.validate import validate_command
from dlcli.cli.verify import verify_command
from dlcli.config.diagnostics import ConfigError, nearest
from dlcli.errors import EXIT_BUG, EXIT_OK, EXIT_SIGINT, DlcliError, Interrupted
from dlcli.runtime.shared_cores import CoreTimes, core_times, let_waiting_threads_sleep
from dlcli.runtime.signals import heeded

app = typer.Typer(
    help="Train CNNs and RNNs from a short YAML file.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("train")(train_command)
app.command("validate")(validate_command)
app.command("summary")(summary_command)
app.command("eval")(eval_command)
app.command("verify")(verify_command)
app.command("predict")(predict_command)
app.command("explain")(explain_command)
app.command("bench")(bench_command)
app.command("export")(export_command)
app.command("smoke")(smoke_command)
app.command("init")(init_command)
app.command("schema")(schema_command)
app.command("doctor")(doctor_command)
app.command("report")(report_command)
app.add_typer(runs_app, name="runs")
app.add_typer(data_app, name="data")


def _print_version(value: bool) -> None:
    if value:
        print(f"dlcli {dlcli.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  # its callback has shown it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,  # noqa: ARG001  # `run` reads it
) -> None:
    started, now = context.obj, core_times()
    if started is not None and now is not None:
        let_waiting_threads_sleep(started, now)


def main() -> None:
    """The entry point of the `dlcli` script."""
    for number in heeded():
        signal.signal(number, _interrupt)
    sys.exit(run(sys.argv[1:], core_times()))


_received: list[int] = []
"""Signals that came while no training watched for them."""


def _interrupt(number: int, _: FrameType | None) -> None:
    """What a signal does while no training watches for it."""
    _received.append(number)
    raise Interrupted(number)


def run(arguments: Sequence[str], started: CoreTimes | None = None) -> int:
    """Runs one command.

    Args:
        arguments: what stands behind `dlcli`.
        started: when the process did, if this is all that it does.

    Returns:
        The exit code.
    """
    debug, as_json = "--debug" in arguments, "--json" in arguments
    arguments = resume_arguments([argument for argument in arguments if argument != "--debug"])
    if not arguments or (len(arguments) == 1 and arguments[0] in _groups()):
        arguments = [*arguments, "--help"]
    try:
        code = app(args=arguments, prog_name="dlcli", standalone_mode=False, obj=started)
    except (Exception, KeyboardInterrupt, Interrupted) as error:
        if debug:
            traceback.print_exception(error)
        message, help, exit_code = _told(_interrupted() or error, arguments)
        diagnostics = error.diagnostics if isinstance(error, ConfigError) else ()
        if diagnostics:
            print_progress("\n\n".join(diagnostic.render(terminal_width()) for diagnostic in diagnostics))
            if len(diagnostics) > 1:
                print_error(f"the config has {len(diagnostics)} mistakes", None)
        else:
            print_error(message, help)
        for note in getattr(error, "__notes__", ()):
            print_notice(note)
        if as_json:
            listed = [diagnostic.as_json() for diagnostic in diagnostics]
            print_json({"error": message, "help": help, "exit_code": exit_code, "diagnostics": listed})
        return exit_code
    lost = _interrupted()
    if lost is not None:
        print_error("interrupted", None)
        return lost.exit_code
    return code if isinstance(code, int) else EXIT_OK


def _interrupted() -> Interrupted | None:
    """The signal that came, also where an import of compiled code lost the exception or made another error of it."""
    return Interrupted(_received[0]) if _received else None


def _told(error: BaseException, arguments: Sequence[str]) -> tuple[str, str | None, int]:
    """What to tell of an error: message, help and exit code."""
    if isinstance(error, DlcliError):
        return error.message, error.help, error.exit_code
    if isinstance(error, Interrupted):
        return "interrupted", None, error.exit_code
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted", None, EXIT_SIGINT
    if isinstance(error, typer.TyperException):
        message = _sentence(error.format_message().replace(": Value error, ", ": "))
        return message, _choice_help(message) or _usage_help(arguments), 2
    from dlcli.plugins import plugin_failure

    failure = plugin_failure(error)
    if failure is not None:
        return failure.message, failure.help, failure.exit_code
    with tempfile.NamedTemporaryFile("w", prefix="dlcli-bug-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"dlcli {dlcli.__version__}, Python {sys.version}\n{sys.argv}\n\n")
        traceback.print_exception(error, file=file)
    message = f"a bug in dlcli: {type(error).__name__}: {error}"
    return message, f"please report it, with the traceback in {Path(file.name)}", EXIT_BUG


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def _choice_help(message: str) -> str | None:
    """Which value was probably meant, where a message names those that there are."""
    found = re.search(r"'([^']*)' is not one of (.+)", message)
    near = nearest(found[1], re.findall(r"'([^']*)'", found[2])) if found else None
    return f"did you mean `{near}`?" if near is not None else None


def _usage_help(arguments: Sequence[str]) -> str:
    command, of_group = (*arguments, "", "")[:2]
    if command in _groups():
        known = {str(info.name) for info in _groups()[command].registered_commands}
        return f"see `dlcli {command} {of_group} --help`" if of_group in known else f"see `dlcli {command} --help`"
    known = {str(info.name) for info in app.registered_commands}
    return f"see `dlcli {command} --help`" if command in known else "see `dlcli --help`"


def _groups() -> dict[str, typer.Typer]:
    """The commands that have commands of their own."""
    return {str(info.name): info.typer_instance for info in app.registered_groups if info.typer_instance is not None}
