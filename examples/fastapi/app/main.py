"""A shopping list."""

from fastapi import FastAPI, status
from pydantic import BaseModel, Field

app = FastAPI(title="Shopping")
items: list["Item"] = []


class Item(BaseModel):
    name: str = Field(min_length=1, max_length=80)
    count: int = Field(default=1, ge=1)


@app.get("/items")
def listed() -> list[Item]:
    return items


@app.post("/items", status_code=status.HTTP_201_CREATED)
def added(item: Item) -> Item:
    items.append(item)
    return item


@app.get("/healthz")
def health() -> dict[str, str]:
    return {"status": "ok"}
