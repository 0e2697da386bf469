"""Driver io_board.modbus: an I/O board on a serial line, by Modbus RTU."""

from __future__ import annotations

from drivers.io_board.board import ModbusIoBoard
from drivers.io_board.options import IoBoardOptions
from gate_controller.ports.drivers import Driver, DriverContext


def _build(options: IoBoardOptions, context: DriverContext) -> ModbusIoBoard:
    return ModbusIoBoard(options, context.clock)


DRIVER = Driver(options=IoBoardOptions, build=_build, endpoint=lambda options: options.port)
