#!/usr/bin/env python3
"""How many listeners one core carries: run by hand, on this machine alone.

    cargo build --release
    python3 benches/listeners.py target/release/ceilid --listeners 500 --stalled 50 --seconds 30

Starts `ceilid serve --to stream` on core 0 and listens from the other cores: some read everything, the stalled ones read
nothing. Prints, without listeners, with one and with all: the daemon's processor time and memory, late slices, and the
longest that any listener waited for its next bytes (a slice of sound comes every 200 ms). Ends with 1 if a slice was late or
a listener was cut off.

    python3 benches/listeners.py --at http://127.0.0.1:8001/folk.mp3 --listeners 1000

listens to what is played there already, by an Icecast or its relay, and says how many were cut off and how long any waited.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

PORT = 7497


def metrics():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^ceilid_(\S+) (\S+)$", text, re.M)}


async def listen(url, reports, stop, is_stalled):
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 16)
    writer.write(f"GET {url.path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    began = last = time.monotonic()
    first, worst, heard = None, 0.0, 0
    if is_stalled:
        reader._transport.pause_reading()
        await stop.wait()
    while not stop.is_set():
        try:
            chunk = await asyncio.wait_for(reader.read(65536), 15)
        except asyncio.TimeoutError:
            chunk = b""
        now = time.monotonic()
        if not chunk:
            reports.append(("cut off", first, worst, heard))
            return
        if heard > 1000:
            worst = max(worst, now - last)
        if first is None and heard + len(chunk) > 1000:
            first = now - began
        heard, last = heard + len(chunk), now
    reports.append(("stalled" if is_stalled else "well", first, worst, heard))
    writer.close()


async def measure(name, url, count, stalled, seconds, has_metrics=True):
    stop, reports = asyncio.Event(), []
    tasks = []
    for index in range(count + stalled):
        tasks.append(asyncio.create_task(listen(url, reports, stop, index < stalled)))
        if index % 50 == 49:
            await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    before, t0 = await asyncio.to_thread(metrics) if has_metrics else {}, time.monotonic()
    await asyncio.sleep(seconds)
    after, t1 = await asyncio.to_thread(metrics) if has_metrics else {}, time.monotonic()
    stop.set()
    await asyncio.gather(*tasks)
    if not has_metrics:
        cut, silent = (sum(report[0] == "cut off" for report in reports), sum(report[3] < 1000 for report in reports))
        heard = sum(report[3] for report in reports) / count
        print(
            f"{name}: {heard / 1e3:.0f} kB each, {cut} cut off, {silent} heard nothing, "
            f"longest wait {max(report[2] for report in reports) * 1000:.0f} ms",
            flush=True,
        )
        return cut + silent
    cpu = 100 * (after["cpu_seconds_total"] - before["cpu_seconds_total"]) / (t1 - t0)
    late = after["stream_late_slices_total"] - before["stream_late_slices_total"]
    well = [report for report in reports if report[0] == "well"]
    cut = sum(report[0] == "cut off" for report in reports)
    waits = f", first sound after {max(r[1] or 99 for r in well):.3f} s at most" if well else ""
    gaps = f", longest wait {max(r[2] for r in well) * 1000:.0f} ms" if well else ""
    print(
        f"{name}: {cpu:.1f} % of a core, {after['resident_bytes'] / 1e6:.1f} MB, {late:.0f} late slices, "
        f"{cut} cut off{waits}{gaps}",
        flush=True,
    )
    return late + cut


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ceilid", nargs="?", help="the program; not where --at says what is listened to")
    parser.add_argument("--at", help="a stream that is played already, such as an Icecast's mount")
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--stalled", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--format", default="opus", choices=["opus", "mp3", "flac", "wav"])
    parser.add_argument("--to", default="stream", help="the output that plays meanwhile")
    args = parser.parse_args()
    if args.at:
        url = urllib.parse.urlsplit(args.at)
        name = f"{args.listeners} listeners"
        sys.exit(asyncio.run(measure(name, url, args.listeners, 0, args.seconds, has_metrics=False)) > 0)
    url = urllib.parse.urlsplit(f"http://127.0.0.1:{PORT}/stream.{args.format}")
    command = ["taskset", "-c", "0", args.ceilid, "-q", "serve", "--to", args.to]
    began = time.monotonic()
    daemon = subprocess.Popen(command + ["--listen", f"127.0.0.1:{PORT}"])
    cores = set(range(1, os.cpu_count() or 1)) or {0}
    os.sched_setaffinity(0, cores)
    try:
        for _ in range(2000):
            try:
                if metrics()["notes_total"] > 0:
                    break
            except OSError:
                pass
            time.sleep(0.005)
        print(f"first note within {1000 * (time.monotonic() - began):.0f} ms of the start")
        time.sleep(8)
        bad = 0
        for name, count, stalled in [
            ("nobody", 0, 0),
            ("one listener", 1, 0),
            (f"{args.listeners} listeners", args.listeners, 0),
            (f"{args.listeners} and {args.stalled} stalled", args.listeners, args.stalled),
        ]:
            bad += asyncio.run(measure(name, url, count, stalled, args.seconds))
    finally:
        daemon.terminate()
        daemon.wait(5)
    sys.exit(bad > 0)


main()
