"""The parts of `run`. Standard library; torch where a module says so."""
