"""Converts MMEngine's message hub to plain numbers, small enough for a checkpoint."""

from typing import Any

from mmengine.logging import HistoryBuffer, MessageHub

# The longest averaging window; without a limit, a run would keep and copy the values of all its steps.
KEPT_VALUES = 2000


def to_plain(hub: MessageHub) -> dict[str, Any]:
    """Returns what resuming needs as numbers and lists: no pickled classes, no config text, no paths."""
    state = hub.state_dict()
    scalars = {}
    for name, history in state["log_scalars"].items():
        values, counts = history.data
        scalars[name] = [values[-KEPT_VALUES:].tolist(), counts[-KEPT_VALUES:].tolist()]
    infos = {name: value for name, value in state["runtime_info"].items() if isinstance(value, (int, float))}
    resumed = {name: keep for name, keep in state["resumed_keys"].items() if name in scalars or name in infos}
    return {"log_scalars": scalars, "runtime_info": infos, "resumed_keys": resumed}


def from_plain(hub: MessageHub, plain: dict[str, Any]) -> None:
    """Restores the state that `to_plain` returned."""
    scalars = {name: HistoryBuffer(*columns, max_length=KEPT_VALUES) for name, columns in plain["log_scalars"].items()}
    hub.load_state_dict({**plain, "log_scalars": scalars})


def limit(hub: MessageHub) -> None:
    """Limits the length of every history: each append copies all of it."""
    for history in hub.log_scalars.values():
        history.max_length = KEPT_VALUES
