"""What `birth` says of this node: its program, its cuff, and honestly what it can do."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from contract.messages import DeclaredSeries, SubDevice
from gateway.drivers.driver import Driver
from gateway.drivers.registry import driver
from gateway.settings import GatewaySettings
from gateway.texts import LANGUAGES

_SPEC: Final = "1.0"
_ALWAYS: Final = ("ask", "speak", "resend", "selftest", "rebirth", "rotate", "log")


def description(settings: GatewaySettings, *, speaks: bool) -> dict[str, Any]:
    """The fields of `birth`; `speaks`: there is a voice that works."""
    model = driver(settings.model)
    with_cuff = settings.serial is not None
    return {
        "maker": "hearthbeat",
        "model": "gateway",
        "fw": program_version(),
        "spec": _SPEC,
        "level": "robot",
        "cap": {
            "enc": ["json", "cbor"],
            "mqtt": settings.mqtt_version,
            "plan": True,
            "screen": True,
            "tts": list(LANGUAGES) if speaks else [],
            "store_h": round(settings.spool_days * 24),
            "clk": ["ntp", "hub"],
            "cmd": commands(settings),
        },
        "devs": [_cuff(settings, model)] if with_cuff else [],
        "ser": [DeclaredSeries(k=k, dev=settings.device) for k in model.kinds if with_cuff],
    }


def commands(settings: GatewaySettings) -> list[str]:
    """The operations that are not answered with `unsupported`."""
    depends = {
        "measure_now": settings.serial is not None,
        "call": settings.call_command is not None,
        "reboot": settings.reboot_command is not None,
    }
    return sorted([*_ALWAYS, *(op for op, there in depends.items() if there)])


def _cuff(settings: GatewaySettings, model: Driver) -> SubDevice:
    return SubDevice(
        dev=settings.device,
        type=model.device_type,
        maker=model.maker,
        model=model.model,
        link=model.link,
    )


@cache
def program_version() -> str:
    """The version that runs."""
    try:
        return version("hearthbeat")
    except PackageNotFoundError:
        return "source"
