"""THE FRONT DOOR: the command line and the all-in-one composition. Imports every room, lazily."""
