"""Passes requests on from one address to another, whole ones, and loses, doubles or delays some if it is asked to.

    relay.py LISTEN_HOST:PORT=TARGET_HOST:PORT… [--faults SHARE --seed N]

One request a connection, as the coordinator has it. With faults, that share of the connections meets one: closed before
anything is passed on, passed on but the reply lost, passed on twice, or held back for a moment.
"""
import argparse
import random
import re
import socket
import sys
import threading
import time

TIMEOUT = 20  # seconds
FAULTS = ["refused", "reply lost", "doubled", "delayed"]


def read_request(connection):
    """All bytes of one request, by its Content-Length; nothing where it ends early."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        piece = connection.recv(65536)
        if not piece:
            return b""
        heard += piece
    head, _, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    wanted = int(length[1]) if length else 0
    while len(body) < wanted:
        piece = connection.recv(65536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body


def answer_to(request, target):
    reply = b""
    with socket.create_connection(target, timeout=TIMEOUT) as upstream:
        upstream.sendall(request)
        while piece := upstream.recv(65536):
            reply += piece
    return reply


def serve(connection, target, fault):
    with connection:
        try:
            connection.settimeout(TIMEOUT)
            request = read_request(connection)
            if not request or fault == "refused":
                return
            if fault == "delayed":
                time.sleep(0.3)  # the fault itself
            if fault == "doubled":
                answer_to(request, target)
            reply = answer_to(request, target)
            if fault != "reply lost":
                connection.sendall(reply)
        except OSError:
            pass  # The other side went away: so does this one.


def listen(address, target, share, chance):
    server = socket.create_server(address, backlog=128)
    while True:
        connection, _ = server.accept()
        fault = chance.choice(FAULTS) if chance.random() < share else None
        threading.Thread(target=serve, args=(connection, target, fault), daemon=True).start()


def endpoint(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--faults", type=float, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    threads = []
    for number, pair in enumerate(options.pairs):
        here, _, there = pair.partition("=")
        chance = random.Random(f"{options.seed}/{number}")
        threads.append(threading.Thread(target=listen, args=(endpoint(here), endpoint(there), options.faults, chance)))
        threads[-1].start()
    print("listening", flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
