"""Where the schema files are: beside the code in a checkout, inside the package when installed from a wheel."""

from pathlib import Path


class SchemaFileError(ValueError):
    """A file of the folder that cannot be read; the message begins with its path."""


def schemas_folder() -> Path:
    """Return the folder of the schemas, the table of types and their examples."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_schemas"
    return installed if installed.is_dir() else package.parent / "schemas"
