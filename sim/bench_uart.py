"""Connect the UART pins of a board top to a local socket, so that host software can talk to the simulation.

The environment variable ``RNNGEN_BENCH`` names a JSON file with the keys

    socket              path of the UNIX socket to listen on; one client is served
    clock, rx, tx       names of the top's clock and UART pins
    clocks_per_bit      clock cycles a bit lasts
    start_cycles        cycles before the host is heard (the board's reset)
    idle_cycles         after so many cycles without traffic the simulation waits for the host
    host_seconds        wall time to wait for the host before giving up
    speed               path of a JSON file: cycles so far, and the seconds in which they were simulated

The frame is 8N1, least significant bit first. The run ends when the client closes the socket.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time

import cocotb
import cocotb.utils
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

PERIOD_NS = 40
SPEED_SECONDS = 0.2


class UartBench:
    """The pins on one side, the socket on the other."""

    def __init__(self, dut, config: dict) -> None:
        self.clock, self.rx, self.tx = (getattr(dut, config[name]) for name in ("clock", "rx", "tx"))
        self.config = config
        self.bit_ns = config["clocks_per_bit"] * PERIOD_NS
        self.connection: socket.socket | None = None
        self.quiet_ns = 0
        self.waited = 0.0
        self.began = self.told = time.monotonic()

    def accept(self, listener: socket.socket) -> None:
        """Wait for the client; the simulation stands still meanwhile."""
        self.wait_for(listener)
        self.connection, _ = listener.accept()

    def wait_for(self, sock: socket.socket) -> None:
        """Let the simulation stand still until ``sock`` has something."""
        patience = self.config["host_seconds"]
        self.tell_speed()
        begin = time.monotonic()
        readable, _, _ = select.select([sock], [], [], patience)
        self.waited += time.monotonic() - begin
        if not readable:
            raise TimeoutError(f"The host said nothing for {patience} s.")

    def tell_speed(self) -> None:
        """Write down how fast this is."""
        self.told = time.monotonic()
        cycles = round(cocotb.utils.get_sim_time("ns") / PERIOD_NS)
        told = {"cycles": cycles, "seconds": self.told - self.began - self.waited}
        with open(self.config["speed"] + ".new", "w", encoding="utf-8") as file:
            json.dump(told, file)
        os.replace(self.config["speed"] + ".new", self.config["speed"])

    async def run(self) -> None:
        """Carry bytes both ways until the client leaves."""
        self.rx.value = 1
        Clock(self.clock, PERIOD_NS, unit="ns").start()
        await Timer(self.config["start_cycles"] * PERIOD_NS, unit="ns")
        receiver = cocotb.start_soon(self.receive())
        idle_ns = self.config["idle_cycles"] * PERIOD_NS
        while True:
            if self.quiet_ns >= idle_ns:
                self.wait_for(self.connection)
            elif time.monotonic() - self.told > SPEED_SECONDS:
                self.tell_speed()
            readable, _, _ = select.select([self.connection], [], [], 0)
            data = self.connection.recv(4096) if readable else None
            if data == b"":
                break
            if data is None:
                self.quiet_ns += 10 * self.bit_ns
                await Timer(10 * self.bit_ns, unit="ns")
            else:
                self.quiet_ns = 0
                for byte in data:
                    await self.send(byte)
        receiver.cancel()

    async def send(self, byte: int) -> None:
        """Shift one byte to the device."""
        bit = Timer(self.bit_ns, unit="ns")
        for level in (0, *((byte >> index & 1) for index in range(8)), 1):
            self.rx.value = level
            await bit

    async def receive(self) -> None:
        """Pass every byte of the device on to the host."""
        start, bit = FallingEdge(self.tx), Timer(self.bit_ns, unit="ns")
        while True:
            await start
            self.quiet_ns = 0
            await Timer(self.bit_ns // 2, unit="ns")
            if self.tx.value:
                continue
            byte = 0
            for index in range(8):
                await bit
                byte |= int(self.tx.value) << index
            await bit
            assert self.tx.value, "the device sent a byte without a stop bit"
            try:
                self.connection.sendall(bytes([byte]))
            except OSError:
                return  # the client has left; the other side ends the run


@cocotb.test()
async def uart(dut) -> None:
    """Serve one client."""
    with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
        config = json.load(file)
    bench = UartBench(dut, config)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(config["socket"])
        listener.listen(1)
        bench.accept(listener)
        with bench.connection:
            await bench.run()
