"""The `dlcli` command: its subcommands, and the one place where an error becomes lines on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import dlcli
from dlcli.cli.console import print_error, print_json
from dlcli.cli.eval import eval_command
from dlcli.cli.smoke import smoke_command
from dlcli.cli.train import resume_arguments, train_command
from dlcli.config.diagnostics import ConfigError
from dlcli.errors import EXIT_BUG, EXIT_OK, EXIT_SIGINT, DlcliError

app = typer.Typer(
    help="Train CNNs and RNNs from a short YAML file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("train")(train_command)
app.command("eval")(eval_command)
app.command("smoke")(smoke_command)


def _print_version(value: bool) -> None:
    if value:
        print(f"dlcli {dlcli.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    pass


def main() -> None:
    """The entry point of the `dlcli` script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command.

    Args:
        arguments: what stands behind `dlcli`.

    Returns:
        The exit code.
    """
    debug = "--debug" in arguments
    arguments = resume_arguments([argument for argument in arguments if argument != "--debug"])
    as_json = "--json" in arguments
    try:
        code = app(args=arguments, prog_name="dlcli", standalone_mode=False)
        sys.stdout.flush()
    except DlcliError as error:
        return _report(error, as_json=as_json, debug=debug)
    except typer.Abort:
        return EXIT_SIGINT
    except KeyboardInterrupt:
        return EXIT_SIGINT
    except BrokenPipeError:  # whoever read stdout has left: there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except typer.TyperException as error:
        print_error(_sentence(error.format_message()), _usage_help(arguments))
        if as_json:
            print_json({"error": _sentence(error.format_message()), "help": _usage_help(arguments), "exit_code": 2})
        return 2
    except Exception as error:
        return _report_bug(error, debug=debug)
    return code if isinstance(code, int) else EXIT_OK


def _report(error: DlcliError, *, as_json: bool, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    diagnostics = error.diagnostics if isinstance(error, ConfigError) else ()
    if diagnostics:
        print(error.message, file=sys.stderr)
        count = len(diagnostics)
        print_error("the config has a mistake" if count == 1 else f"the config has {count} mistakes", None)
    else:
        print_error(error.message, error.help)
    if as_json:
        print_json(
            {
                "error": error.message,
                "help": error.help,
                "exit_code": error.exit_code,
                "diagnostics": [diagnostic.as_json() for diagnostic in diagnostics],
            }
        )
    return error.exit_code


def _report_bug(error: Exception, *, debug: bool) -> int:
    text = "".join(traceback.format_exception(error))
    if debug:
        print(text, file=sys.stderr)
    with tempfile.NamedTemporaryFile("w", prefix="dlcli-bug-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(f"dlcli {dlcli.__version__}, Python {sys.version}\n{sys.argv}\n\n{text}")
    print_error(f"a bug in dlcli: {type(error).__name__}: {error}", f"please report it, with the traceback in {Path(file.name)}")
    return EXIT_BUG


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def _usage_help(arguments: Sequence[str]) -> str:
    command = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    known = {info.name for info in app.registered_commands}
    return f"see `dlcli {command} --help`" if command in known else "see `dlcli --help`"
