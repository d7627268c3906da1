"""`hearthbeat up`: the hub in the foreground, and the few lines it shows a person."""

import os
from pathlib import Path

import typer
from rich.console import Console

from hub import options
from hub.composition import Hub
from hub.home import HomeError
from hub.listening import RefusedError
from hub.reaching import UnreachableError, check_broker_url, check_database_url
from hub.settings import ROOMS, Listen, Ports, UpSettings
from hub.technical import Webhook
from hub.watch import WatchSettings
from runtime.account import CannotRunServerError
from runtime.certificate import fingerprint
from runtime.supervision import run_service

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EXAMPLES = """Examples:

hearthbeat up --data /srv/hearthbeat

hearthbeat up --data /srv/hearthbeat --listen 0.0.0.0 --self-signed

hearthbeat up --database-url postgresql://… --broker-url mqtt://hub:…@10.0.0.5
"""


@app.command(epilog=_EXAMPLES)
def up(
    *,
    data: options.Data = Path("hearthbeat-data"),
    mqtt_port: options.MqttPort = None,
    mqtt_tls_port: options.MqttTlsPort = None,
    mqtts_port: options.MqttsPort = None,
    http_port: options.HttpPort = None,
    database_url: options.OwnDatabase = None,
    broker_url: options.OwnBroker = None,
    listen: options.Listen = "127.0.0.1",
    public_name: options.PublicName = None,
    tls_cert: options.TlsCertificate = None,
    tls_key: options.TlsKey = None,
    self_signed: options.SelfSigned = False,
    insecure: options.Insecure = False,
    metrics_port: options.FirstMetricsPort = None,
    technical_webhook_url: options.WebhookUrl = None,
    watch_away_after: options.AwayAfter = 10.0,
    standby_ingest: options.StandbyIngest = False,
    without: options.Without = None,
) -> None:
    """Run the hub: database, broker, ingest, downlink, alerts and care, until interrupted.

    The first start makes an administrator and shows the password once. It listens on this machine
    only, unless told otherwise, and then with TLS. Ports are kept from start to start.
    """
    _check_urls(database_url, broker_url)
    settings = UpSettings(
        data=data,
        **Ports(mqtt_port, mqtt_tls_port, mqtts_port, http_port)._asdict(),
        database_url=database_url,
        broker_url=broker_url,
        listen=Listen(listen, public_name, tls_cert, tls_key, self_signed, insecure),
        metrics_port=metrics_port,
        webhook=_webhook(technical_webhook_url),
        watch=WatchSettings(away_after_s=watch_away_after),
        standby_ingest=standby_ingest,
        without=_rooms(without or []),
    )
    raise typer.Exit(run_up(settings))


def run_up(settings: UpSettings) -> int:
    """Run until SIGTERM or SIGINT; 0 stopped, 1 failed, 2 refused to start like this.

    3: a database or a broker of somebody else cannot be reached, or does not let the hub in.
    """
    refused = 0

    async def main() -> None:
        nonlocal refused
        hub = Hub(settings, show_password=_show_password)
        try:
            await hub.start()
        except (RefusedError, HomeError, CannotRunServerError, UnreachableError) as error:
            typer.echo(f"hearthbeat up: {error}", err=True)
            refused = 3 if isinstance(error, UnreachableError) else 2
            return
        try:
            show(hub, Console(soft_wrap=True, highlight=False))
            await hub.wait()
        finally:
            await hub.stop()

    code = run_service("hub", main)
    return refused or code


def show(hub: Hub, console: Console) -> None:
    """Say where everything is."""
    secured = "with TLS" if hub.where.tls else "without TLS"
    console.print(f"Console and API   {hub.http_url}")
    host = hub.mqtt_host
    console.print(f"MQTT for devices  {host}:{hub.mqtt_port} {secured}", markup=False)
    if hub.broker is not None:
        console.print(f"  password + TLS  {host}:{hub.broker.password_port}", markup=False)
        console.print(f"  certificate     {host}:{hub.broker.certificate_port}", markup=False)
        console.print(f"  authority       {hub.home.ca}", markup=False)
    else:
        console.print(
            "  somebody else's its passwords, claims and certificates are not followed: give"
        )
        console.print(
            "                  it nodes yourself (docs/administration.md); units stay unbound"
        )
    console.print(f"Data and logs     {hub.home.root}", markup=False)
    if hub.where.tls:
        console.print(f"Certificate       SHA-256 {fingerprint(hub.where.tls.certificate)}")
    for room in hub.not_ready:
        console.print(f"{room} did not get ready: see {hub.home.log}/{room}.log", markup=False)
    console.print("Ctrl-C stops the hub.")


def _show_password(user: str, password: str) -> None:
    typer.echo(f"Sign in           {user} / {password}")
    typer.echo("                  (a new administrator; the password is shown only this once)")


def _check_urls(database_url: str | None, broker_url: str | None) -> None:
    try:
        if database_url is not None:
            check_database_url(database_url)
        if broker_url is not None:
            check_broker_url(broker_url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _webhook(url: str | None) -> Webhook | None:
    if url is None:
        return None
    secret = os.environ.get("HEARTHBEAT_TECHNICAL_WEBHOOK_SECRET")
    if not secret:
        raise typer.BadParameter("set HEARTHBEAT_TECHNICAL_WEBHOOK_SECRET: posts are signed")
    return Webhook(url, secret)


def _rooms(names: list[str]) -> frozenset[str]:
    unknown = set(names) - set(ROOMS)
    if unknown:
        raise typer.BadParameter(f"--without takes {', '.join(ROOMS)}")
    return frozenset(names)
