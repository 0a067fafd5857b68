# SPDX-License-Identifier: BSD-3-Clause
"""Servers as they are in use."""
import shutil
import subprocess

from .base import COUNT, PROGRAMS, SLOW, URING, Skip, path, ports, running, wait_for
from .capture import Capture
from .peers import Peers, curls
from .score import score


def answers(url):
    return subprocess.run(["curl", "-s", "-o", "/dev/null", url]).returncode == 0


def count_lines(file):
    with open(file) as f:
        return sum(1 for _ in f)


def uring(mode, port):
    """Four servers share a listener; they accept, connect, read and write through io_uring only."""
    peers = Peers()
    cap = Capture("-i", "lo", "port", str(port))
    try:
        peers.server("server", "127.0.0.1", str(port), mode, ready=4, helper=URING)
        for _ in range(min(40, COUNT)):
            peers.client("client", "127.0.0.1", str(port), "%s@%d" % (mode, next(ports)), helper=URING)
    finally:
        packets = cap.stop()
        peers.finish()
    return score(peers, packets, server_port=port), len(packets)


def nginx_with_four_workers():
    if not shutil.which("nginx"):
        raise Skip("no nginx")
    peers = Peers()
    log, conf = path("access.log"), path("nginx.conf")
    with open(conf, "w") as f:
        f.write("""daemon off; worker_processes 4; pid %snginx.pid; error_log %serror.log; user root;
            events { worker_connections 64; accept_mutex off; }
            http { log_format who "$pid $remote_port"; access_log %s who;
                server { listen 127.0.0.1:7120; location / { return 200 ok; } } }""" % (path(""), path(""), log))
    cap = Capture("-i", "lo", "port", "7120")
    p = subprocess.Popen(["nginx", "-c", conf, "-p", path("")], start_new_session=True, stderr=subprocess.DEVNULL)
    peers.servers.append(p)
    running.append(p)
    wait_for(5 * SLOW, lambda: answers("http://127.0.0.1:7120/"))
    curls(peers, "http://127.0.0.1:7120/", 50, 7120)
    wait_for(1 * SLOW, lambda: count_lines(log) > 50)
    packets = cap.stop()
    peers.finish()
    with open(log) as f:
        for line in f:
            pid, port = line.split()
            peers.end("tcp", "127.0.0.1", 7120, pid, "127.0.0.1", port)
    return score(peers, packets, server_port=7120), len(packets)


def connections_to_script(name, port, ready, count):
    """As many clients, one after another, of a server that is a program of its own."""
    peers = Peers()
    cap = Capture("-i", "lo", "port", str(port))
    peers.script(name, ready=ready)
    for _ in range(count):
        peers.client("tcp-client", "127.0.0.1", str(port), "plain@%d" % next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=port), len(packets)


def preforked_python():
    """As gunicorn does it: the workers share the listener, one accepts."""
    return connections_to_script("prefork", 7121, ready=4, count=40)


def gunicorn():
    """The real one, with four workers, that tell their own pid and the client's port."""
    if subprocess.run(["/usr/bin/python3", "-c", "import gunicorn.app.wsgiapp"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no gunicorn")
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7119")
    p = subprocess.Popen(["/usr/bin/python3", "-m", "gunicorn", "-w", "4", "-b", "127.0.0.1:7119", "--chdir", PROGRAMS, "gunicorn_app:app"],
                         start_new_session=True, stdout=peers.out, stderr=subprocess.DEVNULL)
    peers.servers.append(p)
    running.append(p)
    peers.listeners.add(p.pid)
    wait_for(10 * SLOW, lambda: answers("http://127.0.0.1:7119/"))
    curls(peers, "http://127.0.0.1:7119/", min(50, COUNT), 7119)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7119), len(packets)


def io_uring():
    return uring("plain", 7131)


def io_uring_by_worker_threads():
    return uring("worker", 7132)


def io_uring_by_polling_thread():
    return uring("sqpoll", 7133)


def socket_activation():
    """Who makes the listener hands it to another program, as systemd does."""
    return connections_to_script("activates", 7122, ready=1, count=20)
