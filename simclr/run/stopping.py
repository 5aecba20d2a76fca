"""A signal to stop: the step is finished, a run state is written, and the last line says from where to go on."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from simclr.data.workers import explain_worker
from simclr.errors import DivergenceError, InputError, StoppedError
from simclr.launch import STOPPING
from simclr.run.checkpoint import where_to_go_on

# A launcher passes on the signal that the terminal has sent to all already.
_ONCE_SECONDS = 2.0
# The main process may still be writing the state of the last step, which others are to name.
_WRITING_SECONDS = 2.0


class Stopping:
    """While a run goes on, a first signal is only noted; a second one ends it at once.

    However the run ends before its time, its last words say what there is to resume from.

    Args:
        checkpoints: the run's folder of run states.
        speaks: whether this process tells the user that the signal was heard.

    Attributes:
        signal: number of the signal that came, 0 before.
    """

    def __init__(self, checkpoints: Path, speaks: bool = True) -> None:
        self.signal = 0
        self._checkpoints, self._speaks = checkpoints, speaks
        self._heard = 0.0
        self._before: dict[int, Any] = {}

    def stop(self) -> StoppedError:
        """What to raise at the end of the step, once the run state is written."""
        number = self.signal or signal.SIGTERM
        return StoppedError(f"stopped by {signal.Signals(number).name}; {where_to_go_on(self._checkpoints)}", number)

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():  # others may not change what a signal does
            # nohup stays nohup; None is a handler that Python has not set, and could not put back
            heard = [number for number in STOPPING if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, RuntimeError):
            error = explain_worker(error) or error
        if isinstance(error, InputError) and self._checkpoints.parent.exists():
            if not self._speaks:
                time.sleep(_WRITING_SECONDS)
            raise InputError(f"{str(error).rstrip('.')}; {where_to_go_on(self._checkpoints)}") from error
        # What else goes wrong after a signal is its echo: other processes of the launch have ended.
        if isinstance(error, KeyboardInterrupt) or (
            self.signal and isinstance(error, Exception) and not isinstance(error, DivergenceError)
        ):
            raise self.stop() from error

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal and now - self._heard > _ONCE_SECONDS:
            raise KeyboardInterrupt
        if not self.signal:
            self.signal, self._heard = number, now
            if self._speaks:
                name = signal.Signals(number).name
                # print is not safe here: it may be what was interrupted.
                with suppress(OSError):
                    os.write(2, f"simclr: {name}: stopping at the end of this step; once more stops at once\n".encode())
