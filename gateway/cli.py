"""`hearthbeat gateway`: run one home's gateway until interrupted; `claim`: make it a node first."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gateway import claiming
from gateway.binding import order_of
from gateway.connection import ConnectionEndedError
from gateway.identity import Identity, Vault
from gateway.service import serve
from gateway.settings import GatewaySettings
from gateway.trust import UntrustedError
from runtime import log
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
MqttVersion = Annotated[int | None, typer.Option(help="5 (default), or 3 for MQTT 3.1.1.")]
Encoding = Annotated[str | None, typer.Option("--enc", help="json (default) or cbor.")]
Insecure = Annotated[
    bool | None, typer.Option("--insecure", help="Allow plain text beyond this machine.")
]


@app.callback(invoke_without_command=True)
def gateway(
    context: typer.Context,
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
    enc: Encoding = None,
    insecure: Insecure = None,
) -> None:
    """Run a home's gateway: it reads the cuff, rings for medicine, and shows the robot's screen.

    Every option is also an environment variable, HEARTHBEAT_GATEWAY_SERIAL and so on; put the
    password there rather than on the command line. More settings: docs/devices/gateway.md.

    hearthbeat gateway --serial /dev/ttyUSB0 --broker mqtts://NODE:PASSWORD@hub --state /var/lib/hb

    After `hearthbeat gateway claim …` with the same --state no --broker is needed.
    """
    given = {
        name: value for name, value in locals().items() if name != "context" and value is not None
    }
    if context.invoked_subcommand is not None:
        if given:
            typer.echo("put the options behind `claim`", err=True)
            raise typer.Exit(2)
        return
    settings = _settings(given)
    raise typer.Exit(run_service("gateway", lambda: serve(settings, SystemClock())))


Host = Annotated[str, typer.Option("--host", help="The hub's name or address.")]
Port = Annotated[int, typer.Option("--port", help="Its port for passwords over TLS.")]
UnitSerial = Annotated[
    str, typer.Option("--serial", help="The serial number printed on this unit.")
]
Code = Annotated[str, typer.Option(help="The claim code printed on this unit.")]
Secret = Annotated[Path, typer.Option(help="File with the factory secret, 32 hex digits.")]
Ca = Annotated[Path | None, typer.Option("--ca", help="Believe certificates of this authority.")]
CaSha256 = Annotated[
    str | None, typer.Option("--ca-sha256", help="Believe the certificate with this fingerprint.")
]
FirstUse = Annotated[
    bool,
    typer.Option(
        "--trust-on-first-use", help="Believe whoever answers and then knows the factory secret."
    ),
]
Password = Annotated[bool, typer.Option("--password", help="Get a password, no certificate.")]
Wait = Annotated[bool, typer.Option(help="Ask until somebody binds this unit, or only once.")]


@app.command()
def claim(
    *,
    host: Host,
    port: Port = 8884,
    serial: UnitSerial,
    code: Code,
    secret_file: Secret,
    state: State = None,
    ca: Ca = None,
    ca_sha256: CaSha256 = None,
    trust_on_first_use: FirstUse = False,
    password: Password = False,
    mqtt_version: MqttVersion = None,
    wait: Wait = True,
) -> None:
    """Make this unit a node of a hub: each proves to the other that it knows the factory secret.

    Safe to repeat and to interrupt. Exit codes: 0 a node now, 2 wrong options, 3 not bound yet
    (with --no-wait) or not reached, 4 refused for good, 5 the hub could not prove itself.

    hearthbeat gateway claim --host hub.local --serial HB-0001 --code 7KM2P-Q9X4D
    --secret-file /etc/hb/secret --trust-on-first-use --state /var/lib/hb
    """
    given = {
        "claim_host": host,
        "claim_port": port,
        "claim_serial": serial,
        "claim_code": code,
        "claim_secret_file": secret_file,
        "claim_ca_file": ca,
        "claim_ca_sha256": ca_sha256,
        "claim_trust_on_first_use": trust_on_first_use,
        "claim_password": password,
        "mqtt_version": mqtt_version,
        "state": state,
    }
    settings = _settings({name: value for name, value in given.items() if value is not None})
    raise typer.Exit(_claim(settings, wait=wait))


def _claim(settings: GatewaySettings, *, wait: bool) -> int:
    log.configure("gateway")
    vault = Vault(settings.state)
    known = vault.generations()
    if known:
        typer.echo(f"already a node: {known[0].node}; nothing was asked")
        return 0
    try:
        order = order_of(settings)
        node = asyncio.run(_bound(order, vault, wait=wait)).node
    except ValueError as error:
        return _say(f"{error}", 2)
    except claiming.ClaimRefusedError as error:
        return _say(f"the hub refused: {error}", 4 if error.final else 3)
    except claiming.FakeHubError as error:
        return _say(f"not our hub: {error}; nothing was kept", 5)
    except (ConnectionEndedError, UntrustedError, OSError) as error:
        return _say(f"not reached: {error}", 3)
    typer.echo(f"bound as {node}; start it with: hearthbeat gateway --state {settings.state}")
    return 0


async def _bound(order: claiming.Order, vault: Vault, *, wait: bool) -> Identity:
    if not wait:
        return await claiming.claim_once(order, vault)
    typer.echo(f"waiting to be bound: {order.serial} (等待绑定)", err=True)
    return await claiming.until_bound(
        order, vault, forever=False, told=lambda why: typer.echo(f"not yet: {why}", err=True)
    )


def _say(why: str, code: int) -> int:
    typer.echo(why, err=True)
    return code


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
