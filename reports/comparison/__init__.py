"""`avbench compare`: runs beside each other, with paired differences."""
