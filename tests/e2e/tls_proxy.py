"""A proxy that speaks TLS and hands everything on to a coordinator's two listeners, as docs/operations.md has nginx do."""
import asyncio
import contextlib
import pathlib
import ssl
import subprocess
import threading

DATA = b"/api/v1/data/"


def make_certificates(folder, *names):
    """ca.pem, and server.pem with its key, for these DNS names."""
    folder = pathlib.Path(folder)

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2, "-subj",
            "/CN=sarsweep test authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={names[0]}",
            "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2,
            "-extfile", "names", "-out", "server.pem")
    return folder / "ca.pem", folder / "server.pem", folder / "server.key"


class TlsProxy:
    """Serves from construction on; `control` and `data` are the coordinator's ports, to be set before the first request."""

    def __init__(self, certificate, key):
        self.control = self.data = 0
        self.requests = []  # (path, host) of every one
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.visit, "127.0.0.1", 0, ssl=self.context))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.server.close()
        self.loop.close()

    async def visit(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            host = next((line[6:] for line in head.split(b"\r\n") if line.lower().startswith(b"host: ")), b"")
            self.requests.append((path.decode(), host.decode()))
            inner_reader, inner_writer = await asyncio.open_connection(
                "127.0.0.1", self.data if path.startswith(DATA) else self.control)
            inner_writer.write(head)
            await asyncio.gather(self.pump(reader, inner_writer), self.pump(inner_reader, writer))
        writer.close()

    @staticmethod
    async def pump(source, target):
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                target.write(piece)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
            else:
                target.close()
