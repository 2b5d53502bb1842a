import os
import pathlib
import signal
import sys
import tempfile
import unittest
from unittest import mock

from .. import measure

BURN = "import time\nwhile time.process_time() < {}: pass\n"


class Measure(unittest.TestCase):
    """Every test runs with a control group, where one can be made, and without."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.out = pathlib.Path(self.dir.name) / "out"
        self.out.mkdir()

    def both(self, program: str, **more):
        for group in ("on", "off"):
            with mock.patch.dict(os.environ, {"LEVADA_COMPARE_CGROUP": group}):
                argv = [sys.executable, "-S", "-c", program]
                yield measure.run(measure.Plan(measure.Process(argv)), self.out, pathlib.Path(self.dir.name) / "log", timeout=60, **more)

    def test_counts_a_grandchild_that_ended(self):
        grandchild = BURN.format(0.3)
        child = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {grandchild!r}])"
        for m in self.both(f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"):
            self.assertEqual(0, m.status)
            self.assertGreater(m.cpu, 0.3)
            self.assertLess(m.cpu, 0.8)

    def test_counts_a_daemon_that_outlives_its_parent(self):
        daemon = BURN.format(0.3)
        program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {daemon!r}], start_new_session=True)"
        for m in self.both(program):
            self.assertGreater(m.cpu, 0.3)
            self.assertGreater(m.tail, 0.1)

    def test_counts_a_child_that_nobody_waits_for(self):
        child = BURN.format(0.5)
        program = (
            "import signal, subprocess, sys, time; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
            f"p = subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); p.wait()"
        )
        for m in self.both(program):
            self.assertGreater(m.cpu, 0.4)  # without a group, what it did since the last sample is missing

    def test_sees_the_memory_of_all_at_one_time(self):
        child = "import time; b = b'x' * (64 << 20); time.sleep(0.5)"
        program = f"import subprocess, sys; c = [subprocess.Popen([sys.executable, '-S', '-c', {child!r}]) for _ in range(2)]; [p.wait() for p in c]"
        for m in self.both(program):
            self.assertGreater(m.peak, 128 << 20)
            self.assertLess(m.peak, 200 << 20)

    def test_kills_everything_after_the_first_byte(self):
        file = str(self.out / "{}.parquet")
        program = (
            "import os, subprocess, sys, time\n"
            "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(30)'], start_new_session=True)\n"
            f"open({file!r}.format(os.getpid()), 'wb').write(b'PAR1 and more')\n"
            "time.sleep(30)\n"
        )
        for m in self.both(program, kill_after=0.2):
            self.assertEqual(-signal.SIGKILL, m.status)
            self.assertGreater(m.killed, 0.2)
            self.assertLess(m.wall, 15)
            self.assertIsNone(m.first_file)

    def test_says_when_a_file_is_whole(self):
        program = (
            "import os, time\n"
            f"name = {str(self.out)!r} + '/%d.parquet' % os.getpid()\n"
            "with open(name, 'wb', buffering=0) as f:\n"
            "    f.write(b'PAR1 and more'); time.sleep(0.3); f.write(b'PAR1')\n"
        )
        for m in self.both(program):
            self.assertGreater(m.first_file - m.first_byte, 0.2)
            self.assertLessEqual(m.first_file, m.wall)


if __name__ == "__main__":
    unittest.main()
