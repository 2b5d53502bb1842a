#!/usr/bin/env python3
"""Runs TLC on Levada.tla in many small settings: `check.py <jar with TLC> [--ci | name...]`.

Each line of CHECKS is one setting: what differs from BASE, and what TLC must say.
A setting without a rule must fail (the rule is needed); one with all rules must pass.
`--ci` runs what ends within seconds: QUICK, the first design, and every rule left out.

Environment: JOBS=n runs n checks at once (1), TRACE=dir keeps the output of TLC, LIMIT=seconds bounds each check (3600).
"""
import concurrent.futures, os, re, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SAFE = "OnceInLedger NothingLost VisibleKnown NotHalf EndOK OldOK Books"
CORE = "OnceInLedger NothingLost VisibleKnown NotHalf OldOK Books"
BASE = dict(NSpan="S21", Writers="{w1, w2}", Rules="AllRules", Mode='"file"', Overwrite="FALSE", Transform="FALSE",
            Dedupe="FALSE", Flaky="NoFlaky", Cap=3, Heavy="FALSE", Target=2,
            MaxCrash=0, MaxRedeliver=0, MaxEdgeLoss=0, MaxPower=0, MaxLost=2, MaxUnknown=0, MaxCancel=0, MaxSpurious=0)
ONE = '{w1}'
# name: (differences, "ok" or the property that must break)
CHECKS = {
    # The design as first written: nothing goes wrong only when nothing fails.
    "written-calm": (dict(Rules="Written", inv=CORE), "ok"),
    "written-end": (dict(Rules="Written", NSpan="S11", inv="EndOK"), "EndOK"),
    "written-crash": (dict(Rules="Written", NSpan="S11", MaxCrash=1, inv=CORE), "OnceInLedger"),
    "written-redeliver": (dict(Rules="Written", NSpan="S11", MaxRedeliver=1, inv=CORE), "OnceInLedger"),
    "written-unknown": (dict(Rules="Written", NSpan="S11", MaxUnknown=1, inv=CORE), "NothingLost"),
    "written-cancel": (dict(Rules="Written", NSpan="S11", Mode='"run"', MaxCancel=1, inv=CORE), "NotHalf"),
    "written-power": (dict(Rules="Written", NSpan="S11", MaxPower=1, inv=CORE), "deadlock"),
    # Each rule left out, with the smallest faults that show why it is there.
    "no-once": (dict(Rules="NoOnce", NSpan="S11", MaxRedeliver=1), "OnceInLedger"),
    "no-answer": (dict(Rules="NoAnswer", NSpan="S11", Writers=ONE, MaxUnknown=1), "NothingLost"),
    "no-fold": (dict(Rules="NoFold", NSpan="S11", MaxPower=1, MaxLost=1, MaxRedeliver=1), "OnceInLedger"),
    "no-chain": (dict(Rules="NoChain", NSpan="S11", MaxPower=1, MaxLost=3), "EndOK"),
    "no-names": (dict(Rules="NoNames", NSpan="S11", Writers=ONE, MaxCrash=1), "NothingLost"),
    "no-anyone": (dict(Rules="NoAnyone", NSpan="S11", Writers=ONE, MaxCrash=1), "deadlock"),
    "no-visible": (dict(Rules="NoVisible", NSpan="S11"), "EndOK"),
    "no-manifest": (dict(Rules="NoManifest", NSpan="S11", Mode='"run"', Overwrite="TRUE", MaxPower=1, MaxLost=1), "NotHalf"),
    "no-sweep": (dict(Rules="NoSweep", NSpan="S11", Writers=ONE, MaxCrash=1), "deadlock"),
    "no-order": (dict(Rules="NoOrder", NSpan="S11", MaxPower=1, inv="EndOK"), "EndOK"),
    "no-cancel": (dict(Rules="NoCancel", NSpan="S11", MaxCancel=1), "EndOK"),
    "no-epoch": (dict(Rules="NoEpoch", NSpan="S11", Writers=ONE, Transform="TRUE", Dedupe="TRUE", MaxEdgeLoss=1, live=True), "Ends"),
    "no-dead": (dict(Rules="NoDead", NSpan="S11", Writers=ONE, Transform="TRUE", Flaky="Flaky1", MaxCrash=1), "OnceInLedger"),
    "no-dead-books": (dict(Rules="NoDead", NSpan="S11", Writers=ONE, Transform="TRUE", Flaky="Flaky1", MaxCrash=1, inv="Books"), "Books"),
    "no-manifest-old": (dict(Rules="NoManifest", NSpan="S11", Writers=ONE, Mode='"run"', Overwrite="TRUE", MaxPower=1, MaxCancel=1, inv="OldOK"), "OldOK"),
    "no-sweep-end": (dict(Rules="NoSweep", NSpan="S11", Writers=ONE, MaxPower=1, inv="EndOK"), "EndOK"),
    "no-maxage": (dict(Rules="NoMaxage", Heavy="TRUE", Cap=2, Target=2), "deadlock"),
    "no-extent": (dict(Rules="NoExtent", NSpan="S11", Writers=ONE, MaxPower=1, MaxLost=1), "deadlock"),
    # All rules: nothing may break, and nothing may get stuck.
    "calm": (dict(), "ok"),
    "crash": (dict(MaxCrash=1), "ok"),
    "crash-unknown": (dict(NSpan="S11", MaxCrash=1, MaxUnknown=1), "ok"),
    "unknown-redeliver": (dict(NSpan="S11", MaxUnknown=1, MaxRedeliver=1), "ok"),
    "crash-redeliver": (dict(NSpan="S11", MaxCrash=1, MaxRedeliver=1), "ok"),
    "second-copy": (dict(MaxSpurious=1), "ok"),
    "power": (dict(NSpan="S11", MaxPower=1, MaxLost=3), "ok"),
    "power-redeliver": (dict(NSpan="S11", MaxPower=1, MaxRedeliver=1), "ok"),
    "power-unknown": (dict(NSpan="S11", MaxPower=1, MaxUnknown=1), "ok"),
    "power-crash": (dict(NSpan="S11", MaxPower=1, MaxCrash=1), "ok"),
    "power-twice": (dict(NSpan="S11", Writers=ONE, MaxPower=2), "ok"),
    "run-mode": (dict(Mode='"run"', MaxCrash=1), "ok"),
    "cancel": (dict(MaxCancel=1), "ok"),
    "run-cancel-power": (dict(NSpan="S11", Mode='"run"', Overwrite="TRUE", MaxCancel=1, MaxPower=1), "ok"),
    "run-cancel-crash-unknown": (dict(NSpan="S11", Writers=ONE, Mode='"run"', Overwrite="TRUE", MaxCancel=1, MaxCrash=1, MaxUnknown=1), "ok"),
    "transform-loss": (dict(NSpan="S11", Transform="TRUE", MaxEdgeLoss=1, MaxCrash=1), "ok"),
    "transform-flaky": (dict(NSpan="S11", Transform="TRUE", Flaky="Flaky1", MaxCrash=1), "ok"),
    "small-edge": (dict(Heavy="TRUE", Cap=2, MaxCrash=1, MaxRedeliver=1), "ok"),
    "power-unknown-cancel": (dict(NSpan="S11", Writers=ONE, MaxPower=1, MaxUnknown=1, MaxCancel=1), "ok"),
    # Too large to search through: random walks to the end of the run.
    "walk": (dict(NSpan="S32", Cap=4, MaxCrash=2, MaxRedeliver=2, MaxEdgeLoss=1, MaxPower=1, MaxUnknown=2, MaxCancel=1, sim=20000), "ok"),
    "walk-run": (dict(NSpan="S32", Cap=4, Mode='"run"', Overwrite="TRUE", MaxCrash=2, MaxRedeliver=2, MaxEdgeLoss=1, MaxPower=1,
                      MaxUnknown=2, MaxCancel=1, sim=20000), "ok"),
    "walk-transform": (dict(NSpan="S22", Transform="TRUE", Dedupe="TRUE", Flaky="Flaky1", MaxCrash=2, MaxRedeliver=2, MaxEdgeLoss=2,
                            MaxPower=1, MaxUnknown=1, sim=20000), "ok"),
    # All rules, with fairness: once the faults stop, the run ends and leaves nothing behind.
    "ends": (dict(NSpan="S11", MaxCrash=1, live=True), "ok"),
    "ends-small-edge": (dict(Heavy="TRUE", Cap=2, Writers=ONE, MaxCrash=1, MaxRedeliver=1, live=True), "ok"),
    "ends-power": (dict(NSpan="S11", Writers=ONE, MaxPower=1, MaxUnknown=1, live=True), "ok"),
    "ends-run-cancel": (dict(NSpan="S11", Writers=ONE, Mode='"run"', Overwrite="TRUE", MaxCancel=1, MaxPower=1, live=True), "ok"),
    "ends-transform-dedupe": (dict(NSpan="S11", Writers=ONE, Transform="TRUE", Dedupe="TRUE", MaxEdgeLoss=1, live=True), "ok"),
}

