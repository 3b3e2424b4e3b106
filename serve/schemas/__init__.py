"""What crosses the HTTP border, as pydantic schemas; inside the product these are dataclasses."""
