"""MMEngine's message hub in plain numbers, short enough to live in a checkpoint."""

from typing import Any

from mmengine.logging import HistoryBuffer, MessageHub

# The longest window that anything averages over; a run of half a million steps would otherwise keep and copy them all.
KEPT_VALUES = 2000


def to_plain(hub: MessageHub) -> dict[str, Any]:
    """What resuming needs, made of numbers and lists only: no pickled classes, no config text, no paths."""
    state = hub.state_dict()
    scalars = {}
    for name, history in state["log_scalars"].items():
        values, counts = history.data
        scalars[name] = [values[-KEPT_VALUES:].tolist(), counts[-KEPT_VALUES:].tolist()]
    infos = {name: value for name, value in state["runtime_info"].items() if isinstance(value, (int, float))}
    resumed = {name: keep for name, keep in state["resumed_keys"].items() if name in scalars or name in infos}
    return {"log_scalars": scalars, "runtime_info": infos, "resumed_keys": resumed}


def from_plain(hub: MessageHub, plain: dict[str, Any]) -> None:
    """Puts back what `to_plain` took."""
    scalars = {name: HistoryBuffer(*columns, max_length=KEPT_VALUES) for name, columns in plain["log_scalars"].items()}
    hub.load_state_dict({**plain, "log_scalars": scalars})


def limit(hub: MessageHub) -> None:
    """Bounds every history from now on: each value appended copies the whole of it."""
    for history in hub.log_scalars.values():
        history.max_length = KEPT_VALUES
