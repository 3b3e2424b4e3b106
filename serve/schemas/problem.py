"""RFC 9457 problem details with `code`, `errors[].pointer`, `request_id` and `retryable`."""

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE = "application/problem+json"


class InvalidField(BaseModel):
    """One mistake in a request body or query; `pointer` is a JSON Pointer (RFC 6901)."""

    pointer: str = Field(examples=["/disease_type"])
    detail: str = Field(examples=["Field required"])
    code: str = Field(examples=["missing"])


class Problem(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "there is no genomic data 7.",
                    "code": "not_found",
                    "request_id": "0f8e9a4c",
                    "retryable": False,
                }
            ]
        }
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    code: str
    errors: list[InvalidField] = Field(default_factory=list)
    request_id: str
    retryable: bool = False
    fix: str | None = None
    file: str | None = None
    line: int | None = None
    field: str | None = None
