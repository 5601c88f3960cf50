"""Watch drop folders, submit to Offcloud, fetch what is finished."""
