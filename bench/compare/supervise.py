"""Starts the processes of one run, watches them and all their descendants, and prints what they cost as JSON.

    stdin: an order (measure.py) ──► main process, and those before it
                                       └► whatever they start, also what detaches itself
    this process ── reaper: waits for the children, its own and orphans
                 ├─ memory: sums /proc/*/smaps_rollup every 25 ms or so
                 └─ watcher: looks at the output every 5 ms; kills, if that is the order

Nothing gets away: this process is the subreaper of all it starts (prctl(2)), so a daemon whose parent ends is still a
descendant. It is not part of what is measured.

CPU seconds are read from a control group where one can be made (Linux, as root, or in a delegated one): the kernel counts
there whatever ran in it, at whatever depth, dead or alive. Elsewhere they are what wait4(2) gives for the children, which
holds every descendant that its parent waited for, and the last sample of those that nobody waits for because their parent
ignores SIGCHLD.
"""

import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

SAMPLE = 0.025  # s between two looks at memory, or more: see Memory
WATCH = 0.005  # s between two looks at the output
GRACE = 20.0  # s that processes may take to end after the main one
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


class ControlGroup:
    """A cgroup of our own: version 2, also beside version 1, or version 1's cpuacct."""

    def __init__(self):
        self.path, self.kind = self.make()

    @staticmethod
    def make():
        if os.environ.get("LEVADA_COMPARE_CGROUP") == "off":
            return None, ""
        own = {}
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            for name in names.split(","):
                own[name] = path.lstrip("/")
        for root, name, kind in (
            ("/sys/fs/cgroup", "", "cgroup v2"),
            ("/sys/fs/cgroup/unified", "", "cgroup v2"),
            ("/sys/fs/cgroup/cpuacct", "cpuacct", "cgroup v1 cpuacct"),
        ):
            parent = pathlib.Path(root, own.get(name, ""))
            path = parent / f"levada-compare-{os.getpid()}"
            usage = "cpuacct.stat" if name else "cpu.stat"
            if not (parent / "cgroup.procs").exists():
                continue
            try:
                path.mkdir()
            except OSError:
                continue
            # A process that goes in and out again shows that ours may.
            try:
                probe = subprocess.run(["sh", "-c", 'echo $$ > "$0"', str(path / "cgroup.procs")], stderr=subprocess.DEVNULL, check=False)
                if probe.returncode == 0 and (path / usage).exists():
                    return path, kind
            except OSError:
                pass
            path.rmdir()
        return None, ""

    def wrap(self, argv: list) -> list:
        if self.path is None:
            return argv
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *argv]

    def pids(self) -> list[int]:
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def usage(self) -> tuple[float, float]:
        if self.kind == "cgroup v2":
            stat = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
            return int(stat["user_usec"]) / 1e6, int(stat["system_usec"]) / 1e6
        stat = dict(line.split() for line in (self.path / "cpuacct.stat").read_text().splitlines())
        return int(stat["user"]) / TICKS, int(stat["system"]) / TICKS

    def close(self) -> None:
        if self.path is not None:
            for _ in range(100):
                try:
                    return self.path.rmdir()
                except OSError:  # a process is not quite gone
                    time.sleep(0.01)


class Stat:
    """What /proc/PID/stat says of a process: its parent, when it started, its own CPU seconds and those of the children
    that it has waited for."""

    def __init__(self, pid: int):
        with open(f"/proc/{pid}/stat", "rb") as f:
            text = f.read()
        fields = text[text.rindex(b")") + 2 :].split()
        self.command = text[text.index(b"(") + 1 : text.rindex(b")")].decode(errors="replace")
        self.gone = fields[0] in b"ZX"
        self.parent = int(fields[1])
        self.user, self.system = int(fields[11]) / TICKS, int(fields[12]) / TICKS
        self.children = int(fields[13]) / TICKS, int(fields[14]) / TICKS
        self.key = pid, int(fields[19])


