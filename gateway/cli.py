"""`hearthbeat gateway`: run one home's gateway until interrupted."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gateway.service import serve
from gateway.settings import GatewaySettings
from runtime.clock import SystemClock
from runtime.supervision import run_service

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


Serial = Annotated[
    str | None, typer.Option(help="The cuff's port, or `auto`; none: a screen without a cuff.")
]
Broker = Annotated[str | None, typer.Option(help="mqtt://NODE:PASSWORD@HOST:PORT, or mqtts://.")]
State = Annotated[Path | None, typer.Option(help="Where readings and plans are kept.")]
ScreenPort = Annotated[
    int | None, typer.Option(help="The screen's port on loopback (default 8090).")
]
Device = Annotated[
    str | None, typer.Option(help="What the cuff is called at the hub (default cuff1).")
]
Model = Annotated[str | None, typer.Option(help="The cuff's model (beurer-bm65).")]
Who = Annotated[str | None, typer.Option(help="Profile slot A to H of the one person it serves.")]
Zone = Annotated[str | None, typer.Option(help="Time zone of the home (default Asia/Shanghai).")]
Language = Annotated[str | None, typer.Option(help="zh-CN (default) or en.")]
VoiceName = Annotated[str | None, typer.Option(help="auto (default), browser, espeak or none.")]
MqttVersion = Annotated[int | None, typer.Option(help="5 (default), or 4 for MQTT 3.1.1.")]
Insecure = Annotated[
    bool | None, typer.Option("--insecure", help="Allow plain text beyond this machine.")
]


@app.command()
def gateway(
    *,
    serial: Serial = None,
    broker: Broker = None,
    state: State = None,
    screen_port: ScreenPort = None,
    device: Device = None,
    model: Model = None,
    who: Who = None,
    zone: Zone = None,
    language: Language = None,
    voice: VoiceName = None,
    mqtt_version: MqttVersion = None,
    insecure: Insecure = None,
) -> None:
    """Run a home's gateway: it reads the cuff, rings for medicine, and shows the robot's screen.

    Every option is also an environment variable, HEARTHBEAT_GATEWAY_SERIAL and so on; put the
    password there rather than on the command line. More settings: docs/devices/gateway.md.

    hearthbeat gateway --serial /dev/ttyUSB0 --broker mqtts://NODE:PASSWORD@hub --state /var/lib/hb
    """
    given = {name: value for name, value in locals().items() if value is not None}
    settings = _settings(given)
    raise typer.Exit(run_service("gateway", lambda: serve(settings, SystemClock())))


def _settings(given: dict[str, Any]) -> GatewaySettings:
    try:
        return GatewaySettings(**given)
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]) or "settings"
            typer.echo(f"{name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
