"""The doctors' console: NiceGUI pages on the same functions as the API, without a build step.

`mount(app, pool, clock, settings, lifetime)` is all other rooms need. A new page is one file with
`register(console)`, named in `mounting.PAGES`.
"""

from care.console.mounting import mount

__all__ = ["mount"]
