"""Watch drop folders, submit to Offcloud, fetch what is finished."""

__version__ = "0.1.0"
