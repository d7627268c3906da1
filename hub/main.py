"""`hearthbeat`, the command line. Every command imports its room only when it runs."""

import importlib

import typer

app = typer.Typer(
    name="hearthbeat",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    # Its tracebacks show local variables, and those hold passwords.
    pretty_exceptions_enable=False,
    help="An open, self-hosted telemetry hub for home health devices.",
)

# Name, where it is, one line of help; the command's own --help says the rest, with examples.
_COMMANDS = (
    ("up", "hub.up:app", "Run the whole hub on this machine."),
    ("demo", "hub.demo:demo", "Run a hub with a small simulated village, to look around."),
    ("ingest", "hub.rooms:ingest", "Run ingest alone: from devices into the database."),
    ("downlink", "hub.rooms:downlink", "Run downlink alone: from the database to devices."),
    ("alerts", "hub.rooms:alerts", "Run alerts alone: rules, episodes, escalation, channels."),
    ("care", "hub.rooms:care", "Run care alone: API and console."),
    ("gateway", "gateway.cli:app", "Run a home's gateway: reads meters, rings, asks, reports."),
    ("sim", "firmware_sim.cli:app", "Simulate devices, people and households."),
    ("soak", "hub.soak.cli:app", "Load a hub, break it by seed, and compare books and database."),
    ("lint", "hub.lint:lint", "Check messages as the hub would, without a hub."),
    ("migrate", "hub.rooms:migrate", "Bring a database up to date."),
    ("area", "hub.admin:area", "Add and list areas, from province to village."),
    ("team", "hub.admin:team", "Add and list care teams."),
    ("staff", "hub.admin:staff", "Add and list people who work here, with their tokens."),
    ("patient", "hub.admin:patient", "Add and list patients."),
    ("unit", "hub.admin:unit", "Add, list and import units: devices with a printed code."),
    ("node", "hub.admin:node", "Gateways and robots: add, list, configure, command, revoke."),
    ("firmware", "hub.admin:firmware", "Announce firmware to every device of a product."),
)


def _run(name: str, target: str, args: list[str]) -> None:
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        typer.echo(
            f"hearthbeat {name} needs {error.name}: pip install 'hearthbeat[server]'", err=True
        )
        raise typer.Exit(2) from error
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command()(found)
        found = alone
    typer.main.get_command(found)(args=args, prog_name=f"hearthbeat {name}")


def _mount(name: str, target: str, says: str) -> None:
    def command(context: typer.Context) -> None:
        _run(name, target, context.args)

    # Everything behind the name, --help included, is for the command itself.
    everything = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(name, help=says, add_help_option=False, context_settings=everything)(command)


for _name, _target, _says in _COMMANDS:
    _mount(_name, _target, _says)


if __name__ == "__main__":
    app()
