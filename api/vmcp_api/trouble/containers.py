"""What keeps a container from running: an image, its config, or that it ends again and again."""

from datetime import datetime
from typing import Any, Final

from vmcp_api.trouble.said import MESSAGE_LIMIT, Trouble, moment

STEADY_SECONDS: Final = 60.0
"""A ready container that has run for so long since its last restart is out of its crash loop."""

UNREADY_SECONDS: Final = 600.0
"""The same for one that is not ready: after so long the kubelet itself forgets its restarts."""

_RESTARTS: Final = 2
"""Restarts after which one more start is no news: the kubelet's first back-off lies before the second."""

_OURS: Final = "vmcp: "
"""How the last line of a process of ours begins that cannot start."""

CRASH_LOOP: Final = "CrashLoop"
"""Reason of a container that ends again and again."""

_CRASH: Final = "CrashLoopBackOff"
_IMAGE: Final = ("ImagePullFailed", "correct the image or the pull secret")
_CONFIG: Final = ("ContainerConfigInvalid", "correct what it names")
_WAITING: Final = {
    **dict.fromkeys(
        (
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "ImageInspectError",
            "RegistryUnavailable",
            "SignatureValidationFailed",
        ),
        _IMAGE,
    ),
    **dict.fromkeys(
        (
            "CreateContainerConfigError",
            "CreateContainerError",
            "RunContainerError",
            "PreCreateHookError",
            "PreStartHookError",
            "PostStartHookError",
        ),
        _CONFIG,
    ),
}


def container_trouble(container: dict[str, Any], now: datetime) -> Trouble | None:
    """Why a container does not run, from its state and its history; None while it may be about to."""
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in _WAITING:
        reason, remedy = _WAITING[waiting["reason"]]
        said = _clip(waiting)
        return Trouble(reason, f"container {container['name']!r} does not start: {said}; {remedy}")
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if waiting.get("reason") == _CRASH:
        return _loop(container, ended or waiting)
    if container.get("restartCount", 0) < _RESTARTS or not ended:
        return None
    if "terminated" in state:
        # An init container that ended well is done.
        return _loop(container, ended) if ended.get("exitCode") else None
    began = moment((state.get("running") or {}).get("startedAt"))
    left = 0.0 if began is None else _patience(container) - (now - began).total_seconds()
    return _loop(container, ended, left) if left > 0 else None


def _patience(container: dict[str, Any]) -> float:
    return STEADY_SECONDS if container.get("ready") else UNREADY_SECONDS


def _loop(container: dict[str, Any], cause: dict[str, Any], again: float | None = None) -> Trouble:
    code = f" with exit code {cause['exitCode']}" if "exitCode" in cause else ""
    remedy = "read its log with kubectl logs --previous"
    text = f"container {container['name']!r} ends again and again{code}: {_last_words(cause)}; {remedy}"
    return Trouble(CRASH_LOOP, text, again)


def _last_words(cause: dict[str, Any]) -> str:
    """The message of a container that ended: of a log of ours the line that says why, of all else what there is."""
    *_, last = (cause.get("message") or "").strip().splitlines() or ("",)
    return last.removeprefix(_OURS)[:MESSAGE_LIMIT] if last.startswith(_OURS) else _clip(cause)


def _clip(cause: dict[str, Any]) -> str:
    return (cause.get("message") or cause.get("reason") or "").strip()[:MESSAGE_LIMIT]
