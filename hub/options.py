"""Options that several commands share, and those of `hearthbeat up`."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path, typer.Option("--data", envvar="HEARTHBEAT_DATA", help="The hub's directory.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(envvar="HEARTHBEAT_DATABASE_URL", help="postgresql://user:password@host/name"),
]
BrokerUrl = Annotated[
    str | None,
    typer.Option(envvar="HEARTHBEAT_BROKER_URL", help="mqtt://user:password@host:port"),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        envvar="HEARTHBEAT_METRICS_PORT",
        help="Loopback port of /metrics and /health.",
        min=0,
        max=65535,
    ),
]
FirstMetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        envvar="HEARTHBEAT_METRICS_PORT",
        help="/metrics of the rooms: this port and the next three; the hub's and the standby's: "
        "the two after.",
        min=1,
        max=65530,
    ),
]
MqttPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="For devices; without: 1883 if it is free; 0: any."),
]
MqttTlsPort = Annotated[
    int | None,
    typer.Option(
        "--mqtt-tls-port",
        min=0,
        max=65535,
        help="For devices with a password, over TLS; without: 8884 if it is free; 0: any.",
    ),
]
MqttsPort = Annotated[
    int | None,
    typer.Option(
        "--mqtts-port",
        min=0,
        max=65535,
        help="For devices with a certificate; without: 8883 if it is free; 0: any.",
    ),
]
HttpPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Console, API; without: 8080 if it is free; 0: any."),
]
OwnDatabase = Annotated[
    str | None, typer.Option("--database-url", help="Use this PostgreSQL and start none.")
]
OwnBroker = Annotated[
    str | None,
    typer.Option("--broker-url", help="Use this broker and start none; carries the hub's user."),
]
Listen = Annotated[str, typer.Option(help="The address devices and browsers come in by.")]
PublicName = Annotated[str | None, typer.Option(help="What others call this machine.")]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM; read at start.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Its private key, PEM.")]
SelfSigned = Annotated[
    bool, typer.Option("--self-signed", help="Use a certificate of the hub's own authority.")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Listen beyond this machine without TLS.")
]
WebhookUrl = Annotated[
    str | None,
    typer.Option(
        envvar="HEARTHBEAT_TECHNICAL_WEBHOOK_URL",
        help="Where technical alarms go, signed with HEARTHBEAT_TECHNICAL_WEBHOOK_SECRET.",
    ),
]
AwayAfter = Annotated[
    float, typer.Option(help="Seconds without the database before the technical alarm.")
]
StandbyIngest = Annotated[
    bool,
    typer.Option(
        "--standby-ingest",
        help="A second ingest, which takes over within seconds from one that is killed or stuck.",
    ),
]
Without = Annotated[list[str] | None, typer.Option(hidden=True)]
