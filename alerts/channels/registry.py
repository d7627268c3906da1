"""Every channel, in one place. A new channel is a file beside this one and its line here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from alerts.channels.channel import Channel
from alerts.channels.console import Console
from alerts.channels.webhook import Webhook
from alerts.settings import AlertsSettings

CHANNELS: Final[Mapping[str, Callable[[AlertsSettings], Channel]]] = MappingProxyType(
    {
        "console": lambda _settings: Console(),
        "webhook": lambda settings: Webhook(settings.alerts_webhook_timeout_s),
    }
)
