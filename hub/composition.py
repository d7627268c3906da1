"""The whole hub on one machine: two servers, four rooms, and what keeps them together."""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any, Self

import structlog
from psycopg import AsyncConnection

from contract.acl import ACL, CLAIMS_USER, DOWNLINK_USER, INGEST_USER
from contract.instants import to_millis
from hub import logs, readiness
from hub.clock_watch import watch_clock
from hub.credentials import Credentials
from hub.damage import watch_pages
from hub.disk_watch import serve_metrics, watch_disk
from hub.full_database import watch_room
from hub.home import Home
from hub.keeper import Keeper
from hub.listening import Listening, decide, demand_free, settle_port
from hub.parts import RoomPart, ServerPart
from hub.reaching import demand_broker, demand_database, told_of_database
from hub.renewal import keep_renewed
from hub.settings import ROOMS, STANDBY, UpSettings
from hub.technical import TechnicalAlarms
from hub.watch import watch_database
from runtime.account import service_account
from runtime.authority import Authority
from runtime.clock import Clock, SystemClock
from runtime.mosquitto_server import MosquittoServer, Secured
from runtime.postgres_server import PostgresServer
from runtime.running import read_pid
from runtime.sealing import prepare_key
from runtime.settings import Broker, parse_broker_url
from runtime.supervision import run_tasks
from store.health import has_room, pages, takes_commits
from store.migrate import migrate

_LOG = structlog.get_logger()
_MQTT_PORT, _HTTP_PORT = 1883, 8080
_READY_TIMEOUT_S = 60.0


