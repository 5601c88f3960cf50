"""The houses of the web's own tests."""

from tests.unit.web.conftest import open_house, password_file

__all__ = ["open_house", "password_file"]
