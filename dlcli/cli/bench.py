"""`dlcli bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dlcli.cli.console import print_json, print_notice, print_result, table
from dlcli.cli.options import ConfigArgument, DataDir, Device, Json, Plugins, Set

if TYPE_CHECKING:
    from dlcli.app.bench import Bench


_NO_KERNELS: Final = "kernels    torch's alone: the package was built without a C compiler, or from other sources"


def bench_command(
    config: ConfigArgument,
    set_: Set = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Measure how fast CONFIG trains on this machine, and what takes the time; some seconds, and nothing is kept.

    Example: dlcli bench configs/cnn.yaml --set train.batch_size=256
    """
    from dlcli.app.bench import bench  # torch: only once there is work to do
    from dlcli.plugins import load_plugins
    from dlcli.runtime.shared_cores import waiting_threads_sleep

    load_plugins(plugin or ())
    if waiting_threads_sleep():
        print_notice("other programs leave fewer cores than torch has threads, and those that wait sleep")
    measured = bench(config, tuple(set_ or ()), device, data_dir, print_notice)
    if json:
        print_json(measured.as_json())
    else:
        print_result("\n".join(_lines(measured)))


def _lines(measured: Bench) -> list[str]:
    """The rate, the parts of a step, and what the machine could do."""
    whole = sum(measured.milliseconds.values())
    rows = [["", "ms a step", "share"]]
    rows += [[name, f"{value:.3f}", f"{value / whole:.0%}"] for name, value in measured.milliseconds.items()]
    share = "" if measured.share_of_peak is None else f", the network takes {measured.share_of_peak:.0%} of them"
    return [
        f"{measured.samples_per_second:,.0f} samples/s in {measured.steps:,} steps of {measured.batch_size} on {measured.device}",
        *([_NO_KERNELS] if measured.compiled is False else []),
        "",
        *table(rows, right=(1, 2)).splitlines(),
        "",
        f"product    {measured.peak_flops / 1e9:,.0f} GFLOP/s of two matrices in float32{share}",
        f"memory     {measured.peak_memory / 2**20:,.0f} MiB at most",
    ]
