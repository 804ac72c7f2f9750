"""What `loadtest/compare` is made of: starting gateways, loading them, counting, and telling what was counted.

Modules, bottom first: `figures` (statistics), `scenarios` (what is asked), `processes` (what runs, and its clocks),
`contenders` (who is compared), `generators`, `origins` and `clients` (who asks and who answers), `results` (a run's
data), `measure` (one scenario), `tables`, `svg` and `plots` (how it is shown), `host` (where it ran), `app` (the
command line), `installing` (only with --install). Standard library only.
"""