def descendants(of: int) -> dict[int, Stat]:
    """All processes below one, by their ids."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stats[int(name)] = Stat(int(name))
            except (OSError, ValueError):  # it has ended meanwhile
                continue
    below, found = {of}, {}
    while True:
        more = {pid for pid, s in stats.items() if s.parent in below and pid not in found}
        if not more:
            return found
        found |= {pid: stats[pid] for pid in more}
        below = more


def ignores_children(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("SigIgn:"):
                    return bool(int(line.split()[1], 16) >> (signal.SIGCHLD - 1) & 1)
    except OSError:
        pass
    return False


def proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as f:
            for line in f:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:  # it has ended meanwhile
        pass
    return 0


class Memory:
    """The course of the proportional memory of all processes. Each look costs what the processes have mapped, so looks
    take at most a tenth of one core: with many large processes there are fewer."""

    def __init__(self, run: "Run"):
        self.run, self.course, self.peak, self.peak_of = run, [], 0, {}
        self.unwaited = {}  # of processes that nobody waits for: key to CPU seconds when last seen

    def look(self) -> None:
        at, by, total = self.run.now(), {}, 0
        processes = self.run.processes()
        for pid, stat in processes.items():
            size = proportional(pid)
            total += size
            by[stat.command] = by.get(stat.command, 0) + size
            if self.run.group.path is None and stat.parent != os.getpid() and ignores_children(stat.parent):
                self.unwaited[stat.key] = stat.user + stat.children[0], stat.system + stat.children[1]
        self.course.append([round(at, 3), total])
        if total > self.peak:
            self.peak, self.peak_of = total, by

    def follow(self) -> None:
        while not self.run.over.is_set():
            began = time.thread_time()
            self.look()
            self.run.over.wait(max(SAMPLE, 9 * (time.thread_time() - began)))


class Output:
    """When the output appears. A file counts as whole when it ends as a Parquet file does and no part of its path begins
    with _ or a dot, which is where systems keep what is not to be read yet."""

    def __init__(self, run: "Run", where: str):
        self.run, self.where = run, where
        self.first_byte = self.first_file = self.last_file = None
        self.seen = {}  # path to size
        self.look(before=True)

    def look(self, before: bool = False) -> None:
        for path, size in files(self.where):
            if self.seen.get(path) == size:
                continue
            self.seen[path] = size
            if before or size <= 4 or not magic(path, 0, os.SEEK_SET):  # the magic number alone is no data
                continue
            now = self.run.now()
            if self.first_byte is None:
                self.first_byte = now
            hidden = any(part[0] in "._" for part in os.path.relpath(path, self.where).split(os.sep))
            if not hidden and path.endswith(".parquet") and magic(path, -4, os.SEEK_END):
                self.last_file = now
                if self.first_file is None:
                    self.first_file = now

    def times(self) -> dict:
        return {"first_byte": self.first_byte, "first_file": self.first_file, "last_file": self.last_file}

    def follow(self) -> None:
        while not self.run.over.wait(WATCH):
            self.look()
            after = self.run.order["kill_after"]
            if after is not None and self.first_byte is not None and self.run.now() >= self.first_byte + after:
                self.run.kill()
                return
            if self.run.now() > self.run.order["timeout"]:
                self.run.timed_out = True
                self.run.kill()
                return


def files(where: str):
    try:
        with os.scandir(where) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        yield from files(entry.path)
                    else:
                        yield entry.path, entry.stat().st_size
                except OSError:  # renamed or removed meanwhile
                    continue
    except OSError:
        return


def magic(path: str, offset: int, whence: int) -> bool:
    try:
        with open(path, "rb") as f:
            f.seek(offset, whence)
            return f.read(4) == b"PAR1"
    except OSError:
        return False


class Run:
    def __init__(self, order: dict):
        self.order, self.group = order, ControlGroup()
        self.over = threading.Event()
        self.killed, self.timed_out = None, False
        self.user = self.system = 0.0  # of the children that were waited for
        self.children, self.began = {}, time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self.began

    def processes(self) -> dict[int, Stat]:
        if self.group.path is None:
            return {pid: s for pid, s in descendants(os.getpid()).items() if not s.gone}
        found = {}
        for pid in self.group.pids():
            try:
                found[pid] = Stat(pid)
            except (OSError, ValueError):
                continue
        return found

    def start(self, process: dict, log) -> int:
        argv = self.group.wrap(process["argv"])
        child = subprocess.Popen(argv, env=os.environ | process["env"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.children[child.pid] = child  # kept, so that nothing else waits for it
        return child.pid

    def signal(self, number: int, pids) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except OSError:
                pass

    def kill(self) -> None:
        """SIGKILL to everything at once, again until nothing is left: a process may have started another meanwhile."""
        if self.killed is None:
            self.killed = self.now()
        if self.group.path is not None:
            try:
                (self.group.path / "cgroup.kill").write_text("1")
            except OSError:  # an older kernel
                pass
        while pids := list(self.processes()):
            self.signal(signal.SIGKILL, pids)
            time.sleep(0.002)

    def reap(self, until: int | None) -> int:
        """Waits for children: for all, or until one of them has ended, whose status it returns."""
        while True:
            try:
                pid, status, used = os.wait4(-1, 0)
            except ChildProcessError:
                return 0
            self.user += used.ru_utime
            self.system += used.ru_stime
            if pid == until:
                return os.waitstatus_to_exitcode(status)

    def run(self) -> dict:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        sys.setswitchinterval(0.0005)
        memory, output = Memory(self), Output(self, self.order["out"])
        threads = [threading.Thread(target=memory.follow), threading.Thread(target=output.follow)]
        with open(self.order["log"], "ab") as log, open(self.order["log"] + ".services", "ab") as services_log:
            self.began = time.monotonic()
            for t in threads:
                t.start()
            servers, services = [], []
            for process in self.order["before"]:
                (servers if process["port"] else services).append(self.start(process, services_log))
                if process["port"] and not answers(process["port"]):
                    log.write(f"nothing listens on port {process['port']}\n".encode())
            status = self.reap(self.start(self.order["main"], log))
        wall = self.now()
        output.look()
        self.end(services, servers)
        tail = self.now() - wall
        self.over.set()
        for t in threads:
            t.join()
        user, system, accounting = self.cpu(memory)
        self.group.close()
        return {
            "wall": wall,
            "user": user,
            "system": system,
            "accounting": accounting,
            "peak": memory.peak,
            "peak_of": memory.peak_of,
            "memory": memory.course,
            # The last look comes a moment after the end.
            **{when: None if at is None else min(at, wall) for when, at in output.times().items()},
            "tail": tail,
            "status": status,
            "killed": None if self.timed_out else self.killed,
            "timed_out": self.timed_out,
        }

    def end(self, *groups: list) -> None:
        """Ends what is left after the main process. Those before it are asked to, one group after the other; daemons may
        take a while to go by themselves."""
        reaper = threading.Thread(target=self.reap, args=(None,))
        reaper.start()
        deadline = time.monotonic() + GRACE
        for pids in groups:
            self.signal(signal.SIGTERM, pids)
            while time.monotonic() < deadline and not self.processes().keys().isdisjoint(pids):
                time.sleep(0.005)
        while time.monotonic() < deadline and self.processes():
            time.sleep(0.005)
        killed = self.killed
        self.kill()
        self.killed = killed
        reaper.join()

    def cpu(self, memory: Memory) -> tuple[float, float, str]:
        if self.group.path is not None:
            return *self.group.usage(), self.group.kind
        unwaited = memory.unwaited.values()
        return self.user + sum(u for u, _ in unwaited), self.system + sum(s for _, s in unwaited), "wait4 and samples"


def answers(port: int) -> bool:
    """Waits until somebody listens on a port of this machine."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.005)
    return False


if __name__ == "__main__":
    print(json.dumps(Run(json.load(sys.stdin)).run()))
