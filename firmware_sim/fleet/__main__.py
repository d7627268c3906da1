"""`python -m firmware_sim.fleet`, the same as `hearthbeat sim fleet`."""

import typer

from firmware_sim.fleet.command import FLEET_EXAMPLES, fleet

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command(epilog=FLEET_EXAMPLES)(fleet)

if __name__ == "__main__":
    app(prog_name="python -m firmware_sim.fleet")
