"""Builds the kernels beside the code where there is a C compiler; without one the package works, in torch's calls alone."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("dlcli/models/kernels.c")
LEVELS = ("v3", "v4")
"""Of x86-64: with AVX2, and with AVX-512."""
FLAGS = ("-O3", "-shared", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-w")


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling before it makes a wheel, also for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Makes a library for each level of the processor, and says so in the wheel's name."""
        if sys.platform != "linux" or platform.machine() != "x86_64":
            return
        built = [level for level in LEVELS if self._build(level)]
        if built:
            build_data["artifacts"].append("dlcli/models/kernels-*.so")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def _build(self, level: str) -> bool:
        root = Path(self.root)
        target = root / SOURCE.with_name(f"kernels-x86-64-{level}.so")
        compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[:1]
        digest = hashlib.sha256((root / SOURCE).read_bytes()).hexdigest()
        command = [
            *compiler,
            f"-march=x86-64-{level}",
            *FLAGS,
            f'-DSOURCE="{digest}"',
            "-o",
            str(target),
            str(root / SOURCE),
            "-lm",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # the interpreter's compiler
        except OSError as error:
            self.app.display_warning(f"no kernels for x86-64-{level}: {error}")
            return False
        if done.returncode:
            self.app.display_warning(f"no kernels for x86-64-{level}: {done.stderr.strip()}")
        return done.returncode == 0
