"""`dlcli doctor`."""

from __future__ import annotations

from pathlib import Path

from dlcli.cli.console import output_width, print_json, print_result
from dlcli.cli.findings import finding_lines, summary_line
from dlcli.cli.options import DataDir, Json, RunsDir
from dlcli.errors import EXIT_OK, UsageError


def doctor_command(runs_dir: RunsDir = Path("runs"), data_dir: DataDir = None, json: Json = False) -> int:
    """Check this machine: packages, devices, cores, memory, disk. Exit code 2 where there is a fault.

    Example: dlcli doctor
    """
    from dlcli.app.doctor.examination import Places, checks, examine  # torch: only once there is work to do
    from dlcli.app.finding import count

    found = examine(checks(Places(runs_dir, data_dir)))
    faults, warnings = count(found, "fault"), count(found, "warning")
    if json:
        listed = [finding.as_json() for finding in found]
        print_json({"ok": not faults, "faults": faults, "warnings": warnings, "checks": listed})
    else:
        print_result("\n".join([*finding_lines(found, output_width()), "", summary_line(found, "all is well")]))
    return UsageError.exit_code if faults else EXIT_OK