# All rules, where the search ends within seconds and still meets each kind of fault.
QUICK = ["calm", "cancel", "power", "small-edge", "unknown-redeliver", "ends-small-edge", "ends-transform-dedupe"]


def ci():
    return [n for n in CHECKS if n.startswith(("written-", "no-")) or n in QUICK]


def run(jar, name, diff, want):
    c = {**BASE, **diff}
    live = c.pop("live", False)
    inv = c.pop("inv", SAFE)
    sim = c.pop("sim", 0)
    symm = not live and not sim and c["Writers"] != ONE
    lines = ["SPECIFICATION " + ("FairSpec" if live else "Spec"), "CHECK_DEADLOCK TRUE", "CONSTANTS"]
    for k, v in c.items():
        arrow = "<-" if isinstance(v, str) and re.fullmatch(r"[A-Z][A-Za-z0-9]+", v) and v not in ("TRUE", "FALSE") else "="
        lines.append(f"  {k} {arrow} {v}")
    lines += ["  w1 = w1", "  w2 = w2"]
    lines += ["INVARIANTS " + inv] + ([] if sim else ["VIEW AllButFold"])
    if live:
        lines.append("PROPERTIES Ends")
    if symm:
        lines.append("SYMMETRY Symm")
    with tempfile.TemporaryDirectory() as d:
        cfg = os.path.join(d, "Levada.cfg")
        open(cfg, "w").write("\n".join(lines) + "\n")
        open(os.path.join(d, "Levada.tla"), "w").write(open(os.path.join(HERE, "Levada.tla")).read())
        t0 = time.time()
        p = subprocess.run(["timeout", "--foreground", os.environ.get("LIMIT", "3600"), "java", "-Xmx4g", "-XX:+UseParallelGC", "-XX:ParallelGCThreads=1", "-XX:CICompilerCount=2", "-cp", jar, "tlc2.TLC",
                            "-workers", "1", "-lncheck", "final", "-metadir", d, *(["-simulate", f"num={sim}", "-depth", "200"] if sim else []), "Levada.tla"], cwd=d, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = p.stdout
    got = "ok" if "No error has been found" in out or (sim and p.returncode == 0) else None
    for pat, what in ((r"Invariant (\w+) is violated", None), (r"Deadlock reached", "deadlock"),
                      (r"Temporal properties were violated", "Ends")):
        m = re.search(pat, out)
        if m and got is None:
            got = what or m.group(1)
    w = re.findall(r"Progress: ([\d,]+) states checked", out)
    m = re.findall(r"([\d,]+) states generated.*?([\d,]+) distinct states found", out)
    dep = re.search(r"depth of the complete state graph search is (\d+)", out)
    n = len(re.findall(r"^State \d+:", out, re.M))
    ok = got == want
    print(f"{'PASS' if ok else 'FAIL'} {name}: {got or 'error'}, {'states walked ' + w[-1] if sim and w else 'distinct states ' + (m[-1][1] if m else '?')}"
          f"{', depth ' + dep.group(1) if dep else ''}{f', trace of {n} states' if n else ''}, {time.time() - t0:.0f} s", flush=True)
    trace = os.environ.get("TRACE")
    if trace:
        open(os.path.join(trace, name + ".out"), "w").write(out)
    return ok


if __name__ == "__main__":
    jar = os.path.abspath(sys.argv[1])
    names = ci() if sys.argv[2:] == ["--ci"] else sys.argv[2:] or list(CHECKS)
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "1"))) as pool:
        passed = list(pool.map(lambda n: run(jar, n, *CHECKS[n]), names))
    print(f"{sum(passed)} passed, {passed.count(False)} failed")
    sys.exit(not all(passed))
