"""scripts/tune-host on made-up hosts: it advises, changes only what is not good, and takes that back."""

import importlib.machinery
import importlib.util
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import types
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "scripts/tune-host"
GOOD = {
    "proc/sys/kernel/osrelease": "6.18.0",
    "proc/sys/fs/nr_open": "1048576",
    "proc/sys/net/core/somaxconn": "65535",
    "proc/sys/net/ipv4/ip_local_port_range": "1024\t65535",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "proc/sys/vm/swappiness": "60",
    "proc/meminfo": "MemTotal: 9 kB\nSwapTotal:       0 kB",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet",
}
BAD = {
    "proc/sys/net/core/somaxconn": "128",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
    "proc/meminfo": "SwapTotal:    1024 kB",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet",
    "proc/sys/kernel/io_uring_disabled": "2",
}


def load_script() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("tune_host", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tune_host", loader))
    # Its dataclasses look themselves up there.
    sys.modules["tune_host"] = module
    loader.exec_module(module)
    return module


tune_host = load_script()


class TuneHost(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = pathlib.Path(place.name)
        self.undo_file = self.root / "undo"

    def lay(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text + "\n")

    def advice(self) -> dict:
        found = tune_host.all_advice(tune_host.Host(self.root), resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        return {each.name: each for each in found}

    def run_script(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(SCRIPT), "--root", str(self.root), *words], capture_output=True, text=True, timeout=60, check=False
        )

    def text(self, path: str) -> str:
        return (self.root / path).read_text().strip()

    def test_a_good_host_has_nothing_to_do(self) -> None:
        self.lay(GOOD)
        self.assertEqual([name for name, each in self.advice().items() if not each.is_good], [])

    def test_each_bad_setting_is_found(self) -> None:
        self.lay(GOOD | BAD)
        wrong = {name for name, each in self.advice().items() if not each.is_good}
        self.assertEqual(
            wrong,
            {
                "net.core.somaxconn",
                "net.ipv4.ip_local_port_range",
                "transparent huge pages",
                "vm.swappiness",
                "clock source",
                "kernel.io_uring_disabled",
            },
        )

    def test_limits_of_processes_are_for_a_person(self) -> None:
        self.lay({"proc/sys/kernel/osrelease": "5.4.0-1"})
        files, locked = tune_host.limits(tune_host.Host(self.root), 1024, 65536)
        self.assertEqual((files.is_good, files.writes, locked.is_good), (False, (), False))
        self.lay({"proc/sys/kernel/osrelease": "6.1.0"})
        self.assertTrue(list(tune_host.limits(tune_host.Host(self.root), 2**20, 65536))[1].is_good)

    def test_changes_are_made_once_and_taken_back(self) -> None:
        self.lay(GOOD | BAD)
        done = self.run_script("--apply", "--undo-file", str(self.undo_file))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.text("proc/sys/net/core/somaxconn"), "4096")
        self.assertEqual(self.text("sys/kernel/mm/transparent_hugepage/enabled"), "madvise")
        self.assertEqual(self.text("proc/sys/fs/nr_open"), "1048576")
        self.assertEqual(self.run_script("--undo", str(self.undo_file)).returncode, 0)
        self.assertEqual(self.text("proc/sys/net/core/somaxconn"), "128")
        # The file says "[always] madvise never"; the kernel wants "always".
        self.assertEqual(self.text("sys/kernel/mm/transparent_hugepage/enabled"), "always")

    def test_what_was_before_the_first_change_is_never_lost(self) -> None:
        self.lay(GOOD | BAD)
        self.undo_file.write_text("[]")
        done = self.run_script("--apply", "--undo-file", str(self.undo_file))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.text("proc/sys/net/core/somaxconn"), "128")

    def test_a_strange_undo_file_is_refused(self) -> None:
        for path in ("/etc/passwd", "/proc/sys/../../etc/passwd"):
            self.undo_file.write_text(json.dumps([{"path": path, "was": "x"}]))
            self.assertIn("is no undo file", self.run_script("--undo", str(self.undo_file)).stderr)

    def test_the_exit_code_tells_whether_something_is_to_do(self) -> None:
        self.lay(GOOD | BAD)
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(self.run_script("--check").returncode, 1)

    def test_sysctl_lines_keep_what_is_to_do(self) -> None:
        self.lay(GOOD | BAD)
        lines = self.run_script("--sysctl").stdout.splitlines()
        self.assertIn("net.core.somaxconn = 4096", lines)
        self.assertEqual(len([line for line in lines if "transparent" in line]), 0)

    def test_governors_are_advised_where_there_are_some(self) -> None:
        self.lay({f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor": "powersave" for cpu in range(2)})
        self.assertEqual(len(self.advice()["CPU governor"].writes), 2)

    def test_packets_are_steered_where_queues_are_few_and_only_there(self) -> None:
        cpus = {f"sys/devices/system/cpu/cpu{cpu}/online": "1" for cpu in range(4)}
        self.lay(
            cpus
            | {"sys/class/net/eth0/device/vendor": "x", "sys/class/net/eth0/queues/rx-0/rps_cpus": "00000000,00000000"}
        )
        self.assertEqual(
            self.advice()["eth0: RPS of 1 queue"].writes, (("/sys/class/net/eth0/queues/rx-0/rps_cpus", "f"),)
        )
        self.lay({f"sys/class/net/eth0/queues/rx-{queue}/rps_cpus": "0" for queue in range(4)})
        self.assertTrue(self.advice()["eth0: RPS of 4 queues"].is_good)

    def test_interrupts_that_share_a_cpu_are_spread(self) -> None:
        self.lay({f"sys/devices/system/cpu/cpu{cpu}/online": "1" for cpu in range(2)})
        self.lay({f"sys/class/net/eth0/device/msi_irqs/{number}": "msi" for number in (24, 25, 26)})
        self.lay({f"proc/irq/{number}/smp_affinity_list": "0-1" for number in (24, 25, 26)})
        self.lay({f"proc/irq/{number}/effective_affinity_list": "0" for number in (24, 25, 26)})
        found = self.advice()["eth0: 3 interrupts"]
        self.assertFalse(found.is_good)
        self.assertEqual([value for _, value in found.writes], ["0", "1", "0"])

    def test_sets_of_cpus_are_written_as_the_kernel_does(self) -> None:
        self.assertEqual([tune_host.mask(cpus) for cpus in (0, 2, 32, 36)], ["0", "3", "ffffffff", "f,ffffffff"])
        self.assertTrue(tune_host.same_mask("00000000,0000000f", "f"))