class Hub:
    """One running hub: `async with Hub(settings) as hub`, or `start` and `stop`.

    After `start`: the addresses, `administrator` as (user, password) at the very first start
    only, and `not_ready`, the rooms that run but did not report ready in time.
    """

    def __init__(
        self,
        settings: UpSettings,
        clock: Clock | None = None,
        show_password: Callable[[str, str], None] | None = None,
    ) -> None:
        """Nothing is touched before `start`.

        `show_password(user, password)` is called as soon as there is a first administrator: a
        start that fails afterwards must not take the only copy with it.
        """
        self.settings = settings
        self.home = Home(settings.data)
        self.database_url = settings.database_url or ""
        self.mqtt_host, self.mqtt_port = "", 0
        self.http_port, self.http_url = 0, ""
        self.administrator: tuple[str, str] | None = None
        self.not_ready: list[str] = []
        self.where = Listening("127.0.0.1", "127.0.0.1", None)
        self.broker: MosquittoServer | None = None
        self.authority: Authority | None = None
        self._clock = clock or SystemClock()
        self._show_password = show_password
        self._held = ExitStack()
        self._background: asyncio.Task[None] | None = None
        log = self.home.log / "technical.log"
        self.alarms = TechnicalAlarms(log, settings.webhook, self._clock)
        self.keeper = Keeper(self.home, self._keeps_dying)

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start everything and return when devices and people can use it.

        Raises RefusedError, HomeError, CannotRunServerError or UnreachableError; what was started
        is stopped.
        """
        account = self.home.prepare()
        self._held.enter_context(self.home.locked())
        try:
            prepare_key(self.home.unit_key)
            self.authority = Authority.prepare(self.home.authority, self._clock)
            self.where = decide(
                self.settings.listen, self.authority, self.home.tls, self._clock, account
            )
            self._settle_http()
            await self._demand_given()
            await self._start_servers()
            await self._prepare_database()
            await self._start_rooms()
            self.home.note_addresses(self.addresses())
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> None:
        """Run until cancelled; raises what ended the hub from within."""
        if self._background is not None:
            await asyncio.shield(self._background)

    async def stop(self) -> None:
        """Stop in order, within 10 s: the keeping, the rooms, the broker, the database."""
        if self._background is not None:
            self._background.cancel()
            await asyncio.gather(self._background, return_exceptions=True)
            self._background = None
        self.home.forget_addresses()
        # The standby first: it is not to take over what is meant to end.
        for names in ((STANDBY,), ROOMS, ("mosquitto",), ("postgres",)):
            await self.keeper.stop(*names)
        self._held.close()

    def addresses(self) -> dict[str, Any]:
        """What `run/hub.json` says."""
        return {
            "database_url": self.database_url,
            "mqtt_host": self.mqtt_host,
            "mqtt_port": self.mqtt_port,
            "mqtt_tls": self._device_broker().tls,
            # These two always have TLS: for passwords, and for certificates.
            "mqtt_tls_port": self.broker.password_port if self.broker else None,
            "mqtts_port": self.broker.certificate_port if self.broker else None,
            "ca": str(self.home.ca),
            "http_url": self.http_url,
            "certificate": str(self.where.tls.certificate) if self.where.tls else None,
            # Without, somebody else's broker must be told about new nodes by hand.
            "own_broker": self.broker is not None,
            "pid": os.getpid(),
        }

    def service_broker_url(self, user: str) -> str:
        """Where a service of the hub connects to the broker, as this user where it is ours."""
        if self.broker is None:
            return self.settings.broker_url or ""
        return self.broker.service_url(user)

    def _settle_http(self) -> None:
        asked, address = self.settings.http_port, self.where.address
        kept = self.home.run / "http_port"
        self.http_port = settle_port(kept, asked, _HTTP_PORT, address)
        if "care" not in self.settings.without:
            demand_free(self.http_port, address, "--http-port")
        self.http_url = self.where.url(self.http_port)

    async def _demand_given(self) -> None:
        if self.settings.database_url is not None:
            await demand_database(self.settings.database_url)
        if self.settings.broker_url is not None:
            await demand_broker(self.settings.broker_url)

    async def _start_servers(self) -> None:
        if self.settings.database_url is None:
            await self._start_postgres()
        if self.settings.broker_url is None:
            await self._start_broker()
        else:
            given = parse_broker_url(self.settings.broker_url)
            self.mqtt_host, self.mqtt_port = given.host, given.port
            _LOG.warning("credentials_not_followed", reason="the broker is not the hub's own")

    async def _start_postgres(self) -> None:
        log, secrets = self.home.log / "postgres.log", self.home.secrets
        server = PostgresServer(self.home.postgres, log=log, secrets=secrets)
        await self.keeper.start(ServerPart(server))
        self.database_url = server.url

    async def _start_broker(self) -> None:
        kept, address = self.home.run / "mqtt_port", self.where.address
        self.broker = MosquittoServer(
            self.home.mosquitto,
            acl=ACL,
            services=(INGEST_USER, DOWNLINK_USER, CLAIMS_USER),
            port=settle_port(kept, self.settings.mqtt_port, _MQTT_PORT, address),
            address=address,
            tls=self.where.tls,
            secured=self._secured(),
            log=self.home.log / "mosquitto.log",
            secrets=self.home.secrets,
        )
        await self.keeper.start(ServerPart(self.broker))
        self.mqtt_host, self.mqtt_port = self.where.name, self.broker.port

    def _secured(self) -> Secured | None:
        if self.authority is None:
            return None
        return Secured(
            server=self.authority.serve_as(
                self.home.tls, self.where.names, self._clock, service_account()
            ),
            authority_pem=self.authority.pem,
            revocations=self.authority.revocations((), now=self._clock.now()),
            password_port=self.settings.mqtt_tls_port,
            certificate_port=self.settings.mqtts_port,
        )

    async def _prepare_database(self) -> None:
        from care.people.first_start import ensure_administrator

        with told_of_database() if self.settings.database_url else nullcontext():
            for name in await migrate(self.database_url):
                _LOG.info("migration_applied", name=name)
        async with await AsyncConnection.connect(self.database_url, autocommit=True) as conn:
            self.administrator = await ensure_administrator(conn, self._clock.now())
        if self.administrator and self._show_password:
            self._show_password(*self.administrator)

    async def _start_rooms(self) -> None:
        started = to_millis(self._clock.now())
        rooms = [room for room in ROOMS if room not in self.settings.without]
        for room in rooms:
            await self._start_room(room, room)
        if self.settings.standby_ingest and "ingest" in rooms:
            await self._start_room(STANDBY, "ingest")
        self._background = asyncio.create_task(run_tasks(self._tasks()))
        # A task that is cancelled before its first step leaves its coroutines unawaited.
        await asyncio.sleep(0)
        await self._until_ready(rooms, started)

    async def _start_room(self, name: str, room: str) -> None:
        environment = self._environment(room)
        if name == STANDBY and self.settings.metrics_port:
            environment["HEARTHBEAT_METRICS_PORT"] = str(
                self.settings.metrics_port + len(ROOMS) + 1
            )
        part = RoomPart(name, environment, self.home.log / f"{name}.log", room=room)
        part.end_leftover(read_pid(self.home.run / f"{name}.pid"))
        await self.keeper.start(part)

    def _tasks(self) -> dict[str, Any]:
        tasks: dict[str, Any] = {f"keep {n}": self.keeper.keep(n) for n in self.keeper.parts}
        tasks["logs"] = logs.keep_bounded(self.home.log)
        url, rules = self.database_url, self.settings.watch
        tasks["watch"] = watch_database(lambda: takes_commits(url), self.alarms, rules)
        tasks["pages"] = watch_pages(lambda: pages(url), self.alarms)
        tasks["room"] = watch_room(lambda: has_room(url), self.alarms)
        tasks["clock"] = watch_clock(self._clock, self.alarms)
        tasks["disk"] = watch_disk(self.home.root, self.alarms, self.settings.disk)
        if self.settings.metrics_port:
            tasks["metrics"] = serve_metrics(self.settings.metrics_port + len(ROOMS))
        if self.broker is not None:
            followed = Credentials(self.broker, self._clock, self.authority)
            tasks["credentials"] = followed.follow(url)
            tasks["certificates"] = keep_renewed(self._secured, self.broker)
        return tasks

    async def _until_ready(self, rooms: list[str], since_ms: int) -> None:
        waits = {}
        if "care" in rooms:
            local = self.where.local
            waits["care"] = readiness.http_answers(local, self.http_port, _READY_TIMEOUT_S)
        if "ingest" in rooms:
            broker = parse_broker_url(self.service_broker_url(INGEST_USER))
            waits["ingest"] = readiness.ingest_ready(broker, since_ms, _READY_TIMEOUT_S)
        answers = await asyncio.gather(*waits.values())
        self.not_ready = [room for room, ready in zip(waits, answers, strict=True) if not ready]
        for room in self.not_ready:
            _LOG.error("room_not_ready", room_name=room, log=f"log/{room}.log")

    def _environment(self, room: str) -> dict[str, str]:
        """What a room finds in its environment; only those that need the broker can get in."""
        users = {"ingest": INGEST_USER, "downlink": DOWNLINK_USER}
        found = {"DATABASE_URL": self.database_url, "CONSOLE_URL": self.http_url}
        if room in users:
            found["BROKER_URL"] = self.service_broker_url(users[room])
        if room == "care":
            found |= self._care_environment()
        if room == "downlink" and self.broker is not None:
            found |= self._claims_environment(self.broker)
        if self.settings.metrics_port:
            found["METRICS_PORT"] = str(self.settings.metrics_port + ROOMS.index(room))
        if self.settings.webhook:
            found["TECHNICAL_WEBHOOK_URL"] = self.settings.webhook.url
            found["TECHNICAL_WEBHOOK_SECRET"] = self.settings.webhook.secret
        named = {f"HEARTHBEAT_{key}": value for key, value in found.items()}
        return {**named, **self.settings.environment}

    def _claims_environment(self, broker: MosquittoServer) -> dict[str, str]:
        """What downlink needs to make nodes of units; with a foreign broker it does not."""
        return {
            "CLAIMS_URL": broker.service_url(CLAIMS_USER),
            "AUTHORITY": str(self.home.authority),
            "UNIT_KEY": str(self.home.unit_key),
            "DEVICE_MQTT_HOST": self.mqtt_host,
            "DEVICE_MQTT_TLS_PORT": str(broker.password_port),
            "DEVICE_MQTTS_PORT": str(broker.certificate_port),
        }

    def _care_environment(self) -> dict[str, str]:
        broker = self._device_broker()
        found = {
            "HTTP_HOST": self.where.address,
            "HTTP_PORT": str(self.http_port),
            "PUBLIC_URL": self.http_url,
            "INSECURE": str(self.settings.listen.insecure),
            "DEVICE_MQTT_HOST": broker.host,
            "DEVICE_MQTT_PORT": str(broker.port),
            "DEVICE_MQTT_TLS": str(broker.tls),
            "UNIT_KEY": str(self.home.unit_key),
        }
        if self.where.tls:
            found["TLS_CERTIFICATE"], found["TLS_KEY"] = map(str, self.where.tls)
        return found

    def _device_broker(self) -> Broker:
        if self.settings.broker_url is not None:
            return parse_broker_url(self.settings.broker_url)
        return Broker(self.mqtt_host, self.mqtt_port, None, None, self.where.tls is not None)

    async def _keeps_dying(self, part: str, begins: bool) -> None:
        text = f"{part} keeps dying" if begins else f"{part} stays up again"
        await self.alarms.tell(f"{part}_keeps_dying", "begin" if begins else "over", text)
